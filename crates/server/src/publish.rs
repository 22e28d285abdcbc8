//! `POST /channels/{channel}/events`: one body, one event, or several, by lines or by lengths.

use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::{Body, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use pushbench_wire::endpoint::{BINARY_TYPE, EVENT_NAME, SPLIT};
use pushbench_wire::event::{LAGGED_NAME, MAX_NAME_LEN, is_event_name};

use crate::Server;
use crate::framing::Draft;
use crate::http::reply::{self, Rejection, Reply};
use crate::http::request::query_value;
use crate::hub::Channel;
use crate::metrics::Metrics;

/// What the query and the headers say about the body.
struct Form<'a> {
    name: Option<&'a str>,
    binary: bool,
    split: Split,
}

/// Where one event of the body ends and the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Split {
    /// The body is one event.
    Not,
    /// At the ends of lines.
    Lines,
    /// Behind as many bytes as the 4 before an event say, big-endian.
    Lengths,
}

/// Publishes the body of a request and answers `{"id":LAST,"count":N}`, with `null` for an id
/// that is not known yet, because a fault was injected.
pub(crate) async fn from_request(
    server: &Server,
    channel: &str,
    request: &Parts,
    body: Incoming,
) -> Result<Reply, Rejection> {
    let form = read_form(request)?;
    let channel = server.channel(channel)?;
    let body = read_body(server, body).await?;
    let drafts = read_events(&form, &body, server.config.max_event_bytes)?;
    let count = drafts.len();
    Ok(reply::json(match server.publish(&channel, drafts) {
        Some(id) => format!(r#"{{"id":{id},"count":{count}}}"#),
        None => format!(r#"{{"id":null,"count":{count}}}"#),
    }))
}

impl Server {
    /// Appends `drafts` to the channel and returns the id of the last one; `None` if a fault keeps
    /// them from being appended now.
    pub(crate) fn publish(&self, channel: &Arc<Channel>, drafts: Vec<Draft>) -> Option<u64> {
        Metrics::add(&self.metrics.published, drafts.len());
        match &self.injector {
            None => Some(channel.publish(drafts)),
            Some(injector) => injector.publish(channel, drafts),
        }
    }
}

fn read_form(request: &Parts) -> Result<Form<'_>, Rejection> {
    let name = query_value(request, EVENT_NAME);
    if let Some(name) = name.filter(|name| !is_event_name(name)) {
        return Err(Rejection::bad_request(format!(
            "{EVENT_NAME} is {name:?}; an event's name is 1 to {MAX_NAME_LEN} of A-Z a-z 0-9 . _ - \
             and not {LAGGED_NAME:?}, which is the server's own"
        )));
    }
    let split = match query_value(request, SPLIT) {
        None => Split::Not,
        Some("lines") => Split::Lines,
        Some("lengths") => Split::Lengths,
        Some(other) => {
            return Err(Rejection::bad_request(format!(
                "{SPLIT} is {other:?}; it can only be \"lines\" or \"lengths\""
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
            "{SPLIT}=lines needs text; leave the content type {BINARY_TYPE} out, or publish with \
             {SPLIT}=lengths"
        )));
    }
    Ok(Form { name, binary, split })
}

async fn read_body(server: &Server, body: Incoming) -> Result<Bytes, Rejection> {
    let limit = server.config.max_body_bytes;
    let too_large = || {
        Rejection::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is larger than {limit} bytes; publish fewer events per request"),
        )
    };
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let timeout = server.config.body_timeout;
    let read = tokio::time::timeout(timeout, Limited::new(body, limit).collect()).await;
    match read {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => {
            Err(Rejection::bad_request(format!("the body could not be read: {error}")))
        }
        Err(_) => Err(Rejection::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not arrive within {timeout:?}; send it at once"),
        )),
    }
}

fn read_events(form: &Form<'_>, body: &[u8], max_bytes: usize) -> Result<Vec<Draft>, Rejection> {
    let draft = |payload: &[u8]| {
        check_size(payload.len(), max_bytes)?;
        Ok(Draft::new(form.name, payload, form.binary))
    };
    match form.split {
        Split::Not => {
            check_text(form, "the body", body)?;
            Ok(vec![draft(body)?])
        }
        Split::Lines => {
            check_text(form, "the body", body)?;
            let body = body.strip_suffix(b"\n").unwrap_or(body);
            if body.is_empty() {
                return Err(Rejection::bad_request(
                    "the body holds no line; with split=lines every line is one event",
                ));
            }
            body.split(|&byte| byte == b'\n')
                .map(|line| draft(line.strip_suffix(b"\r").unwrap_or(line)))
                .collect()
        }
        Split::Lengths => {
            if body.is_empty() {
                return Err(Rejection::bad_request(format!(
                    "the body holds no event; {BY_LENGTHS}"
                )));
            }
            let (mut drafts, mut rest) = (Vec::new(), body);
            while !rest.is_empty() {
                let at = body.len() - rest.len();
                let payload = take_event(&mut rest, at, max_bytes)?;
                check_text(form, format_args!("the event at byte {at} of the body"), payload)?;
                drafts.push(draft(payload)?);
            }
            Ok(drafts)
        }
    }
}

