//! What QUIC says that it has sent and received of a connection, in the terms of TCP.

use std::net::IpAddr;

use quinn::Connection;

use super::TcpTotals;

/// The headers of IP and of UDP (RFC 768) on each datagram: those of IPv4 (RFC 791 §3.1) or IPv6 (RFC 8200 §3).
const HEADERS_V4: u64 = 20 + 8;
const HEADERS_V6: u64 = 40 + 8;

/// What a connection has done so far. Segments are datagrams here, and QUIC's bytes are those of their payloads.
pub(super) fn totals(connection: &Connection) -> TcpTotals {
    let stats = connection.stats();
    let headers = match connection.remote_address().ip().to_canonical() {
        IpAddr::V4(_) => HEADERS_V4,
        IpAddr::V6(_) => HEADERS_V6,
    };
    TcpTotals {
        segments_out: stats.udp_tx.datagrams,
        segments_in: stats.udp_rx.datagrams,
        bytes_out: stats.udp_tx.bytes,
        bytes_in: stats.udp_rx.bytes,
        header_bytes: (stats.udp_tx.datagrams + stats.udp_rx.datagrams) * headers,
    }
}
