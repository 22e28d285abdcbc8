//! What a request says besides its path: query, position, upgrade and header sizes.

use std::error::Error;

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{CONNECTION, HeaderName, TRANSFER_ENCODING, UPGRADE};
use hyper::http::request::Parts;
use hyper::{StatusCode, Version};
use pushbench_wire::endpoint::{AFTER, LAST_EVENT_ID, X_LAST_EVENT_ID};

use super::reply::Rejection;

/// What comes with a request, by whichever version of HTTP.
pub(crate) trait RequestBody: Body<Data = Bytes, Error: Error + 'static> + Unpin {}

impl<B: Body<Data = Bytes, Error: Error + 'static> + Unpin> RequestBody for B {}

/// Checks that everyone understands the length of a body alike, who may be between the client and the
/// server (RFC 9112 §6.1, §11.2).
///
/// # Errors
/// [`Rejection`] when the body has any coding but chunks. Beside chunks, hyper ignores a length and closes
/// the connection.
pub(crate) fn check_coding(request: &Parts) -> Result<(), Rejection> {
    let mut codings = request.headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err(Rejection::new(
            StatusCode::NOT_IMPLEMENTED,
            "the only Transfer-Encoding here is chunked; send it once, or a Content-Length",
        ));
    }
    Ok(())
}

/// Whether a request asks to switch to `protocol` (RFC 9110 §7.8), which HTTP/1.1 alone can.
pub(crate) fn asks_to_upgrade(request: &Parts, protocol: &str) -> bool {
    let has = |name, token: &str| list(request, name).any(|item| item.eq_ignore_ascii_case(token));
    request.version == Version::HTTP_11 && has(UPGRADE, protocol) && has(CONNECTION, "upgrade")
}

/// The items of a header's comma-separated list, which may span several lines.
pub(crate) fn list(request: &Parts, name: HeaderName) -> impl Iterator<Item = &str> {
    request
        .headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// The value of the query key `key`, as it is written. The values that the server knows are numbers
/// and names that need no escaping, so an escaped one is rejected by whoever parses it.
pub(crate) fn query_value<'a>(request: &'a Parts, key: &str) -> Option<&'a str> {
    let query = request.uri.query()?;
    query.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name == key).then_some(value)
    })
}

/// The id of the last event that the client has received, if the request says so.
///
/// `Last-Event-ID` takes precedence over `?after=`: an `EventSource` that reconnects sends the header
/// with its current position, but the query with which it started.
///
/// # Errors
/// [`Rejection`] when the id is not a number.
pub(crate) fn position(request: &Parts) -> Result<Option<u64>, Rejection> {
    for name in [LAST_EVENT_ID, X_LAST_EVENT_ID] {
        // An empty id means none (WHATWG HTML §9.2.3).
        if let Some(value) =
            request.headers.get(HeaderName::from_static(name)).filter(|value| !value.is_empty())
        {
            return parse_id(name, &String::from_utf8_lossy(value.as_bytes())).map(Some);
        }
    }
    query_value(request, AFTER).map(|value| parse_id(AFTER, value)).transpose()
}

fn parse_id(place: &str, value: &str) -> Result<u64, Rejection> {
    parse_number(value).ok_or_else(|| {
        Rejection::bad_request(format!(
            "{place} is {value:?}; it must be an event id, which is a number such as 42"
        ))
    })
}

/// Parses a number of decimal digits only: `u64::from_str` alone accepts a sign.
pub(crate) fn parse_number(value: &str) -> Option<u64> {
    value.bytes().all(|b| b.is_ascii_digit()).then(|| value.parse().ok())?
}

/// Bytes of the request line and the headers, as HTTP/1.1 writes them.
pub(crate) fn header_bytes(request: &Parts) -> usize {
    let path_and_query = request.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let line = request.method.as_str().len() + path_and_query + " HTTP/1.1\r\n".len() + 1;
    request
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum::<usize>()
        + line
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn request(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(uri);
        for &(name, value) in headers {
            request = request.header(name, value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_position_comes_from_a_header_or_the_query() {
        let at = |uri: &str, headers: &[(&str, &str)]| position(&request(uri, headers));
        assert_eq!(at("/?x=1", &[]), Ok(None));
        assert_eq!(at("/?x=1&after=7", &[]), Ok(Some(7)));
        assert_eq!(at("/?after=7", &[("X-Last-Event-Id", "8")]), Ok(Some(8)));
        assert_eq!(
            at("/?after=7", &[("X-Last-Event-Id", "8"), ("Last-Event-ID", "9")]),
            Ok(Some(9))
        );
        assert_eq!(at("/?after=7", &[("Last-Event-ID", "")]), Ok(Some(7)));
        for bad in ["", "-1", "+1", "1e3", "18446744073709551616", "%31", " 1"] {
            let uri = format!("/?after={}", bad.replace(' ', "_"));
            assert!(at(&uri, &[]).is_err(), "{bad:?}");
        }
        let reason = at("/", &[("Last-Event-ID", "x")]).unwrap_err().reason;
        assert_eq!(
            reason,
            "last-event-id is \"x\"; it must be an event id, which is a number such as 42"
        );
    }

    #[test]
    fn header_bytes_are_those_on_the_wire() {
        let wire = "GET /a?b HTTP/1.1\r\nhost: x\r\naccept: */*\r\n";
        let request = request("/a?b", &[("host", "x"), ("accept", "*/*")]);
        assert_eq!(header_bytes(&request), wire.len());
    }
}
