//! The streams of one connection by QUIC, as h3 gets them: cut into frames (see [`super::http3_frames`]), accounted
//! for while a frame is gathered, and broken off with a reset, so that nobody takes a part of an answer for all
//! of it. It knows no requests.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h3::error::Code;
use h3::quic::{
    self, ConnectionErrorIncoming, RecvStream as _, SendStream as _, StreamErrorIncoming, StreamId,
    WriteBuf,
};
use quinn::VarInt;

use super::http3_frames::{Frames, Piece};
use crate::Server;
use crate::memory::{Need, Reservation};

/// A connection.
pub(super) struct Streams {
    quic: quinn::Connection,
    inner: h3_quinn::Connection,
    server: Arc<Server>,
    /// Whether requests that come now are rejected.
    is_closing: bool,
}

impl Streams {
    /// Those of `quic`.
    pub(super) fn new(quic: quinn::Connection, server: Arc<Server>) -> Self {
        let inner = h3_quinn::Connection::new(quic.clone());
        Self { quic, inner, server, is_closing: false }
    }

    /// Rejects what comes from now on: whoever asks may ask elsewhere, as nothing was done (RFC 9114 §4.1.1).
    pub(super) fn reject_new(&mut self) {
        self.is_closing = true;
    }

    fn incoming(&self, inner: h3_quinn::RecvStream, frames: Frames) -> Incoming {
        Incoming {
            inner,
            frames,
            come: Bytes::new(),
            held: Reservation::default(),
            refused: None,
            quic: self.quic.clone(),
            server: Arc::clone(&self.server),
        }
    }

    fn both_ways(&self, stream: h3_quinn::BidiStream<Bytes>) -> BothWays {
        let (outgoing, incoming) = quic::BidiStream::split(stream);
        let frames = Frames::of_request(self.max_frame_bytes());
        BothWays {
            outgoing: Outgoing { inner: outgoing, is_over: false },
            incoming: self.incoming(incoming, frames),
        }
    }

    fn max_frame_bytes(&self) -> usize {
        max_head_bytes(self.server.config.max_header_bytes)
    }
}

/// How long the head of a request may be on its way, if `limit` is what it may have: so much more that it is this
/// server that says why it is too long.
pub(super) fn max_head_bytes(limit: usize) -> usize {
    limit.saturating_mul(2)
}

type Opening<T> = Poll<Result<T, StreamErrorIncoming>>;

impl quic::OpenStreams<Bytes> for Streams {
    type BidiStream = BothWays;
    type SendStream = Outgoing;

    fn poll_open_bidi(&mut self, cx: &mut Context<'_>) -> Opening<BothWays> {
        let opened: Opening<h3_quinn::BidiStream<Bytes>> =
            quic::OpenStreams::poll_open_bidi(&mut self.inner, cx);
        opened.map_ok(|stream| self.both_ways(stream))
    }

    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Opening<Outgoing> {
        let opened: Opening<h3_quinn::SendStream<Bytes>> =
            quic::OpenStreams::poll_open_send(&mut self.inner, cx);
        // It lasts as long as its connection.
        opened.map_ok(|inner| Outgoing { inner, is_over: true })
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        quic::OpenStreams::<Bytes>::close(&mut self.inner, code, reason);
    }
}

impl quic::Connection<Bytes> for Streams {
    type RecvStream = Incoming;
    type OpenStreams = Self;

    fn poll_accept_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Incoming, ConnectionErrorIncoming>> {
        let accepted = quic::Connection::<Bytes>::poll_accept_recv(&mut self.inner, cx);
        let frames = Frames::of_one_way(self.max_frame_bytes());
        accepted.map_ok(|stream| self.incoming(stream, frames))
    }

    fn poll_accept_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<BothWays, ConnectionErrorIncoming>> {
        loop {
            let stream = ready!(quic::Connection::<Bytes>::poll_accept_bidi(&mut self.inner, cx))?;
            let mut stream = self.both_ways(stream);
            if !self.is_closing {
                return Poll::Ready(Ok(stream));
            }
            stream.refuse(Code::H3_REQUEST_REJECTED.value());
        }
    }

    fn opener(&self) -> Self {
        Self::new(self.quic.clone(), Arc::clone(&self.server))
    }
}

/// What comes on one stream.
pub(super) struct Incoming {
    inner: h3_quinn::RecvStream,
    frames: Frames,
    /// What has come and was not handed on yet.
    come: Bytes,
    /// The frame that is gathered.
    held: Reservation,
    /// Why no more of it is wanted.
    refused: Option<u64>,
    quic: quinn::Connection,
    server: Arc<Server>,
}

