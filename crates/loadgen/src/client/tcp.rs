//! Raw TCP: frames on the bare socket ([`pushbench_wire::frame`]).

use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use pushbench_wire::Transport;
use pushbench_wire::endpoint::Resource;
use pushbench_wire::frame::{self, Decoder, UPGRADE_TOKEN};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use super::http::upgrade;
use super::meter::ConnectionMeter;
use super::tls::Line;
use super::upstream::{InBand, SendInBand};
use super::{ClientError, MAX_EVENT_BYTES, READ_BUFFER_BYTES, Sink, Subscriber, Subscription};

/// Reads and writes frames on a socket that HTTP has handed over.
pub(crate) struct Tcp {
    socket: Line,
    buffer: Box<[u8]>,
    /// What HTTP had read behind the head of its answer.
    read_ahead: Bytes,
    decoder: Decoder,
    /// The frame that is written, so that it takes one write.
    outgoing: Vec<u8>,
    /// How much of it the socket has.
    written: usize,
    meter: Rc<ConnectionMeter>,
}

impl Subscriber for Tcp {
    type Upstream = InBand;

    async fn connect(
        subscription: &Subscription,
        meter: &Rc<ConnectionMeter>,
        after: u64,
    ) -> Result<Self, ClientError> {
        let path = subscription.path(Resource::Subscribe(Transport::Tcp));
        let (socket, read_ahead) =
            upgrade(subscription, meter, &path, UPGRADE_TOKEN, after).await?;
        Ok(Self {
            socket,
            buffer: vec![0; READ_BUFFER_BYTES].into(),
            read_ahead,
            decoder: Decoder::new(MAX_EVENT_BYTES),
            outgoing: Vec::new(),
            written: 0,
            meter: Rc::clone(meter),
        })
    }

    /// Cancel-safe: it waits for the socket only before it has taken anything.
    async fn receive(&mut self, sink: &mut impl Sink) -> Result<(), ClientError> {
        poll_fn(|cx| self.poll_receive(cx, sink)).await
    }
}

impl SendInBand for Tcp {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut impl Sink,
    ) -> Poll<Result<(), ClientError>> {
        let read_ahead = std::mem::take(&mut self.read_ahead);
        let mut read = ReadBuf::new(&mut self.buffer);
        let mut piece = &read_ahead[..];
        if piece.is_empty() {
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut read))
                .map_err(ClientError::Broken)?;
            piece = read.filled();
            if piece.is_empty() {
                return Poll::Ready(Err(ClientError::Ended));
            }
        }
        let at_ns = self.meter.last_read_ns();
        self.decoder.feed(piece, |event| sink.on_event(at_ns, event))?;
        Poll::Ready(Ok(()))
    }

    fn start_send(&mut self, payload: &[u8], binary: bool) -> Result<(), ClientError> {
        self.outgoing.clear();
        self.written = 0;
        frame::encode_published(payload, binary, &mut self.outgoing);
        Ok(())
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        while self.written < self.outgoing.len() {
            let rest = &self.outgoing[self.written..];
            let written = ready!(Pin::new(&mut self.socket).poll_write(cx, rest))
                .map_err(ClientError::Broken)?;
            if written == 0 {
                return Poll::Ready(Err(ClientError::Broken(ErrorKind::WriteZero.into())));
            }
            self.written += written;
        }
        Poll::Ready(Ok(()))
    }
}
