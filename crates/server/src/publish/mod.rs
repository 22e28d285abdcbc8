//! `POST /channels/{channel}/events`: the body is one event, or several, split by lines or lengths.

mod body;
mod publishers;

use std::error::Error;
use std::io;
use std::sync::{Arc, PoisonError};

use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::header::RETRY_AFTER;
use hyper::http::request::Parts;
use pushbench_wire::endpoint::{MAX_PUBLISHER_LEN, PUBLISHER, SEQUENCE, is_publisher_name};
use tokio::task::yield_now;

use crate::Server;
use crate::framing::{Event, NewEvent};
use crate::http::reply::{self, Rejection, Reply};
use crate::http::request::{RequestBody, parse_number, query_value};
use crate::hub::Channel;
use crate::journal::{Refused, Taken};
use crate::memory::{Need, Reservation};
use crate::metrics::Metrics;
pub(crate) use publishers::{Claim, Known, Publishers, Standing};

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
    let claim = parse_claim(request)?;
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
        if claim.is_some() {
            return Err(Rejection::bad_request(format!(
                "a server that shares its events by a broker does not know what the others were sent, so it cannot \
                 tell a request that is sent again: leave out {PUBLISHER} and {SEQUENCE}"
            )));
        }
        let last_id = broker.publish(name, events).await?;
        Metrics::add(&server.metrics.published, count);
        return Ok(reply::json(format!(r#"{{"id":{last_id},"count":{count}}}"#)));
    }
    if server.journal.is_some() || claim.is_some() {
        let taken = server.take(&channel, events, claim).await?;
        let id = taken.last_id.map_or_else(|| "null".to_owned(), |id| id.to_string());
        let repeated = if taken.is_repeated { r#","repeated":true"# } else { "" };
        return Ok(reply::json(format!(r#"{{"id":{id},"count":{count}{repeated}}}"#)));
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

/// Which request of which publisher this is, if it says so.
fn parse_claim(request: &Parts) -> Result<Option<Claim>, Rejection> {
    let (publisher, sequence) = (query_value(request, PUBLISHER), query_value(request, SEQUENCE));
    if publisher.is_none() && sequence.is_none() {
        return Ok(None);
    }
    let publisher = publisher.filter(|name| is_publisher_name(name)).map(Box::from);
    match (publisher, sequence.and_then(parse_number)) {
        (Some(publisher), Some(sequence)) => Ok(Some(Claim { publisher, sequence })),
        _ => Err(Rejection::bad_request(format!(
            "{PUBLISHER} must be 1 to {MAX_PUBLISHER_LEN} characters of A-Z a-z 0-9 . _ - and {SEQUENCE} a \
             number that grows with each request of that publisher; there must be both or none"
        ))),
    }
}

impl Server {
    /// Appends `events` to the channel when the journal has them, if there is one. What a publisher sends
    /// again is not taken again.
    async fn take(
        &self,
        channel: &Arc<Channel>,
        events: Vec<NewEvent>,
        claim: Option<Claim>,
    ) -> Result<Taken, Rejection> {
        let count = events.len();
        if let Some(journal) = &self.journal {
            let taken = journal.publish(channel, events, claim).await.map_err(reject)?;
            if !taken.is_repeated {
                Metrics::add(&self.metrics.published, count);
            }
            return Ok(taken);
        }
        // Held until they are appended, so that the same request on another connection waits.
        let mut publishers = self.publishers.lock().unwrap_or_else(PoisonError::into_inner);
        match claim.as_ref().map(|claim| publishers.standing(claim)) {
            None | Some(Standing::New) => {}
            Some(Standing::Taken(last_id)) => return Ok(Taken { last_id, is_repeated: true }),
            Some(Standing::Forgotten) => return Err(reject(Refused::Forgotten)),
        }
        let (last_id, too_old) = self.publish(channel, events);
        if let Some(claim) = &claim {
            publishers.note(claim, last_id.unwrap_or_default());
        }
        drop(publishers);
        drop(too_old);
        Ok(Taken { last_id, is_repeated: false })
    }

    /// Appends an event that a stream has sent, which is not told what becomes of it. Says whether it
    /// may become anything.
    pub(crate) fn publish_unanswered(&self, channel: &Arc<Channel>, event: NewEvent) -> bool {
        match &self.journal {
            Some(journal) => {
                let goes = journal.send(channel, event);
                Metrics::add(&self.metrics.published, usize::from(goes));
                goes
            }
            None => {
                self.publish(channel, vec![event]);
                true
            }
        }
    }

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

/// Why the journal did not take events.
fn reject(refused: Refused) -> Rejection {
    match refused {
        Refused::Forgotten => Rejection::new(
            StatusCode::CONFLICT,
            format!(
                "whether that request was taken is no longer known, and it was not taken now: {SEQUENCE} must                  grow by 1 with each request"
            ),
        ),
        Refused::DiskFull(reason) => Rejection::new(StatusCode::INSUFFICIENT_STORAGE, reason),
        Refused::Failed(reason) => {
            Rejection::new(StatusCode::SERVICE_UNAVAILABLE, reason).with_header(RETRY_AFTER, "1")
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
