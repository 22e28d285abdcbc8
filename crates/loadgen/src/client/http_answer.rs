//! Answers to requests that publish: where one ends, and what it says (RFC 9112). It must not know the
//! connection, nor what was asked.

use anyhow::{Context as _, bail, ensure};
use httparse::{EMPTY_HEADER, Header, Status};

use super::foreign::Values;

/// How many header fields an answer may have.
const MAX_FIELDS: usize = 100;

/// How much of an answer that refuses an event is quoted.
const MAX_QUOTED_BYTES: usize = 500;

/// What the bytes of a connection begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A part of an answer, or nothing.
    Partial,
    /// One behind which the real one comes (RFC 9110 §15.2).
    Interim { length: usize },
    /// The event was taken.
    Accepted {
        length: usize,
        /// Whether the server reads nothing more from this connection (RFC 9112 §9.6).
        closes: bool,
    },
    /// The server has waited in vain for a request (RFC 9110 §15.5.9): one that it gets now, it does
    /// not read.
    TooLate,
}

/// What was said of the answers to expect.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// What only an answer contains that refuses the event, though it says 2xx.
    pub(super) refused: Option<String>,
    /// What may be wrong where the server speaks of JSON.
    pub(super) json: Option<String>,
    /// What no error may show.
    pub(super) secrets: Option<Values>,
}

/// Where a body ends.
enum Body {
    At(usize),
    Chunked,
    AtClose,
}

/// Reads the answer at the beginning of `bytes`. `is_over` says that nothing follows them.
///
/// # Errors
/// What is no HTTP, or refuses the event.
pub(super) fn parse(bytes: &[u8], is_over: bool, told: &Told) -> anyhow::Result<Answer> {
    let refused = told.refused.as_deref();
    let mut fields = [EMPTY_HEADER; MAX_FIELDS];
    let mut answer = httparse::Response::new(&mut fields);
    let head = answer.parse(bytes).context("the server's answer to an event is not HTTP")?;
    let Status::Complete(head) = head else { return Ok(Answer::Partial) };
    let code = answer.code.unwrap_or_default();
    if matches!(code, 100 | 102..=199) {
        return Ok(Answer::Interim { length: head });
    }
    let rest = &bytes[head..];
    let body = body_of(code, answer.headers)?;
    let until_close = matches!(body, Body::AtClose);
    let mut quoted = Vec::new();
    let mut quote = |piece: &[u8]| {
        // Where it may refuse, all of it is looked at; whoever reads answers bounds them.
        let most = if refused.is_some() { usize::MAX } else { MAX_QUOTED_BYTES };
        let room = most - quoted.len();
        quoted.extend_from_slice(&piece[..piece.len().min(room)]);
    };
    let is_accepted = matches!(code, 200..=299);
    // Of an answer that takes the event, the body says nothing, unless it may refuse it nevertheless.
    let says_nothing = is_accepted && refused.is_none();
    let length = match body {
        Body::At(length) => rest.get(..length).map(|body| {
            if !says_nothing {
                quote(body);
            }
            length
        }),
        Body::AtClose => is_over.then(|| {
            quote(rest);
            rest.len()
        }),
        Body::Chunked => end_of_chunks(rest, |piece| {
            if !says_nothing {
                quote(piece);
            }
        })?,
    };
    let Some(length) = length else { return Ok(Answer::Partial) };
    let is_old =
        answer.version == Some(0) && !has_token(answer.headers, "connection", "keep-alive");
    let closes = until_close || is_old || has_token(answer.headers, "connection", "close");
    // A server may say what it was asked with.
    let show = |text: String| told.secrets.as_ref().map_or(text.clone(), |of| of.redact(&text));
    let said = || show(in_a_line(&quoted));
    let quoted = &quoted[..];
    if let Some(refused) = refused.filter(|_| is_accepted)
        && memchr::memmem::find(quoted, refused.as_bytes()).is_some()
    {
        bail!("the server refused an event{}{}", said(), json_hint(quoted, told.json.as_deref()));
    }
    let hint = match code {
        200..=299 => return Ok(Answer::Accepted { length: head + length, closes }),
        408 => return Ok(Answer::TooLate),
        401 | 403 => "; does it want a token?",
        404 | 405 => "; is this the right path, and the right method?",
        415 => "; does it want another `Content-Type` in `publish.headers`?",
        300..=399 => {
            match answer.headers.iter().find(|of| of.name.eq_ignore_ascii_case("location")) {
                Some(to) => &format!(
                    "; it redirects to {}, which is not followed",
                    show(String::from_utf8_lossy(to.value).into_owned())
                ),
                None => "; it redirects, which is not followed",
            }
        }
        _ => "",
    };
    let json = json_hint(quoted, told.json.as_deref());
    bail!("the server refused an event with {code}{}{hint}{json}", said())
}

