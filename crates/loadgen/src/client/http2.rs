//! HTTP/2 (RFC 9113) over a [`Line`]: its handshake, and streams that become WebSockets (RFC 8441).

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http2::{Builder, Connection, SendRequest};
use hyper::ext::Protocol;
use hyper::rt::Executor;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::time::{sleep, timeout};

use super::http::{RequestBody, unexpected};
use super::tls::Line;
use super::{ClientError, Subscription};

/// Runs what a connection needs beside its requests on the thread of its subscriber.
#[derive(Clone)]
struct SameThread;

impl<F: Future<Output = ()> + 'static> Executor<F> for SameThread {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// How long a server may take to say what it can do.
const SETTINGS_WITHIN: Duration = Duration::from_secs(5);

/// How often it is looked whether it has.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// A connection that takes requests.
pub(super) struct Begun<B: RequestBody> {
    pub(super) sender: SendRequest<B>,
    connection: Rc<RefCell<Connection<TokioIo<Line>, B, SameThread>>>,
}

/// Begins HTTP/2.
pub(super) async fn handshake<B: RequestBody>(line: Line) -> Result<Begun<B>, ClientError> {
    let (sender, connection) = Builder::new(SameThread).handshake(TokioIo::new(line)).await?;
    let connection = Rc::new(RefCell::new(connection));
    let driven = Rc::clone(&connection);
    // Ends by itself when the sender and all streams are dropped or the socket closes. Why, the streams
    // say.
    tokio::task::spawn_local(poll_fn(move |cx| {
        Pin::new(&mut *driven.borrow_mut()).poll(cx).map(drop)
    }));
    Ok(Begun { sender, connection })
}

/// A stream for a WebSocket at `path`, with these headers.
pub(super) async fn websocket(
    subscription: &Subscription,
    line: Line,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Line, ClientError> {
    let Begun { mut sender, connection } = handshake::<Empty<Bytes>>(line).await?;
    let allowed = async {
        // A client must not ask before (RFC 8441 §4).
        while !connection.borrow().is_extended_connect_protocol_enabled() {
            sleep(LOOK_AGAIN).await;
        }
    };
    if timeout(SETTINGS_WITHIN, allowed).await.is_err() {
        return Err(ClientError::Foreign(
            "the server takes no WebSocket by HTTP/2: it does not say SETTINGS_ENABLE_CONNECT_PROTOCOL"
                .to_owned(),
        ));
    }
    let (uri, _) = subscription.target(path)?;
    let mut request = Request::builder().method(Method::CONNECT).uri(uri);
    for &(name, value) in headers {
        request = request.header(name, value);
    }
    let mut request = request.body(Empty::new())?;
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    let response = sender.send_request(request).await?;
    if response.status() != StatusCode::OK {
        return Err(unexpected(response).await);
    }
    Ok(Line::Stream(TokioIo::new(hyper::upgrade::on(response).await?)))
}
