//! Raw TCP: frames on the bare socket ([`pushbench_wire::frame`]).

use std::rc::Rc;

use bytes::Bytes;
use pushbench_wire::endpoint::{Resource, TCP_UPGRADE};
use pushbench_wire::frame::Decoder;
use tokio::io::AsyncReadExt as _;

use super::http::upgrade;
use super::socket::{Socket, Wire};
use super::{ClientError, MAX_EVENT_BYTES, READ_BUFFER_BYTES, Sink, Subscriber, Subscription};

/// Reads frames off a socket that HTTP has handed over.
pub(crate) struct Tcp {
    socket: Socket,
    buffer: Box<[u8]>,
    /// What HTTP had read behind the head of its answer.
    read_ahead: Bytes,
    decoder: Decoder,
    wire: Rc<Wire>,
}

impl Subscriber for Tcp {
    async fn connect(
        subscription: &Subscription,
        wire: &Rc<Wire>,
        after: u64,
    ) -> Result<Self, ClientError> {
        let path = subscription.path(Resource::Tcp);
        let (socket, read_ahead) = upgrade(subscription, wire, &path, TCP_UPGRADE, after).await?;
        Ok(Self {
            socket,
            buffer: vec![0; READ_BUFFER_BYTES].into(),
            read_ahead,
            decoder: Decoder::new(MAX_EVENT_BYTES),
            wire: Rc::clone(wire),
        })
    }

    async fn receive(&mut self, sink: &mut impl Sink) -> Result<(), ClientError> {
        let read_ahead = std::mem::take(&mut self.read_ahead);
        let mut piece = &read_ahead[..];
        if piece.is_empty() {
            let read = self.socket.read(&mut self.buffer).await.map_err(ClientError::Broken)?;
            if read == 0 {
                return Err(ClientError::Ended);
            }
            piece = &self.buffer[..read];
        }
        let at_ns = self.wire.last_read_ns();
        self.decoder.feed(piece, |event| sink.on_event(at_ns, event))?;
        Ok(())
    }
}
