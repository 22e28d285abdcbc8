//! The JSON body of a response to a poll: `{"events":[{"id":7,"data":"…"},…],"last_event_id":7}`.
//!
//! An event also has `"event"` if it has a name, and `"base64":true` if its data is binary.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde::{Deserialize, Serialize};

use crate::event::{DEFAULT_NAME, Event};
use crate::gzip;
use crate::message::push_decimal;

#[derive(Serialize, Deserialize)]
struct JsonEvent<'a> {
    id: u64,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    event: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    base64: bool,
}

/// Appends the JSON object of one event.
///
/// # Panics
/// When a text payload is not UTF-8, which [`Event`] rules out.
pub fn encode_event(event: &Event<'_>, out: &mut Vec<u8>) {
    let data = if event.binary {
        Cow::Owned(BASE64.encode(event.payload))
    } else {
        match std::str::from_utf8(event.payload) {
            Ok(text) => Cow::Borrowed(text),
            Err(error) => panic!("a text payload must be UTF-8: {error}"),
        }
    };
    let name = (event.name != DEFAULT_NAME).then_some(Cow::Borrowed(event.name));
    let json = JsonEvent { id: event.id, event: name, data, base64: event.binary };
    // Serialising these types to a `Vec` cannot fail.
    let _ = serde_json::to_writer(out, &json);
}

/// Appends the body with `events`, each encoded by [`encode_event`].
pub fn encode_body<'a>(
    events: impl IntoIterator<Item = &'a [u8]>,
    last_event_id: u64,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(OPENING);
    for (index, event) in events.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(event);
    }
    push_closing(last_event_id, out);
}

const OPENING: &[u8] = br#"{"events":["#;

fn push_closing(last_event_id: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"],"last_event_id":"#);
    push_decimal(last_event_id, out);
    out.push(b'}');
}

/// What [`encode_gzip_body`] adds to the events as they are compressed, beside what [`encode_body`] adds to
/// them as they are: so much to each, and so much once.
pub const GZIP_BYTES: (usize, usize) = (4, 25);

/// Appends the body with `events`, of which there is at least one, as gzip. Each comes as it was encoded by
/// [`encode_event`], and as that was compressed by [`crate::deflate::deflate`]: what is between events is not
/// compressed.
pub fn encode_gzip_body<'a>(
    events: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    last_event_id: u64,
    out: &mut Vec<u8>,
) {
    let mut member = gzip::Member::default();
    let between = |text: &[u8], member: &mut gzip::Member, out: &mut Vec<u8>| {
        member.add(text);
        gzip::push_stored(text, out);
    };
    out.extend_from_slice(&gzip::HEAD);
    // The head of a stored block that is not the last (RFC 1951 §3.2.3).
    out.push(0);
    let mut before = OPENING;
    for (plain, compressed) in events {
        between(before, &mut member, out);
        member.add(plain);
        out.extend_from_slice(compressed);
        before = b",";
    }
    let mut closing = Vec::with_capacity(48);
    push_closing(last_event_id, &mut closing);
    between(&closing, &mut member, out);
    out.extend_from_slice(&member.end());
}

/// Decodes a body, passes each event to `on_event` and returns `last_event_id`.
///
/// # Errors
/// What is wrong with the JSON, and where. The events before that place have been passed on.
pub fn decode_body(body: &[u8], on_event: impl FnMut(Event<'_>)) -> Result<u64, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let last_event_id = Body { on_event }.deserialize(&mut json)?;
    json.end()?;
    Ok(last_event_id)
}

/// Visits the body once from front to back, so that no list of events is built.
struct Body<F> {
    on_event: F,
}

impl<'de, F: FnMut(Event<'_>)> DeserializeSeed<'de> for Body<F> {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(Event<'_>)> Visitor<'de> for Body<F> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `events` and `last_event_id`")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<u64, A::Error> {
        let mut last_event_id = None;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match &*key {
                "events" => map.next_value_seed(Events { on_event: &mut self.on_event })?,
                "last_event_id" => last_event_id = Some(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        last_event_id.ok_or_else(|| A::Error::missing_field("last_event_id"))
    }
}