impl Incoming {
    /// Makes no more of it come. Nobody may be waiting for it.
    fn refuse(&mut self, code: u64) -> StreamErrorIncoming {
        self.refused = Some(code);
        self.come = Bytes::new();
        self.inner.stop_sending(code);
        StreamErrorIncoming::StreamTerminated { error_code: code }
    }

    /// Accounts for a frame of `bytes` that is gathered.
    fn gathers(&mut self, bytes: usize) -> bool {
        match self.server.hub.reserve(bytes, Need::Connection) {
            Some(held) => self.held = held,
            None => return false,
        }
        true
    }
}

impl quic::RecvStream for Incoming {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        if let Some(error_code) = self.refused {
            return Poll::Ready(Err(StreamErrorIncoming::StreamTerminated { error_code }));
        }
        if self.frames.is_between() && self.held.bytes() > 0 {
            // Whoever gathered it has made something of it, which is accounted for there.
            self.held = Reservation::default();
        }
        loop {
            match self.frames.next(&mut self.come) {
                Ok(Some(Piece::Plain(piece))) => return Poll::Ready(Ok(Some(piece))),
                Ok(Some(Piece::Gathered(head, bytes))) => {
                    return Poll::Ready(match self.gathers(bytes) {
                        true => Ok(Some(head)),
                        false => Err(self.refuse(Code::H3_EXCESSIVE_LOAD.value())),
                    });
                }
                Ok(None) => {}
                Err(code) => return Poll::Ready(Err(self.refuse(code))),
            }
            match ready!(self.inner.poll_data(cx))? {
                Some(come) => self.come = come,
                None if self.frames.may_end() => return Poll::Ready(Ok(None)),
                None => {
                    // RFC 9114 §7.1. h3 would take a part of a body for all of it.
                    let error_code = Code::H3_FRAME_ERROR.value();
                    let code = VarInt::from_u64(error_code).unwrap_or_default();
                    self.quic.close(code, b"a frame is not whole");
                    let error = StreamErrorIncoming::StreamTerminated { error_code };
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    fn stop_sending(&mut self, error_code: u64) {
        self.inner.stop_sending(error_code);
    }

    fn recv_id(&self) -> StreamId {
        self.inner.recv_id()
    }
}

/// What goes out on one stream. What is dropped before its end is reset: QUIC's own way is to end it, as if that
/// were all.
pub(super) struct Outgoing {
    inner: h3_quinn::SendStream<Bytes>,
    is_over: bool,
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if !self.is_over {
            self.inner.reset(Code::H3_REQUEST_CANCELLED.value());
        }
    }
}

impl quic::SendStream<Bytes> for Outgoing {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.inner.poll_ready(cx)
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.inner.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        let finished = self.inner.poll_finish(cx);
        self.is_over |= matches!(finished, Poll::Ready(Ok(())));
        finished
    }

    fn reset(&mut self, reset_code: u64) {
        self.is_over = true;
        self.inner.reset(reset_code);
    }

    fn send_id(&self) -> StreamId {
        self.inner.send_id()
    }
}

/// A request, and what goes out as the answer to it.
pub(super) struct BothWays {
    outgoing: Outgoing,
    incoming: Incoming,
}

impl BothWays {
    /// Wants nothing of it.
    fn refuse(&mut self, code: u64) {
        self.incoming.refuse(code);
        self.outgoing.reset(code);
    }
}

impl quic::RecvStream for BothWays {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        let come = ready!(self.incoming.poll_data(cx));
        if let Some(code) = self.incoming.refused {
            self.outgoing.reset(code);
        }
        Poll::Ready(come)
    }

    fn stop_sending(&mut self, error_code: u64) {
        self.incoming.stop_sending(error_code);
    }

    fn recv_id(&self) -> StreamId {
        self.incoming.recv_id()
    }
}

impl quic::SendStream<Bytes> for BothWays {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.outgoing.poll_ready(cx)
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.outgoing.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.outgoing.poll_finish(cx)
    }

    fn reset(&mut self, reset_code: u64) {
        self.outgoing.reset(reset_code);
    }

    fn send_id(&self) -> StreamId {
        self.outgoing.send_id()
    }
}

impl quic::BidiStream<Bytes> for BothWays {
    type SendStream = Outgoing;
    type RecvStream = Incoming;

    fn split(self) -> (Outgoing, Incoming) {
        (self.outgoing, self.incoming)
    }
}
