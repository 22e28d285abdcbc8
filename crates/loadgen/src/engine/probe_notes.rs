//! What goes over the connections of a probe, as it is shown: without secrets, and cut.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::client::foreign::{Seen, Values};

/// How much of a message is shown.
const SHOWN_CHARS: usize = 200;

/// What was seen, and since when.
#[derive(Clone)]
pub(super) struct Notes {
    pub(super) values: Values,
    since: Instant,
    lines: Arc<Mutex<Vec<(Duration, String)>>>,
}

impl Notes {
    /// From now on. What is secret among `values` is left out.
    pub(super) fn new(values: Values) -> Self {
        Self { values, since: Instant::now(), lines: Arc::default() }
    }

    /// All that was seen, for whoever takes it.
    pub(super) fn take(&self) -> Vec<(Duration, String)> {
        std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that something was done.
    pub(super) fn add(&self, line: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push((self.since.elapsed(), self.values.redact(line)));
    }

    /// Notes what went over a connection of `who`.
    pub(super) fn see(&self, who: &str, seen: Seen<'_>) {
        // Before anything is quoted or cut.
        let redact = |text: &str| self.values.redact(text);
        let (sign, text) = match seen {
            Seen::Asked(method, url) => (">", format!("{method} {url}")),
            Seen::Answered(status, "") => ("<", status.to_string()),
            Seen::Answered(status, more) => ("<", format!("{status} {more}")),
            Seen::Sent(text) => (">", format!("{:?}", redact(text))),
            Seen::Received(message) => {
                ("<", format!("{:?}", redact(&String::from_utf8_lossy(message))))
            }
        };
        self.add(&format!("{who}{sign} {}", shown(&text)));
    }
}

/// The beginning of a text.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
