//! How an event is published on a server that is not ours. It must not know how that is done.

use std::sync::Arc;

use hyper::header::HeaderName;

use super::recipe::{Match, Recipe};
use super::template::Template;

/// How an event is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publish {
    /// By one HTTP request for each.
    Request(PublishRequest),
    /// By one message for each over a WebSocket.
    Socket(PublishSocket),
    /// By one command to Redis for each.
    Redis(PublishRedis),
}

/// Stands for a way that cannot be read, so that nothing more is said of it.
impl Default for Publish {
    fn default() -> Self {
        Self::Request(PublishRequest::default())
    }
}

/// One HTTP request for each event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishRequest {
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

/// One message over a WebSocket for each event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishSocket {
    /// How the connection is opened and kept.
    pub recipe: Arc<Recipe>,
    /// With the payload.
    pub send: Template,
    /// Which messages say that an event was taken. Without, nobody says it.
    pub acknowledged: Option<Match>,
    /// Which messages say that one was refused.
    pub refused: Option<Match>,
    /// Whether what opens the connection names a channel: then each has one of its own.
    pub each_channel: bool,
}

/// One command to Redis for each event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishRedis {
    /// Where.
    pub url: Template,
    /// Its words, with the payload in one of them.
    pub command: Vec<Template>,
}