struct Events<'f, F> {
    on_event: &'f mut F,
}

impl<'de, F: FnMut(Event<'_>)> DeserializeSeed<'de> for Events<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(Event<'_>)> Visitor<'de> for Events<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(event) = seq.next_element::<JsonEvent<'de>>()? {
            let payload = if event.base64 {
                Cow::Owned(BASE64.decode(&*event.data).map_err(A::Error::custom)?)
            } else {
                match event.data {
                    Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                    Cow::Owned(text) => Cow::Owned(text.into_bytes()),
                }
            };
            (self.on_event)(Event {
                id: event.id,
                name: event.event.as_deref().unwrap_or(DEFAULT_NAME),
                payload: &payload,
                binary: event.base64,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::tests::{OwnedEvent, any_event};
    use proptest::prelude::*;

    fn decode(body: &[u8]) -> Result<(Vec<OwnedEvent>, u64), serde_json::Error> {
        let mut events = Vec::new();
        let last = decode_body(body, |event| events.push(event.into()))?;
        Ok((events, last))
    }

    proptest! {
        #[test]
        fn every_body_reads_back(events in proptest::collection::vec(any_event(), 0..4), last: u64) {
            let frames: Vec<_> = events
                .iter()
                .map(|event| {
                    let mut frame = Vec::new();
                    encode_event(&event.borrow(), &mut frame);
                    frame
                })
                .collect();
            let mut body = Vec::new();
            encode_body(frames.iter().map(Vec::as_slice), last, &mut body);
            serde_json::from_slice::<serde_json::Value>(&body).expect("any JSON reader reads it");
            prop_assert_eq!(decode(&body).unwrap(), (events, last));
        }

        #[test]
        fn every_compressed_body_is_the_same_and_as_long_as_is_said(
            events in proptest::collection::vec(any_event(), 1..4),
            last: u64,
        ) {
            let frames: Vec<_> = events
                .iter()
                .map(|event| {
                    let (mut plain, mut compressed) = (Vec::new(), Vec::new());
                    encode_event(&event.borrow(), &mut plain);
                    crate::deflate::deflate(&plain, &mut compressed);
                    (plain, compressed)
                })
                .collect();
            let (mut body, mut small) = (Vec::new(), Vec::new());
            encode_body(frames.iter().map(|(plain, _)| &plain[..]), last, &mut body);
            encode_gzip_body(frames.iter().map(|(plain, small)| (&plain[..], &small[..])), last, &mut small);
            let mut read = Vec::new();
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&small[..]), &mut read).unwrap();
            prop_assert_eq!(&read, &body);
            let added: usize = frames.iter().map(|(_, small)| small.len() + GZIP_BYTES.0).sum();
            let without: usize = frames.iter().map(|(plain, _)| plain.len()).sum();
            prop_assert_eq!(small.len() - (added + GZIP_BYTES.1), body.len() - without);
        }

        #[test]
        fn any_bytes_are_read_without_panic(body: Vec<u8>) {
            let _ = decode(&body);
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"events":[]}"#,
            r#"{"events":{},"last_event_id":1}"#,
            r#"{"events":[{"id":1}],"last_event_id":1}"#,
            r#"{"events":[],"last_event_id":-1}"#,
            r#"{"events":[{"id":1,"data":"*","base64":true}],"last_event_id":1}"#,
            r#"{"events":[],"last_event_id":1} x"#,
        ] {
            assert!(decode(bad.as_bytes()).is_err(), "{bad}");
        }
        let unknown_keys = r#"{"more":[1],"last_event_id":3,"events":[{"id":3,"data":"\u0061"}]}"#;
        assert_eq!(decode(unknown_keys.as_bytes()).unwrap().0[0].payload, b"a");
    }
}
