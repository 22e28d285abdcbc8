//! What a client goes on with that is refused a WebSocket.

use std::time::Duration;

use pushbench_wire::Transport;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::duration;
use super::values::Values;

/// What comes next, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// One after the other; long polling can only be the last, as it is known to work when it is answered.
    pub order: Vec<Transport>,
    /// How long each may take.
    pub after: Duration,
}

/// How long each may take if nothing is said.
const USUALLY: Duration = Duration::from_secs(3);

/// Its twin in the file.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FallbackFile {
    /// What comes after WebSocket: "sse", "long-polling", or both in this order.
    #[schemars(with = "Vec<Transport>", length(min = 1))]
    pub(super) order: Spanned<Vec<Transport>>,
    /// How long each may take until it counts as refused: "3s", which it is when left out.
    #[schemars(with = "String", regex(pattern = duration::PATTERN))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<Spanned<String>>,
}

impl Values<'_, '_> {
    /// What a contender goes on with that has one, if it may.
    pub(super) fn fallback(&mut self, file: &FallbackFile, may_fall_back: bool) -> Fallback {
        let (span, order) = (file.order.span(), file.order.get_ref());
        if !may_fall_back {
            let message =
                "`fallback` is what comes after a WebSocket of pushbench's own server: remove it";
            self.problems.at(span.clone(), message.to_owned());
        }
        let is_right = matches!(
            order[..],
            [Transport::Sse | Transport::LongPolling] | [Transport::Sse, Transport::LongPolling]
        );
        if !is_right {
            let message =
                "`order` must be [\"sse\"], [\"long-polling\"] or [\"sse\", \"long-polling\"]";
            self.problems.at(span, message.to_owned());
        }
        let allowed = Duration::from_millis(100)..=Duration::from_secs(60);
        let after = file.after.as_ref();
        let after = after.map_or(USUALLY, |after| self.duration("after", after, allowed));
        Fallback { order: order.clone(), after }
    }
}
