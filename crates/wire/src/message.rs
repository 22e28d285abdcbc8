//! The WebSocket subprotocol `pushbench.v1`: the content of a message from the server. Raw TCP
//! carries the same messages in its own frames ([`crate::frame`]).
//!
//! A message is a head, a line feed and the payload as it was published. The head is the id in
//! decimal and, if the event has a name, a space and the name. A text event is a text message, and a
//! binary event a binary message. A message from a client has no head: all of it is the payload.

use crate::event::{DEFAULT_NAME, Event};

/// Appends the message of `event` to `out`.
pub fn encode(event: &Event<'_>, out: &mut Vec<u8>) {
    push_decimal(event.id, out);
    if event.name != DEFAULT_NAME {
        out.push(b' ');
        out.extend_from_slice(event.name.as_bytes());
    }
    out.push(b'\n');
    out.extend_from_slice(event.payload);
}

/// Decodes one message. `binary` says whether it is a binary message.
///
/// # Errors
/// [`BadMessage`] when it has no head with an id.
pub fn decode(message: &[u8], binary: bool) -> Result<Event<'_>, BadMessage> {
    let end = memchr::memchr(b'\n', message).ok_or(BadMessage)?;
    let head = std::str::from_utf8(&message[..end]).map_err(|_| BadMessage)?;
    let (id, name) = head.split_once(' ').unwrap_or((head, DEFAULT_NAME));
    Ok(Event {
        id: id.parse().map_err(|_| BadMessage)?,
        name,
        payload: &message[end + 1..],
        binary,
    })
}

/// The message is not valid in `pushbench.v1`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message does not start with an `id[ name]` line, as pushbench.v1 requires")]
pub struct BadMessage;

/// Appends `value` in decimal.
pub(crate) fn push_decimal(value: u64, out: &mut Vec<u8>) {
    use std::io::Write;
    // Writing to a `Vec` cannot fail.
    let _ = write!(out, "{value}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::tests::any_event;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_event_reads_back(event in any_event()) {
            let mut message = Vec::new();
            encode(&event.borrow(), &mut message);
            prop_assert_eq!(decode(&message, event.binary), Ok(event.borrow()));
        }

        #[test]
        fn any_bytes_are_read_without_panic(message: Vec<u8>, binary: bool) {
            let _ = decode(&message, binary);
        }
    }

    #[test]
    fn a_message_without_a_head_is_refused() {
        for bad in ["", "\n", "12", "x\npayload", "-1\np", " name\np"] {
            assert_eq!(decode(bad.as_bytes(), false), Err(BadMessage), "{bad:?}");
        }
    }
}
