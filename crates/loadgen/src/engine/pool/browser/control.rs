//! The page that a browser opens, and the WebSocket by which that calls back: on loopback, below a path that nobody else
//! knows. It must not know what is said over it.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    UPGRADE,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};

use crate::deployment::network::Namespace;

/// The page, whose script is in it.
const PAGE: &str = concat!(
    "<!doctype html>\n<meta charset=\"utf-8\">\n<title>pushbench</title>\n<script>\n",
    include_str!("page.js"),
    "</script>\n"
);

/// More than a page says in one message, whatever has come.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// What else a page needs so that its clock has its finest steps: nobody of another origin shares its process
/// (cross-origin isolation, High Resolution Time §4.4).
const ISOLATION: [(&str, &str); 2] = [
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
];

/// Where a browser finds its page. It is bound, and whoever comes waits until somebody listens.
pub(in crate::engine) struct Page {
    listener: TcpListener,
    address: SocketAddr,
    token: String,
    /// The SHA-256 of the certificate that it is to trust by itself, if it is.
    pub(in crate::engine) certificate: Option<Vec<u8>>,
}

impl Page {
    /// One on loopback of the network in which clients are.
    ///
    /// # Errors
    /// When no port can be had.
    pub(in crate::engine) fn bind(clients: Option<&Namespace>) -> anyhow::Result<Self> {
        let _there = clients.map(Namespace::enter).transpose()?;
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = bound.context("cannot listen for a browser")?;
        let address = listener.local_addr().context("cannot listen for a browser")?;
        let mut token = [0; 16];
        SystemRandom::new().fill(&mut token).map_err(|_| anyhow!("there are no random bytes"))?;
        Ok(Self { listener, address, token: BASE64_URL.encode(token), certificate: None })
    }

    /// Where it listens.
    pub(in crate::engine) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a server has to allow, so that the page may use it.
    pub(in crate::engine) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What a browser is to open.
    pub(in crate::engine) fn url(&self) -> String {
        format!("http://{}/{}/", self.address, self.token)
    }

    /// Serves the page until it has called.
    pub(super) async fn called(self) -> anyhow::Result<Link> {
        self.listener.set_nonblocking(true).context("cannot listen for a browser")?;
        let listener = tokio::net::TcpListener::from_std(self.listener)
            .context("cannot listen for a browser")?;
        let token: Arc<str> = self.token.into();
        let (tell, mut calls) = mpsc::unbounded_channel();
        loop {
            tokio::select! {
                Some(upgraded) = calls.recv() => return Ok(Link::over(upgraded).await),
                accepted = listener.accept() => {
                    let (stream, _) = accepted.context("cannot listen for a browser")?;
                    tokio::spawn(serve(stream, Arc::clone(&token), tell.clone()));
                }
            }
        }
    }
}

/// Serves one connection. What comes of it, the browser sees.
async fn serve(stream: TcpStream, token: Arc<str>, tell: mpsc::UnboundedSender<Upgraded>) {
    let _ = stream.set_nodelay(true);
    let answer = service_fn(|request| {
        let answer = answer(request, &token, &tell);
        async move { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
    let _ = connection.with_upgrades().await;
}

fn answer(
    mut request: Request<Incoming>,
    token: &str,
    tell: &mpsc::UnboundedSender<Upgraded>,
) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let path = path.strip_prefix('/').and_then(|path| path.strip_prefix(token));
    let key = request.headers().get(SEC_WEBSOCKET_KEY);
    let mut response = Response::new(Full::default());
    match (path, key) {
        (Some("/"), _) => {
            *response.body_mut() = Full::from(PAGE);
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            for (name, value) in ISOLATION {
                headers.insert(name, HeaderValue::from_static(value));
            }
        }
        (Some("/control"), Some(key)) => {
            let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()));
            let upgrade = hyper::upgrade::on(&mut request);
            let tell = tell.clone();
            tokio::spawn(async move {
                if let Ok(upgraded) = upgrade.await {
                    // Whoever comes second finds nobody.
                    let _ = tell.send(upgraded);
                }
            });
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = response.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.extend(accept.map(|accept| (SEC_WEBSOCKET_ACCEPT, accept)));
        }
        _ => *response.status_mut() = StatusCode::NOT_FOUND,
    }
    response
}

/// The way to a page that has called.
pub(super) struct Link(WebSocketStream<TokioIo<Upgraded>>);

impl Link {
    async fn over(upgraded: Upgraded) -> Self {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        let stream = TokioIo::new(upgraded);
        Self(WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await)
    }

    /// Says something at once.
    ///
    /// # Errors
    /// When the page is gone.
    pub(super) async fn say(&mut self, text: String) -> anyhow::Result<()> {
        self.0.send(Message::text(text)).await.context("the page in the browser is gone")
    }

    /// What the page says next. It may be given up and asked again.
    ///
    /// # Errors
    /// When the page is gone.
    pub(super) async fn hear(&mut self) -> anyhow::Result<String> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
                Some(Ok(Message::Close(_))) | None => bail!("the page in the browser has gone"),
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    return Err(anyhow!(error).context("the page in the browser is gone"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn get(address: SocketAddr, path: &str, more: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    #[tokio::test]
    async fn only_who_knows_the_path_gets_the_page_and_may_call() {
        let page = Page::bind(None).unwrap();
        let (address, url) = (page.address(), page.url());
        let path = url.strip_prefix(&page.origin()).unwrap().to_owned();
        let called = tokio::spawn(page.called());
        for other in ["/", "/control", "/x/", &format!("{path}more")] {
            assert!(get(address, other, "").await.starts_with("HTTP/1.1 404 "), "{other}");
        }
        let found = get(address, &path, "").await;
        assert!(found.starts_with("HTTP/1.1 200 "), "{found}");
        assert!(found.contains("cross-origin-opener-policy: same-origin"), "{found}");
        assert!(get(address, &format!("{path}control"), "").await.starts_with("HTTP/1.1 404 "));
        // The key and the answer of RFC 6455 §1.3.
        let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let found = get(address, &format!("{path}control"), upgrade).await;
        assert!(found.starts_with("HTTP/1.1 101 "), "{found}");
        assert!(found.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{found}");
        assert!(called.await.unwrap().is_ok());
    }

    #[test]
    fn the_script_does_not_end_before_its_end() {
        assert_eq!(PAGE.matches("</script>").count(), 1);
    }
}