/// `advice`, if a server that said this could not read JSON.
pub(super) fn json_hint(said: &[u8], advice: Option<&str>) -> String {
    const SIGNS: [&str; 3] = ["json", "unexpected token", "invalid character"];
    let said = String::from_utf8_lossy(said).to_lowercase();
    let advice = advice.filter(|_| SIGNS.iter().any(|sign| said.contains(sign)));
    advice.map_or_else(String::new, |advice| format!("; {advice}"))
}

/// What a server said, behind a colon; nothing if it said nothing.
fn in_a_line(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let words: Vec<_> = text.split_whitespace().collect();
    if words.is_empty() { String::new() } else { format!(": {}", words.join(" ")) }
}

/// RFC 9112 §6.3.
fn body_of(code: u16, fields: &[Header<'_>]) -> anyhow::Result<Body> {
    if matches!(code, 204 | 304) {
        return Ok(Body::At(0));
    }
    let coding = values(fields, "transfer-encoding").last();
    if let Some(coding) = coding {
        let is_last = coding.eq_ignore_ascii_case("chunked");
        return Ok(if is_last { Body::Chunked } else { Body::AtClose });
    }
    let mut length = None;
    for value in values(fields, "content-length") {
        let value = value.parse().ok().filter(|_| value.bytes().all(|byte| byte.is_ascii_digit()));
        let value: usize = value.context("the length of the server's answer is no number")?;
        ensure!(
            length.is_none_or(|length| length == value),
            "the server's answer to an event has several lengths"
        );
        length = Some(value);
    }
    Ok(length.map_or(Body::AtClose, Body::At))
}

/// Where chunks and their trailers end (RFC 9112 §7.1), if they do; their data goes to `data`.
pub(super) fn end_of_chunks(
    body: &[u8],
    mut data: impl FnMut(&[u8]),
) -> anyhow::Result<Option<usize>> {
    const WRONG: &str = "the chunks of the server's answer to an event cannot be read";
    let mut at = 0;
    loop {
        let size = httparse::parse_chunk_size(&body[at..]);
        let Ok(size) = size else { bail!(WRONG) };
        let Status::Complete((used, size)) = size else { return Ok(None) };
        at += used;
        if size == 0 {
            break;
        }
        let end = usize::try_from(size).ok().and_then(|size| at.checked_add(size));
        let end = end.context(WRONG)?;
        let Some(line_end) = end.checked_add(2).and_then(|behind| body.get(end..behind)) else {
            return Ok(None);
        };
        ensure!(line_end == b"\r\n", WRONG);
        data(&body[at..end]);
        at = end + 2;
    }
    let mut trailers = [EMPTY_HEADER; MAX_FIELDS];
    match httparse::parse_headers(&body[at..], &mut trailers).context(WRONG)? {
        Status::Complete((used, _)) => Ok(Some(at + used)),
        Status::Partial => Ok(None),
    }
}

/// The members of all lists of that name.
fn values<'a>(fields: &'a [Header<'_>], name: &str) -> impl Iterator<Item = &'a str> {
    let of_name = fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
    let values = of_name.map(|field| std::str::from_utf8(field.value).unwrap_or("?"));
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn has_token(fields: &[Header<'_>], name: &str, token: &str) -> bool {
    values(fields, name).any(|value| value.eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(answer: &str) -> Answer {
        parse(answer.as_bytes(), false, &Told::default()).unwrap()
    }

    /// All of it is an answer that takes the event, and nothing shorter is one.
    fn assert_accepted(answer: &str, closes: bool) {
        let accepted = Answer::Accepted { length: answer.len(), closes };
        assert_eq!(parsed(answer), accepted, "{answer:?}");
        assert_eq!(parsed(&format!("{answer}HTTP/1.1 2")), accepted, "{answer:?}");
        for end in 0..answer.len() {
            assert_eq!(parsed(&answer[..end]), Answer::Partial, "{:?}", &answer[..end]);
        }
    }

    #[test]
    fn every_answer_that_takes_the_event_is_one() {
        for (answer, closes) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{\"id\":1}", false),
            ("HTTP/1.1 201 Created\r\ncontent-LENGTH:0\r\n\r\n", false),
            ("HTTP/1.1 202 \r\ncontent-length: 2, 2\r\nConnection: Keep-Alive\r\n\r\nok", false),
            ("HTTP/1.1 204 No Content\r\n\r\n", false),
            ("HTTP/1.1 204 No Content\r\nconnection: foo, CLOSE\r\n\r\n", true),
            ("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx", true),
            ("HTTP/1.0 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\nx", false),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", false),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\ncontent-length: 9\r\n\r\n\
                 3;why=not\r\nabc\r\nA\r\n0123456789\r\n0\r\nDigest: x\r\nb: c\r\n\r\n",
                false,
            ),
        ] {
            assert_accepted(answer, closes);
        }
    }

    #[test]
    fn a_body_without_a_length_ends_with_the_connection() {
        let answer = b"HTTP/1.1 200 OK\r\n\r\nas much as there is";
        assert_eq!(parse(answer, false, &Told::default()).unwrap(), Answer::Partial);
        let accepted = Answer::Accepted { length: answer.len(), closes: true };
        assert_eq!(parse(answer, true, &Told::default()).unwrap(), accepted);
    }

    #[test]
    fn others_come_before_the_answer_or_too_late() {
        for head in ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"]
        {
            assert_eq!(
                parsed(&format!("{head}HTTP/1.1 2")),
                Answer::Interim { length: head.len() }
            );
        }
        let late = "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(parsed(late), Answer::TooLate);
    }

    #[test]
    fn a_refusal_is_quoted() {
        let chunks = "transfer-encoding: chunked\r\n\r\n2\r\nto\r\n4\r\no bi\r\n0\r\n\r\n";
        let long = format!("content-length: 9999\r\n\r\n{}", "x".repeat(9_999));
        for (answer, reason) in [
            ("413 Too Large\r\ncontent-length: 3\r\n\r\nbig", "413: big"),
            (&format!("500 Oops\r\n{chunks}"), "500: too bi"),
            (&format!("418 No\r\n{long}"), &format!("418: {}", "x".repeat(MAX_QUOTED_BYTES))),
            (
                "302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n",
                "302; it redirects to /, which is not followed",
            ),
            (
                "404 Not Found\r\ncontent-length: 8\r\n\r\n<p>\n </p",
                "404: <p> </p; is this the right path, and the right method?",
            ),
            ("101 Switching Protocols\r\ncontent-length: 0\r\n\r\n", "101"),
        ] {
            let refused = parse(format!("HTTP/1.1 {answer}").as_bytes(), false, &Told::default())
                .unwrap_err();
            assert_eq!(refused.to_string(), format!("the server refused an event with {reason}"));
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for answer in [
            "SSH-2.0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfour\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc",
        ] {
            assert!(parse(answer.as_bytes(), true, &Told::default()).is_err(), "{answer:?}");
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_panic(bytes: Vec<u8>, size: u64, is_over: bool) {
            let _ = parse(&bytes, is_over, &Told::default());
            let head = "HTTP/1.1 200 OK\r\n";
            let length = format!("{head}content-length: {size}\r\n\r\n");
            let _ = parse(length.as_bytes(), is_over, &Told::default());
            let chunk = format!("{head}transfer-encoding: chunked\r\n\r\n{size:x}\r\n");
            let _ = parse(&[chunk.as_bytes(), &bytes].concat(), is_over, &Told::default());
        }
    }
}
