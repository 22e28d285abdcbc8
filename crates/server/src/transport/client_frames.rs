//! What a WebSocket client sends, frame by frame (RFC 6455 §5), however it is cut into pieces, and inflated
//! where that was agreed on (RFC 7692). It knows no socket, and holds no more than one message and one frame.

use std::str::from_utf8;

use pushbench_wire::deflate::{InflateError, inflate};

use crate::websocket_frame::RSV1;

/// What has arrived, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// A whole message.
    Message { payload: &'a [u8], binary: bool },
    /// A fragment of a message, whose end is still to come.
    Fragment,
    /// A ping with its payload.
    Ping(&'a [u8]),
    /// A pong.
    Pong,
    /// The client closes, with this code if it gives one.
    Close(Option<u16>),
}

/// Why a client must be disconnected. Nothing after it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Violation {
    /// The frame is not one of RFC 6455.
    Protocol,
    /// A text, or the reason of a close, is not UTF-8.
    NotUtf8,
    /// A compressed message cannot be inflated.
    NotDeflated,
    /// The message is larger than the limit, as it came or inflated.
    TooLarge,
}

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
/// The opcode of a close.
pub(super) const CLOSE: u8 = 0x8;
/// The opcode of a ping.
pub(super) const PING: u8 = 0x9;
/// The opcode of a pong.
pub(super) const PONG: u8 = 0xa;
const CONTROL: u8 = 0x8;

/// A control frame has no longer payload (§5.5).
const MAX_CONTROL_BYTES: u8 = 125;

/// Reads frames.
#[derive(Debug)]
pub(super) struct ClientFrames {
    unread: Vec<u8>,
    /// How much of `unread` has been read.
    at: usize,
    /// The fragments of a message so far.
    message: Option<Fragments>,
    /// How much of a text is known to be UTF-8.
    checked: usize,
    /// The last message that came in fragments or compressed.
    complete: Vec<u8>,
    /// Whether messages may be compressed.
    inflates: bool,
    max_bytes: usize,
}

/// The beginning of a message.
#[derive(Debug)]
struct Fragments {
    payload: Vec<u8>,
    binary: bool,
    is_deflated: bool,
}

/// The head of a frame.
struct Head {
    fin: bool,
    is_deflated: bool,
    opcode: u8,
    mask: [u8; 4],
    /// Where the payload is, counted from the start of the frame.
    start: usize,
    len: usize,
}

impl ClientFrames {
    /// `read_ahead` has arrived already. Messages may have `max_bytes`.
    pub(super) fn new(read_ahead: &[u8], inflates: bool, max_bytes: usize) -> Self {
        let (unread, complete) = (read_ahead.to_vec(), Vec::new());
        Self { unread, at: 0, message: None, checked: 0, complete, inflates, max_bytes }
    }

    /// Adds what has arrived.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.unread.drain(..self.at);
        self.at = 0;
        self.unread.extend_from_slice(bytes);
    }

    /// Frees what is not needed, and returns how many bytes are.
    pub(super) fn shrink(&mut self) -> usize {
        self.complete = Vec::new();
        if self.at == self.unread.len() {
            // An idle connection keeps no memory for what it once read.
            self.unread = Vec::new();
            self.at = 0;
        }
        self.unread.capacity() + self.message.as_ref().map_or(0, |of| of.payload.capacity())
    }

    /// What comes next; `None` when more has to arrive first.
    pub(super) fn next(&mut self) -> Result<Option<Item<'_>>, Violation> {
        let Some(head) = self.head()? else { return Ok(None) };
        let (start, end) = (self.at + head.start, self.at + head.start + head.len);
        let Some(payload) = self.unread.get_mut(start..end) else { return Ok(None) };
        self.at = end;
        for (at, byte) in payload.iter_mut().enumerate() {
            *byte ^= head.mask[at % 4];
        }
        let payload = &self.unread[start..end];
        match head.opcode {
            PING => return Ok(Some(Item::Ping(payload))),
            PONG => return Ok(Some(Item::Pong)),
            CLOSE => return close_code(payload).map(|code| Some(Item::Close(code))),
            TEXT | BINARY if head.fin => {
                let binary = head.opcode == BINARY;
                let payload = match head.is_deflated {
                    false => payload,
                    true => inflated(payload, self.max_bytes, &mut self.complete)?,
                };
                if !binary && from_utf8(payload).is_err() {
                    return Err(Violation::NotUtf8);
                }
                return Ok(Some(Item::Message { payload, binary }));
            }
            TEXT | BINARY => {
                let (payload, binary) = (Vec::new(), head.opcode == BINARY);
                let is_deflated = head.is_deflated;
                self.message = Some(Fragments { payload, binary, is_deflated });
                self.checked = 0;
            }
            _ => {}
        }
        let Some(message) = &mut self.message else { return Err(Violation::Protocol) };
        message.payload.extend_from_slice(payload);
        if !message.binary && !message.is_deflated {
            // Only the fragments of a character at the end may still become one.
            match from_utf8(&message.payload[self.checked..]) {
                Ok(_) => self.checked = message.payload.len(),
                Err(error) if error.error_len().is_none() && !head.fin => {
                    self.checked += error.valid_up_to();
                }
                Err(_) => return Err(Violation::NotUtf8),
            }
        }
        if !head.fin {
            return Ok(Some(Item::Fragment));
        }
        let Some(message) = self.message.take() else { return Err(Violation::Protocol) };
        let Fragments { payload, binary, is_deflated } = message;
        if is_deflated {
            inflated(&payload, self.max_bytes, &mut self.complete)?;
            if !binary && from_utf8(&self.complete).is_err() {
                return Err(Violation::NotUtf8);
            }
        } else {
            self.complete = payload;
        }
        Ok(Some(Item::Message { payload: &self.complete, binary }))
    }

    /// The head of the next frame, if it has arrived; checked as far as its kind and its length go.
    fn head(&self) -> Result<Option<Head>, Violation> {
        let frame = &self.unread[self.at..];
        let Some((&[first, second], rest)) = frame.split_first_chunk() else { return Ok(None) };
        let (fin, opcode) = (first & FIN != 0, first & 0xf);
        let is_control = opcode & CONTROL != 0;
        let is_expected = match opcode {
            CONTINUATION => self.message.is_some(),
            TEXT | BINARY => self.message.is_none(),
            CLOSE | PING | PONG => fin,
            _ => false,
        };
        // Of the reserved bits, one may have a meaning, and in the first frame of a message only (RFC 7692
        // §6.1). What a client sends is masked (§5.1).
        let is_first = matches!(opcode, TEXT | BINARY);
        let reserved = if self.inflates && is_first { RESERVED & !RSV1 } else { RESERVED };
        let is_deflated = first & RSV1 != 0;
        let is_too_long = is_control && second & !MASKED > MAX_CONTROL_BYTES;
        if !is_expected || is_too_long || first & reserved != 0 || second & MASKED == 0 {
            return Err(Violation::Protocol);
        }
        let (len, extended) = match second & !MASKED {
            126 => match rest.split_first_chunk() {
                Some((len, _)) => (u64::from(u16::from_be_bytes(*len)), 2),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk() {
                Some((len, _)) => (u64::from_be_bytes(*len), 8),
                None => return Ok(None),
            },
            len => (u64::from(len), 0),
        };
        // A length is written in as few bytes as it takes, and its highest bit is 0 (§5.2).
        let is_minimal = match extended {
            0 => true,
            2 => len > 125,
            _ => len > u64::from(u16::MAX) && len >> 63 == 0,
        };
        if !is_minimal {
            return Err(Violation::Protocol);
        }
        let before = match &self.message {
            Some(message) if !is_control => message.payload.len(),
            _ => 0,
        };
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if !is_control && len > self.max_bytes - before {
            return Err(Violation::TooLarge);
        }
        let Some((&mask, _)) = rest[extended..].split_first_chunk() else { return Ok(None) };
        Ok(Some(Head { fin, is_deflated, opcode, mask, start: 2 + extended + mask.len(), len }))
    }
}

