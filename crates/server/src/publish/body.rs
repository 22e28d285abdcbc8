//! What the body of a publish request is: one event, or several, split by lines or lengths. It knows no
//! connection and no channel.

use std::fmt::Display;

use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use pushbench_wire::endpoint::{BINARY_TYPE, EVENT_NAME, SPLIT};
use pushbench_wire::event::{LAGGED_NAME, MAX_NAME_LEN, is_event_name};
use tokio::task::yield_now;

use crate::Config;
use crate::framing::NewEvent;
use crate::http::reply::Rejection;
use crate::http::request::query_value;
use crate::memory::Reservation;

/// Events that are read from a body in a row, before others get a turn: about 0.1 ms.
pub(super) const EVENTS_PER_TURN: usize = 1_000;

/// How to read the body, from the query and the headers.
pub(super) struct BodyFormat<'a> {
    name: Option<&'a str>,
    binary: bool,
    split: Split,
}

/// How the body is split into events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Split {
    /// Not at all: the body is one event.
    Whole,
    /// Each line is one event.
    Lines,
    /// Each event is preceded by its length, 4 bytes, big-endian.
    Lengths,
}

/// How the body of `request` is to be read.
pub(super) fn parse_format(request: &Parts) -> Result<BodyFormat<'_>, Rejection> {
    let name = query_value(request, EVENT_NAME);
    if let Some(name) = name.filter(|name| !is_event_name(name)) {
        return Err(Rejection::bad_request(format!(
            "{EVENT_NAME} is {name:?}; an event name must be 1 to {MAX_NAME_LEN} characters of \
             A-Z a-z 0-9 . _ - and not {LAGGED_NAME:?}, which is reserved for the server"
        )));
    }
    let split = match query_value(request, SPLIT) {
        None => Split::Whole,
        Some("lines") => Split::Lines,
        Some("lengths") => Split::Lengths,
        Some(other) => {
            return Err(Rejection::bad_request(format!(
                "{SPLIT} is {other:?}; it must be \"lines\" or \"lengths\""
            )));
        }
    };
    let binary = request
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok()?.split(';').next())
        .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case(BINARY_TYPE));
    if binary && split == Split::Lines {
        return Err(Rejection::bad_request(format!(
            "{SPLIT}=lines needs text; leave out the content type {BINARY_TYPE}, or publish with \
             {SPLIT}=lengths"
        )));
    }
    Ok(BodyFormat { name, binary, split })
}

/// The most that the events of a body can cost.
pub(super) fn most_cost(format: &BodyFormat<'_>, body: &[u8], max_events: usize) -> usize {
    let events = match format.split {
        Split::Whole => 1,
        Split::Lines => body.iter().filter(|&&byte| byte == b'\n').count() + 1,
        Split::Lengths => body.len() / size_of::<u32>() + 1,
    };
    events.min(max_events) * NewEvent::cost(format.name, 0) + body.len()
}

/// The events of `body`, each with its part of `held`.
pub(super) async fn split_body(
    format: &BodyFormat<'_>,
    body: &[u8],
    limits: &Config,
    held: &mut Reservation,
) -> Result<Vec<NewEvent>, Rejection> {
    let (max_bytes, max_events) = (limits.max_event_bytes, limits.max_body_events);
    let mut events = Vec::new();
    for payload in Payloads::new(format, body, max_bytes)? {
        let payload = payload?;
        check_size(payload.len(), max_bytes)?;
        if events.len() == max_events {
            return Err(Rejection::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body has more than {max_events} events; publish fewer per request"),
            ));
        }
        let held = held.split(NewEvent::cost(format.name, payload.len()));
        events.push(NewEvent::new(format.name, payload, format.binary, held));
        if events.len().is_multiple_of(EVENTS_PER_TURN) {
            yield_now().await;
        }
    }
    Ok(events)
}

