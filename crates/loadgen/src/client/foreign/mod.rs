//! Subscribers of servers that are not ours: they go by a [`Recipe`]. It owns templates with values in
//! them, messages and what is answered to them; an event is whatever carries a stamp, so nothing has to
//! be known of how a server wraps it.

#[cfg(test)]
mod delivery_test;
mod exchange;
mod handshake;
mod location;
mod messages;
mod pointer;
mod pull;
mod socket_publish;
mod socket_wire;
mod stamps;
mod stream;
mod talk;
mod values;
mod websocket;
mod words;

use std::fmt;
use std::sync::Arc;

use crate::client::Tls;
use crate::scenario::Recipe;

pub(crate) use location::Location;
pub(super) use pull::ForeignPull;
pub(super) use socket_publish::{SocketAnswers, SocketPublish};
pub(super) use stream::ForeignStream;
pub(crate) use values::Values;
pub(super) use websocket::ForeignWebSocket;

/// How one subscriber subscribes to a server that is not ours.
#[derive(Clone, Debug)]
pub(crate) struct Foreign {
    /// How it is done.
    pub(crate) recipe: Arc<Recipe>,
    /// What is put into it. It outlives connections, so that one can go on where another ended.
    pub(crate) values: Values,
    /// Whom to trust where it is `https` or `wss`.
    pub(crate) tls: Option<Tls>,
    /// Who wants to see what is sent and received; nobody in a trial.
    pub(crate) trace: Option<Trace>,
}

/// Sees what goes over a connection.
#[derive(Clone)]
pub(crate) struct Trace(pub(crate) Arc<dyn Fn(Seen<'_>) + Send + Sync>);

/// What goes over a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seen<'a> {
    /// A request, or a WebSocket that is opened: method and URL.
    Asked(&'a str, &'a str),
    /// A status, and what else is worth knowing of the answer.
    Answered(u16, &'a str),
    /// What is sent over a connection, or as the body of a request.
    Sent(&'a str),
    /// A message.
    Received(&'a [u8]),
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trace")
    }
}

impl Foreign {
    fn see(&self, seen: Seen<'_>) {
        if let Some(Trace(see)) = &self.trace {
            see(seen);
        }
    }

    /// The table whose `url` says where it is: the server's own, if the recipe's begins with that.
    fn table_of_url(&self) -> &str {
        let table = &self.recipe.table[..];
        match self.recipe.ask.url.begin() {
            Some("url" | "ws") => {
                let server = table.rsplit_once('.').map_or(table, |(server, _)| server);
                server.strip_suffix(".publish").unwrap_or(server)
            }
            _ => table,
        }
    }

    /// Which reply of the recipe answers a message, if one does.
    fn asks(&self, message: &[u8]) -> Option<usize> {
        self.recipe.replies.iter().position(|reply| reply.to.is_met_by(message))
    }
}
