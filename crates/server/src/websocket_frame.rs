//! Frames of WebSocket as the server sends them (RFC 6455 §5.2): whole messages, compressed or not.

use pushbench_wire::deflate::deflate;

const FIN: u8 = 0x80;
const OPCODE: u8 = 0x0f;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;

/// Appends the header of an unfragmented, unmasked data frame (RFC 6455 §5.2).
pub(crate) fn push_header(binary: bool, len: usize, out: &mut Vec<u8>) {
    out.push(FIN | if binary { BINARY } else { TEXT });
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ ..=125), _) => out.push(len),
        (_, Ok(len)) => {
            out.push(126);
            out.extend_from_slice(&len.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
}

/// Says in the first frame of a message that it is compressed (RFC 7692 §6).
pub(crate) const RSV1: u8 = 0x40;

/// How long the header of a frame is that [`push_header`] wrote.
pub(crate) fn header_len(frame: &[u8]) -> usize {
    match frame[1] {
        ..=125 => 2,
        126 => 4,
        _ => 10,
    }
}

/// A `frame` with its message compressed; none if that makes it no smaller, as it is up to the sender what to
/// compress (RFC 7692 §6).
pub(crate) fn deflated(frame: &[u8]) -> Option<Vec<u8>> {
    let message = &frame[header_len(frame)..];
    let mut small = Vec::with_capacity(message.len() + 64);
    deflate(message, &mut small);
    if small.len() >= message.len() {
        return None;
    }
    let mut deflated = Vec::with_capacity(small.len() + 10);
    push_header(frame[0] & OPCODE == BINARY, small.len(), &mut deflated);
    deflated[0] |= RSV1;
    deflated.extend_from_slice(&small);
    Some(deflated)
}
