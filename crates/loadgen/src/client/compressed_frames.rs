//! Compressed messages under a WebSocket library that knows no extension (RFC 7692): the mark is taken from each
//! frame as it is read, and remembered. So the same library reads what is compressed and what is not, in the
//! same pieces.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::pass_writes::pass_writes;

/// Says in the first frame of a message that it is compressed (RFC 7692 §6).
const RSV1: u8 = 0x40;
const OPCODE: u8 = 0x0f;
const TEXT: u8 = 1;
const BINARY: u8 = 2;

/// What the frames of a message said, which the library is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Whether it is compressed. Then it is given to the library as a binary one, as it is no UTF-8.
    pub(super) is_deflated: bool,
    /// Whether it is text.
    pub(super) is_text: bool,
}

/// A connection whose server may mark messages.
#[derive(Debug)]
pub(super) struct Unmarked<S> {
    line: S,
    /// Where in its stream the next byte is; none where nothing is compressed.
    place: Option<Place>,
    /// Of the messages that the library has not given yet.
    marks: VecDeque<Mark>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// In the head of an answer: how far in its status, and in what ends it.
    Answer { status: usize, matched: usize },
    /// In the header of a frame, of which this is known.
    Header { bytes: [u8; 10], known: usize },
    /// In a payload, with so much to come.
    Payload(u64),
}

const HEADER: Place = Place::Header { bytes: [0; 10], known: 0 };

/// What begins the head of an answer behind which there are frames. Any other one has a body, which is quoted.
const SWITCHES: &[u8; 12] = b"HTTP/1.1 101";

/// What ends it.
const END_OF_HEAD: &[u8; 4] = b"\r\n\r\n";

impl<S> Unmarked<S> {
    /// One whose messages are not compressed.
    pub(super) fn plain(line: S) -> Self {
        Self { line, place: None, marks: VecDeque::new() }
    }

    /// One on which the answer to a request comes first.
    pub(super) fn behind_an_answer(line: S) -> Self {
        Self { place: Some(Place::Answer { status: 0, matched: 0 }), ..Self::plain(line) }
    }

    /// One on which frames come at once.
    pub(super) fn of_frames(line: S) -> Self {
        Self { place: Some(HEADER), ..Self::plain(line) }
    }

    /// What was said of the next message that the library gives; none where nothing is compressed.
    pub(super) fn next_mark(&mut self) -> Option<Mark> {
        self.marks.pop_front()
    }

    /// Takes the marks from what was read.
    fn unmark(&mut self, mut read: &mut [u8]) {
        let Some(mut place) = self.place else { return };
        while !read.is_empty() {
            match place {
                Place::Answer { mut status, mut matched } => {
                    let byte = read[0];
                    read = &mut read[1..];
                    if let Some(&expected) = SWITCHES.get(status) {
                        if byte != expected {
                            self.place = None;
                            return;
                        }
                        status += 1;
                    }
                    matched = match byte == END_OF_HEAD[matched] {
                        true => matched + 1,
                        false => usize::from(byte == END_OF_HEAD[0]),
                    };
                    place = match matched == END_OF_HEAD.len() {
                        true => HEADER,
                        false => Place::Answer { status, matched },
                    };
                }
                Place::Header { mut bytes, known } => {
                    if known == 0 {
                        self.unmark_frame(&mut read[0]);
                    }
                    bytes[known] = read[0];
                    read = &mut read[1..];
                    place = match payload_len(&bytes[..=known]) {
                        None => Place::Header { bytes, known: known + 1 },
                        Some(0) => HEADER,
                        Some(len) => Place::Payload(len),
                    };
                }
                Place::Payload(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(read.len());
                    read = &mut read[here..];
                    place = match left - here as u64 {
                        0 => HEADER,
                        left => Place::Payload(left),
                    };
                }
            }
        }
        self.place = Some(place);
    }

    /// Takes the mark from the first byte of a frame, if it begins a message.
    fn unmark_frame(&mut self, first: &mut u8) {
        let opcode = *first & OPCODE;
        if !matches!(opcode, TEXT | BINARY) {
            return;
        }
        let mark = Mark { is_deflated: *first & RSV1 != 0, is_text: opcode == TEXT };
        self.marks.push_back(mark);
        if mark.is_deflated {
            *first = *first & !(RSV1 | OPCODE) | BINARY;
        }
    }
}

/// How long the payload is, if the header says it already. A server masks nothing (RFC 6455 §5.1); if it does,
/// the library refuses it.
fn payload_len(header: &[u8]) -> Option<u64> {
    match (header.get(1)? & 0x7f, header) {
        (126, &[_, _, a, b, ..]) => Some(u16::from_be_bytes([a, b]).into()),
        (127, &[_, _, a, b, c, d, e, f, g, h, ..]) => {
            Some(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
        }
        (126 | 127, _) => None,
        (len, _) => Some(len.into()),
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Unmarked<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.line).poll_read(cx, buffer))?;
        self.unmark(&mut buffer.filled_mut()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unmarked<S> {
    pass_writes!(line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A frame of a server.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            len @ ..=125 => frame.push(len as u8),
            len @ ..=65_535 => {
                frame.push(126);
                frame.extend_from_slice(&(len as u16).to_be_bytes());
            }
            len => {
                frame.push(127);
                frame.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn what_follows_another_answer_is_no_frame() {
        let mut line = Unmarked::behind_an_answer(());
        let mut answer = *b"HTTP/1.1 403 Forbidden\r\n\r\nA body";
        for byte in answer.chunks_mut(1) {
            line.unmark(byte);
        }
        assert_eq!(answer.last_chunk(), Some(b"A body"));
        assert_eq!(line.next_mark(), None);
    }

    proptest! {
        #[test]
        fn marks_are_taken_however_the_stream_is_cut(
            frames in proptest::collection::vec(
                (
                    prop_oneof![Just(1_u8), Just(2), Just(0), Just(8), Just(9), Just(10)],
                    any::<bool>(),
                    any::<bool>(),
                    prop_oneof![0..130_usize, Just(65_535), Just(65_536)],
                ),
                0..6,
            ),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let answer = b"HTTP/1.1 101 Switching Protocols\r\nA: \r\r\n\r\n";
            let (mut stream, mut expected, mut marks) = (answer.to_vec(), answer.to_vec(), Vec::new());
            for (opcode, fin, is_marked, len) in frames {
                let begins = matches!(opcode, TEXT | BINARY);
                let first = opcode | if fin { 0x80 } else { 0 };
                // Bytes that look like marked frames.
                let payload = vec![0xc1; len];
                let is_deflated = is_marked && begins;
                stream.extend(frame(first | if is_deflated { RSV1 } else { 0 }, &payload));
                let unmarked = if is_deflated { first & 0x80 | BINARY } else { first };
                expected.extend(frame(unmarked, &payload));
                if begins {
                    marks.push(Mark { is_deflated, is_text: opcode == TEXT });
                }
            }
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let mut line = Unmarked::behind_an_answer(());
            for cut in cuts.windows(2) {
                line.unmark(&mut stream[cut[0]..cut[1]]);
            }
            prop_assert!(stream == expected);
            prop_assert_eq!(Vec::from(line.marks), marks);
        }
    }
}
