//! The body of a request by HTTP/3: the data of its stream, as long as its client says.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use h3::error::StreamError;
use h3::server::RequestStream;
use hyper::HeaderMap;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::CONTENT_LENGTH;

use super::http3_streams::Incoming;

/// What comes with a request.
pub(super) struct Received {
    stream: RequestStream<Incoming, Bytes>,
    /// What has come and was not asked for yet.
    next: Option<Bytes>,
    is_over: bool,
    /// What is still to come, if the client says how much that is.
    left: Option<u64>,
}

/// Why there is no more of a body.
#[derive(Debug)]
pub(super) enum BodyError {
    /// The stream broke.
    Stream(StreamError),
    /// It is longer or shorter than its client said (RFC 9114 §4.1.2).
    Length,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(error) => error.fmt(f),
            Self::Length => f.write_str("it is not as long as Content-Length says"),
        }
    }
}

impl std::error::Error for BodyError {}

impl Received {
    /// Of a request with these headers.
    pub(super) fn new(stream: RequestStream<Incoming, Bytes>, headers: &HeaderMap) -> Self {
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        let left = length.and_then(|length| length.parse().ok());
        Self { stream, next: None, is_over: false, left }
    }

    /// Waits until it is known whether there is anything.
    pub(super) async fn look(&mut self) {
        // What is wrong is seen by whoever reads.
        if let Ok(Some(piece)) = poll_fn(|cx| self.poll_piece(cx)).await {
            self.next = Some(piece);
        }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        if self.is_over {
            return Poll::Ready(Ok(None));
        }
        let piece = ready!(self.stream.poll_recv_data(cx)).map_err(BodyError::Stream)?;
        let piece = piece.map(|mut piece| piece.copy_to_bytes(piece.remaining()));
        self.is_over = piece.is_none();
        if let Some(left) = &mut self.left {
            let length = piece.as_ref().map_or(0, Bytes::len) as u64;
            *left = left.checked_sub(length).ok_or(BodyError::Length)?;
            if self.is_over && *left > 0 {
                return Poll::Ready(Err(BodyError::Length));
            }
        }
        Poll::Ready(Ok(piece))
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = match self.next.take() {
            Some(next) => Some(next),
            None => match ready!(self.poll_piece(cx)) {
                Ok(piece) => piece,
                Err(error) => return Poll::Ready(Some(Err(error))),
            },
        };
        Poll::Ready(next.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over && self.next.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::default();
        hint.set_lower(self.left.unwrap_or(0) + self.next.as_ref().map_or(0, Bytes::len) as u64);
        hint
    }
}
