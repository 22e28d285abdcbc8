//! What operators ask for: health and metrics.

use crate::Server;
use crate::http::reply::{self, Reply};

/// The response of the readiness check.
pub(crate) fn health() -> Reply {
    reply::json(&br#"{"status":"ok"}"#[..])
}

/// The metrics of `server`.
pub(crate) fn metrics(server: &Server) -> Reply {
    let mut text = server.metrics.render(&server.hub.totals());
    if let Some(journal) = &server.journal {
        journal.counts().write_to(&mut text);
    }
    if let Some(broker) = &server.broker {
        broker.render(&mut text);
    }
    reply::prometheus(text)
}
