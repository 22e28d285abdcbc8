//! The host that a request is for. A page whose name points to a loopback address (DNS rebinding) is of
//! the same origin as the server that listens there; only the name gives it away.

use std::net::IpAddr;
use std::str::FromStr;

use hyper::Version;
use hyper::header::HOST;
use hyper::http::request::Parts;
use hyper::http::uri::Authority;

use crate::http::reply::Rejection;

/// A host for which a server on loopback answers too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedHost {
    /// Every host, `*`.
    Any,
    /// A name or an address, without a port.
    Name(String),
}

/// What was given as a host is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a host; write a name or an address without a port, or * for any")]
pub struct BadHost(String);

impl FromStr for AllowedHost {
    type Err = BadHost;

    fn from_str(text: &str) -> Result<Self, BadHost> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let bad = || BadHost(text.to_owned());
        // The one way to write a host with colons is in brackets.
        let bracketed = match text.parse::<IpAddr>() {
            Ok(IpAddr::V6(_)) => format!("[{text}]"),
            _ => text.to_owned(),
        };
        let host = Host::parse(&bracketed).ok_or_else(bad)?;
        if host.name.is_empty() || host.authority.port().is_some() {
            return Err(bad());
        }
        Ok(Self::Name(host.name))
    }
}

impl AllowedHost {
    /// Whether this allows `host`.
    pub(super) fn allows(&self, host: &Host) -> bool {
        match self {
            Self::Any => true,
            Self::Name(name) => *name == host.name,
        }
    }
}

/// The host of a request.
#[derive(Debug)]
pub(super) struct Host {
    /// As it was sent: with its port, if it has one.
    pub(super) authority: Authority,
    /// Without port, brackets and final dot, in lower case.
    pub(super) name: String,
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        let authority = Authority::from_str(text).ok()?;
        // `user@host` is for URLs only; a port that is no number is none.
        let has_port = authority.as_str().len() > authority.host().len();
        if text.contains('@') || (has_port && authority.port_u16().is_none()) {
            return None;
        }
        let name = authority.host().trim_start_matches('[').trim_end_matches(']');
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        Some(Self { authority, name })
    }

    /// Whether this is a loopback name or address, or the address `listening`.
    pub(super) fn is_loopback(&self, listening: IpAddr) -> bool {
        if self.name == "localhost" || self.name.ends_with(".localhost") {
            return true;
        }
        self.name.parse::<IpAddr>().is_ok_and(|ip| {
            let ip = ip.to_canonical();
            ip.is_loopback() || ip == listening
        })
    }
}

/// The host of a request: of its target if that has one, or else of its `Host` (RFC 9112 §3.2.2).
/// `None` in HTTP/1.0, which needs none.
///
/// # Errors
/// [`Rejection`] when it has no `Host`, several, or something that is no host (RFC 9112 §3.2).
pub(super) fn of(request: &Parts) -> Result<Option<Host>, Rejection> {
    let mut hosts = request.headers.get_all(HOST).iter();
    let field = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host,
        (None, _) if request.version < Version::HTTP_11 => return Ok(None),
        (None, _) if request.version >= Version::HTTP_2 => {
            // Its target has it (RFC 9113 §8.3.1, RFC 9114 §4.3.1).
            let authority = request.uri.authority().and_then(|of| Host::parse(of.as_str()));
            return match authority {
                Some(host) => Ok(Some(host)),
                None => Err(Rejection::bad_request("the request has no valid :authority")),
            };
        }
        (None, _) => {
            return Err(Rejection::bad_request(
                "the request has no Host header; HTTP/1.1 requires one",
            ));
        }
        (Some(_), Some(_)) => {
            let count = request.headers.get_all(HOST).iter().count();
            return Err(Rejection::bad_request(format!(
                "the request has {count} Host headers; send exactly one"
            )));
        }
    };
    let parsed = field.to_str().ok().and_then(Host::parse);
    let Some(parsed) = parsed else {
        return Err(Rejection::bad_request(format!(
            "the Host header {:?} is not a host; send the name or address of the server",
            String::from_utf8_lossy(field.as_bytes())
        )));
    };
    let target = request.uri.authority().map(|authority| Host::parse(authority.as_str()));
    match target {
        None => Ok(Some(parsed)),
        Some(Some(target)) => Ok(Some(target)),
        Some(None) => Err(Rejection::bad_request(
            "the target of the request has no valid host; send the path alone",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_many_names() {
        let listening = "127.0.0.5".parse().unwrap();
        let is_loopback = |host: &str| Host::parse(host).unwrap().is_loopback(listening);
        for own in [
            "localhost",
            "LOCALHOST:8080",
            "localhost.",
            "app.localhost:80",
            "127.0.0.1",
            "127.0.0.5:8080",
            "127.9.9.9",
            "[::1]",
            "[::1]:8080",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(is_loopback(own), "{own}");
        }
        for foreign in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "notlocalhost",
            "127.0.0.1.nip.io",
            "10.0.0.1",
            "[::2]",
            "0.0.0.0",
        ] {
            assert!(!is_loopback(foreign), "{foreign}");
        }
    }

    #[test]
    fn what_is_no_host_is_none() {
        for bad in ["", "a b", "user@localhost", "localhost:x", "localhost:99999", "a/b", "[::1"] {
            assert!(Host::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn hosts_are_allowed_by_name() {
        let allowed = |text: &str| text.parse::<AllowedHost>();
        let host = |text: &str| Host::parse(text).unwrap();
        assert!(allowed("*").unwrap().allows(&host("x:1")));
        assert!(allowed("App.Example").unwrap().allows(&host("app.example:8080")));
        assert!(!allowed("app.example").unwrap().allows(&host("example")));
        assert!(allowed("2001:db8::1").unwrap().allows(&host("[2001:db8::1]:80")));
        for bad in ["", "http://a", "a:80", "a b", "*.a b"] {
            assert_eq!(allowed(bad), Err(BadHost(bad.to_owned())));
        }
    }
}
