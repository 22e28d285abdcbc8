//! A server in a file: the twin of [`Server`](super::Server). All of it may be left to a preset, so every key is
//! optional here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::file_publish::PublishFile;
use super::file_recipe::RecipeFile;

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
    /// Instead of that, the folder of the control group (version 2) in which it runs alone, such as that of a
    /// unit of systemd or of a container.
    #[schemars(with = "String", example = "/sys/fs/cgroup/system.slice/nginx.service")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cgroup: Option<Spanned<String>>,
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
