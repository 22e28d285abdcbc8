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

/// Answers a poll.
pub(super) fn answer(
    server: &Server,
    channel: Arc<Channel>,
    request: &Parts,
) -> Result<Reply, Rejection> {
    let subscriber = Subscriber::at_or_earliest(channel, request::position(request)?);
    Ok(new_events(server, &subscriber, Transport::Polling).unwrap_or_else(reply::no_content))
}

/// A response with the new events for `subscriber`, if there are any. Events that exceed the size
/// limit of one response are left for the next.
pub(super) fn new_events(
    server: &Server,
    subscriber: &Subscriber,
    transport: Transport,
) -> Option<Reply> {
    let limit = server.config.max_response_bytes;
    let (mut events, mut size, mut notices) = (Vec::new(), 0, 0);
    subscriber.channel.read(subscriber.cursor, |event| {
        size += event.size_bytes();
        // The first event is sent whatever its size, or the client would never get past it.
        let fits = events.is_empty() || size <= limit;
        if fits {
            notices += usize::from(event.is_lagged_notice());
            events.push(event);
        }
        fits
    });
    let last_id = events.last()?.id();
    let frames = events.iter().map(|event| &event.frame(Framing::Json)[..]);
    let mut body =
        Vec::with_capacity(frames.clone().map(|frame| frame.len() + 1).sum::<usize>() + 64);
    poll::encode_body(frames, last_id, &mut body);
    server.deliver(transport, events.len(), notices);
    Some(reply::json(body))
}
