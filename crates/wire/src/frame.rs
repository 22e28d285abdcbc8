//! Raw TCP frames, the least framing possible: encoding one, and decoding a stream that arrives in
//! pieces of any size.
//!
//! A frame is a header of 4 bytes, big-endian, and a payload. The highest bit of the header says
//! whether the payload is binary, the other bits how long it is. In a frame from the server the
//! payload is a WebSocket message ([`crate::message`]), and a frame of length 0 is a heartbeat. In a
//! frame from a client the payload is published as it is, so length 0 is an event without payload.

use crate::event::Event;
use crate::message::{self, BadMessage};

/// The protocol that a request for these frames names in its `Upgrade` header (RFC 9110 §7.8).
pub const UPGRADE_TOKEN: &str = "pushbench-tcp";

/// A frame that only keeps a connection alive.
pub const HEARTBEAT: [u8; HEADER_BYTES] = [0; HEADER_BYTES];

const HEADER_BYTES: usize = size_of::<u32>();

const BINARY: u32 = 1 << 31;

/// Appends the frame with which a server sends `event` to `out`.
///
/// # Panics
/// When the event has 2 GiB or more, which no server accepts.
pub fn encode(event: &Event<'_>, out: &mut Vec<u8>) {
    push_frame(event.binary, out, |out| message::encode(event, out));
}

/// Appends the frame with which a client publishes `payload` to `out`. Text must be UTF-8, or the
/// server ends the connection.
///
/// # Panics
/// When the payload has 2 GiB or more, which no server accepts.
pub fn encode_published(payload: &[u8], binary: bool, out: &mut Vec<u8>) {
    push_frame(binary, out, |out| out.extend_from_slice(payload));
}

fn push_frame(binary: bool, out: &mut Vec<u8>, push_payload: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    push_payload(out);
    let body = start + HEADER_BYTES;
    let len = i32::try_from(out.len() - body).expect("an event has less than 2 GiB");
    let header = len.cast_unsigned() | if binary { BINARY } else { 0 };
    out[start..body].copy_from_slice(&header.to_be_bytes());
}

/// What is at the start of a stream of frames.
#[derive(Debug, PartialEq, Eq)]
pub enum FirstFrame<'a> {
    /// A complete frame.
    Complete {
        /// The content of the frame.
        payload: &'a [u8],
        /// Whether the payload is binary. Text is not checked to be UTF-8.
        binary: bool,
        /// The stream after the frame.
        rest: &'a [u8],
    },
    /// The beginning of a frame.
    Incomplete {
        /// How many more bytes are needed to continue, all of them of this frame.
        missing: usize,
    },
}

/// A frame is larger than the reader accepts.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame has {len} bytes; the limit is {limit}")]
pub struct TooLarge {
    /// The length in the frame's header.
    pub len: u32,
    /// The reader's limit.
    pub limit: usize,
}

/// Splits the first frame off `stream`, if its payload has at most `limit` bytes.
///
/// # Errors
/// [`TooLarge`] as soon as the header has arrived; after that, the stream cannot be read any further.
pub fn split_first(stream: &[u8], limit: usize) -> Result<FirstFrame<'_>, TooLarge> {
    let Some((header, after)) = stream.split_first_chunk() else {
        return Ok(FirstFrame::Incomplete { missing: HEADER_BYTES - stream.len() });
    };
    let header = u32::from_be_bytes(*header);
    let len = header & !BINARY;
    let body = match usize::try_from(len) {
        Ok(body) if body <= limit => body,
        _ => return Err(TooLarge { len, limit }),
    };
    Ok(match after.split_at_checked(body) {
        Some((payload, rest)) => {
            FirstFrame::Complete { payload, binary: header & BINARY != 0, rest }
        }
        None => FirstFrame::Incomplete { missing: body - after.len() },
    })
}

/// Decodes a stream of frames from a server. Its memory is limited, whatever the server sends.
#[derive(Debug)]
pub struct Decoder {
    /// The beginning of a frame whose end has not arrived yet.
    partial: Vec<u8>,
    limit: usize,
}

