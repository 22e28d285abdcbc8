//! What is said of a server that does something else than was described.

use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{HeaderValue, LOCATION, TRANSFER_ENCODING};
use tokio::time::timeout;

use super::Foreign;
use crate::client::ClientError;
use crate::client::http_answer::end_of_chunks;
use crate::scenario::{Match, Step};

/// How long an answer may take, and the message that a step waits for.
pub(super) const STEP_WITHIN: Duration = Duration::from_secs(10);

/// How much of a message an error quotes.
const QUOTED_BYTES: usize = 300;

/// What opens a connection: its answer must begin soon.
pub(super) async fn in_time<T>(
    opened: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    timeout(STEP_WITHIN, opened).await.unwrap_or_else(|_| {
        Err(ClientError::Foreign(format!(
            "the server has not answered within {STEP_WITHIN:?}: does it keep the head of its answer \
             until there is an event?"
        )))
    })
}

/// An answer that is no success.
pub(super) fn refused(
    foreign: &Foreign,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
) -> ClientError {
    refused_with(foreign, status, headers, body, "")
}

/// An answer that does not open a WebSocket. What is behind its head may be cut off.
pub(super) fn not_upgraded(
    foreign: &Foreign,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
) -> ClientError {
    let coding = headers.get(TRANSFER_ENCODING).map(HeaderValue::as_bytes).unwrap_or_default();
    let mut whole = Vec::new();
    if coding.to_ascii_lowercase().ends_with(b"chunked") {
        // Of chunks that are cut off, what came is shown.
        let _ = end_of_chunks(body, |piece| whole.extend_from_slice(piece));
    }
    let body = if whole.is_empty() { body } else { &whole[..] };
    let hint = if status == 400 { "; is this the right path?" } else { "" };
    refused_with(foreign, status, headers, body, hint)
}

fn refused_with(
    foreign: &Foreign,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    other_hint: &str,
) -> ClientError {
    let location = headers.get(LOCATION).map(|to| quoted(foreign, to.as_bytes()));
    let reason = hyper::StatusCode::from_u16(status).ok();
    let reason = reason.and_then(|status| status.canonical_reason()).unwrap_or_default();
    let hint = match status {
        200..=299 => "; that does not open a WebSocket: is this the right path?",
        401 | 403 => "; does it want a token or an Origin?",
        404 | 405 => "; is this the right path?",
        426 => "; it wants another protocol here, such as WebSocket",
        300..=399 => match &location {
            Some(to) => &format!("; it redirects to {to}, which is not followed: use that URL"),
            None => "; it redirects, which is not followed",
        },
        _ => other_hint,
    };
    let body = match body.is_empty() {
        true => String::new(),
        false => format!(": {}", quoted(foreign, body)),
    };
    ClientError::Foreign(format!("the server answered {status} {reason}{body}{hint}"))
}

/// Which step is meant. `list` is the key that has it, if that is not `steps`.
pub(super) fn place_of(foreign: &Foreign, step: &Step, list: Option<&str>) -> String {
    let Foreign { recipe, .. } = foreign;
    match list {
        None => format!("step {} of [{}]", step.number, recipe.table),
        Some(list) => format!("step {} of `{list}` in [{}]", step.number, recipe.table),
    }
}

/// That the message did not come for which a step waits, and what came instead.
pub(super) fn not_met(
    foreign: &Foreign,
    step: &Step,
    wanted: &Match,
    last: Option<&str>,
    ended: bool,
) -> ClientError {
    let place = place_of(foreign, step, None);
    let wanted = described(wanted);
    let said = match (ended, last) {
        (true, None) => {
            format!("the server ended the connection instead of sending a message that {wanted}")
        }
        (true, Some(last)) => format!(
            "the server ended the connection instead of sending a message that {wanted}; before that it \
             sent {last}"
        ),
        (false, None) => {
            format!("the server sent no message that {wanted} within {STEP_WITHIN:?}, and no other")
        }
        (false, Some(last)) => format!(
            "the server sent no message that {wanted} within {STEP_WITHIN:?}; the last message was {last}"
        ),
    };
    let order = match step.send {
        Some(_) => ". A step waits before it sends: put `send` into a step of its own, before it",
        None => "",
    };
    ClientError::Foreign(format!("{place}: {said}{order}"))
}

pub(super) fn described(wanted: &Match) -> String {
    match wanted {
        Match::Is(text) => format!("is {text:?}"),
        Match::Starts(text) => format!("begins with {text:?}"),
        Match::Has(text) => format!("contains {text:?}"),
    }
}

/// What the server has said, as an error shows it.
pub(super) fn quoted(foreign: &Foreign, message: &[u8]) -> String {
    // A secret is hidden as a whole before anything is cut.
    let text = foreign.values.redact(&String::from_utf8_lossy(message));
    let cut = text.char_indices().map(|(at, _)| at).find(|at| *at >= QUOTED_BYTES);
    let more = if cut.is_some() { "…" } else { "" };
    format!("{:?}{more}", &text[..cut.unwrap_or(text.len())])
}
