//! What is said of a server that does something else than was described.

use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::LOCATION;
use tokio::time::timeout;

use super::Foreign;
use crate::client::ClientError;
use crate::scenario::Match;

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
        _ => "",
    };
    let body = match body.is_empty() {
        true => String::new(),
        false => format!(": {}", quoted(foreign, body)),
    };
    ClientError::Foreign(format!("the server answered {status} {reason}{body}{hint}"))
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
