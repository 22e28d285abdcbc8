//! Frames of raw TCP, with nothing in them that is not needed: encoding one event, and decoding a
//! stream that arrives in pieces of any size.
//!
//! A frame is 4 bytes, big-endian: the highest bit says whether the payload is binary, the others how
//! long the message is that follows, the same that WebSocket carries ([`crate::message`]). A length of
//! 0 is a heartbeat.

use crate::event::Event;
use crate::message::{self, BadMessage};

/// A frame that keeps a connection alive and means nothing.
pub const HEARTBEAT: [u8; LENGTH_BYTES] = [0; LENGTH_BYTES];

const LENGTH_BYTES: usize = size_of::<u32>();

const BINARY: u32 = 1 << 31;

/// Appends the frame of `event` to `out`.
///
/// # Panics
/// When the event has 2 GiB or more, which no server accepts.
pub fn encode(event: &Event<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&HEARTBEAT);
    message::encode(event, out);
    let body = start + LENGTH_BYTES;
    let len = i32::try_from(out.len() - body).expect("an event is far below 2 GiB");
    let header = len.cast_unsigned() | if event.binary { BINARY } else { 0 };
    out[start..body].copy_from_slice(&header.to_be_bytes());
}

/// Decodes a stream of frames. Memory stays below a limit whatever the server sends.
#[derive(Debug)]
pub struct Decoder {
    /// The beginning of a frame whose end has not come yet.
    partial: Vec<u8>,
    limit: usize,
}

/// The stream cannot be read as frames of a pushbench server.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// One frame is larger than the decoder accepts.
    #[error("a frame has {len} bytes, and at most {limit} are accepted")]
    TooLarge {
        /// The length that the frame says it has.
        len: u32,
        /// The decoder's limit.
        limit: usize,
    },
    /// The frame holds no message.
    #[error(transparent)]
    Message(#[from] BadMessage),
}

impl Decoder {
    /// Accepts frames of up to `limit` bytes behind the length.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { partial: Vec::new(), limit }
    }

    /// Reads the next piece of the stream and hands every event that it completes to `on_event`.
    /// Only a frame that comes in several pieces is copied. That text is UTF-8 is not checked.
    ///
    /// # Errors
    /// [`DecodeError`]; the stream cannot be read any further then.
    pub fn feed(
        &mut self,
        mut piece: &[u8],
        mut on_event: impl FnMut(Event<'_>),
    ) -> Result<(), DecodeError> {
        while !self.partial.is_empty() {
            // First the length, then what it says: never a byte of the next frame.
            let wanted = frame_len(&self.partial, self.limit)?.unwrap_or(LENGTH_BYTES);
            let missing = wanted - self.partial.len();
            if missing == 0 {
                deliver(&self.partial, &mut on_event)?;
                self.partial.clear();
                break;
            }
            let Some((head, rest)) = piece.split_at_checked(missing) else {
                self.partial.extend_from_slice(piece);
                return Ok(());
            };
            self.partial.extend_from_slice(head);
            piece = rest;
        }
        while let Some(len) = frame_len(piece, self.limit)? {
            let Some((frame, rest)) = piece.split_at_checked(len) else { break };
            deliver(frame, &mut on_event)?;
            piece = rest;
        }
        self.partial.extend_from_slice(piece);
        Ok(())
    }
}

/// The length in all of the frame that `bytes` begin with; `None` while too few are there to say.
fn frame_len(bytes: &[u8], limit: usize) -> Result<Option<usize>, DecodeError> {
    let Some(header) = bytes.first_chunk() else { return Ok(None) };
    let len = u32::from_be_bytes(*header) & !BINARY;
    match usize::try_from(len) {
        Ok(body) if body <= limit => Ok(Some(LENGTH_BYTES + body)),
        _ => Err(DecodeError::TooLarge { len, limit }),
    }
}

/// Hands over the event in a whole frame, if it holds one.
fn deliver(frame: &[u8], on_event: &mut impl FnMut(Event<'_>)) -> Result<(), DecodeError> {
    let (header, message) = frame.split_at(LENGTH_BYTES);
    if message.is_empty() {
        return Ok(());
    }
    let binary = header.first().is_some_and(|byte| byte & 0x80 != 0);
    on_event(message::decode(message, binary)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::tests::{OwnedEvent, any_event};
    use proptest::prelude::*;

    const LIMIT: usize = 1 << 20;

    /// What is decoded from a stream in pieces, up to the error if there is one.
    fn decode(pieces: &[&[u8]], limit: usize) -> (Vec<OwnedEvent>, Result<(), DecodeError>) {
        let mut decoder = Decoder::new(limit);
        let mut events = Vec::new();
        let outcome = pieces
            .iter()
            .try_for_each(|piece| decoder.feed(piece, |event| events.push(event.into())));
        assert!(decoder.partial.len() <= LENGTH_BYTES + limit, "memory stays below the limit");
        (events, outcome)
    }

    fn pieces<'a>(stream: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]).collect()
    }

    /// Something between frames and noise.
    fn any_stream() -> impl Strategy<Value = Vec<u8>> {
        let event = any_event().prop_map(|event| {
            let mut frame = Vec::new();
            encode(&event.borrow(), &mut frame);
            frame
        });
        let part = prop_oneof![
            event,
            Just(HEARTBEAT.to_vec()),
            (any::<bool>(), "[0-9a \n]{0,6}").prop_map(|(binary, message)| {
                let header = message.len() as u32 | if binary { BINARY } else { 0 };
                [&header.to_be_bytes()[..], message.as_bytes()].concat()
            }),
            any::<Vec<u8>>(),
        ];
        proptest::collection::vec(part, 0..5).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn every_event_reads_back_however_the_stream_is_cut(
            events in proptest::collection::vec(any_event(), 0..4),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut stream = HEARTBEAT.to_vec();
            for event in &events {
                encode(&event.borrow(), &mut stream);
                stream.extend_from_slice(&HEARTBEAT);
            }
            prop_assert_eq!(decode(&pieces(&stream, &cuts), LIMIT), (events, Ok(())));
        }

        #[test]
        fn any_bytes_are_read_without_panic_and_alike_in_any_pieces(
            stream in any_stream(),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
            limit in 0..200_usize,
        ) {
            let whole = decode(&[&stream], limit);
            prop_assert_eq!(decode(&pieces(&stream, &cuts), limit), whole);
        }
    }

    #[test]
    fn a_frame_byte_by_byte() {
        let mut frame = Vec::new();
        encode(&Event { id: 7, name: "price", payload: b"12", binary: false }, &mut frame);
        assert_eq!(frame, b"\0\0\0\x0a7 price\n12");
        let bytes: Vec<_> = frame.chunks(1).collect();
        let (events, outcome) = decode(&bytes, 10);
        assert_eq!((events.len(), outcome), (1, Ok(())));
        assert_eq!(
            events[0].borrow(),
            Event { id: 7, name: "price", payload: b"12", binary: false }
        );
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let error = |stream: &[u8]| decode(&[stream], 8).1.unwrap_err();
        assert_eq!(error(b"\0\0\0\x09"), DecodeError::TooLarge { len: 9, limit: 8 });
        assert_eq!(error(b"\0\0\0\x01x"), DecodeError::Message(BadMessage));
    }
}
