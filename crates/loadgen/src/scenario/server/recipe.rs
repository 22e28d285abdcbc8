//! How one subscribes over one transport. It must not know how any of that is done.

use std::time::Duration;

use hyper::header::HeaderName;

use super::template::Template;

/// How one subscribes over one transport.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipe {
    /// The table that has it, as messages name it: `server.chat.websocket`.
    pub table: String,
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
    /// What stands between the names of channels that share a connection.
    pub join: Option<String>,
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
    /// HTTP exchanges before that, instead of the usual ones.
    pub before: Option<Vec<Step>>,
    /// Instead of the usual ones.
    pub steps: Option<Vec<Step>>,
}

/// Waits, takes notes, sends: whatever of it there is, in this order. With a request it sends first,
/// and takes notes of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which one of the list it is, as messages count: from 1.
    pub number: usize,
    /// For which message.
    pub wait: Option<Match>,
    /// Over HTTP beside the connection, not over the connection.
    pub request: Option<Request>,
    /// What is sent.
    pub send: Option<Template>,
    /// Values for placeholders.
    pub capture: Vec<(String, Source)>,
    /// Whether it is done for each of several channels that share a connection.
    pub each: bool,
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

impl Split {
    /// Whether an answer by itself may hold several messages.
    #[must_use]
    pub fn has_several(self) -> bool {
        matches!(self, Self::Lines | Self::RecordSeparator)
    }
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
