//! A server in a file: the twin of [`Server`](super::Server). All of it may be left to a preset, so every key is
//! optional here.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::scenario::duration;

/// One `[server.NAME]`, or a preset.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct ServerFile {
    /// Whatever is not written here is as in this preset: a name, or a file in the folder of this one,
    /// "./mine.toml".
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) preset: Option<Spanned<String>>,
    /// What reports call it; its name when left out.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) label: Option<Spanned<String>>,
    /// What it promises a subscriber, for reports: "at most once", "a log with resume".
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) promises: Option<Spanned<String>>,
    /// What starts it, for each trial, in the folder of this file; {port} is a free port. Without a
    /// command it runs already.
    #[schemars(with = "String", example = "node server.mjs {port}")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) command: Option<Spanned<String>>,
    /// The file that has the number of its process, if it runs already on this machine: then its CPU time
    /// and memory are measured.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pid_file: Option<Spanned<String>>,
    /// When it can be used: `{ line = "listening" }` as soon as it has written a line with that,
    /// `{ url = "{url}/health" }` as soon as that answers 2xx. As soon as its port takes connections,
    /// when left out.
    #[schemars(with = "ReadyFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ready: Option<Spanned<ReadyFile>>,
    /// Where it is: `http://127.0.0.1:{port}` when left out.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<Spanned<String>>,
    /// The value of {token}: `{ env = "NAME" }` is that environment variable, and `{ hs256 = "NAME",
    /// claims = '{"sub":"me"}' }` a JSON Web Token that is signed with it.
    #[schemars(with = "TokenFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<Spanned<TokenFile>>,
    /// Whom to trust where it is https: what the system trusts, when left out.
    #[schemars(with = "TlsFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tls: Option<TlsFile>,
    /// How an event is published.
    #[schemars(with = "PublishFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) publish: Option<PublishFile>,
    /// How one polls.
    #[schemars(with = "RecipeFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) polling: Option<Spanned<RecipeFile>>,
    /// How one polls and waits.
    #[schemars(with = "RecipeFile")]
    #[serde(default, rename = "long-polling", skip_serializing_if = "Option::is_none")]
    pub(super) long_polling: Option<Spanned<RecipeFile>>,
    /// How one opens a stream: SSE, or whatever `split` says.
    #[schemars(with = "RecipeFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sse: Option<Spanned<RecipeFile>>,
    /// How one subscribes over a WebSocket.
    #[schemars(with = "RecipeFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) websocket: Option<Spanned<RecipeFile>>,
}

/// When a server can be used.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadyFile {
    /// It has written a line with this in it.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<String>,
    /// `GET` of this answers 2xx.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<Spanned<String>>,
}

/// Where a secret is.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenFile {
    /// The environment variable that has it.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) env: Option<String>,
    /// The environment variable that has the secret with which a token is signed (RFC 7519, HS256).
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hs256: Option<String>,
    /// What that token claims: a JSON object.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) claims: Option<Spanned<String>>,
}

/// Whom to trust.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsFile {
    /// A file with certificates in PEM form, in the folder of this file, beside those that the system
    /// trusts.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ca: Option<String>,
    /// Whether anybody is trusted; reports say so.
    #[serde(default)]
    pub(super) insecure: bool,
}

/// How an event is published: one HTTP request for each.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PublishFile {
    /// "POST" when left out.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) method: Option<Spanned<String>>,
    /// Where: "{url}/publish/{channel}".
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<Spanned<String>>,
    /// Its header fields.
    #[schemars(with = "BTreeMap<String, String>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) headers: Option<BTreeMap<String, Spanned<String>>>,
    /// "{payload}" when left out.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<Spanned<String>>,
    /// What only an answer contains that refuses the event, though its status is 2xx.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<String>,
}

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
    /// Steps instead of the usual ones.
    #[schemars(with = "Vec<StepFile>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) steps: Option<Vec<StepFile>>,
}
