//! From a request to its answer: checks what holds for every route, then calls the one.

use std::sync::Arc;

use hyper::Request;
use hyper::body::{Body, Incoming};
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE, ALLOW,
    HeaderValue, ORIGIN,
};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use pushbench_wire::Transport;
use pushbench_wire::endpoint::{
    HEALTH_PATH, MAX_CHANNEL_LEN, METRICS_PATH, Resource, is_channel_name, parse_path,
};

use super::connection::Exchange;
use super::reply::{self, Rejection, Reply};
use super::request::{check_host, header_bytes};
use crate::hub::Channel;
use crate::transport::{self, Answer};
use crate::{Server, control, publish};

const FOR_READING: &str = "GET, OPTIONS";
const FOR_CONTROL: &str = "GET, HEAD, OPTIONS";
const FOR_PUBLISHING: &str = "POST, OPTIONS";

/// Answers one request, or says that its connection is to be taken over.
///
/// hyper reads the next request once the answer is sent whole, unless the rest of a request's body
/// comes after its answer; so a request that is turned down with its body unread ends the connection.
/// Then no answer is ever unsent when the next request begins, on which taking over a connection
/// relies.
pub(super) async fn answer(
    server: &Server,
    exchange: &Exchange,
    request: Request<Incoming>,
) -> Answer {
    let (request, body) = request.into_parts();
    let has_body = !body.is_end_stream();
    let has_origin = request.headers.contains_key(ORIGIN);
    let mut reply = match dispatch(server, exchange, &request, body).await {
        Ok(Answer::Reply(reply)) => reply,
        Ok(takeover @ Answer::TakeOver(_)) => return takeover,
        Err(rejection) => {
            let mut reply = rejection.into_reply();
            if has_body {
                reply::close_after(&mut reply);
                exchange.linger();
            }
            reply
        }
    };
    if has_origin {
        reply::allow_any_origin(&mut reply);
    }
    Answer::Reply(reply)
}

async fn dispatch(
    server: &Server,
    exchange: &Exchange,
    request: &Parts,
    body: Incoming,
) -> Result<Answer, Rejection> {
    let size = header_bytes(request);
    let limit = server.config.max_header_bytes;
    if size > limit {
        return Err(Rejection::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            format!("the request line and headers have {size} bytes; the most is {limit}"),
        ));
    }
    check_host(request)?;
    let has_body = !body.is_end_stream();
    let path = request.uri.path();
    if path == HEALTH_PATH || path == METRICS_PATH {
        return match accept(request, path, has_body, FOR_CONTROL)? {
            Some(options) => Ok(Answer::Reply(options)),
            None if path == HEALTH_PATH => Ok(Answer::Reply(control::health())),
            None => Ok(Answer::Reply(control::metrics(server))),
        };
    }
    let Some((channel, resource)) = parse_path(path) else {
        return Err(Rejection::new(
            StatusCode::NOT_FOUND,
            format!(
                "there is nothing at {path}; there are /channels/{{channel}}/ with events, poll, \
                 long-poll, sse, ws and tcp, {HEALTH_PATH} and {METRICS_PATH}"
            ),
        ));
    };
    let Some(transport) = transport_of(resource) else {
        return match accept(request, path, has_body, FOR_PUBLISHING)? {
            Some(options) => Ok(Answer::Reply(options)),
            None => publish::from_request(server, channel, request, body).await.map(Answer::Reply),
        };
    };
    if let Some(options) = accept(request, path, has_body, FOR_READING)? {
        return Ok(Answer::Reply(options));
    }
    let channel = server.channel(channel)?;
    let answer = transport::answer(transport, server, channel, request);
    exchange.use_transport(transport);
    answer.await
}

/// Which transport serves `resource`; `None` for the one that takes events.
fn transport_of(resource: Resource) -> Option<Transport> {
    match resource {
        Resource::Events => None,
        Resource::Poll => Some(Transport::Polling),
        Resource::LongPoll => Some(Transport::LongPolling),
        Resource::Sse => Some(Transport::Sse),
        Resource::WebSocket => Some(Transport::WebSocket),
        Resource::Tcp => Some(Transport::Tcp),
    }
}

/// Whether a route that takes the methods of `allow` takes this request. An `OPTIONS` request, and
/// so a browser's preflight, is answered here.
fn accept(
    request: &Parts,
    path: &str,
    has_body: bool,
    allow: &'static str,
) -> Result<Option<Reply>, Rejection> {
    let method = request.method.as_str();
    if !allow.split(", ").any(|allowed| allowed == method) {
        return Err(Rejection::method_not_allowed(path, method, allow));
    }
    if has_body && request.method != Method::POST {
        return Err(Rejection::bad_request(format!(
            "{method} takes no body here; leave it out, or publish with POST to \
             /channels/{{channel}}/events"
        )));
    }
    Ok((request.method == Method::OPTIONS).then(|| options(allow)))
}

fn options(allow: &'static str) -> Reply {
    let mut reply = reply::no_content();
    for (name, value) in [
        (ALLOW, allow),
        (ACCESS_CONTROL_ALLOW_METHODS, allow),
        (ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type, Last-Event-ID, X-Last-Event-Id"),
        (ACCESS_CONTROL_MAX_AGE, "86400"),
    ] {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    reply
}

impl Server {
    /// The channel of a request.
    pub(crate) fn channel(&self, name: &str) -> Result<Arc<Channel>, Rejection> {
        if !is_channel_name(name) {
            return Err(Rejection::bad_request(format!(
                "{name:?} cannot name a channel; a name is 1 to {MAX_CHANNEL_LEN} of A-Z a-z 0-9 . \
                 _ -"
            )));
        }
        self.hub.channel(name).map_err(|_| {
            Rejection::new(
                StatusCode::SERVICE_UNAVAILABLE,
                format!(
                    "{} channels exist, the most that this server keeps; use one of them",
                    self.config.max_channels
                ),
            )
        })
    }
}