/// The stream cannot be read as frames of a pushbench server.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// One frame is larger than the decoder accepts.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The frame contains no valid message.
    #[error(transparent)]
    Message(#[from] BadMessage),
}

impl Decoder {
    /// Accepts frames with payloads of up to `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { partial: Vec::new(), limit }
    }

    /// Decodes the next piece of the stream and passes every event that it completes to `on_event`.
    /// Only a frame that arrives in several pieces is copied. Text is not checked to be UTF-8.
    ///
    /// # Errors
    /// [`DecodeError`]; after that, the stream cannot be read any further.
    pub fn feed(
        &mut self,
        mut piece: &[u8],
        mut on_event: impl FnMut(Event<'_>),
    ) -> Result<(), DecodeError> {
        while !self.partial.is_empty() {
            match split_first(&self.partial, self.limit)? {
                FirstFrame::Complete { payload, binary, .. } => {
                    deliver(payload, binary, &mut on_event)?;
                    self.partial.clear();
                }
                FirstFrame::Incomplete { missing } => {
                    let Some((head, rest)) = piece.split_at_checked(missing) else {
                        self.partial.extend_from_slice(piece);
                        return Ok(());
                    };
                    self.partial.extend_from_slice(head);
                    piece = rest;
                }
            }
        }
        while let FirstFrame::Complete { payload, binary, rest } = split_first(piece, self.limit)? {
            deliver(payload, binary, &mut on_event)?;
            piece = rest;
        }
        self.partial.extend_from_slice(piece);
        Ok(())
    }
}

/// Passes on the event of a frame, unless the frame is a heartbeat.
fn deliver(
    message: &[u8],
    binary: bool,
    on_event: &mut impl FnMut(Event<'_>),
) -> Result<(), DecodeError> {
    if !message.is_empty() {
        on_event(message::decode(message, binary)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::tests::{OwnedEvent, any_event};
    use proptest::prelude::*;

    const LIMIT: usize = 1 << 20;

    /// The events decoded from a stream in pieces, up to an error if there is one.
    fn decode(pieces: &[&[u8]], limit: usize) -> (Vec<OwnedEvent>, Result<(), DecodeError>) {
        let mut decoder = Decoder::new(limit);
        let mut events = Vec::new();
        let outcome = pieces
            .iter()
            .try_for_each(|piece| decoder.feed(piece, |event| events.push(event.into())));
        assert!(decoder.partial.len() <= HEADER_BYTES + limit, "the memory is limited");
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

    proptest! {
        #[test]
        fn what_a_client_publishes_reads_back(payload: Vec<u8>, binary: bool, after: Vec<u8>) {
            let mut stream = Vec::new();
            encode_published(&payload, binary, &mut stream);
            let len = stream.len();
            for cut in 0..len {
                let Ok(FirstFrame::Incomplete { missing }) = split_first(&stream[..cut], LIMIT) else {
                    panic!("{cut} of {len} bytes are incomplete")
                };
                prop_assert!((1..=len - cut).contains(&missing));
            }
            stream.extend_from_slice(&after);
            let whole = FirstFrame::Complete { payload: &payload, binary, rest: &after };
            prop_assert_eq!(split_first(&stream, payload.len()), Ok(whole));
            if let Some(limit) = payload.len().checked_sub(1) {
                prop_assert!(split_first(&stream, limit).is_err());
            }
        }

        #[test]
        fn any_bytes_are_split_without_panic(stream in any_stream(), limit in 0..200_usize) {
            let mut rest = &stream[..];
            while let Ok(FirstFrame::Complete { payload, rest: after, .. }) = split_first(rest, limit) {
                prop_assert!(payload.len() <= limit);
                prop_assert_eq!(rest.len(), HEADER_BYTES + payload.len() + after.len());
                rest = after;
            }
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
        let too_large = TooLarge { len: 9, limit: 8 };
        assert_eq!(error(b"\0\0\0\x09"), DecodeError::TooLarge(too_large));
        assert_eq!(error(b"\0\0\0\x01x"), DecodeError::Message(BadMessage));
    }
}
