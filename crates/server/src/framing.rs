//! One published event and its frame in each framing, which is built when the first subscriber needs
//! it, compressed or not, and then shared by all. It knows no connection.

use std::sync::OnceLock;

use bytes::Bytes;
use pushbench_wire::deflate::{deflate, push_flushed};
use pushbench_wire::event::{DEFAULT_NAME, LAGGED_NAME, label};
use pushbench_wire::{frame as tcp, message, poll, sse};

use crate::memory::{ALLOCATION_BYTES, Reservation, SHARED_BYTES, share};
use crate::websocket_frame;

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

/// A framing, and whether its frames are compressed, each by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    framing: Framing,
    is_deflated: bool,
}

impl From<Framing> for Form {
    fn from(framing: Framing) -> Self {
        Self { framing, is_deflated: false }
    }
}

impl Framing {
    /// The same, compressed: JSON is a piece of DEFLATE then ([`pushbench_wire::deflate`]), an event of an event
    /// stream is one that is flushed, and of WebSocket it is the message (RFC 7692 §6.1) if that makes it smaller.
    /// Raw TCP stays as it is.
    pub(crate) fn deflated(self) -> Form {
        Form { framing: self, is_deflated: true }
    }
}

/// The frames of an event so far.
#[derive(Debug, Default)]
struct Frames {
    plain: [OnceLock<Bytes>; FRAMINGS],
    /// If anybody has asked for one.
    deflated: OnceLock<Box<Deflated>>,
}

#[derive(Debug)]
struct Deflated {
    frames: [OnceLock<Bytes>; FRAMINGS],
    _held: Reservation,
}

/// Where an event is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// In the log of its channel.
    pub(crate) id: u64,
    /// Among those of all channels.
    pub(crate) position: u64,
}

/// One event of a channel.
#[derive(Debug)]
pub(crate) struct Event {
    place: Place,
    /// `None` for [`DEFAULT_NAME`], so that most events need no memory for a name.
    name: Option<Box<str>>,
    payload: Bytes,
    binary: bool,
    frames: Frames,
    /// For those who subscribe to several channels, if there are any.
    labelled: OnceLock<Box<Labelled>>,
    held: Reservation,
}

/// An event among those of several channels: its id is its position, and its name begins with its
/// channel.
#[derive(Debug)]
struct Labelled {
    name: Box<str>,
    frames: Frames,
    _held: Reservation,
}

impl Event {
    /// What `event` becomes at a place.
    pub(crate) fn new(place: Place, event: NewEvent) -> Self {
        let NewEvent { name, payload, binary, held } = event;
        let (frames, labelled) = Default::default();
        Self { place, name, payload, binary, frames, labelled, held }
    }

    /// The notice that a subscriber has missed the events up to `last_missed`, `missed` of them if the
    /// number is known.
    pub(crate) fn lagged(last_missed: Place, missed: Option<u64>) -> Self {
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
        self.place.id
    }

    /// Its position among the events of all channels.
    pub(crate) fn position(&self) -> u64 {
        self.place.position
    }

    /// Whether this is the server's own notice. No publisher can use its name.
    pub(crate) fn is_lagged_notice(&self) -> bool {
        self.name.as_deref() == Some(LAGGED_NAME)
    }

    /// Bytes that count towards the limits of a log or a response.
    pub(crate) fn size_bytes(&self) -> usize {
        self.payload.len() + self.name.as_ref().map_or(0, |name| name.len())
    }

    /// The event's frame in `form`.
    pub(crate) fn frame(&self, form: impl Into<Form>) -> &Bytes {
        let name = self.name.as_deref().unwrap_or(DEFAULT_NAME);
        self.framed(&self.frames, form.into(), self.place.id, name)
    }

    /// Its frame for a subscriber of several channels, of which its own is `channel`.
    pub(crate) fn labelled_frame(&self, channel: &str, form: impl Into<Form>) -> &Bytes {
        let labelled = self.labelled.get_or_init(|| {
            let name: Box<str> = label(channel, self.name.as_deref()).into();
            let bytes = size_of::<Labelled>() + name.len() + 2 * ALLOCATION_BYTES;
            let held = self.held.beside(bytes);
            Box::new(Labelled { name, frames: Frames::default(), _held: held })
        });
        self.framed(&labelled.frames, form.into(), self.place.position, &labelled.name)
    }

