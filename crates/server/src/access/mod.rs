//! Who may use a server: which hosts it answers for, which pages, who knows the token, and how often.
//! It decides before a request is routed, and never about a delivery.

mod host;
mod origin;
mod rate;
mod token;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;

use hyper::StatusCode;
use hyper::header::{HOST, HeaderValue, ORIGIN, RETRY_AFTER};
use hyper::http::request::Parts;

pub use host::{AllowedHost, BadHost};
pub use origin::{AllowedOrigin, BadOrigin};
pub use token::{BadToken, Token};

use crate::http::reply::Rejection;
use rate::RateLimit;

/// Who may use a server. By default everyone who reaches it, except pages of other origins; on
/// loopback, also except requests for another host, which is how a page gets around that (DNS
/// rebinding).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Origins whose pages may publish and read, besides the server's own.
    pub origins: Vec<AllowedOrigin>,
    /// Hosts for which the server answers when it listens on loopback, besides loopback names and
    /// addresses.
    pub hosts: Vec<AllowedHost>,
    /// What a client has to know for every route but the readiness check.
    pub token: Option<Token>,
    /// Requests per second that one client may send, and how many at once after a second of silence.
    /// Default any number.
    pub client_requests_per_second: Option<NonZero<u32>>,
    /// The same for connections that a client may open.
    pub client_connections_per_second: Option<NonZero<u32>>,
}

/// Lets in what [`Access`] allows.
#[derive(Debug)]
pub(crate) struct Gate {
    access: Access,
    /// The address that the server listens on, if it listens on loopback alone.
    loopback: Option<IpAddr>,
    /// The host that most requests are for: the address as it is announced.
    usual_host: String,
    requests: Option<RateLimit>,
    connections: Option<RateLimit>,
}

impl Gate {
    /// The gate of a server that listens on `address`, and for TLS on `by_tls`. If others can reach one
    /// of them, they come under any name.
    pub(crate) fn new(access: Access, address: SocketAddr, by_tls: Option<SocketAddr>) -> Self {
        let is_loopback = |address: SocketAddr| address.ip().to_canonical().is_loopback();
        let is_private = is_loopback(address) && by_tls.is_none_or(is_loopback);
        Self {
            loopback: is_private.then_some(address.ip().to_canonical()),
            usual_host: address.to_string(),
            requests: access.client_requests_per_second.map(RateLimit::new),
            connections: access.client_connections_per_second.map(RateLimit::new),
            access,
        }
    }

    /// Checks that `client` may open another connection now.
    pub(crate) fn admit_connection(&self, client: IpAddr) -> Result<(), Rejection> {
        admit(self.connections.as_ref(), client, "connections", "--client-connections-per-second")
    }

    /// Whether it matters how many connections a client opens.
    pub(crate) fn counts_connections(&self) -> bool {
        self.connections.is_some()
    }

    /// Checks that `client` may send another request now.
    pub(crate) fn admit_request(&self, client: IpAddr) -> Result<(), Rejection> {
        admit(self.requests.as_ref(), client, "requests", "--client-requests-per-second")
    }

    /// Checks the host and the page that a request is for. Returns the page's origin, or `*`, if the
    /// page needs that in the response in order to read it.
    ///
    /// # Errors
    /// [`Rejection`], which such a page must not be able to read.
    pub(crate) fn check_source(&self, request: &Parts) -> Result<Option<HeaderValue>, Rejection> {
        if self.is_usual(request) {
            return Ok(None);
        }
        let host = host::of(request)?;
        if let (Some(listening), Some(host)) = (self.loopback, &host)
            && !host.is_loopback(listening)
            && !self.access.hosts.iter().any(|allowed| allowed.allows(host))
        {
            return Err(Rejection::new(
                StatusCode::FORBIDDEN,
                format!(
                    "this server listens on {listening} and does not answer for the host {:?}; use \
                     localhost, or allow it with --allow-host",
                    host.name
                ),
            ));
        }
        let mut origins = request.headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) if origin::is_embedded_elsewhere(request) => {
                let any = self.access.origins.contains(&AllowedOrigin::Any);
                if any { Ok(None) } else { Err(foreign("another origin")) }
            }
            (None, _) => Ok(None),
            (Some(origin), None) => self.check_origin(origin, host.as_ref()),
            (Some(_), Some(_)) => {
                Err(Rejection::bad_request("the request has several Origin headers; send one"))
            }
        }
    }

    /// Whether a request is one of those that programs send and that need no closer look, so that
    /// polling costs no more for the sake of browsers.
    fn is_usual(&self, request: &Parts) -> bool {
        let mut hosts = request.headers.get_all(HOST).iter();
        hosts.next().is_some_and(|host| host == self.usual_host.as_str())
            && hosts.next().is_none()
            && request.uri.authority().is_none()
            && !request.headers.contains_key(ORIGIN)
            && !origin::is_embedded_elsewhere(request)
    }

    fn check_origin(
        &self,
        origin: &HeaderValue,
        host: Option<&host::Host>,
    ) -> Result<Option<HeaderValue>, Rejection> {
        if self.access.origins.contains(&AllowedOrigin::Any) {
            return Ok(Some(HeaderValue::from_static("*")));
        }
        if self.access.origins.iter().any(|allowed| allowed.is(origin)) {
            return Ok(Some(origin.clone()));
        }
        if host.is_some_and(|host| origin::is_own(origin, &host.authority)) {
            return Ok(None);
        }
        Err(foreign(&format!("the origin {:?}", String::from_utf8_lossy(origin.as_bytes()))))
    }

    /// Checks that a request has the token, in its header or its query.
    pub(crate) fn check_token(&self, request: &Parts) -> Result<(), Rejection> {
        match &self.access.token {
            Some(token) if !token.is_in(request) => Err(token::rejection()),
            _ => Ok(()),
        }
    }
}

fn foreign(page: &str) -> Rejection {
    Rejection::new(
        StatusCode::FORBIDDEN,
        format!("pages of {page} may not use this server; allow them with --allow-origin"),
    )
}

fn admit(
    limit: Option<&RateLimit>,
    client: IpAddr,
    what: &str,
    flag: &str,
) -> Result<(), Rejection> {
    let Some(limit) = limit else { return Ok(()) };
    if limit.admits(client) {
        return Ok(());
    }
    Err(Rejection::new(
        StatusCode::TOO_MANY_REQUESTS,
        format!(
            "a client may have {} {what} per second; slow down, or raise {flag}",
            limit.per_second()
        ),
    )
    .with_header(RETRY_AFTER, "1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    #[test]
    fn only_a_listener_on_loopback_is_choosy_about_hosts() {
        let request = Request::get("/").header("host", "evil.example").body(()).unwrap();
        let request = request.into_parts().0;
        for (address, by_tls, is_choosy) in [
            ("127.0.0.1:80", None, true),
            ("[::1]:80", None, true),
            ("[::ffff:127.0.0.1]:80", None, true),
            ("0.0.0.0:80", None, false),
            ("10.0.0.1:80", None, false),
            ("[::]:80", None, false),
            ("127.0.0.1:80", Some("[::1]:443"), true),
            ("127.0.0.1:80", Some("0.0.0.0:443"), false),
            ("0.0.0.0:80", Some("127.0.0.1:443"), false),
        ] {
            let parsed = |address: &str| address.parse().unwrap();
            let gate = Gate::new(Access::default(), parsed(address), by_tls.map(parsed));
            assert_eq!(gate.check_source(&request).is_err(), is_choosy, "{address} {by_tls:?}");
        }
    }
}