/// How a body is to be written that is split by lengths.
const BY_LENGTHS: &str =
    "with split=lengths every event has its length before it, 4 bytes, big-endian";

/// Takes the event off the front of `rest`, which begins at byte `at` of the body.
fn take_event<'a>(rest: &mut &'a [u8], at: usize, max_bytes: usize) -> Result<&'a [u8], Rejection> {
    let Some((len, behind)) = rest.split_first_chunk() else {
        return Err(Rejection::bad_request(format!(
            "the body ends within the length at byte {at}; {BY_LENGTHS}"
        )));
    };
    let len = u32::from_be_bytes(*len) as usize;
    check_size(len, max_bytes)?;
    let Some((payload, behind)) = behind.split_at_checked(len) else {
        return Err(Rejection::bad_request(format!(
            "the event at byte {at} of the body has {len} bytes by its length, but only {} follow; \
             {BY_LENGTHS}",
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
            format!("an event of the body has {len} bytes; the most is {max_bytes}"),
        ));
    }
    Ok(())
}

/// Checks that `bytes` are UTF-8, unless they are meant to be binary.
fn check_text(form: &Form<'_>, what: impl Display, bytes: &[u8]) -> Result<(), Rejection> {
    if form.binary {
        return Ok(());
    }
    std::str::from_utf8(bytes).map(drop).map_err(|error| {
        Rejection::bad_request(format!(
            "{what} is not UTF-8 from byte {} on; publish arbitrary bytes with Content-Type: \
             {BINARY_TYPE}",
            error.valid_up_to()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::{Event, Framing};
    use proptest::prelude::*;

    const LINES: Form<'_> = Form { name: None, binary: false, split: Split::Lines };
    const LENGTHS: Form<'_> = Form { split: Split::Lengths, ..LINES };

    fn payloads(form: &Form<'_>, body: &[u8]) -> Vec<String> {
        read_events(form, body, 8)
            .unwrap()
            .into_iter()
            .map(|draft| {
                let frame = Event::new(1, draft).frame(Framing::Json).clone();
                String::from_utf8(frame.to_vec()).unwrap()
            })
            .collect()
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| format!(r#"{{"id":1,"data":"{text}"}}"#)).collect()
    }

    #[test]
    fn lines_are_events() {
        assert_eq!(payloads(&LINES, b"a\nb\r\n\nc"), texts(&["a", "b", "", "c"]));
        assert_eq!(payloads(&LINES, b"a\n"), texts(&["a"]));
        assert!(read_events(&LINES, b"", 8).is_err());
        assert!(read_events(&LINES, b"\n", 8).is_err());
    }

    #[test]
    fn one_body_is_one_event() {
        let text = Form { split: Split::Not, ..LINES };
        assert_eq!(payloads(&text, b"a\nb"), texts(&["a\\nb"]));
        assert_eq!(payloads(&text, b""), texts(&[""]));
        let reason = read_events(&text, b"ab\xff", 8).unwrap_err().reason;
        assert!(reason.starts_with("the body is not UTF-8 from byte 2 on;"), "{reason}");
        let binary = Form { binary: true, ..text };
        assert_eq!(payloads(&binary, b"\xff"), [r#"{"id":1,"data":"/w==","base64":true}"#]);
    }

    #[test]
    fn lengths_are_events() {
        let body = b"\0\0\0\x03a\nb\0\0\0\0\0\0\0\x01c";
        assert_eq!(payloads(&LENGTHS, body), texts(&["a\\nb", "", "c"]));
        let binary = Form { binary: true, ..LENGTHS };
        assert_eq!(
            payloads(&binary, b"\0\0\0\x02\xff\0"),
            [r#"{"id":1,"data":"/wA=","base64":true}"#]
        );
        let reason = |body: &[u8]| read_events(&LENGTHS, body, 8).unwrap_err().reason;
        let text = reason(b"\0\0\0\x01a\0\0\0\x02b\xff");
        assert!(
            text.starts_with("the event at byte 5 of the body is not UTF-8 from byte 1 on;"),
            "{text}"
        );
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
            let form = Form { binary: true, ..LENGTHS };
            let drafts = read_events(&form, &body, 8).unwrap();
            prop_assert_eq!(drafts.len(), events.len());
            for (draft, event) in drafts.into_iter().zip(&events) {
                let frame = Event::new(1, draft).frame(Framing::Tcp).clone();
                prop_assert_eq!(&frame[4..], [&b"1\n"[..], event].concat());
            }
            prop_assert!(read_events(&form, &body[..body.len() - 1], 8).is_err());
        }

        #[test]
        fn any_body_is_read_without_panic(
            body: Vec<u8>,
            split in prop_oneof![Just(Split::Not), Just(Split::Lines), Just(Split::Lengths)],
            binary: bool,
        ) {
            let form = Form { name: None, binary: binary && split != Split::Lines, split };
            if let Ok(drafts) = read_events(&form, &body, 8) {
                prop_assert!(!drafts.is_empty());
            }
        }
    }
}
