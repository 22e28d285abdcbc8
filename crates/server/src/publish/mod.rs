//! `POST /channels/{channel}/events`: the body is one event, or several, split by lines or lengths.

mod body;

use std::error::Error;
use std::io;
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::http::request::Parts;
use tokio::task::yield_now;

use crate::Server;
use crate::framing::{Event, NewEvent};
use crate::http::reply::{self, Rejection, Reply};
use crate::http::request::RequestBody;
use crate::hub::Channel;
use crate::memory::{Need, Reservation};
use crate::metrics::Metrics;
use body::{EVENTS_PER_TURN, most_cost, parse_format, split_body};

/// Publishes the body of a request and replies `{"id":LAST,"count":N}`. The id is `null` when it is
/// not known yet, because a fault was injected.
pub(crate) async fn from_request(
    server: &Server,
    name: &str,
    request: &Parts,
    body: impl RequestBody,
) -> Result<Reply, Rejection> {
    let format = parse_format(request)?;
    let channel = server.channel(name)?;
    let (body, mut held) = read_body(server, body).await?;
    let read = body.capacity();
    let cost = most_cost(&format, &body, server.config.max_body_events);
    if !server.hub.grow(&mut held, read + cost, Need::Input) {
        return Err(Rejection::out_of_memory());
    }
    let events = split_body(&format, &body, &server.config, &mut held).await?;
    drop(body);
    drop(held);
    let count = events.len();
    if let Some(broker) = &server.broker {
        let last_id = broker.publish(name, events).await?;
        Metrics::add(&server.metrics.published, count);
        return Ok(reply::json(format!(r#"{{"id":{last_id},"count":{count}}}"#)));
    }
    let (last_id, mut too_old) = server.publish(&channel, events);
    while too_old.len() > EVENTS_PER_TURN {
        yield_now().await;
        too_old.truncate(too_old.len() - EVENTS_PER_TURN);
    }
    Ok(reply::json(match last_id {
        Some(id) => format!(r#"{{"id":{id},"count":{count}}}"#),
        None => format!(r#"{{"id":null,"count":{count}}}"#),
    }))
}

impl Server {
    /// Appends `events` to the channel. Returns the id of the last one, or `None` when a fault keeps
    /// them from being appended now, and the events that are too old for the log now. Freeing many of
    /// these takes a while.
    pub(crate) fn publish(
        &self,
        channel: &Arc<Channel>,
        events: Vec<NewEvent>,
    ) -> (Option<u64>, Vec<Arc<Event>>) {
        Metrics::add(&self.metrics.published, events.len());
        match &self.injector {
            None => {
                let (last_id, too_old) = channel.append(events);
                (Some(last_id), too_old)
            }
            Some(injector) => (injector.publish(channel, events), Vec::new()),
        }
    }
}

/// Why the body of a request could not be read. It may be that there was no memory to read it into.
fn unreadable(error: &impl Error) -> Rejection {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    if source.is_some_and(|source| source.kind() == io::ErrorKind::OutOfMemory) {
        return Rejection::out_of_memory();
    }
    Rejection::bad_request(format!("the body could not be read: {error}"))
}

/// The least that is reserved for a body, which holds most of them.
const LEAST_BODY_BYTES: usize = 1 << 10;

/// The body, and the memory reserved for it.
async fn read_body(
    server: &Server,
    mut body: impl RequestBody,
) -> Result<(Vec<u8>, Reservation), Rejection> {
    let limit = server.config.max_body_bytes;
    let too_large = || {
        Rejection::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body has more than {limit} bytes; publish fewer events per request"),
        )
    };
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let read = async {
        let mut held = server.hub.reserve(0, Need::Input).ok_or_else(Rejection::out_of_memory)?;
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| unreadable(&error))?;
            // Trailers say nothing that matters here.
            let Ok(piece) = frame.into_data() else { continue };
            let len = bytes.len() + piece.len();
            if len > limit {
                return Err(too_large());
            }
            if len > bytes.capacity() {
                let capacity = len.max(2 * bytes.capacity()).max(LEAST_BODY_BYTES);
                if !server.hub.grow(&mut held, capacity, Need::Input) {
                    return Err(Rejection::out_of_memory());
                }
                bytes.reserve_exact(capacity - bytes.len());
            }
            bytes.extend_from_slice(&piece);
        }
        Ok((bytes, held))
    };
    let timeout = server.config.body_timeout;
    tokio::time::timeout(timeout, read).await.unwrap_or_else(|_| {
        Err(Rejection::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not arrive within {timeout:?}; send it without delay"),
        ))
    })
}
