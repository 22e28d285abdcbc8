//! Routes a request: checks what every route requires, then calls the handler.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::Request;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE, ALLOW,
    HeaderName, HeaderValue,
};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use pushbench_wire::Transport;
use pushbench_wire::endpoint::{
    HEALTH_PATH, MAX_CHANNEL_LEN, MAX_CHANNELS, METRICS_PATH, Resource, is_channel_name, parse_path,
};

use super::connection_state::ConnectionState;
use super::reply::{self, Rejection, Reply};
use super::request::{RequestBody, check_coding, header_bytes, position};
use super::webtransport;
use crate::hub::{Channel, Full};
use crate::transport::{self, Answer, Channels};
use crate::{Server, control, publish};

const READ_METHODS: &str = "GET, OPTIONS";
const CONTROL_METHODS: &str = "GET, HEAD, OPTIONS";
const PUBLISH_METHODS: &str = "POST, OPTIONS";

/// Answers one request of `client` with a response or a stream.
///
/// A stream takes the connection from hyper, so no response may be unsent when its request begins.
/// hyper reads the next request only after it has sent the whole response, except when the rest of a
/// request's body arrives after the response. Hence a request that is rejected before its body was
/// read ends the connection.
pub(super) async fn answer(
    server: &Server,
    state: &ConnectionState,
    client: IpAddr,
    request: Request<impl RequestBody>,
) -> Answer {
    let (request, body) = request.into_parts();
    let has_body = !body.is_end_stream();
    let (origin, answer) = match admit(server, client, &request, has_body) {
        Ok(origin) => {
            let answer = dispatch(server, state, &request, body, origin.as_ref()).await;
            (origin, answer)
        }
        Err(rejection) => (None, Err(rejection)),
    };
    let mut reply = match answer {
        Ok(Answer::Reply(reply)) => reply,
        Ok(stream @ Answer::Stream(_)) => return stream,
        Err(rejection) => {
            let mut reply = rejection.into_reply();
            if has_body {
                reply::close_after(&mut reply);
                state.set_linger();
            }
            reply
        }
    };
    if let Some(origin) = origin {
        reply::allow_origin(&mut reply, origin);
    }
    Answer::Reply(reply)
}

/// Checks what every request must be, whatever it asks for. Returns the origin whose pages may read
/// the answer, if they need to be told.
fn admit(
    server: &Server,
    client: IpAddr,
    request: &Parts,
    has_body: bool,
) -> Result<Option<HeaderValue>, Rejection> {
    server.gate.admit_request(client)?;
    let size = header_bytes(request);
    let limit = server.config.max_header_bytes;
    if size > limit {
        return Err(Rejection::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            format!("the request line and headers have {size} bytes; the limit is {limit}"),
        ));
    }
    if has_body {
        check_coding(request)?;
    }
    server.gate.check_source(request)
}

async fn dispatch(
    server: &Server,
    state: &ConnectionState,
    request: &Parts,
    body: impl RequestBody,
    origin: Option<&HeaderValue>,
) -> Result<Answer, Rejection> {
    let has_body = !body.is_end_stream();
    let path = request.uri.path();
    // A preflight has no token, and readiness is no secret.
    if request.method != Method::OPTIONS && path != HEALTH_PATH {
        server.gate.check_token(request)?;
    }
    if path == HEALTH_PATH || path == METRICS_PATH {
        return match check_method(request, path, has_body, CONTROL_METHODS, origin)? {
            Some(options) => Ok(Answer::Reply(options)),
            None if path == HEALTH_PATH => Ok(Answer::Reply(control::health())),
            None => Ok(Answer::Reply(control::metrics(server))),
        };
    }
    let Some((channel, resource)) = parse_path(path) else {
        return Err(Rejection::new(
            StatusCode::NOT_FOUND,
            format!(
                "nothing is served at {path}; the paths are /channels/{{channel}}/ followed by \
                 {}, and {HEALTH_PATH} and {METRICS_PATH}",
                Resource::all().map(Resource::segment).collect::<Vec<_>>().join(", ")
            ),
        ));
    };
    let Some(transport) = transport_of(resource) else {
        return match check_method(request, path, has_body, PUBLISH_METHODS, origin)? {
            Some(options) => Ok(Answer::Reply(options)),
            // Boxed, so that the task of a poll is not as large as that of a body.
            None => {
                let published = publish::from_request(server, channel, request, body);
                Box::pin(published).await.map(Answer::Reply)
            }
        };
    };
    let is_connect = match transport {
        Transport::WebSocket => {
            transport::is_websocket_connect(&request.method, &request.extensions)
        }
        Transport::Sse => webtransport::is_connect(&request.method, &request.extensions),
        Transport::Polling | Transport::LongPolling | Transport::Tcp => false,
    };
    if !is_connect
        && let Some(options) = check_method(request, path, has_body, READ_METHODS, origin)?
    {
        return Ok(Answer::Reply(options));
    }
    let channels = server.channels(channel)?;
    if let Some(broker) = &server.broker {
        let from_oldest = matches!(transport, Transport::Polling | Transport::LongPolling);
        let ready = broker.prepare(&server.hub, channel, position(request)?, from_oldest);
        // Boxed for the same reason.
        Box::pin(ready).await?;
    }
    let answer = transport::answer(transport, server, channels, request, origin);
    state.use_transport(transport);
    answer.await
}

