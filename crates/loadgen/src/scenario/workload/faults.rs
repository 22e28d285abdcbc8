//! What breaks while events are measured, and how subscribers come back.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::limits::TICK;

/// How long before the end of the window all faults are over: what is observed at that edge begins a little
/// before it.
pub const FAULTS_END: Duration = Duration::from_millis(100);

/// Something that breaks once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// When, from the beginning of the measured window.
    pub at: Duration,
    /// What happens.
    pub kind: FaultKind,
}

impl Fault {
    /// When it is over; what is cut is so at once.
    #[must_use]
    pub fn end(&self) -> Duration {
        self.at + self.kind.length().unwrap_or_default()
    }
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FaultKind {
    /// Subscribers lose their connections.
    Cut {
        /// What the server sees of it.
        how: CutHow,
        /// The share of subscribers, above 0 and at most 1.
        share: f64,
    },
    /// The server does nothing, as in a long garbage collection: its processes are stopped.
    Pause {
        /// How long.
        length: Duration,
    },
    /// One of several servers is killed, and does not come back: the last one that is there.
    KillNode,
    /// The network carries nothing.
    Outage {
        /// How long.
        length: Duration,
    },
    /// The server ends, and is started again as it was.
    Restart {
        /// How it ends.
        how: RestartHow,
        /// How long it stays down at least.
        length: Duration,
    },
    /// The network carries nothing more of the connections that there are, and says so to nobody: new ones
    /// work.
    Silence {
        /// The share of subscribers, above 0 and at most 1.
        share: f64,
    },
}

impl Fault {
    /// Moves and stretches it as its window was.
    pub(super) fn stretch(&mut self, share: f64) {
        let scaled =
            |time: Duration| Duration::from_micros((time.as_micros() as f64 * share) as u64);
        self.at = scaled(self.at);
        match &mut self.kind {
            FaultKind::Cut { .. } | FaultKind::Silence { .. } | FaultKind::KillNode => {}
            // What has a length keeps one.
            FaultKind::Pause { length } | FaultKind::Outage { length } => {
                *length = scaled(*length).max(TICK);
            }
            FaultKind::Restart { length, .. } => *length = scaled(*length),
        }
    }
}

impl FaultKind {
    /// How long it lasts; none if that has no meaning.
    #[must_use]
    pub fn length(&self) -> Option<Duration> {
        match *self {
            Self::Cut { .. } | Self::Silence { .. } | Self::KillNode => None,
            Self::Pause { length } | Self::Outage { length } | Self::Restart { length, .. } => {
                Some(length)
            }
        }
    }
}

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartHow {
    /// It is told to (SIGTERM), and ends when it likes.
    Terminate,
    /// It is killed (SIGKILL).
    Kill,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutHow {
    /// By a FIN, as when a client goes.
    Close,
    /// By a RST, as when a router has lost its state.
    Reset,
}

/// How long a subscriber waits before it connects again: at most `first`, and twice as long after each
/// attempt that failed, up to `most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconnect {
    /// Before the first attempt.
    pub first: Duration,
    /// Before any attempt.
    pub most: Duration,
    /// Whether each wait is drawn evenly between nothing and that, so that not all come at once ("full
    /// jitter").
    pub jitter: bool,
    /// Who says how long an event stream waits.
    pub by: ReconnectBy,
    /// How long nothing may come before a subscriber takes its connection for dead; none that never does.
    pub dead_after: Option<Duration>,
}

/// Who says how long a subscriber waits before it connects again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReconnectBy {
    /// It does, by what the scenario says.
    Subscriber,
    /// The server does by what it says in `retry`, as browsers take it from an event stream. On other
    /// transports there is no such word.
    Server,
}

impl Reconnect {
    /// What is done where a scenario says nothing.
    pub const USUAL: Self = Self {
        first: Duration::from_millis(100),
        most: Duration::from_secs(5),
        jitter: false,
        by: ReconnectBy::Subscriber,
        dead_after: None,
    };

    /// The longest wait before an attempt, of which so many have failed since the connection broke.
    #[must_use]
    pub fn longest(&self, failed: u32) -> Duration {
        self.first.saturating_mul(2_u32.saturating_pow(failed)).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_longest() {
        let waits: Vec<_> =
            [0, 1, 2, 5, 6, 100].map(|failed| Reconnect::USUAL.longest(failed).as_millis()).into();
        assert_eq!(waits, [100, 200, 400, 3_200, 5_000, 5_000]);
    }
}