    /// Whether somebody has had its compressed frame made, likewise for a subscriber of several channels.
    pub(crate) fn is_deflated(&self, framing: Framing, is_labelled: bool) -> bool {
        let frames = match is_labelled {
            false => Some(&self.frames),
            true => self.labelled.get().map(|labelled| &labelled.frames),
        };
        let deflated = frames.and_then(|frames| frames.deflated.get());
        deflated.is_some_and(|deflated| deflated.frames[framing as usize].get().is_some())
    }

    fn framed<'f>(&self, frames: &'f Frames, form: Form, id: u64, name: &str) -> &'f Bytes {
        let Form { framing, is_deflated } = form;
        let plain = &frames.plain[framing as usize];
        let plain = || plain.get_or_init(|| self.encode(framing, id, name));
        if !is_deflated {
            return plain();
        }
        let deflated = frames.deflated.get_or_init(|| {
            let held = self.held.beside(size_of::<Deflated>() + ALLOCATION_BYTES);
            Box::new(Deflated { frames: Default::default(), _held: held })
        });
        deflated.frames[framing as usize].get_or_init(|| self.deflate(framing, plain()))
    }

    /// What `frame` becomes.
    fn deflate(&self, framing: Framing, frame: &Bytes) -> Bytes {
        let mut deflated = Vec::with_capacity(frame.len() + 64);
        match framing {
            Framing::Json => deflate(frame, &mut deflated),
            Framing::Sse => push_flushed(frame, &mut deflated),
            Framing::WebSocket => match websocket_frame::deflated(frame) {
                Some(small) => deflated = small,
                None => return frame.clone(),
            },
            Framing::Tcp => return frame.clone(),
        }
        deflated.shrink_to_fit();
        let held = self.held.beside(deflated.len() + SHARED_BYTES);
        share(deflated, held)
    }

    fn encode(&self, framing: Framing, id: u64, name: &str) -> Bytes {
        let event = pushbench_wire::Event { id, name, payload: &self.payload, binary: self.binary };
        // With space for the id and the field names, so that most frames never grow.
        let mut frame = Vec::with_capacity(self.payload.len() + name.len() + 64);
        match framing {
            Framing::Json => poll::encode_event(&event, &mut frame),
            Framing::Sse => sse::encode(&event, &mut frame),
            Framing::WebSocket => {
                let mut message = Vec::with_capacity(self.payload.len() + name.len() + 24);
                message::encode(&event, &mut message);
                websocket_frame::push_header(self.binary, message.len(), &mut frame);
                frame.extend_from_slice(&message);
            }
            Framing::Tcp => tcp::encode(&event, &mut frame),
        }
        frame.shrink_to_fit();
        let held = self.held.beside(frame.len() + SHARED_BYTES);
        share(frame, held)
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

    /// Its name, its payload, and whether that is binary.
    pub(crate) fn parts(&self) -> (Option<&str>, &[u8], bool) {
        (self.name.as_deref(), &self.payload, self.binary)
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
    use crate::memory::{Memory, Need};
    use crate::websocket_frame::RSV1;
    use proptest::prelude::*;
    use pushbench_wire::deflate::{TAIL, inflate};
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};

    const PLACE: Place = Place { id: 7, position: 9 };

    fn event(payload: &[u8], binary: bool) -> Event {
        Event::new(PLACE, NewEvent::new(Some("price"), payload, binary, Reservation::default()))
    }

    proptest! {
        #[test]
        fn another_implementation_reads_a_websocket_frame(payload: Vec<u8>) {
            check_frame(&payload);
        }

        #[test]
        fn what_is_compressed_is_the_frame(payload: Vec<u8>, times in 1..20_usize, binary: bool) {
            let payload = if binary { payload } else { format!("{payload:?}").into_bytes() };
            check_deflated(&payload.repeat(times), binary);
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

    fn check_deflated(payload: &[u8], binary: bool) {
        let event = event(payload, binary);
        let inflated = |piece: &[u8]| {
            let mut out = Vec::new();
            inflate(piece, 1 << 20, &mut out).unwrap();
            out
        };
        assert_eq!(inflated(event.frame(Framing::Json.deflated())), *event.frame(Framing::Json));
        let sse = event.frame(Framing::Sse.deflated()).strip_suffix(&TAIL).unwrap();
        assert_eq!(inflated(sse), *event.frame(Framing::Sse));
        let (plain, small) =
            (event.frame(Framing::WebSocket), event.frame(Framing::WebSocket.deflated()));
        assert!(small.len() <= plain.len());
        if small[0] & RSV1 == 0 {
            assert_eq!(small, plain);
        } else {
            assert_eq!(small[0] & !RSV1, plain[0]);
            let message = &plain[websocket_frame::header_len(plain)..];
            assert_eq!(inflated(&small[websocket_frame::header_len(small)..]), message);
        }
        assert_eq!(event.frame(Framing::Tcp.deflated()), event.frame(Framing::Tcp));
    }

    #[test]
    fn a_frame_is_built_once() {
        let event = event(&[b'a'; 100], false);
        for framing in [Framing::Json, Framing::Sse, Framing::WebSocket, Framing::Tcp] {
            for form in [framing.into(), framing.deflated()] {
                let first = event.frame(form).as_ptr();
                assert_eq!(event.frame(form).as_ptr(), first, "{form:?}");
            }
        }
        assert_ne!(
            event.frame(Framing::WebSocket.deflated())[0] & RSV1,
            0,
            "what is regular becomes smaller"
        );
    }

    #[test]
    fn among_several_channels_it_has_their_names_and_numbers() {
        let named = event(b"1.2", false);
        assert_eq!(
            named.labelled_frame("eur", Framing::Sse),
            "id: 9\nevent: eur/price\ndata: 1.2\n\n"
        );
        assert_eq!(named.frame(Framing::Sse), "id: 7\nevent: price\ndata: 1.2\n\n");
        let plain = Event::new(PLACE, NewEvent::new(None, b"1.2", false, Reservation::default()));
        assert_eq!(&plain.labelled_frame("eur", Framing::WebSocket)[2..], b"9 eur\n1.2");
        let once = plain.labelled_frame("eur", Framing::Json).as_ptr();
        assert_eq!(plain.labelled_frame("eur", Framing::Json).as_ptr(), once, "built once");
    }

    #[test]
    fn its_names_and_frames_are_accounted_for_as_long_as_it_lives() {
        let memory = Memory::new(1 << 20);
        let held = memory.reserve(0, Need::Input).unwrap();
        let event = Event::new(PLACE, NewEvent::new(None, b"1.2", false, held));
        let frame = event.labelled_frame("eur", Framing::Sse).len();
        assert!(memory.used() >= frame + SHARED_BYTES + size_of::<Labelled>() + "eur".len());
        let before = memory.used();
        let frame = event.labelled_frame("eur", Framing::Sse.deflated()).len();
        assert!(memory.used() >= before + frame + SHARED_BYTES + size_of::<Deflated>());
        drop(event);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn the_lagged_notice_in_every_framing() {
        let known = Event::lagged(Place { id: 41, position: 50 }, Some(3));
        assert!(known.is_lagged_notice());
        assert_eq!(
            known.frame(Framing::Json),
            r#"{"id":41,"event":"lagged","data":"{\"missed\":3}"}"#
        );
        assert_eq!(known.frame(Framing::Sse), "id: 41\nevent: lagged\ndata: {\"missed\":3}\n\n");
        assert_eq!(&known.frame(Framing::WebSocket)[..], b"\x81\x1641 lagged\n{\"missed\":3}");
        assert_eq!(&known.frame(Framing::Tcp)[..], b"\0\0\0\x1641 lagged\n{\"missed\":3}");
        let unknown = Event::lagged(Place::default(), None);
        assert_eq!(
            unknown.frame(Framing::Sse),
            "id: 0\nevent: lagged\ndata: {\"missed\":null}\n\n"
        );
    }
}
