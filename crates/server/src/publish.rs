//! `POST /channels/{channel}/events`: one body, one event, or one per line.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::{Body, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use pushbench_wire::endpoint::{EVENT_NAME, SPLIT};
use pushbench_wire::event::{LAGGED_NAME, MAX_NAME_LEN, is_event_name};

use crate::Server;
use crate::framing::Draft;
use crate::http::reply::{self, Rejection, Reply};
use crate::http::request::query_value;
use crate::hub::Channel;
use crate::metrics::Metrics;

const BINARY: &str = "application/octet-stream";

/// What the query and the headers say about the body.
struct Form<'a> {
    name: Option<&'a str>,
    binary: bool,
    lines: bool,
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
    let lines = match query_value(request, SPLIT) {
        None => false,
        Some("lines") => true,
        Some(other) => {
            return Err(Rejection::bad_request(format!(
                "{SPLIT} is {other:?}; it can only be \"lines\""
            )));
        }
    };
    let binary = request
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok()?.split(';').next())
        .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case(BINARY));
    if binary && lines {
        return Err(Rejection::bad_request(format!(
            "{SPLIT}=lines needs text; leave the content type {BINARY} out, or publish one event \
             per request"
        )));
    }
    Ok(Form { name, binary, lines })
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
    if !form.binary
        && let Err(error) = std::str::from_utf8(body)
    {
        return Err(Rejection::bad_request(format!(
            "the body is not UTF-8 from byte {} on; publish arbitrary bytes with Content-Type: \
             {BINARY}",
            error.valid_up_to()
        )));
    }
    let check = |payload: &[u8]| {
        if payload.len() > max_bytes {
            return Err(Rejection::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!(
                    "an event of the body has {} bytes; the most is {max_bytes}",
                    payload.len()
                ),
            ));
        }
        Ok(())
    };
    if !form.lines {
        check(body)?;
        return Ok(vec![Draft::new(form.name, body, form.binary)]);
    }
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    if body.is_empty() {
        return Err(Rejection::bad_request(
            "the body holds no line; with split=lines every line is one event",
        ));
    }
    body.split(|&byte| byte == b'\n')
        .map(|line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            check(line)?;
            Ok(Draft::new(form.name, line, false))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::{Event, Framing};
    use proptest::prelude::*;

    const LINES: Form<'_> = Form { name: None, binary: false, lines: true };

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
        let text = Form { lines: false, ..LINES };
        assert_eq!(payloads(&text, b"a\nb"), texts(&["a\\nb"]));
        assert_eq!(payloads(&text, b""), texts(&[""]));
        let reason = read_events(&text, b"ab\xff", 8).unwrap_err().reason;
        assert!(reason.starts_with("the body is not UTF-8 from byte 2 on;"), "{reason}");
        let binary = Form { binary: true, ..text };
        assert_eq!(payloads(&binary, b"\xff"), [r#"{"id":1,"data":"/w==","base64":true}"#]);
    }

    proptest! {
        #[test]
        fn any_body_is_read_without_panic(body: Vec<u8>, binary: bool, lines: bool) {
            let form = Form { name: None, binary, lines: lines && !binary };
            if let Ok(drafts) = read_events(&form, &body, 8) {
                prop_assert!(!drafts.is_empty());
            }
        }
    }
}
