//! How an event is published, in a file: the twin of [`Publish`](super::Publish).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::file_recipe::{MatchFile, PingFile, RecipeFile, ReplyFile, SplitFile, StepFile};

/// How an event is published: one HTTP request for each, or by one of the last two.
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
    pub(super) refused: Option<Spanned<String>>,
    /// By messages over a WebSocket.
    #[schemars(with = "PublishSocketFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) websocket: Option<Spanned<PublishSocketFile>>,
    /// By commands to Redis.
    #[schemars(with = "PublishRedisFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) redis: Option<Spanned<PublishRedisFile>>,
}

/// How an event is published over a WebSocket: one message for each.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PublishSocketFile {
    /// Where: "{ws}/socket".
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<Spanned<String>>,
    /// Header fields. One whose value is not known yet is left out.
    #[schemars(with = "BTreeMap<String, String>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) headers: Option<BTreeMap<String, Spanned<String>>>,
    /// The subprotocol that is offered and must be chosen.
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
    /// How messages are told apart: "lines", "rs" (the byte 0x1E) or "none", which it is when left out.
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
    /// The message of an event: "{payload}" when left out.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) send: Option<Spanned<String>>,
    /// Which messages of the server say that it has taken an event, one for each. Nobody waits for any
    /// when left out.
    #[schemars(with = "MatchFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) acknowledged: Option<Spanned<MatchFile>>,
    /// Which messages say that it has refused one.
    #[schemars(with = "MatchFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<Spanned<MatchFile>>,
}

impl PublishSocketFile {
    /// What it has in common with a subscription.
    pub(super) fn recipe(&self) -> RecipeFile {
        RecipeFile {
            url: self.url.clone(),
            headers: self.headers.clone(),
            subprotocol: self.subprotocol.clone(),
            before: self.before.clone(),
            steps: self.steps.clone(),
            split: self.split,
            reply: self.reply.clone(),
            ping: self.ping.clone(),
            ..RecipeFile::default()
        }
    }
}

/// How an event is published by Redis: one command for each.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PublishRedisFile {
    /// Where: "redis://:{token|url}@127.0.0.1:6379/0", or "rediss://" with TLS.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<Spanned<String>>,
    /// Which channel of Redis: "{channel}" when left out.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) channel: Option<Spanned<String>>,
    /// What is published there: "{payload}" when left out.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<Spanned<String>>,
    /// Instead of `PUBLISH` to that channel: `["XADD", "{channel}", "*", "data", "{payload}"]`.
    #[schemars(with = "Vec<String>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) command: Option<Spanned<Vec<String>>>,
}
