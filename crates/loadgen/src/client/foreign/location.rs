//! A URL as a place to connect to.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use hyper::Uri;
use hyper::header::HeaderValue;
use tokio::time::timeout;

use super::Foreign;
use crate::client::meter::ConnectionMeter;
use crate::client::socket::Stream;
use crate::client::tls::Secured;
use crate::client::tls_refusal::Refusal;
use crate::client::{ClientError, Tls};
use crate::scenario::with_loopback;

/// How long a TLS handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// Where a URL leads, and what is asked for there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    is_secure: bool,
    /// A name or an address, without brackets.
    pub(crate) host: String,
    /// As it is, or as the scheme has it.
    pub(crate) port: u16,
    /// The value of `Host`.
    authority: HeaderValue,
    /// Path and query.
    pub(super) path: String,
}

impl Location {
    /// Reads a URL of `http`, `https`, `ws` or `wss`.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub(crate) fn of(url: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{url:?} {why}");
        let uri: Uri = url.parse().map_err(|error| wrong(&format!("is no URL: {error}")))?;
        let (is_secure, port) = match uri.scheme_str() {
            Some("http" | "ws") => (false, 80),
            Some("https" | "wss") => (true, 443),
            _ => {
                return Err(wrong(
                    "is no URL: it must begin with http://, https://, ws:// or wss://",
                ));
            }
        };
        let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        Ok(Self {
            is_secure,
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(port),
            authority: HeaderValue::try_from(
                authority.as_str().rsplit('@').next().unwrap_or_default(),
            )
            .map_err(|_| wrong("names a host that cannot be one"))?,
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }

    /// Its addresses.
    ///
    /// # Errors
    /// When nobody knows the name.
    pub(crate) async fn addresses(&self) -> Result<Vec<SocketAddr>, String> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        match found.map(|found| with_loopback(&self.host, self.port, found)) {
            Ok(found) if !found.is_empty() => Ok(found),
            Ok(_) => Err(format!("the host `{}` has no address", self.host)),
            Err(error) => Err(format!("the host `{}` is not known: {error}", self.host)),
        }
    }

    /// Whether it is reached through TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.is_secure
    }

    pub(super) async fn connect(
        &self,
        foreign: &Foreign,
        meter: &Rc<ConnectionMeter>,
    ) -> Result<Secured<Stream>, ClientError> {
        let mut last = ClientError::Foreign(format!("the host `{}` has no address", self.host));
        let addresses = self.addresses().await.map_err(ClientError::Foreign)?;
        for &address in &addresses {
            match Stream::open(address, meter).await {
                Ok(stream) => return self.secured(foreign.tls.as_ref(), stream, meter).await,
                Err(ClientError::Connect { source, .. })
                    if source.kind() == ErrorKind::ConnectionRefused =>
                {
                    last = self.nobody_listens(&addresses, foreign);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// That all of `addresses`, which are its own, refuse connections.
    pub(super) fn nobody_listens(
        &self,
        addresses: &[SocketAddr],
        foreign: &Foreign,
    ) -> ClientError {
        let named = match self.host.parse::<IpAddr>() {
            Ok(_) => String::new(),
            Err(_) => {
                let of_host: Vec<_> = addresses.iter().map(|at| at.ip().to_string()).collect();
                format!(" ({})", of_host.join(", "))
            }
        };
        ClientError::Away(format!(
            "nobody listens at {}{named}: does the server run, and is `url` in [{}] right?",
            self.host_and_port(),
            foreign.table_of_url()
        ))
    }

    async fn secured(
        &self,
        tls: Option<&Tls>,
        stream: Stream,
        meter: &ConnectionMeter,
    ) -> Result<Secured<Stream>, ClientError> {
        if !self.is_secure {
            return Ok(Secured::Plain(stream));
        }
        let refused = |why: String| {
            ClientError::Foreign(format!("no TLS with {}:{}: {why}", self.host, self.port))
        };
        let tls = tls.ok_or_else(|| refused("nobody says whom to trust".to_owned()))?;
        let secured = timeout(HANDSHAKE_WITHIN, tls.connect(&self.host, stream, meter)).await;
        let secured =
            secured.map_err(|_| refused(format!("it takes longer than {HANDSHAKE_WITHIN:?}")))?;
        secured.map_err(|error| refused(format!("{error}{}", advice(&error))))
    }

    /// Such as `localhost:80` or `[::1]:80`.
    pub(crate) fn host_and_port(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// Path and query.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The value of `Host`.
    pub(crate) fn authority(&self) -> &str {
        self.authority.to_str().unwrap_or_default()
    }

    pub(super) fn host_header(&self) -> HeaderValue {
        self.authority.clone()
    }

    /// Whether one connection can carry requests for both.
    pub(super) fn shares_connection_with(&self, other: &Self) -> bool {
        (&self.host, self.port, self.is_secure) == (&other.host, other.port, other.is_secure)
    }
}

/// What may be done about a handshake that failed.
fn advice(error: &io::Error) -> String {
    Refusal::of(error).map_or_else(String::new, |why| format!(" ({})", why.advice_for_described()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::Arc;

    use super::*;
    use crate::client::foreign::Values;
    use crate::scenario::Recipe;

    #[test]
    fn urls_lead_somewhere() {
        let of = |url: &str| {
            Location::of(url).map(|of| {
                let authority = of.authority().to_owned();
                (of.host, of.port, authority, of.path)
            })
        };
        let some = |host: &str, port, authority: &str, path: &str| {
            Ok((host.to_owned(), port, authority.to_owned(), path.to_owned()))
        };
        assert_eq!(of("http://a:81/b?c=d"), some("a", 81, "a:81", "/b?c=d"));
        assert_eq!(of("ws://localhost"), some("localhost", 80, "localhost", "/"));
        assert_eq!(of("http://u:p@[::1]:8/"), some("::1", 8, "[::1]:8", "/"));
        for (url, why) in [
            ("a/b", "is no URL"),
            ("/b", "must begin with http://, https://"),
            ("http://", "is no URL"),
            ("ftp://a", "must begin with"),
        ] {
            let error = of(url).unwrap_err();
            assert!(error.contains(why), "{url}: {error}");
        }
    }

    fn foreign() -> Foreign {
        let recipe = Recipe { table: "server.chat.sse".to_owned(), ..Recipe::default() };
        let values = Values::new(Vec::new());
        Foreign { recipe: Arc::new(recipe), values, tls: None, trace: None }
    }

    #[tokio::test]
    async fn a_server_on_one_address_of_its_name_is_found() {
        let meter = ConnectionMeter::new(Arc::default());
        for ip in ["127.0.0.1", "[::1]"] {
            // Not every machine has IPv6.
            let Ok(listener) = TcpListener::bind(format!("{ip}:0")) else { continue };
            let port = listener.local_addr().unwrap().port();
            let location = Location::of(&format!("http://localhost:{port}/")).unwrap();
            assert!(location.connect(&foreign(), &meter).await.is_ok(), "{ip}");
            drop(listener);
            let error = location.connect(&foreign(), &meter).await.unwrap_err().to_string();
            let wanted = format!(
                "nobody listens at localhost:{port} (127.0.0.1, ::1): does the server run, and is `url` in \
                 [server.chat.sse] right?"
            );
            assert_eq!(error, wanted);
        }
    }
}
