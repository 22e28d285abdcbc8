//! Raw TCP: frames on the bare socket ([`pushbench_wire::frame`]).

use std::rc::Rc;

use bytes::Bytes;
use pushbench_wire::endpoint::{Resource, TCP_UPGRADE};
use pushbench_wire::frame::{self, Decoder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::http::upgrade;
use super::socket::{ConnectionMeter, Socket};
use super::upstream::{InBand, SendInBand};
use super::{ClientError, MAX_EVENT_BYTES, READ_BUFFER_BYTES, Sink, Subscriber, Subscription};

/// Reads and writes frames on a socket that HTTP has handed over.
pub(crate) struct Tcp {
    socket: Socket,
    buffer: Box<[u8]>,
    /// What HTTP had read behind the head of its answer.
    read_ahead: Bytes,
    decoder: Decoder,
    /// The frame that is written, so that it takes one write.
    outgoing: Vec<u8>,
    meter: Rc<ConnectionMeter>,
}

impl Subscriber for Tcp {
    type Upstream = InBand;

    async fn connect(
        subscription: &Subscription,
        meter: &Rc<ConnectionMeter>,
        after: u64,
    ) -> Result<Self, ClientError> {
        let path = subscription.path(Resource::Tcp);
        let (socket, read_ahead) = upgrade(subscription, meter, &path, TCP_UPGRADE, after).await?;
        Ok(Self {
            socket,
            buffer: vec![0; READ_BUFFER_BYTES].into(),
            read_ahead,
            decoder: Decoder::new(MAX_EVENT_BYTES),
            outgoing: Vec::new(),
            meter: Rc::clone(meter),
        })
    }

    /// Cancel-safe: it waits for the socket only before it has taken anything.
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
        let at_ns = self.meter.last_read_ns();
        self.decoder.feed(piece, |event| sink.on_event(at_ns, event))?;
        Ok(())
    }
}

impl SendInBand for Tcp {
    async fn send(&mut self, payload: &[u8], binary: bool) -> Result<(), ClientError> {
        self.outgoing.clear();
        frame::encode_published(payload, binary, &mut self.outgoing);
        self.socket.write_all(&self.outgoing).await.map_err(ClientError::Broken)
    }
}