/// What a compressed `payload` was, which is then in `complete`.
fn inflated<'c>(
    payload: &[u8],
    max_bytes: usize,
    complete: &'c mut Vec<u8>,
) -> Result<&'c [u8], Violation> {
    match inflate(payload, max_bytes, complete) {
        Ok(()) => Ok(complete),
        Err(InflateError::TooLarge { .. }) => Err(Violation::TooLarge),
        Err(InflateError::Broken) => Err(Violation::NotDeflated),
    }
}

/// The code in the payload of a close, if it has one (§5.5.1, §7.4).
fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(None) } else { Err(Violation::Protocol) };
    };
    let code = u16::from_be_bytes(*code);
    // Registered with IANA and allowed in a frame, or free to use.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::Protocol);
    }
    if from_utf8(reason).is_err() {
        return Err(Violation::NotUtf8);
    }
    Ok(Some(code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket, WebSocketConfig};

    /// What is read from `stream`, which arrives in pieces of `piece` bytes.
    fn read(stream: &[u8], piece: usize, max_bytes: usize) -> (Vec<String>, Option<Violation>) {
        let mut frames = ClientFrames::new(b"", true, max_bytes);
        let mut items = Vec::new();
        for piece in stream.chunks(piece) {
            frames.push(piece);
            loop {
                match frames.next() {
                    Ok(Some(item)) => items.push(format!("{item:?}")),
                    Ok(None) => break,
                    Err(violation) => return (items, Some(violation)),
                }
            }
            let most = 2 * (2 * max_bytes + 14 + piece.len()) + 16;
            assert!(frames.shrink() <= most, "{} bytes", frames.shrink());
        }
        (items, None)
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic_and_alike_in_any_pieces(
            stream in proptest::collection::vec(
                prop_oneof![
                    Just(b"\x01\x81\0\0\0\0\xe2".to_vec()),
                    Just(b"\x80\x82\0\0\0\0\x82\xac".to_vec()),
                    Just(b"\x89\x81\x01\0\0\0p".to_vec()),
                    Just(b"\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\0".to_vec()),
                    Just(b"\x41\x83\0\0\0\0\xf2\x48\xcd".to_vec()),
                    Just(b"\x80\x84\0\0\0\0\xc9\xc9\x07\0".to_vec()),
                    Just(b"\x82\xfe\0\x7e\0\0\0\0".iter().copied().chain([7; 126]).collect()),
                    proptest::collection::vec(any::<u8>(), 0..9),
                ],
                0..6,
            ).prop_map(|parts| parts.concat()),
            piece in 1_usize..40,
        ) {
            prop_assert_eq!(read(&stream, piece, 200), read(&stream, usize::MAX, 200));
        }

        #[test]
        fn what_another_implementation_sends_is_read(payload: Vec<u8>, text: String) {
            let mut sent = WebSocket::from_raw_socket(
                std::io::Cursor::new(Vec::new()), Role::Client, Some(WebSocketConfig::default()),
            );
            sent.send(Message::binary(payload.clone())).unwrap();
            sent.send(Message::text(text.clone())).unwrap();
            let messages = [(&payload[..], true), (text.as_bytes(), false)]
                .map(|(payload, binary)| format!("{:?}", Item::Message { payload, binary }));
            let (items, violation) = read(sent.get_ref().get_ref(), 7, 1 << 20);
            prop_assert_eq!((&items[..], violation), (&messages[..], None));
        }
    }
}
