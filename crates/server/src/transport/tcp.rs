//! Raw TCP, the yardstick: frames with a length before them ([`pushbench_wire::frame`]) on a socket
//! on which, after the 101, nothing of HTTP is left (RFC 9110 §7.8).

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use hyper::http::request::Parts;
use pushbench_wire::Transport;
use pushbench_wire::endpoint::TCP_UPGRADE;
use pushbench_wire::frame::HEARTBEAT;

use super::outbox::Outbox;
use super::push::{Line, Peer, Received};
use super::{Stream, Subscriber, Takeover};
use crate::framing::Framing;
use crate::http::discard;
use crate::http::reply::Rejection;
use crate::http::request::{asks_to_upgrade, position};
use crate::hub::Channel;

pub(super) fn open(channel: Arc<Channel>, request: &Parts) -> Result<Takeover, Rejection> {
    if !asks_to_upgrade(request, TCP_UPGRADE) {
        return Err(Rejection::upgrade_required(
            TCP_UPGRADE,
            format!(
                "this is raw TCP: send an HTTP/1.1 request with Upgrade: {TCP_UPGRADE} and \
                 Connection: Upgrade"
            ),
        ));
    }
    let subscriber = Subscriber::live_unless(channel, position(request)?);
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: {TCP_UPGRADE}\r\nConnection: Upgrade\r\n\r\n"
    );
    Ok(Takeover { stream: Stream::Tcp, head: head.into(), subscriber })
}

/// The reader of frames. Whatever it sends is ignored.
pub(super) struct Tcp;

impl Peer for Tcp {
    const TRANSPORT: Transport = Transport::Tcp;
    const FRAMING: Framing = Framing::Tcp;

    fn receive(&mut self, line: &mut Line<'_>) -> io::Result<Received> {
        discard(line.socket).map(|()| Received::All)
    }

    fn heartbeat(&mut self, outbox: &mut Outbox) -> io::Result<()> {
        outbox.push(Bytes::from_static(&HEARTBEAT));
        Ok(())
    }

    fn go_away(&mut self, _: &mut Line<'_>) {}
}
