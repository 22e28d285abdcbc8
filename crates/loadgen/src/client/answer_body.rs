//! The body of an answer, by whichever version of HTTP it comes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::ClientError;
use super::http3::Http3Body;

/// What comes behind the head of an answer.
pub(super) enum AnswerBody {
    /// By HTTP/1.1 and HTTP/2.
    Hyper(Incoming),
    /// By HTTP/3. In a box, so that the others do not move what they have not.
    Http3(Box<Http3Body>),
}

impl From<Incoming> for AnswerBody {
    fn from(body: Incoming) -> Self {
        Self::Hyper(body)
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = ClientError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientError>>> {
        match self.get_mut() {
            Self::Hyper(body) => {
                let frame = ready!(Pin::new(body).poll_frame(cx));
                Poll::Ready(frame.map(|frame| Ok(frame?)))
            }
            Self::Http3(body) => {
                let piece = ready!(body.poll_piece(cx)).transpose();
                Poll::Ready(piece.map(|piece| Ok(Frame::data(piece?))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Hyper(body) => body.is_end_stream(),
            // Only the next look tells.
            Self::Http3(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Hyper(body) => body.size_hint(),
            Self::Http3(_) => SizeHint::default(),
        }
    }
}