/// The payloads in a body that are left.
enum Payloads<'a> {
    Whole(Option<&'a [u8]>),
    /// Without the end of the last line.
    Lines(Option<&'a [u8]>),
    Lengths {
        rest: &'a [u8],
        /// Where `rest` is in the body.
        at: usize,
        max_bytes: usize,
        format: &'a BodyFormat<'a>,
    },
}

impl<'a> Payloads<'a> {
    fn new(
        format: &'a BodyFormat<'a>,
        body: &'a [u8],
        max_bytes: usize,
    ) -> Result<Self, Rejection> {
        match format.split {
            Split::Whole => {
                check_text(format, "the body", body)?;
                Ok(Self::Whole(Some(body)))
            }
            Split::Lines => {
                check_text(format, "the body", body)?;
                let body = body.strip_suffix(b"\n").unwrap_or(body);
                if body.is_empty() {
                    return Err(Rejection::bad_request(
                        "the body has no lines; with split=lines each line is one event",
                    ));
                }
                Ok(Self::Lines(Some(body)))
            }
            Split::Lengths if body.is_empty() => {
                Err(Rejection::bad_request(format!("the body has no events; {LENGTHS_HINT}")))
            }
            Split::Lengths => Ok(Self::Lengths { rest: body, at: 0, max_bytes, format }),
        }
    }
}

impl<'a> Iterator for Payloads<'a> {
    type Item = Result<&'a [u8], Rejection>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Whole(body) => body.take().map(Ok),
            Self::Lines(rest) => {
                let text = rest.take()?;
                let (line, behind) = match text.iter().position(|&byte| byte == b'\n') {
                    Some(end) => (&text[..end], Some(&text[end + 1..])),
                    None => (text, None),
                };
                *rest = behind;
                Some(Ok(line.strip_suffix(b"\r").unwrap_or(line)))
            }
            Self::Lengths { rest: [], .. } => None,
            Self::Lengths { rest, at, max_bytes, format } => {
                let (start, before) = (*at, rest.len());
                let payload = take_event(rest, start, *max_bytes);
                *at += before - rest.len();
                Some(payload.and_then(|payload| {
                    let what = format_args!("the event at byte {start} of the body");
                    check_text(format, what, payload).map(|()| payload)
                }))
            }
        }
    }
}

/// What a body must look like that is split by lengths.
const LENGTHS_HINT: &str =
    "with split=lengths each event is preceded by its length, 4 bytes, big-endian";

/// Removes the first event from `rest`, which starts at byte `at` of the body.
fn take_event<'a>(rest: &mut &'a [u8], at: usize, max_bytes: usize) -> Result<&'a [u8], Rejection> {
    let Some((len, behind)) = rest.split_first_chunk() else {
        return Err(Rejection::bad_request(format!(
            "the body ends inside the length at byte {at}; {LENGTHS_HINT}"
        )));
    };
    let len = u32::from_be_bytes(*len) as usize;
    check_size(len, max_bytes)?;
    let Some((payload, behind)) = behind.split_at_checked(len) else {
        return Err(Rejection::bad_request(format!(
            "the event at byte {at} of the body should have {len} bytes, but only {} follow its \
             length; {LENGTHS_HINT}",
            behind.len()
        )));
    };
    *rest = behind;
    Ok(payload)
}

fn check_size(len: usize, max_bytes: usize) -> Result<(), Rejection> {
    if len > max_bytes {
        return Err(Rejection::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("an event of the body has {len} bytes; the limit is {max_bytes}"),
        ));
    }
    Ok(())
}