/// The transport that serves `resource`; `None` for publishing.
fn transport_of(resource: Resource) -> Option<Transport> {
    match resource {
        Resource::Events => None,
        Resource::Subscribe(transport) => Some(transport),
    }
}

/// Checks that a route that allows the methods of `allow` allows this request. Returns the reply to
/// an `OPTIONS` request, which includes a browser's preflight.
fn check_method(
    request: &Parts,
    path: &str,
    has_body: bool,
    allow: &'static str,
    origin: Option<&HeaderValue>,
) -> Result<Option<Reply>, Rejection> {
    let method = request.method.as_str();
    if !allow.split(", ").any(|allowed| allowed == method) {
        return Err(Rejection::method_not_allowed(path, method, allow));
    }
    if has_body && request.method != Method::POST {
        return Err(Rejection::bad_request(format!(
            "a {method} request must have no body here; leave it out, or publish with POST to \
             /channels/{{channel}}/events"
        )));
    }
    Ok((request.method == Method::OPTIONS).then(|| options(request, allow, origin.is_some())))
}

/// Asked of a page that is on the internet and wants to reach a private address
/// (<https://wicg.github.io/private-network-access>).
const REQUEST_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");

/// What a route allows, also to a page of another origin if `allows_page`.
fn options(request: &Parts, allow: &'static str, allows_page: bool) -> Reply {
    let mut reply = reply::no_content();
    let mut header = |name: HeaderName, value| {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    };
    header(ALLOW, allow);
    if allows_page {
        header(ACCESS_CONTROL_ALLOW_METHODS, allow);
        let headers = "Authorization, Content-Type, Last-Event-ID, X-Last-Event-Id";
        header(ACCESS_CONTROL_ALLOW_HEADERS, headers);
        header(ACCESS_CONTROL_MAX_AGE, "86400");
        if request.headers.contains_key(REQUEST_PRIVATE_NETWORK) {
            header(ALLOW_PRIVATE_NETWORK, "true");
        }
    }
    reply
}

impl Server {
    /// The channels that a request to subscribe names.
    pub(crate) fn channels(&self, names: &str) -> Result<Channels, Rejection> {
        if !names.contains(',') {
            return self.channel(names).map(Channels::One);
        }
        let names: Vec<_> = names.split(',').collect();
        if names.len() > MAX_CHANNELS {
            return Err(Rejection::bad_request(format!(
                "{} channels are too many for one subscription; the limit is {MAX_CHANNELS}",
                names.len()
            )));
        }
        let mut sorted = names.clone();
        sorted.sort_unstable();
        if let Some([twice, _]) = sorted.windows(2).find(|two| two[0] == two[1]) {
            return Err(Rejection::bad_request(format!(
                "the channel {twice:?} is there twice; name each once"
            )));
        }
        let channel = |name: &&str| Ok((self.channel(name)?, Box::from(*name)));
        let channels = names.iter().map(channel).collect::<Result<_, Rejection>>()?;
        Channels::several(channels, &self.hub).ok_or_else(Rejection::out_of_memory)
    }

    /// The channel that a request names.
    pub(crate) fn channel(&self, name: &str) -> Result<Arc<Channel>, Rejection> {
        if !is_channel_name(name) {
            return Err(Rejection::bad_request(format!(
                "{name:?} is not a valid channel name; it must be 1 to {MAX_CHANNEL_LEN} characters \
                 of A-Z a-z 0-9 . _ -"
            )));
        }
        self.hub.channel(name).map_err(|full| match full {
            Full::Memory => Rejection::out_of_memory(),
            Full::Channels => Rejection::new(
                StatusCode::SERVICE_UNAVAILABLE,
                format!(
                    "all {} channels of this server exist already; use one of them or raise \
                     max_channels",
                    self.config.max_channels
                ),
            ),
        })
    }
}
