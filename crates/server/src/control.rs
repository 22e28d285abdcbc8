//! What operators ask for: health and metrics.

use crate::Server;
use crate::http::reply::{self, Reply};

pub(crate) fn health() -> Reply {
    reply::json(&br#"{"status":"ok"}"#[..])
}

pub(crate) fn metrics(server: &Server) -> Reply {
    reply::prometheus(server.metrics.render(&server.hub.totals()))
}
