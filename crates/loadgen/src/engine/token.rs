//! Tokens for servers, from the environment: none of them is kept beyond a trial.

use std::env::VarError;

use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use ring::hmac;

use crate::scenario::Token;

/// What a token of HS256 begins with (RFC 7515 §3).
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// The value of a token.
///
/// # Errors
/// When the environment has not what it takes.
pub(crate) fn token(from: &Token) -> anyhow::Result<String> {
    let variable = |name: &str| {
        std::env::var(name).map_err(|error| match error {
            VarError::NotPresent => anyhow!("the environment variable {name} is not set"),
            VarError::NotUnicode(_) => anyhow!("the environment variable {name} is no text"),
        })
    };
    match from {
        Token::Variable(name) => variable(name),
        Token::Signed { key_variable, claims } => {
            Ok(signed(claims, variable(key_variable)?.as_bytes()))
        }
    }
}

/// A JSON Web Token in its compact form (RFC 7515 §7.1).
fn signed(claims: &str, key: &[u8]) -> String {
    let text = format!("{}.{}", BASE64_URL.encode(HEADER), BASE64_URL.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let signature = BASE64_URL.encode(hmac::sign(&key, text.as_bytes()));
    format!("{text}.{signature}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of jwt.io, which every implementation is held against.
    #[test]
    fn a_token_is_signed_as_everywhere() {
        let claims = r#"{"sub":"1234567890","name":"John Doe","iat":1516239022}"#;
        assert_eq!(
            signed(claims, b"your-256-bit-secret"),
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
             eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.\
             SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
        );
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let missing = token(&Token::Variable("PUSHBENCH_NO_SUCH".into())).unwrap_err().to_string();
        assert!(missing.contains("PUSHBENCH_NO_SUCH is not set"), "{missing}");
    }
}
