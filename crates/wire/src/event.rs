//! An event as every framing carries it, and the rules for event names.

/// The name of an event that was published without one (`message` in WHATWG HTML §9.2.6).
pub const DEFAULT_NAME: &str = "message";

/// The name of the notice that a subscriber has missed events. Only the server may send it. Its
/// payload is the JSON object `{"missed":N}`, and its id is that of the last event missed.
pub const LAGGED_NAME: &str = "lagged";

/// The longest event name, in bytes.
pub const MAX_NAME_LEN: usize = 64;

/// One event, borrowed from the buffer from which it was decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Its position in the channel's log: 1 for the first event, then increasing by 1.
    pub id: u64,
    /// What kind of event it is. [`DEFAULT_NAME`] if the publisher did not say.
    pub name: &'a str,
    /// What was published.
    pub payload: &'a [u8],
    /// Whether `payload` is arbitrary bytes. A text payload is valid UTF-8. Text framings carry a
    /// binary payload in base64.
    pub binary: bool,
}

/// The name of an event among those of several channels: `channel`, or `channel/name` of one that was
/// published with a name. So an `EventSource` has a listener for each channel.
#[must_use]
pub fn label(channel: &str, name: Option<&str>) -> String {
    match name {
        None => channel.to_owned(),
        Some(name) => format!("{channel}/{name}"),
    }
}

/// Whether a name says that events were missed, of one channel or of one among several.
#[must_use]
pub fn is_lagged_name(name: &str) -> bool {
    name.rsplit_once('/').map_or(name, |(_, own)| own) == LAGGED_NAME
}

/// Whether a publisher may use `name`: 1 to 64 characters of `A-Z a-z 0-9 . _ -`, and not the
/// reserved [`LAGGED_NAME`].
#[must_use]
pub fn is_event_name(name: &str) -> bool {
    is_token(name, MAX_NAME_LEN) && name != LAGGED_NAME
}

/// Whether `text` is 1 to `max` characters that need no escaping in any framing or path.
pub(crate) fn is_token(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An owned event, for tests that compare events before and after encoding.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(crate) struct OwnedEvent {
        pub(crate) id: u64,
        pub(crate) name: String,
        pub(crate) payload: Vec<u8>,
        pub(crate) binary: bool,
    }

    impl OwnedEvent {
        pub(crate) fn borrow(&self) -> Event<'_> {
            Event { id: self.id, name: &self.name, payload: &self.payload, binary: self.binary }
        }
    }

    impl From<Event<'_>> for OwnedEvent {
        fn from(event: Event<'_>) -> Self {
            Self {
                id: event.id,
                name: event.name.to_owned(),
                payload: event.payload.to_owned(),
                binary: event.binary,
            }
        }
    }

    /// Any event that can be published, text or binary.
    pub(crate) fn any_event() -> impl Strategy<Value = OwnedEvent> {
        let payload = prop_oneof![
            any::<String>().prop_map(|text| (text.into_bytes(), false)),
            "[\r\n:a ]{0,12}".prop_map(|text| (text.into_bytes(), false)),
            any::<Vec<u8>>().prop_map(|bytes| (bytes, true)),
        ];
        let name = prop_oneof![Just(DEFAULT_NAME.to_owned()), "[A-Za-z0-9._-]{1,64}"];
        (any::<u64>(), name, payload).prop_map(|(id, name, (payload, binary))| OwnedEvent {
            id,
            name,
            payload,
            binary,
        })
    }

    #[test]
    fn names() {
        for good in ["message", "price", "a.b_c-D9", &"x".repeat(64)] {
            assert!(is_event_name(good), "{good}");
        }
        for bad in ["", "lagged", "two words", "a\nb", "a;base64", "é", &"x".repeat(65)] {
            assert!(!is_event_name(bad), "{bad}");
        }
    }
}
