//! The server as its clients see it, over real sockets. The clients here are blocking and do not
//! share any code with the server.

#![allow(clippy::unwrap_used, reason = "clippy.toml spares the tests, but not their helpers")]

mod access;
mod any_bytes;
mod bad_requests;
mod broker;
mod broker_limits;
mod compression;
mod delivery;
mod http2;
mod http3;
mod http_shapes;
mod in_runtime;
mod inject;
mod lifetime;
mod memory;
mod quic;
mod quic_streams;
mod redis;
mod rfc6455;
mod several_channels;
mod slow;
mod sse_framing;
mod support;
mod tcp;
mod tls;
mod websocket;
