//! What lies between a contender's clients and its server.

use pushbench_wire::Transport;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Log, Network, Nodes, Way};

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
    /// Where pushbench's own server keeps its log: what an event passes before it goes anywhere.
    pub log: Log,
    /// The proxy between, if there is one.
    pub proxy: Way,
    /// The network; loopback if there is none.
    pub network: Option<Network>,
    /// How many servers of pushbench's own there are at its end.
    pub nodes: Nodes,
}

impl Road {
    /// What is spoken over `transport` to a server that is ours or not. Raw TCP has HTTP/1.1 before it,
    /// whatever others have, and so have servers that are not ours. A WebSocket has it where the others have
    /// HTTP/3.
    #[must_use]
    pub fn http_of(&self, transport: Transport, is_ours: bool) -> HttpVersion {
        match (transport, self.http) {
            _ if !is_ours => HttpVersion::Http1,
            (Transport::Tcp, _) | (Transport::WebSocket, HttpVersion::Http3) => HttpVersion::Http1,
            // Of anything else than streams of events it is an error.
            (_, http) => http,
        }
    }
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
    /// HTTP/3 (RFC 9114), which has no WebSockets here: they stay what they are.
    #[serde(rename = "3")]
    Http3,
    /// WebTransport over HTTP/3 (draft-ietf-webtrans-http3-02), for event streams alone: a draft, not a standard.
    #[serde(rename = "webtransport-draft")]
    WebTransport,
}

impl HttpVersion {
    /// Whether all requests of a subscriber are streams of one connection.
    #[must_use]
    pub fn has_streams(self) -> bool {
        match self {
            // Browsers give each session a connection.
            Self::Http1 | Self::WebTransport => false,
            Self::Http2 | Self::Http3 => true,
        }
    }

    /// Whether it is spoken by TLS alone.
    #[must_use]
    pub fn needs_tls(self) -> bool {
        self != Self::Http1
    }

    /// Whether it goes over QUIC, and so over UDP.
    #[must_use]
    pub fn is_by_udp(self) -> bool {
        match self {
            Self::Http1 | Self::Http2 => false,
            Self::Http3 | Self::WebTransport => true,
        }
    }

    /// How a scenario writes it.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Http1 => "1.1",
            Self::Http2 => "2",
            Self::Http3 => "3",
            Self::WebTransport => "webtransport-draft",
        }
    }
}
