//! How one subscribes, in a file: the twin of [`Recipe`](super::Recipe).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::scenario::duration;

/// How one subscribes.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecipeFile {
    /// Where: "{url}/events/{channel}", "{ws}/socket".
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<Spanned<String>>,
    /// "GET" when left out.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) method: Option<Spanned<String>>,
    /// Header fields. One whose value is not known yet is left out.
    #[schemars(with = "BTreeMap<String, String>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) headers: Option<BTreeMap<String, Spanned<String>>>,
    /// The body of that request, if it has one.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<Spanned<String>>,
    /// The WebSocket subprotocol that is offered and must be chosen.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) subprotocol: Option<Spanned<String>>,
    /// HTTP requests before that, in order.
    #[schemars(with = "Vec<StepFile>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<Vec<StepFile>>,
    /// What follows once the connection is open, in order.
    #[schemars(with = "Vec<StepFile>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) steps: Option<Vec<StepFile>>,
    /// How messages are told apart: "sse", "lines", "rs" (the byte 0x1E) or "none". When left out,
    /// "sse" in [server.NAME.sse], and "none" elsewhere.
    #[schemars(with = "SplitFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) split: Option<SplitFile>,
    /// What is sent whenever such a message comes.
    #[schemars(with = "Vec<ReplyFile>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reply: Option<Vec<ReplyFile>>,
    /// What the client says from time to time.
    #[schemars(with = "PingFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ping: Option<PingFile>,
    /// Values that change with every answer, or are those of the last event: "header:Etag",
    /// "/json/pointer" (in a list, "/-1" is the last element), "sse:id".
    #[schemars(with = "BTreeMap<String, String>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cursor: Option<BTreeMap<String, Spanned<String>>>,
    /// What a client that connects again does otherwise.
    #[schemars(with = "ResumeFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) resume: Option<ResumeFile>,
    /// What stands between names of channels in `{channel}`, where several share a connection: ",".
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) join: Option<String>,
    /// Polling: whether it asks again at once until an answer brings nothing.
    #[schemars(with = "bool")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until_empty: Option<bool>,
}

/// How messages are told apart.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SplitFile {
    /// One is all that comes at once.
    None,
    /// Each is a line.
    Lines,
    /// Each ends with the byte 0x1E.
    Rs,
    /// Server-Sent Events.
    Sse,
}

/// Which messages are meant: one of the three.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MatchFile {
    /// This message.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) is: Option<String>,
    /// Messages that begin so.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) starts: Option<String>,
    /// Messages with this in them.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) has: Option<String>,
}

/// One step: it waits, takes notes, and sends.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StepFile {
    /// For which message: `{ is = "…" }`, `{ starts = "…" }` or `{ has = "…" }`.
    #[schemars(with = "MatchFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) wait: Option<Spanned<MatchFile>>,
    /// An HTTP request beside the connection: "POST {url}/…".
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) request: Option<Spanned<String>>,
    /// What is sent.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) send: Option<Spanned<String>>,
    /// Values for placeholders: "/json/pointer" or "header:NAME".
    #[schemars(with = "BTreeMap<String, String>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) capture: Option<BTreeMap<String, Spanned<String>>>,
    /// Whether it is done for each channel, where several share a connection.
    #[serde(default)]
    pub(super) each: bool,
}

/// What is sent whenever such a message comes.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplyFile {
    /// To this message.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) is: Option<String>,
    /// To messages that begin so.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) starts: Option<String>,
    /// To messages with this in them.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) has: Option<String>,
    /// An HTTP request beside the connection: "POST {url}/…".
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) request: Option<Spanned<String>>,
    /// What.
    #[schemars(with = "String", example = "3")]
    pub(super) send: Spanned<String>,
}

/// What a client says from time to time.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PingFile {
    /// From one to the next.
    #[schemars(with = "String", regex(pattern = duration::PATTERN), example = "25s")]
    pub(super) every: Spanned<String>,
    /// An HTTP request beside the connection: "POST {url}/…".
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) request: Option<Spanned<String>>,
    /// What.
    #[schemars(with = "String", example = &"ping")]
    pub(super) send: Spanned<String>,
}

/// What a client that connects again does otherwise.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResumeFile {
    /// Where, if it is elsewhere.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<Spanned<String>>,
    /// Header fields beside the usual ones.
    #[schemars(with = "BTreeMap<String, String>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) headers: Option<BTreeMap<String, Spanned<String>>>,
    /// HTTP requests before that, instead of the usual ones. Of polls, whose session may end: one that is
    /// answered by 400, 404 or 410 then begins a new one so.
    #[schemars(with = "Vec<StepFile>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<Vec<StepFile>>,
    /// Steps instead of the usual ones.
    #[schemars(with = "Vec<StepFile>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) steps: Option<Vec<StepFile>>,
}
