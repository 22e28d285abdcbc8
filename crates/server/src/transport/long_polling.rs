//! Long polling: returns new events as soon as there are any, or nothing after a time-out.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use hyper::http::request::Parts;
use pushbench_wire::Transport;
use pushbench_wire::endpoint::TIMEOUT_MS;

use super::{Channels, Subscriber, polling};
use crate::Server;
use crate::http::reply::{self, Rejection, Reply};
use crate::http::request::{parse_number, position, query_value};

/// Answers a long poll.
pub(super) async fn answer(
    server: &Server,
    channels: Channels,
    request: &Parts,
) -> Result<Reply, Rejection> {
    let timeout = timeout(request, server.config.long_poll_timeout)?;
    let takes_gzip = server.compresses_for(request);
    let mut subscriber = Subscriber::at_or_earliest(channels, position(request)?);
    let mut waiter = subscriber.waiter();
    let mut timeout = pin!(tokio::time::sleep(timeout));
    loop {
        let transport = Transport::LongPolling;
        let events = polling::new_events(server, &mut subscriber, transport, takes_gzip);
        if let Some(reply) = events.await? {
            return Ok(reply);
        }
        if server.hub.is_closing() {
            return Ok(reply::no_content());
        }
        tokio::select! {
            biased;
            () = poll_fn(|cx| {
                let is_due = || subscriber.has_new_events() || server.hub.is_closing();
                waiter.poll(cx, is_due)
            }) => {}
            () = &mut timeout => return Ok(reply::no_content()),
        }
    }
}

/// The time-out that the client asks for, but at most `limit`.
fn timeout(request: &Parts, limit: Duration) -> Result<Duration, Rejection> {
    let Some(value) = query_value(request, TIMEOUT_MS) else { return Ok(limit) };
    let millis = parse_number(value).ok_or_else(|| {
        Rejection::bad_request(format!(
            "{TIMEOUT_MS} is {value:?}; it must be a number of milliseconds such as 30000"
        ))
    })?;
    Ok(Duration::from_millis(millis).min(limit))
}
