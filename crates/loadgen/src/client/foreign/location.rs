//! A URL as a place to connect to.

use std::net::SocketAddr;
use std::rc::Rc;

use hyper::Uri;
use hyper::header::HeaderValue;

use crate::client::ClientError;
use crate::client::socket::{ConnectionMeter, Stream};

/// Where a URL leads, and what is asked for there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    /// A name or an address, without brackets.
    pub(crate) host: String,
    /// As it is, or as the scheme has it.
    pub(crate) port: u16,
    /// The value of `Host`.
    authority: String,
    /// Path and query.
    pub(super) path: String,
}

impl Location {
    /// Reads an `http` or `ws` URL.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub(crate) fn of(url: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{url:?} {why}");
        let uri: Uri = url.parse().map_err(|error| wrong(&format!("is no URL: {error}")))?;
        let port = match uri.scheme_str() {
            Some("http" | "ws") => 80,
            Some("https" | "wss") => {
                return Err(wrong("asks for TLS, which pushbench does not speak yet: use http://"));
            }
            _ => return Err(wrong("is no URL: it must begin with http:// or ws://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        Ok(Self {
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(port),
            authority: authority.as_str().rsplit('@').next().unwrap_or_default().to_owned(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }

    /// Its addresses.
    ///
    /// # Errors
    /// When nobody knows the name.
    pub(crate) async fn addresses(&self) -> Result<Vec<SocketAddr>, String> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        match found.map(Iterator::collect::<Vec<_>>) {
            Ok(found) if !found.is_empty() => Ok(found),
            Ok(_) => Err(format!("the host `{}` has no address", self.host)),
            Err(error) => Err(format!("the host `{}` is not known: {error}", self.host)),
        }
    }

    pub(super) async fn connect(&self, meter: &Rc<ConnectionMeter>) -> Result<Stream, ClientError> {
        let mut last = ClientError::Foreign(format!("the host `{}` has no address", self.host));
        for address in self.addresses().await.map_err(ClientError::Foreign)? {
            match Stream::open(address, meter).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Path and query.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The value of `Host`.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    pub(super) fn host_header(&self) -> Result<HeaderValue, ClientError> {
        Ok(HeaderValue::try_from(&self.authority).map_err(hyper::http::Error::from)?)
    }

    /// Whether one connection can carry requests for both.
    pub(super) fn shares_connection_with(&self, other: &Self) -> bool {
        (&self.host, self.port) == (&other.host, other.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lead_somewhere() {
        let of = |url: &str| Location::of(url).map(|of| (of.host, of.port, of.authority, of.path));
        let some = |host: &str, port, authority: &str, path: &str| {
            Ok((host.to_owned(), port, authority.to_owned(), path.to_owned()))
        };
        assert_eq!(of("http://a:81/b?c=d"), some("a", 81, "a:81", "/b?c=d"));
        assert_eq!(of("ws://localhost"), some("localhost", 80, "localhost", "/"));
        assert_eq!(of("http://u:p@[::1]:8/"), some("::1", 8, "[::1]:8", "/"));
        for (url, why) in [
            ("https://a", "asks for TLS"),
            ("a/b", "is no URL"),
            ("/b", "must begin with http:// or ws://"),
            ("http://", "is no URL"),
            ("ftp://a", "must begin with"),
        ] {
            let error = of(url).unwrap_err();
            assert!(error.contains(why), "{url}: {error}");
        }
    }
}
