//! Polling: returns new events at once, or nothing if there are none.

use hyper::http::request::Parts;
use pushbench_wire::{Transport, poll};
use tokio::task::yield_now;

use super::Channels;
use super::subscriber::{Limit, Subscriber};
use crate::Server;
use crate::framing::{Form, Framing};
use crate::http::reply::{self, Rejection, Reply};
use crate::http::request;
use crate::memory::{Need, SHARED_BYTES, share};

/// Answers a poll.
pub(super) async fn answer(
    server: &Server,
    channels: Channels,
    request: &Parts,
) -> Result<Reply, Rejection> {
    let mut subscriber = Subscriber::at_or_earliest(channels, request::position(request)?);
    let takes_gzip = server.compresses_for(request);
    let reply = new_events(server, &mut subscriber, Transport::Polling, takes_gzip).await?;
    Ok(reply.unwrap_or_else(reply::no_content))
}

/// Frames that are made in a row, before others get a turn: about 0.2 ms.
const FRAMES_PER_TURN: usize = 1_000;

/// The same of frames that have to be compressed, too: less than 1 ms of most.
const DEFLATED_FRAMES_PER_TURN: usize = 20;

/// A response with the new events for `subscriber`, if there are any. Events that exceed the size
/// limit of one response are left for the next, which has a subscriber of its own. For a client that
/// `takes_gzip` it is compressed if that makes it smaller.
///
/// # Errors
/// When there is no memory for it.
pub(super) async fn new_events(
    server: &Server,
    subscriber: &mut Subscriber,
    transport: Transport,
    takes_gzip: bool,
) -> Result<Option<Reply>, Rejection> {
    if !subscriber.has_new_events() {
        return Ok(None);
    }
    if server.hub.is_out_of_memory() {
        return Err(Rejection::out_of_memory());
    }
    let limit = server.config.max_response_bytes;
    let mut events = Vec::new();
    subscriber.read(Limit { events: usize::MAX, bytes: limit }, |channel, event| {
        events.push((channel, event));
    });
    // Framing makes them larger, each in its own way.
    let (mut count, mut notices, mut capacity) = (0_usize, 0, ENVELOPE_BYTES);
    // Frames that had to be compressed since others had a turn.
    let mut deflated = 0;
    let (gzip_bytes_each, gzip_bytes) = poll::GZIP_BYTES;
    let (mut bytes, mut deflated_bytes) = (0, gzip_bytes);
    for (channel, event) in &events {
        let len = subscriber.frame(*channel, event, Framing::Json).len() + 1;
        // The first event is sent whatever its size, or the client would never get past it.
        if count > 0 && capacity + len > limit {
            break;
        }
        count += 1;
        capacity += len;
        if takes_gzip {
            bytes += len - 1;
            deflated += usize::from(!subscriber.is_deflated(event, Framing::Json));
            let frame = subscriber.frame(*channel, event, Framing::Json.deflated());
            deflated_bytes += frame.len() + gzip_bytes_each;
        }
        notices += usize::from(event.is_lagged_notice());
        if count.is_multiple_of(FRAMES_PER_TURN) || deflated == DEFLATED_FRAMES_PER_TURN {
            deflated = 0;
            yield_now().await;
            if server.hub.is_out_of_memory() {
                return Err(Rejection::out_of_memory());
            }
        }
    }
    events.truncate(count);
    let Some(last_id) = events.last().map(|(_, event)| subscriber.id_of(event)) else {
        return Ok(None);
    };
    let is_gzip = takes_gzip && deflated_bytes < bytes;
    if is_gzip {
        capacity = capacity - bytes + deflated_bytes;
    }
    let held = server.hub.reserve(capacity + SHARED_BYTES, Need::Output);
    let held = held.ok_or_else(Rejection::out_of_memory)?;
    let mut body = Vec::with_capacity(capacity);
    let subscriber = &*subscriber;
    let frames = |form: Form| {
        events.iter().map(move |(channel, event)| &subscriber.frame(*channel, event, form)[..])
    };
    let plain = Framing::Json.into();
    if is_gzip {
        let frames = frames(plain).zip(frames(Framing::Json.deflated()));
        poll::encode_gzip_body(frames, last_id, &mut body);
    } else {
        poll::encode_body(frames(plain), last_id, &mut body);
    }
    server.deliver(transport, events.len(), notices);
    let mut reply = reply::json(share(body, held));
    if server.config.compression {
        reply::compressible(&mut reply, is_gzip);
    }
    Ok(Some(reply))
}

/// What a response has beside its events.
const ENVELOPE_BYTES: usize = 64;
