//! The page that a request comes from: the `Origin` that browsers send (RFC 6454), and `Sec-Fetch-Site`
//! where they send no `Origin`.

use std::str::FromStr;

use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// An origin whose pages may use the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedOrigin {
    /// Every origin, `*`.
    Any,
    /// One origin as browsers send it, in lower case and without a default port.
    One(String),
}

/// What was given as an origin is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an origin; write scheme://host or scheme://host:port without a path, such as \
     https://app.example, or * for any"
)]
pub struct BadOrigin(String);

impl FromStr for AllowedOrigin {
    type Err = BadOrigin;

    fn from_str(text: &str) -> Result<Self, BadOrigin> {
        match text {
            "*" => return Ok(Self::Any),
            // What browsers send for files, and for what they do not want to name.
            "null" => return Ok(Self::One(text.to_owned())),
            _ => {}
        }
        let bad = || BadOrigin(text.to_owned());
        let text = text.to_ascii_lowercase();
        let (scheme, authority) = text.split_once("://").ok_or_else(bad)?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        let parsed: Authority = authority.parse().map_err(|_| bad())?;
        if !is_scheme || authority.contains('@') || parsed.host().is_empty() {
            return Err(bad());
        }
        let default_port = match scheme {
            "http" | "ws" => ":80",
            "https" | "wss" => ":443",
            _ => "",
        };
        let authority = authority.strip_suffix(default_port).unwrap_or(authority);
        Ok(Self::One(format!("{scheme}://{authority}")))
    }
}

impl AllowedOrigin {
    /// Whether a page of `origin` is meant.
    pub(super) fn is(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::Any => true,
            Self::One(allowed) => origin.as_bytes().eq_ignore_ascii_case(allowed.as_bytes()),
        }
    }
}

/// Whether `origin` is that of a page which the server itself sent, as `host`. A proxy in front of the
/// server may have made https of its http.
pub(super) fn is_own(origin: &HeaderValue, host: &Authority) -> bool {
    let origin = origin.as_bytes();
    let authority = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
    authority.is_some_and(|own| own.eq_ignore_ascii_case(host.as_str().as_bytes()))
}

/// Whether a page of another origin embeds what is asked for, as an image or a script. Browsers send no
/// `Origin` then. That page cannot read the answer, but it could hold connections. Whoever follows a
/// link leaves that page.
pub(super) fn is_embedded_elsewhere(request: &Parts) -> bool {
    let header = |name| request.headers.get(name).map(HeaderValue::as_bytes);
    matches!(header(SEC_FETCH_SITE), Some(b"cross-site" | b"same-site"))
        && header(SEC_FETCH_MODE) != Some(b"navigate")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_compared_as_browsers_send_them() {
        let is = |allowed: &str, origin: &'static str| {
            allowed.parse::<AllowedOrigin>().unwrap().is(&HeaderValue::from_static(origin))
        };
        assert!(is("*", "http://any"));
        assert!(is("https://App.example:443", "https://app.example"));
        assert!(is("http://localhost:3000", "http://localhost:3000"));
        assert!(is("null", "null"));
        assert!(is("http://[::1]:3000", "http://[::1]:3000"));
        assert!(!is("http://localhost:3000", "http://localhost:3001"));
        assert!(!is("http://app.example", "https://app.example"));
        assert!(!is("http://app.example", "http://app.example.evil"));
        for bad in ["", "app.example", "http://", "http://a/", "http://a b", "://a", "http://u@a"] {
            assert_eq!(bad.parse::<AllowedOrigin>(), Err(BadOrigin(bad.to_owned())), "{bad}");
        }
    }

    #[test]
    fn the_own_origin_is_that_of_the_host() {
        let is = |origin: &'static str, host: &str| {
            is_own(&HeaderValue::from_static(origin), &host.parse().unwrap())
        };
        assert!(is("http://127.0.0.1:8080", "127.0.0.1:8080"));
        assert!(is("https://Push.example", "push.example"));
        assert!(!is("http://127.0.0.1:8081", "127.0.0.1:8080"));
        assert!(!is("http://localhost:8080", "127.0.0.1:8080"));
        assert!(!is("null", "null"));
        assert!(!is("ftp://a", "a"));
    }
}
