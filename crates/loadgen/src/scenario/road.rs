//! What lies between a contender's clients and its server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Network, Way};

/// The way from a client to its server, and back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Road {
    /// Whether pushbench's own server is spoken to by TLS. Others say it in their URL.
    pub tls: bool,
    /// Whether a subscriber's connections resume the TLS session of the one before (RFC 8446 §2.2).
    pub resumes_tls: bool,
    /// What is spoken to it.
    pub http: HttpVersion,
    /// Whether it compresses what it sends.
    pub compression: bool,
    /// The proxy between, if there is one.
    pub proxy: Way,
    /// The network; loopback if there is none.
    pub network: Option<Network>,
}

/// A version of HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HttpVersion {
    /// HTTP/1.1 (RFC 9112).
    #[default]
    #[serde(rename = "1.1")]
    Http1,
    /// HTTP/2 (RFC 9113), with WebSockets as RFC 8441 has them.
    #[serde(rename = "2")]
    Http2,
}
