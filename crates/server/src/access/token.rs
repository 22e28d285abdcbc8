//! The secret that a client has to know, as a bearer token (RFC 6750 §2) in the header or, for
//! `EventSource` and `WebSocket`, which can set none, in the query.

use std::fmt;
use std::hint::black_box;
use std::str::FromStr;

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use pushbench_wire::endpoint::TOKEN;

use crate::http::reply::Rejection;
use crate::http::request::query_value;

/// A secret. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<[u8]>);

/// What was given as a token cannot be sent as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token must be 1 to 256 characters of A-Z a-z 0-9 - . _ ~ + / =")]
pub struct BadToken;

impl FromStr for Token {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, BadToken> {
        let is_valid = (1..=256).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b));
        if is_valid { Ok(Self(text.as_bytes().into())) } else { Err(BadToken) }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// Whether a request has this token.
    pub(super) fn is_in(&self, request: &Parts) -> bool {
        let headers = request.headers.get_all(AUTHORIZATION).iter();
        let mut bearers = headers.filter_map(|value| bearer(value.as_bytes()));
        bearers.any(|given| self.is(given))
            || query_value(request, TOKEN).is_some_and(|given| self.is(&unescape(given)))
    }

    /// Compares in a time that depends on the length of this token only.
    fn is(&self, given: &[u8]) -> bool {
        let mut differs = u8::from(self.0.len() != given.len());
        for (at, expected) in self.0.iter().enumerate() {
            let given = given.get(at).copied().unwrap_or_default();
            // The compiler must not see that one difference decides.
            differs = black_box(differs | (expected ^ given));
        }
        differs == 0
    }
}

/// What follows `Bearer`, whose case does not matter (RFC 9110 §11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// Undoes percent-encoding. Whatever is none stays.
fn unescape(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut plain = Vec::with_capacity(rest.len());
    while let Some((&first, behind)) = rest.split_first() {
        let escaped = (first == b'%')
            .then(|| std::str::from_utf8(behind.get(..2)?).ok())
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        plain.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { &behind[2..] } else { behind };
    }
    plain
}

/// The answer to a request without the token.
pub(super) fn rejection() -> Rejection {
    Rejection::new(
        StatusCode::UNAUTHORIZED,
        format!(
            "this server wants its token; send Authorization: Bearer TOKEN, or add {TOKEN}=TOKEN to \
             the query"
        ),
    )
    .with_header(WWW_AUTHENTICATE, "Bearer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn is_in(token: &str, uri: &str, header: &str) -> bool {
        let mut request = Request::builder().uri(uri);
        if !header.is_empty() {
            request = request.header(AUTHORIZATION, header);
        }
        let request = request.body(()).unwrap().into_parts().0;
        token.parse::<Token>().unwrap().is_in(&request)
    }

    #[test]
    fn a_token_is_in_the_header_or_the_query() {
        assert!(is_in("s3cret", "/", "Bearer s3cret"));
        assert!(is_in("s3cret", "/", "bearer  s3cret "));
        assert!(is_in("s3cret", "/?after=1&token=s3cret", ""));
        assert!(is_in("a+b/c=", "/?token=a+b/c=", ""));
        assert!(is_in("a+b/c=", "/?token=a%2Bb%2fc%3D", ""));
        assert!(is_in("s3cret", "/?token=s3cret", "Basic abc"));
    }

    #[test]
    fn anything_else_is_no_token() {
        for header in ["", "s3cret", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3crets"] {
            assert!(!is_in("s3cret", "/", header), "{header:?}");
        }
        for uri in ["/?token=", "/?token", "/?token=S3cret", "/?tokens=s3cret", "/?token=%7"] {
            assert!(!is_in("s3cret", uri, ""), "{uri}");
        }
        assert!(!is_in("s3cret", "/", "Basic s3cret"));
    }

    #[test]
    fn a_token_can_be_sent_and_is_not_shown() {
        for bad in ["", "two words", "a&b", "é", "a%b", &"x".repeat(257)] {
            assert_eq!(bad.parse::<Token>(), Err(BadToken), "{bad:?}");
        }
        assert_eq!(format!("{:?}", "s3cret".parse::<Token>().unwrap()), "Token(…)");
    }
}
