//! The address that a server announces in its line that says that it is ready.

use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};
use pushbench_wire::endpoint::{HTTP3_PREFIX, READY_PREFIX, TLS_PREFIX};
use tokio::io::AsyncRead;

use super::output::Lines;
use crate::scenario::with_loopback;

/// The port of a URL that names none.
const HTTP_PORT: u16 = 80;

/// Where a server is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Announced {
    /// All addresses of what it names.
    pub(super) addresses: Vec<SocketAddr>,
    /// Where it is by TLS.
    pub(super) tls: Option<SocketAddr>,
    /// Where it is by HTTP/3.
    pub(super) http3: Option<SocketAddr>,
}

impl From<Vec<SocketAddr>> for Announced {
    fn from(addresses: Vec<SocketAddr>) -> Self {
        Self { addresses, tls: None, http3: None }
    }
}

/// Waits for the line, and gives all addresses of what it names. What is written behind it is read and
/// forgotten: a full pipe would stop the server.
///
/// # Errors
/// An output that ends before, or a URL that is none.
pub(super) async fn announced(
    mut lines: Lines<impl AsyncRead + Unpin + Send + 'static>,
) -> anyhow::Result<Announced> {
    let (mut tls, mut http3) = (None, None);
    while let Some(line) = lines.next().await {
        for (prefix, found) in [(TLS_PREFIX, &mut tls), (HTTP3_PREFIX, &mut http3)] {
            if let Some(url) = line.strip_prefix(prefix) {
                let address = url.trim().strip_prefix("https://").and_then(|at| at.parse().ok());
                *found = Some(address.with_context(|| {
                    format!("the server is at {url:?}? It should say `{prefix}https://IP:PORT`")
                })?);
            }
        }
        if let Some(url) = line.strip_prefix(READY_PREFIX) {
            tokio::spawn(lines.drain());
            return Ok(Announced { addresses: addresses(url.trim()).await?, tls, http3 });
        }
    }
    bail!("its output ended without a line `{READY_PREFIX}…`")
}

/// All addresses of the host of a URL, with its port.
///
/// # Errors
/// When it is no `http` URL, or its host is not known.
pub(super) async fn addresses(url: &str) -> anyhow::Result<Vec<SocketAddr>> {
    let (host, port) = host_and_port(url).with_context(|| {
        format!("the server listens on {url:?}? It should say `{READY_PREFIX}http://HOST:PORT`")
    })?;
    let found = tokio::net::lookup_host((host, port)).await;
    let found = with_loopback(host, port, found.into_iter().flatten());
    ensure!(!found.is_empty(), "the server listens on {url:?}, but `{host}` has no address");
    Ok(found)
}

/// The host, without brackets, and the port of an `http` URL or of a bare address.
fn host_and_port(url: &str) -> Option<(&str, u16)> {
    let authority = match url.split_once("://") {
        Some((scheme, rest)) => scheme.eq_ignore_ascii_case("http").then_some(rest)?,
        None => url,
    };
    let authority = authority.split(['/', '?', '#']).next()?;
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().ok()?,
        None => port.is_empty().then_some(HTTP_PORT)?,
    };
    (!host.is_empty() && port > 0).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (url, host, port) in [
            ("http://127.0.0.1:8080", "127.0.0.1", 8080),
            ("HTTP://localhost:3000/", "localhost", 3000),
            ("http://[::1]:8080/path?query", "::1", 8080),
            ("127.0.0.1:5", "127.0.0.1", 5),
            ("http://localhost", "localhost", 80),
        ] {
            assert_eq!(host_and_port(url), Some((host, port)), "{url}");
        }
        for url in
            ["https://a:1", "http://", "http://:80", "http://a:b", "http://::1:8", "http://a:0"]
        {
            assert_eq!(host_and_port(url), None, "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_is_all_its_addresses() {
        let of = async |output: &'static [u8]| announced(Lines::of(output)).await;
        let local =
            of(b"\xFF starting\npushbench serve: listening on http://localhost:81/\n").await;
        let both: [SocketAddr; 2] = ["127.0.0.1:81", "[::1]:81"].map(|ip| ip.parse().unwrap());
        assert_eq!(local.unwrap(), Announced::from(both.to_vec()));
        let v6 = of(b"pushbench serve: listening on http://[::1]:81").await.unwrap();
        assert_eq!(v6, Announced::from(both[1..].to_vec()));
        let tls = of(
            b"pushbench serve: TLS on https://[::1]:82\npushbench serve: listening on http://[::1]:81",
        );
        assert_eq!(tls.await.unwrap().tls, Some("[::1]:82".parse().unwrap()));
        let http3 = of(
            b"pushbench serve: HTTP/3 on https://[::1]:82\npushbench serve: listening on http://[::1]:81",
        );
        let http3 = http3.await.unwrap();
        assert_eq!((http3.tls, http3.http3), (None, Some("[::1]:82".parse().unwrap())));
        let no_tls = of(b"pushbench serve: TLS on [::1]:82\n").await.unwrap_err();
        assert!(no_tls.to_string().contains("[::1]:82"), "{no_tls}");
        let none = of(b"pushbench serve: listening on nowhere at all").await.unwrap_err();
        assert!(none.to_string().contains("nowhere at all"), "{none}");
        let nothing = of(b"hello\n").await.unwrap_err();
        assert!(nothing.to_string().starts_with("its output ended"), "{nothing}");
    }
}
