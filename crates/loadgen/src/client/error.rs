//! What a client fails of, and whether a new connection may help.

use std::net::SocketAddr;

use hyper::StatusCode;
use pushbench_wire::{deflate, frame, gzip, sse as sse_format};
use tokio_tungstenite::tungstenite;

use super::tls_refusal::Refusal;

/// Why a subscriber cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// No connection.
    #[error("cannot connect to {address}: {source}{}", advice(.source))]
    Connect { address: SocketAddr, source: std::io::Error },
    /// A connection without TLS, where it should be there.
    #[error("no TLS with {address}: {source}{}", advice_for_tls(.source))]
    Tls { address: SocketAddr, source: std::io::Error },
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Http(#[from] hyper::Error),
    /// It broke by HTTP/3, or one of its streams did.
    #[error("the connection broke: {0}")]
    Http3(#[from] h3::error::StreamError),
    /// It broke by HTTP/3 before anything was asked.
    #[error("the connection broke: {0}")]
    NoHttp3(#[from] h3::error::ConnectionError),
    /// The connection broke, and no HTTP was left on it.
    #[error("the connection broke: {0}")]
    Broken(std::io::Error),
    /// Nothing came any more.
    #[error("the connection is taken for dead: nothing has come for {}", humantime::format_duration(*.0))]
    Silent(std::time::Duration),
    /// The server ended a stream that should not end.
    #[error("the server ended the stream")]
    Ended,
    /// An answer other than was asked for.
    #[error("the server answered {status}: {body}{}", advice_for_status(*.status))]
    Status { status: StatusCode, body: String },
    /// A body larger than any client accepts.
    #[error("the server sent an answer of more than {limit} bytes")]
    TooLarge { limit: usize },
    /// A poll body that cannot be read.
    #[error("the server sent a poll body that cannot be read: {0}")]
    Poll(#[from] serde_json::Error),
    /// An event stream that cannot be read.
    #[error("the server sent an event stream that cannot be read: {0}")]
    Sse(#[from] sse_format::DecodeError),
    /// A server that does not compress, where it should.
    #[error("the server was asked to compress: {0}")]
    NotCompressed(String),
    /// An answer that is no gzip.
    #[error("the server sent gzip that cannot be read: {0}")]
    Gzip(#[from] gzip::DecodeError),
    /// A message that cannot be inflated.
    #[error("the server sent a compressed message that cannot be read: {0}")]
    Inflate(#[from] deflate::InflateError),
    /// Frames that cannot be read.
    #[error("the server sent frames that cannot be read: {0}")]
    Frame(#[from] frame::DecodeError),
    /// A message that cannot be read.
    #[error(transparent)]
    Message(#[from] pushbench_wire::message::BadMessage),
    /// The WebSocket protocol failed.
    #[error("the WebSocket broke: {0}")]
    WebSocket(#[from] tungstenite::Error),
    /// An event that is to go as text is none.
    #[error("an event that is to be sent as text is not UTF-8: {0}")]
    NotText(#[from] std::str::Utf8Error),
    /// A server that is not ours does something else than was said of it.
    #[error("{0}")]
    Foreign(String),
    /// A server that is not ours does not answer where it should be, or says that it is away.
    #[error("{0}")]
    Away(String),
    /// What the page of a browser says of a connection that it lost.
    #[error("{0}")]
    Page(String),
    /// A request that cannot be written down.
    #[error("the request cannot be made: {0}")]
    Request(#[from] hyper::http::Error),
}

fn advice(error: &std::io::Error) -> &'static str {
    match error.raw_os_error().map(nix::errno::Errno::from_raw) {
        Some(nix::errno::Errno::EMFILE) => " (raise the limit on open files: `ulimit -n`)",
        // By TCP and by UDP.
        Some(nix::errno::Errno::EADDRNOTAVAIL | nix::errno::Errno::EADDRINUSE) => {
            " (no local port is free: every connection takes one of `net.ipv4.ip_local_port_range`, and keeps it \
             for a minute after its end; widen the range, lower `subscribers`, or poll with `keep-alive`)"
        }
        _ => "",
    }
}

fn advice_for_tls(error: &std::io::Error) -> String {
    Refusal::of(error).map_or_else(String::new, |why| format!(" ({})", why.advice_for_ours()))
}

/// No server says these of itself (RFC 9110 §15.6.3 and §15.6.5).
fn advice_for_status(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_GATEWAY => {
            " (a proxy says that of a server which it does not reach, or which broke off: does its configuration \
             lead to {upstream}, and what does its log say?)"
        }
        StatusCode::GATEWAY_TIMEOUT => {
            " (a proxy says that of a server which it waited for in vain: is its time-out longer than the server \
             is silent?)"
        }
        _ => "",
    }
}

impl ClientError {
    /// Whether there was no connection yet that could break.
    pub(crate) fn is_no_connection(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Tls { .. } | Self::Away(_))
    }

    /// Whether a proxy says that its server is away, or a server that it is not ready.
    pub(crate) fn is_unavailable(&self) -> bool {
        matches!(self, Self::Status { status, .. } if matches!(
            *status,
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
        ))
    }

    /// Whether a new connection may help: it is the network's failure, not the protocol's.
    pub(crate) fn is_broken_connection(&self) -> bool {
        match self {
            Self::Http(_)
            | Self::Http3(_)
            | Self::NoHttp3(_)
            | Self::Broken(_)
            | Self::Ended
            | Self::Silent(_)
            | Self::Page(_)
            | Self::WebSocket(_) => true,
            Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Status { .. }
            | Self::TooLarge { .. }
            | Self::Poll(_)
            | Self::Sse(_)
            | Self::NotCompressed(_)
            | Self::Gzip(_)
            | Self::Inflate(_)
            | Self::Frame(_)
            | Self::Message(_)
            | Self::NotText(_)
            | Self::Foreign(_)
            | Self::Away(_)
            | Self::Request(_) => false,
        }
    }
}
