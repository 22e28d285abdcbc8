//! A server that is not ours, as a scenario describes it: how it is started, how an event is published,
//! and how one subscribes over each transport. It must not know how any of that is done.

mod file;
mod overlay;
mod presets;
mod read;
mod read_preset;
mod read_recipe;
mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderName;
use pushbench_wire::Transport;

pub(super) use file::ServerFile;
pub(super) use presets::is_preset_file;
pub use presets::{preset_names, preset_text};
pub(super) use read::{check_together, servers};
pub(super) use read_preset::Presets;
pub use template::Template;

/// The server that every scenario has without naming it.
pub const OWN_SERVER: &str = "pushbench";

/// The placeholder for the second port of a server that listens at two.
pub const SECOND_PORT: &str = "port_2";

/// A server, and how it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// How the scenario calls it.
    pub name: String,
    /// What reports call it.
    pub label: String,
    /// What it promises a subscriber, in a few words; none that is not known.
    pub promises: Option<String>,
    /// How it comes to be there.
    pub start: Start,
    /// Where it is: the value of `{url}`.
    pub url: Template,
    /// The value of `{token}`.
    pub token: Option<Token>,
    /// Whom to trust where it is `https`.
    pub trust: Trust,
    /// How an event is published.
    pub publish: Publish,
    /// How one subscribes.
    pub subscribe: BTreeMap<Transport, Arc<Recipe>>,
}

/// Where a token comes from. It is read in each trial, and never kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// An environment variable.
    Variable(String),
    /// A JSON Web Token (RFC 7519), signed by HMAC with SHA-256 (RFC 7518 §3.2).
    Signed {
        /// The environment variable with the key.
        key_variable: String,
        /// The JSON object that it claims.
        claims: String,
    },
}

/// The value of `{ws}` for one of `{url}`: the same place by WebSocket, and as safe.
#[must_use]
pub fn websocket_url(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest))
            if ["https", "wss"].iter().any(|of| scheme.eq_ignore_ascii_case(of)) =>
        {
            format!("wss://{rest}")
        }
        Some((_, rest)) => format!("ws://{rest}"),
        None => url.to_owned(),
    }
}

/// Whose certificates are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// A file with certificates in PEM form, beside those that the system trusts.
    pub ca: Option<PathBuf>,
    /// Whether anybody is.
    pub insecure: bool,
}

/// How a server comes to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// It is started for each trial.
    Command {
        /// Program and arguments.
        words: Vec<Template>,
        /// Where it is started: the folder of the scenario.
        folder: PathBuf,
        /// When it can be used.
        ready: Ready,
    },
    /// It runs already.
    Running {
        /// The file that has the number of its process; nobody sees that without.
        pid_file: Option<PathBuf>,
    },
}

/// When a server that was started can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// As soon as its port takes connections.
    Port,
    /// As soon as it has written a line with this on its standard output.
    Line(String),
    /// As soon as `GET` of this answers 2xx.
    Url(Template),
}

/// One HTTP request for each event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publish {
    /// Such as `POST`.
    pub method: String,
    /// Where.
    pub url: Template,
    /// By name.
    pub headers: Vec<(HeaderName, Template)>,
    /// With the payload.
    pub body: Template,
    /// What only an answer contains that refuses the event, though it says 2xx.
    pub refused: Option<String>,
}

/// How one subscribes over one transport.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipe {
    /// How the subscription, or each poll, is asked for.
    pub ask: Ask,
    /// WebSocket: what is offered and must be chosen.
    pub subprotocol: Option<String>,
    /// HTTP exchanges before that.
    pub before: Vec<Step>,
    /// What follows once the connection is open.
    pub steps: Vec<Step>,
    /// How messages are told apart.
    pub split: Split,
    /// What is answered, whenever it comes.
    pub replies: Vec<Reply>,
    /// What the client says by itself.
    pub ping: Option<Ping>,
    /// Values that change with every answer or message.
    pub cursor: Vec<(String, Source)>,
    /// How it is asked for by a subscriber that was connected before; as at first if this is none.
    pub resume: Option<Resume>,
    /// Whether a poll is repeated at once until it brings nothing.
    pub until_empty: bool,
}

/// An HTTP request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// Such as `GET`.
    pub method: String,
    /// Where.
    pub url: Template,
    /// By name. One whose value is not known yet is left out.
    pub headers: Vec<(HeaderName, Template)>,
    /// None without.
    pub body: Option<Template>,
}

/// What a client that connects again does otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resume {
    /// Where, if it is elsewhere.
    pub url: Option<Template>,
    /// Beside the usual ones.
    pub headers: Vec<(HeaderName, Template)>,
    /// Instead of the usual ones.
    pub steps: Option<Vec<Step>>,
}

/// Waits, takes notes, sends: whatever of it there is, in this order. With a request it sends first,
/// and takes notes of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// For which message.
    pub wait: Option<Match>,
    /// Over HTTP beside the connection, not over the connection.
    pub request: Option<Request>,
    /// What is sent.
    pub send: Option<Template>,
    /// Values for placeholders.
    pub capture: Vec<(String, Source)>,
}

/// Method and URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Such as `POST`.
    pub method: String,
    /// Where.
    pub url: Template,
}

/// What is sent whenever such a message comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// To which.
    pub to: Match,
    /// Over HTTP beside the connection, not over the connection.
    pub request: Option<Request>,
    /// What.
    pub send: Template,
}

/// What a client says from time to time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping {
    /// From one to the next.
    pub every: Duration,
    /// Over HTTP beside the connection, not over the connection.
    pub request: Option<Request>,
    /// What.
    pub send: Template,
}

/// Which messages are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// This one.
    Is(String),
    /// Those that begin so.
    Starts(String),
    /// Those with this in them.
    Has(String),
}

impl Match {
    /// Whether `message` is meant.
    #[must_use]
    pub fn is_met_by(&self, message: &[u8]) -> bool {
        match self {
            Self::Is(text) => message == text.as_bytes(),
            Self::Starts(text) => message.starts_with(text.as_bytes()),
            Self::Has(text) => memchr::memmem::find(message, text.as_bytes()).is_some(),
        }
    }
}

/// How the messages of a stream, or of a frame, are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// One is all that comes at once.
    #[default]
    None,
    /// Each is a line.
    Lines,
    /// Each ends with the byte 0x1E.
    RecordSeparator,
    /// Server-Sent Events (WHATWG HTML §9.2.6).
    Sse,
}

/// Where the value of a placeholder comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A JSON pointer (RFC 6901) into the first object or array of a message or body. In an array, `-1` is
    /// the last element.
    Pointer(String),
    /// A header of an answer, by its name in small letters.
    Header(String),
    /// The last event id of an SSE stream.
    SseId,
}