/// Checks that `bytes` are UTF-8, unless they are binary.
fn check_text(format: &BodyFormat<'_>, what: impl Display, bytes: &[u8]) -> Result<(), Rejection> {
    if format.binary {
        return Ok(());
    }
    std::str::from_utf8(bytes).map(drop).map_err(|error| {
        Rejection::bad_request(format!(
            "{what} is not UTF-8 at byte {}; publish binary events with Content-Type: \
             {BINARY_TYPE}",
            error.valid_up_to()
        ))
    })
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::framing::{Event, Framing, Place};
    use crate::memory::{Memory, Need};
    use proptest::prelude::*;

    const LINES: BodyFormat<'_> = BodyFormat { name: None, binary: false, split: Split::Lines };
    const LENGTHS: BodyFormat<'_> = BodyFormat { split: Split::Lengths, ..LINES };

    /// The result, and how often others got a turn before it was there.
    fn turns<T>(future: impl Future<Output = T>) -> (T, usize) {
        let mut future = pin!(future);
        for turns in 0.. {
            let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            if let Poll::Ready(result) = polled {
                return (result, turns);
            }
        }
        unreachable!("it is there at some time")
    }

    fn now<T>(future: impl Future<Output = T>) -> T {
        turns(future).0
    }

    /// What a body with events of up to 8 bytes, and up to 6 of them, is split into.
    fn split_it(format: &BodyFormat<'_>, body: &[u8]) -> Result<Vec<NewEvent>, Rejection> {
        let limits = Config { max_event_bytes: 8, max_body_events: 6, ..Config::default() };
        now(split_body(format, body, &limits, &mut Reservation::default()))
    }

    fn payloads(format: &BodyFormat<'_>, body: &[u8]) -> Vec<String> {
        split_it(format, body)
            .unwrap()
            .into_iter()
            .map(|event| {
                let frame =
                    Event::new(Place { id: 1, position: 1 }, event).frame(Framing::Json).clone();
                String::from_utf8(frame.to_vec()).unwrap()
            })
            .collect()
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| format!(r#"{{"id":1,"data":"{text}"}}"#)).collect()
    }

    #[test]
    fn each_line_is_an_event() {
        assert_eq!(payloads(&LINES, b"a\nb\r\n\nc"), texts(&["a", "b", "", "c"]));
        assert_eq!(payloads(&LINES, b"a\n"), texts(&["a"]));
        assert!(split_it(&LINES, b"").is_err());
        assert!(split_it(&LINES, b"\n").is_err());
    }

    #[test]
    fn a_body_that_is_not_split_is_one_event() {
        let text = BodyFormat { split: Split::Whole, ..LINES };
        assert_eq!(payloads(&text, b"a\nb"), texts(&["a\\nb"]));
        assert_eq!(payloads(&text, b""), texts(&[""]));
        let reason = split_it(&text, b"ab\xff").unwrap_err().reason;
        assert!(reason.starts_with("the body is not UTF-8 at byte 2;"), "{reason}");
        let binary = BodyFormat { binary: true, ..text };
        assert_eq!(payloads(&binary, b"\xff"), [r#"{"id":1,"data":"/w==","base64":true}"#]);
    }

    #[test]
    fn each_length_precedes_an_event() {
        let body = b"\0\0\0\x03a\nb\0\0\0\0\0\0\0\x01c";
        assert_eq!(payloads(&LENGTHS, body), texts(&["a\\nb", "", "c"]));
        let binary = BodyFormat { binary: true, ..LENGTHS };
        assert_eq!(
            payloads(&binary, b"\0\0\0\x02\xff\0"),
            [r#"{"id":1,"data":"/wA=","base64":true}"#]
        );
        let reason = |body: &[u8]| split_it(&LENGTHS, body).unwrap_err().reason;
        let text = reason(b"\0\0\0\x01a\0\0\0\x02b\xff");
        assert!(
            text.starts_with("the event at byte 5 of the body is not UTF-8 at byte 1;"),
            "{text}"
        );
    }

    #[test]
    fn a_body_has_a_limited_number_of_events() {
        let reason = |format, body: &[u8]| split_it(format, body).unwrap_err().reason;
        let expected = "the body has more than 6 events; publish fewer per request";
        assert_eq!(reason(&LINES, &b"\n".repeat(8)), expected);
        assert_eq!(reason(&LENGTHS, &[0; 28]), expected);
        assert_eq!(split_it(&LINES, &b"\n".repeat(6)).unwrap().len(), 6);
    }

    #[test]
    fn others_get_a_turn_while_a_large_body_is_read() {
        let body = b"\n".repeat(5 * EVENTS_PER_TURN);
        let (limits, mut held) = (Config::default(), Reservation::default());
        let (events, turns) = turns(split_body(&LINES, &body, &limits, &mut held));
        assert_eq!((events.unwrap().len(), turns), (5 * EVENTS_PER_TURN, 5));
    }

    #[test]
    fn no_event_costs_more_than_is_reserved_before_it_is_read() {
        let memory = Memory::new(1 << 20);
        let named = BodyFormat { name: Some("price"), ..LINES };
        for (format, body) in [
            (&LINES, &b"\n\n\n\n\n\n"[..]),
            (&named, b"ab\nc"),
            (&LENGTHS, &[0; 24]),
            (&LINES, b"x"),
        ] {
            let most = most_cost(format, body, 6);
            let mut held = memory.reserve(most, Need::Input).unwrap();
            let limits = Config { max_body_events: 6, ..Config::default() };
            let events = now(split_body(format, body, &limits, &mut held)).unwrap();
            drop(held);
            assert!(memory.used() >= events.len() * NewEvent::cost(format.name, 0));
            drop(events);
            assert_eq!(memory.used(), 0);
        }
    }

    proptest! {
        #[test]
        fn any_events_read_back_from_lengths(
            events in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 1..6),
        ) {
            let body: Vec<u8> = events
                .iter()
                .flat_map(|event| [&(event.len() as u32).to_be_bytes()[..], event].concat())
                .collect();
            let format = BodyFormat { binary: true, ..LENGTHS };
            let published = split_it(&format, &body).unwrap();
            prop_assert_eq!(published.len(), events.len());
            for (event, payload) in published.into_iter().zip(&events) {
                let frame = Event::new(Place { id: 1, position: 1 }, event).frame(Framing::Tcp).clone();
                prop_assert_eq!(&frame[4..], [&b"1\n"[..], payload].concat());
            }
            prop_assert!(split_it(&format, &body[..body.len() - 1]).is_err());
        }

        #[test]
        fn any_body_is_read_without_panic(
            body: Vec<u8>,
            split in prop_oneof![Just(Split::Whole), Just(Split::Lines), Just(Split::Lengths)],
            binary: bool,
        ) {
            let format = BodyFormat { name: None, binary: binary && split != Split::Lines, split };
            if let Ok(events) = split_it(&format, &body) {
                prop_assert!(!events.is_empty());
            }
        }
    }
}
