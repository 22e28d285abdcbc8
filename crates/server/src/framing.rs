//! One published event and its frame in each framing, which is built when the first subscriber needs
//! it and then shared by all. It knows no connection.

use std::sync::OnceLock;

use bytes::Bytes;
use pushbench_wire::event::{DEFAULT_NAME, LAGGED_NAME};
use pushbench_wire::{frame as tcp, message, poll, sse};

use crate::memory::{ALLOCATION_BYTES, Reservation, SHARED_BYTES, share};

/// How an event is written for a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// One object of a poll's JSON body.
    Json,
    /// One event of a `text/event-stream`.
    Sse,
    /// One unmasked WebSocket frame.
    WebSocket,
    /// One frame of raw TCP.
    Tcp,
}

const FRAMINGS: usize = Framing::Tcp as usize + 1;

/// One event of a channel.
#[derive(Debug)]
pub(crate) struct Event {
    id: u64,
    /// `None` for [`DEFAULT_NAME`], so that most events need no memory for a name.
    name: Option<Box<str>>,
    payload: Bytes,
    binary: bool,
    frames: [OnceLock<Bytes>; FRAMINGS],
    held: Reservation,
}

impl Event {
    /// The event that `event` becomes as number `id` of its log.
    pub(crate) fn new(id: u64, event: NewEvent) -> Self {
        let NewEvent { name, payload, binary, held } = event;
        Self { id, name, payload, binary, frames: Default::default(), held }
    }

    /// The notice that a subscriber has missed the events up to `last_missed`, `missed` of them if the
    /// number is known.
    pub(crate) fn lagged(last_missed: u64, missed: Option<u64>) -> Self {
        let missed = missed.map_or_else(|| "null".to_owned(), |missed| missed.to_string());
        Self::new(
            last_missed,
            NewEvent {
                name: Some(LAGGED_NAME.into()),
                payload: format!(r#"{{"missed":{missed}}}"#).into(),
                binary: false,
                // It is the server's own, small, and gone as soon as it is sent.
                held: Reservation::default(),
            },
        )
    }

    /// Its position in its log.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Whether this is the server's own notice. No publisher can use its name.
    pub(crate) fn is_lagged_notice(&self) -> bool {
        self.name.as_deref() == Some(LAGGED_NAME)
    }

    /// Bytes that count towards the limits of a log or a response.
    pub(crate) fn size_bytes(&self) -> usize {
        self.payload.len() + self.name.as_ref().map_or(0, |name| name.len())
    }

    /// The event's frame in `framing`.
    pub(crate) fn frame(&self, framing: Framing) -> &Bytes {
        self.frames[framing as usize].get_or_init(|| self.encode(framing))
    }

    fn encode(&self, framing: Framing) -> Bytes {
        let event = pushbench_wire::Event {
            id: self.id,
            name: self.name.as_deref().unwrap_or(DEFAULT_NAME),
            payload: &self.payload,
            binary: self.binary,
        };
        // With space for the id and the field names, so that most frames never grow.
        let mut frame = Vec::with_capacity(self.size_bytes() + 64);
        match framing {
            Framing::Json => poll::encode_event(&event, &mut frame),
            Framing::Sse => sse::encode(&event, &mut frame),
            Framing::WebSocket => {
                let mut message = Vec::with_capacity(self.size_bytes() + 24);
                message::encode(&event, &mut message);
                push_frame_header(self.binary, message.len(), &mut frame);
                frame.extend_from_slice(&message);
            }
            Framing::Tcp => tcp::encode(&event, &mut frame),
        }
        frame.shrink_to_fit();
        let held = self.held.beside(frame.len() + SHARED_BYTES);
        share(frame, held)
    }
}

/// Appends the header of an unfragmented, unmasked data frame (RFC 6455 §5.2).
fn push_frame_header(binary: bool, len: usize, out: &mut Vec<u8>) {
    const FIN: u8 = 0x80;
    const TEXT: u8 = 0x1;
    const BINARY: u8 = 0x2;
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

/// An event that is not in a log yet, and so has no id.
#[derive(Clone, Debug)]
pub(crate) struct NewEvent {
    name: Option<Box<str>>,
    payload: Bytes,
    binary: bool,
    held: Reservation,
}

/// What an event costs beside its name, its payload and its frames: itself, its share of the log, and
/// the allocations of all of these.
const EVENT_BYTES: usize = size_of::<Event>() + size_of::<NewEvent>() + 6 * ALLOCATION_BYTES;

impl NewEvent {
    /// What an event costs with this name and a payload of `len` bytes.
    pub(crate) fn cost(name: Option<&str>, len: usize) -> usize {
        EVENT_BYTES + name.map_or(0, str::len) + len
    }

    /// An event that is accounted for in `held`.
    ///
    /// Copies `payload`, which is part of a larger read buffer: a log that shared it would hold far
    /// more memory than it counts.
    pub(crate) fn new(name: Option<&str>, payload: &[u8], binary: bool, held: Reservation) -> Self {
        Self {
            name: name.filter(|&name| name != DEFAULT_NAME).map(Box::from),
            payload: Bytes::copy_from_slice(payload),
            binary,
            held,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};

    fn event(payload: &[u8], binary: bool) -> Event {
        Event::new(7, NewEvent::new(Some("price"), payload, binary, Reservation::default()))
    }

    proptest! {
        #[test]
        fn another_implementation_reads_a_websocket_frame(payload: Vec<u8>) {
            check_frame(&payload);
        }
    }

    #[test]
    fn a_frame_header_of_every_length() {
        for len in [0, 1, 100, 125 - 8, 126 - 8, 127, 65_535 - 8, 65_536 - 8, 70_000] {
            check_frame(&vec![b'x'; len]);
        }
    }

    fn check_frame(payload: &[u8]) {
        let frame = event(payload, true).frame(Framing::WebSocket).clone();
        let stream = std::io::Cursor::new(frame.to_vec());
        let mut socket = WebSocket::from_raw_socket(stream, Role::Client, None);
        let Message::Binary(message) = socket.read().unwrap() else { panic!("no binary message") };
        let read = message::decode(&message, true).unwrap();
        assert_eq!((read.id, read.name, read.payload), (7, "price", payload));
    }

    #[test]
    fn a_frame_is_built_once() {
        let event = event(b"a", false);
        for framing in [Framing::Json, Framing::Sse, Framing::WebSocket, Framing::Tcp] {
            let first = event.frame(framing).as_ptr();
            assert_eq!(event.frame(framing).as_ptr(), first, "{framing:?}");
        }
    }

    #[test]
    fn the_lagged_notice_in_every_framing() {
        let known = Event::lagged(41, Some(3));
        assert!(known.is_lagged_notice());
        assert_eq!(
            known.frame(Framing::Json),
            r#"{"id":41,"event":"lagged","data":"{\"missed\":3}"}"#
        );
        assert_eq!(known.frame(Framing::Sse), "id: 41\nevent: lagged\ndata: {\"missed\":3}\n\n");
        assert_eq!(&known.frame(Framing::WebSocket)[..], b"\x81\x1641 lagged\n{\"missed\":3}");
        assert_eq!(&known.frame(Framing::Tcp)[..], b"\0\0\0\x1641 lagged\n{\"missed\":3}");
        let unknown = Event::lagged(0, None);
        assert_eq!(
            unknown.frame(Framing::Sse),
            "id: 0\nevent: lagged\ndata: {\"missed\":null}\n\n"
        );
    }
}
