//! Server-Sent Events as WHATWG HTML §9.2 defines them: encoding one event, and decoding a stream
//! that arrives in pieces of any size.
//!
//! The format is text. A binary event is sent as base64, and its name then ends in `;base64`, which no
//! published name can.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::event::{DEFAULT_NAME, Event};
use crate::message::push_decimal;

const BASE64_SUFFIX: &str = ";base64";

/// A comment that only keeps a connection alive (§9.2.7 advises one every 15 s).
pub const HEARTBEAT: &str = ":\n\n";

/// Appends `event` to `out`, with its `id`, its `event` if it has a name, and a `data` line for each
/// line of the payload.
///
/// In this format CR, LF and CRLF all end a line, so a receiver sees each of them as LF.
pub fn encode(event: &Event<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"id: ");
    push_decimal(event.id, out);
    out.push(b'\n');
    if event.binary || event.name != DEFAULT_NAME {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(event.name.as_bytes());
        if event.binary {
            out.extend_from_slice(BASE64_SUFFIX.as_bytes());
        }
        out.push(b'\n');
    }
    if event.binary {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(BASE64.encode(event.payload).as_bytes());
        out.push(b'\n');
    } else {
        let mut rest = Some(event.payload);
        while let Some(text) = rest {
            let (line, next) = split_line(text);
            out.extend_from_slice(b"data: ");
            out.extend_from_slice(line);
            out.push(b'\n');
            rest = next;
        }
    }
    out.push(b'\n');
}

/// The first line of `text`, and what follows it if it has an end.
fn split_line(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    let Some(end) = memchr::memchr2(b'\r', b'\n', text) else {
        return (text, None);
    };
    let skip = if text[end..].starts_with(b"\r\n") { 2 } else { 1 };
    (&text[..end], Some(&text[end + skip..]))
}

/// Decodes a stream of events. Its memory is limited, whatever the server sends.
#[derive(Debug)]
pub struct Decoder {
    /// The beginning of a line whose end has not arrived yet.
    partial: Vec<u8>,
    /// Whether the last byte was a CR, so that an LF right after it does not end another line.
    after_cr: bool,
    /// Whether no line has ended yet: only the first may begin with a byte order mark.
    at_start: bool,
    limit: usize,
    fields: Fields,
}

/// The buffers of §9.2.6, which are kept from line to line.
#[derive(Debug, Default)]
struct Fields {
    last_event_id: String,
    name: String,
    data: Vec<u8>,
    binary: Vec<u8>,
    retry_ms: Option<u64>,
}

/// The stream cannot be read as events of a pushbench server.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// One event is larger than the decoder accepts.
    #[error("an event of the stream is larger than {limit} bytes")]
    TooLarge {
        /// The decoder's limit.
        limit: usize,
    },
    /// An event has no id, or one that is not a number.
    #[error("an event of the stream has the id {0:?}, which is not a number")]
    BadId(String),
    /// An event's name says that it is base64, but its data is not.
    #[error("a binary event of the stream is not valid base64")]
    BadBase64,
}

impl Decoder {
    /// Accepts lines and events of up to `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            partial: Vec::new(),
            after_cr: false,
            at_start: true,
            limit,
            fields: Fields::default(),
        }
    }

    /// The reconnection time that the server last asked for (§9.2.6 `retry`), in milliseconds.
    #[must_use]
    pub fn retry_ms(&self) -> Option<u64> {
        self.fields.retry_ms
    }

    /// Decodes the next piece of the stream and passes every event that it completes to `on_event`.
    /// An event that is incomplete at the end of the stream is never passed on, as §9.2.6 requires.
    ///
    /// # Errors
    /// [`DecodeError`]; after that, the stream cannot be read any further.
    pub fn feed(
        &mut self,
        mut piece: &[u8],
        mut on_event: impl FnMut(Event<'_>),
    ) -> Result<(), DecodeError> {
        while let Some(&first) = piece.first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                piece = &piece[1..];
                continue;
            }
            let Some(end) = memchr::memchr2(b'\r', b'\n', piece) else {
                if self.partial.len() + piece.len() > self.limit {
                    return Err(DecodeError::TooLarge { limit: self.limit });
                }
                self.partial.extend_from_slice(piece);
                return Ok(());
            };
            self.after_cr = piece[end] == b'\r';
            let mut line = &piece[..end];
            if !self.partial.is_empty() {
                self.partial.extend_from_slice(line);
                line = &self.partial;
            }
            if std::mem::take(&mut self.at_start) {
                line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
            }
            if line.is_empty() {
                self.fields.dispatch(&mut on_event)?;
            } else {
                self.fields.take_line(line, self.limit)?;
            }
            self.partial.clear();
            piece = &piece[end + 1..];
        }
        Ok(())
    }
}

