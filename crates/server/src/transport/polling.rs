//! Polling: returns new events at once, or nothing if there are none.

use std::sync::Arc;

use hyper::http::request::Parts;
use pushbench_wire::{Transport, poll};

use super::Subscriber;
use crate::Server;
use crate::framing::Framing;
use crate::http::reply::{self, Rejection, Reply};
use crate::http::request;
use crate::hub::Channel;
use crate::memory::{Need, SHARED_BYTES, share};

/// Answers a poll.
pub(super) fn answer(
    server: &Server,
    channel: Arc<Channel>,
    request: &Parts,
) -> Result<Reply, Rejection> {
    let subscriber = Subscriber::at_or_earliest(channel, request::position(request)?);
    let reply = new_events(server, &subscriber, Transport::Polling)?;
    Ok(reply.unwrap_or_else(reply::no_content))
}

/// A response with the new events for `subscriber`, if there are any. Events that exceed the size
/// limit of one response are left for the next.
///
/// # Errors
/// When there is no memory for it.
pub(super) fn new_events(
    server: &Server,
    subscriber: &Subscriber,
    transport: Transport,
) -> Result<Option<Reply>, Rejection> {
    if !subscriber.has_new_events() {
        return Ok(None);
    }
    if server.hub.is_out_of_memory() {
        return Err(Rejection::out_of_memory());
    }
    let limit = server.config.max_response_bytes;
    let (mut events, mut size, mut notices) = (Vec::new(), 0, 0);
    subscriber.channel.read(subscriber.cursor, |event| {
        size += event.frame(Framing::Json).len() + 1;
        // The first event is sent whatever its size, or the client would never get past it.
        let fits = events.is_empty() || size <= limit;
        if fits {
            notices += usize::from(event.is_lagged_notice());
            events.push(event);
        }
        fits
    });
    let Some(last_id) = events.last().map(|event| event.id()) else { return Ok(None) };
    let frames = events.iter().map(|event| &event.frame(Framing::Json)[..]);
    let capacity = frames.clone().map(|frame| frame.len() + 1).sum::<usize>() + 64;
    let held = server.hub.reserve(capacity + SHARED_BYTES, Need::Output);
    let held = held.ok_or_else(Rejection::out_of_memory)?;
    let mut body = Vec::with_capacity(capacity);
    poll::encode_body(frames, last_id, &mut body);
    server.deliver(transport, events.len(), notices);
    Ok(Some(reply::json(share(body, held))))
}