impl Fields {
    fn take_line(&mut self, line: &[u8], limit: usize) -> Result<(), DecodeError> {
        let (field, value) = match memchr::memchr(b':', line) {
            Some(0) => return Ok(()),
            Some(colon) => {
                let value = &line[colon + 1..];
                (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &b""[..]),
        };
        match field {
            b"data" => {
                if self.data.len() + value.len() > limit {
                    return Err(DecodeError::TooLarge { limit });
                }
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => {
                self.name.clear();
                self.name.push_str(&String::from_utf8_lossy(value));
            }
            b"id" if !value.contains(&0) => {
                self.last_event_id.clear();
                self.last_event_id.push_str(&String::from_utf8_lossy(value));
            }
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                self.retry_ms =
                    std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
            }
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self, on_event: &mut impl FnMut(Event<'_>)) -> Result<(), DecodeError> {
        if self.data.pop().is_none() {
            self.name.clear();
            return Ok(());
        }
        let id = self
            .last_event_id
            .parse()
            .map_err(|_| DecodeError::BadId(self.last_event_id.clone()))?;
        let plain_name = self.name.strip_suffix(BASE64_SUFFIX);
        let name = plain_name.unwrap_or(&self.name);
        let payload = if plain_name.is_some() {
            self.binary.clear();
            BASE64.decode_vec(&self.data, &mut self.binary).map_err(|_| DecodeError::BadBase64)?;
            &self.binary
        } else {
            &self.data
        };
        on_event(Event {
            id,
            name: if name.is_empty() { DEFAULT_NAME } else { name },
            payload,
            binary: plain_name.is_some(),
        });
        self.data.clear();
        self.name.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::tests::{OwnedEvent, any_event};
    use proptest::prelude::*;

    fn decode(pieces: &[&[u8]]) -> Result<Vec<OwnedEvent>, DecodeError> {
        let mut decoder = Decoder::new(1 << 20);
        let mut events = Vec::new();
        for piece in pieces {
            decoder.feed(piece, |event| events.push(event.into()))?;
        }
        Ok(events)
    }

    fn texts(stream: &str) -> Vec<String> {
        decode(&[stream.as_bytes()])
            .unwrap()
            .into_iter()
            .map(|event| String::from_utf8(event.payload).unwrap())
            .collect()
    }

    /// The event as a receiver sees it: every line of a text payload ends in LF.
    fn as_received(mut event: OwnedEvent) -> OwnedEvent {
        if !event.binary {
            let text = String::from_utf8(event.payload).unwrap();
            event.payload = text.replace("\r\n", "\n").replace('\r', "\n").into_bytes();
        }
        event
    }

    proptest! {
        #[test]
        fn every_event_reads_back_however_the_stream_is_cut(
            events in proptest::collection::vec(any_event(), 0..4),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut stream = b"retry: 1000\n\n:\n\n".to_vec();
            for event in &events {
                encode(&event.borrow(), &mut stream);
            }
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]).collect();
            let expected: Vec<_> = events.into_iter().map(as_received).collect();
            prop_assert_eq!(decode(&pieces).unwrap(), expected);
        }

        #[test]
        fn any_bytes_are_read_without_panic_and_alike_in_any_pieces(
            stream in "(id: ?[0-9]|data:? ?[a-c]?|event: x(;base64)?|retry: 9|:|\r|\n|\r\n|\u{feff}|\0|.){0,40}",
            cut in any::<prop::sample::Index>(),
        ) {
            let whole = decode(&[stream.as_bytes()]);
            let (head, tail) = stream.as_bytes().split_at(cut.index(stream.len() + 1));
            prop_assert_eq!(decode(&[head, tail]), whole);
        }
    }

    // The examples of WHATWG HTML §9.2.6, with ids, because our events always have one.
    #[test]
    fn the_standards_examples() {
        assert_eq!(texts("id: 1\ndata: YHOO\ndata: +2\ndata: 10\n\n"), ["YHOO\n+2\n10"]);
        assert_eq!(
            texts(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\n\n"),
            ["first event", "second event"]
        );
        assert_eq!(texts("id:1\ndata\n\ndata\ndata\n\ndata:"), ["", "\n"]);
        assert_eq!(
            texts("id:1\ndata:test\n\ndata: test\n\ndata:  test\n\n"),
            ["test", "test", " test"]
        );
        assert_eq!(texts("\u{feff}id: 1\r\ndata: a\r\rid: 2\ndata: b\n\n"), ["a", "b"]);
    }

    #[test]
    fn retry_must_be_digits() {
        let mut decoder = Decoder::new(64);
        decoder.feed(b"retry: 1500\n\nretry: 2s\n\n", |_| panic!("no event")).unwrap();
        assert_eq!(decoder.retry_ms(), Some(1500));
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        assert_eq!(decode(&[b"data: no id\n\n"]), Err(DecodeError::BadId(String::new())));
        assert_eq!(decode(&[b"id: x\ndata: a\n\n"]), Err(DecodeError::BadId("x".into())));
        assert_eq!(decode(&[b"id: 1\nevent: m;base64\ndata: *\n\n"]), Err(DecodeError::BadBase64));
        let mut small = Decoder::new(8);
        assert_eq!(small.feed(&[b'x'; 9], |_| {}), Err(DecodeError::TooLarge { limit: 8 }));
        let mut small = Decoder::new(8);
        let many = b"data:1234\n".repeat(3);
        assert_eq!(small.feed(&many, |_| {}), Err(DecodeError::TooLarge { limit: 8 }));
    }
}
