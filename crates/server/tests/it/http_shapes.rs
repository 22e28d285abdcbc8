//! Requests of every shape, and the answers to each. After what is to be tried comes one more request:
//! it is answered if the server knows where it begins, and not at all if it cannot be sure.

use pushbench_server::Config;

use crate::support::Server;

const GET: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";
const POST: &str = "POST /channels/a/events HTTP/1.1\r\nHost: localhost\r\n";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
const LAST: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// The statuses of the responses, in order. The one to [`LAST`] is among them.
type Statuses = &'static [u16];

/// The last request is answered too.
const OK: Statuses = &[200, 200];
/// The connection ends after the answer.
const BAD: Statuses = &[400];

fn check(server: &Server, name: &str, request: &[u8], expected: Statuses) {
    let mut connection = server.connect();
    connection.send([request, LAST.as_bytes()].concat());
    let answered = String::from_utf8_lossy(&connection.rest()).into_owned();
    let statuses: Vec<u16> = answered
        .split("HTTP/1.1 ")
        .skip(1)
        // The words are in the reasons of errors, too.
        .filter_map(|response| response.get(..3)?.parse().ok())
        .collect();
    assert_eq!(statuses, expected, "{name}: {answered}");
}

#[test]
fn every_shape_of_a_request_gets_its_answer() {
    let server = Server::start(Config::default());
    let tables = [lengths(), codings(), chunks(), lines(), fields(), targets(), methods()];
    for (name, request, expected) in tables.into_iter().flatten() {
        check(&server, &name, request.as_bytes(), expected);
    }
    let value = |byte: u8| [GET.as_bytes(), b"X: a", &[byte], b"b\r\n\r\n"].concat();
    for (byte, expected) in
        [(0, BAD), (b'\n', BAD), (b'\r', BAD), (0x1f, BAD), (0x7f, BAD), (b'\t', OK), (0xe9, OK)]
    {
        check(&server, &format!("the byte {byte:#x} in a value"), &value(byte), expected);
    }
}

type Case = (String, String, Statuses);

fn case(name: impl Into<String>, request: impl Into<String>, expected: Statuses) -> Case {
    (name.into(), request.into(), expected)
}

/// Lengths of a body of one byte (RFC 9112 §6.2, §6.3).
fn lengths() -> Vec<Case> {
    let mut cases: Vec<_> = [
        ("1", OK),
        ("01", OK),
        (" 1 ", OK),
        ("", BAD),
        ("+1", BAD),
        ("-1", BAD),
        ("0x1", BAD),
        ("1a", BAD),
        ("1.0", BAD),
        ("1 1", BAD),
        ("1, 2", BAD),
        ("1;1", BAD),
        ("99999999999999999999", BAD),
        ("18446744073709551616", BAD),
    ]
    .map(|(length, expected)| {
        let request = format!("{POST}Content-Length: {length}\r\n\r\nx");
        case(format!("the length {length:?}"), request, expected)
    })
    .into();
    let twice = |first, second| {
        format!("{POST}Content-Length: {first}\r\nContent-Length: {second}\r\n\r\nx")
    };
    cases.push(case("two lengths that agree", twice(1, 1), OK));
    cases.push(case("two lengths that differ", twice(1, 5), BAD));
    cases.push(case("two lengths that differ, the other way", twice(5, 1), BAD));
    cases.push(case("no length", format!("{POST}\r\n"), OK));
    cases.push(case("a length of 0", format!("{POST}Content-Length: 0\r\n\r\n"), OK));
    cases.push(case("a GET with a length of 0", format!("{GET}Content-Length: 0\r\n\r\n"), OK));
    cases.push(case("a GET with a body", format!("{GET}Content-Length: 1\r\n\r\nx"), BAD));
    cases.push(case("a GET with chunks", format!("{GET}{CHUNKED}\r\n1\r\nx\r\n0\r\n\r\n"), BAD));
    cases.push(case(
        "more than the limit",
        format!("{POST}Content-Length: 9999999\r\n\r\nx"),
        &[413],
    ));
    let expects = format!("{POST}Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx");
    cases.push(case("a body that asks first", expects, &[100, 200, 200]));
    cases
}

/// Transfer codings (RFC 9112 §6.1). What is in front of the server may understand any but the plainest in
/// another way. With a length beside the chunks, the chunks count and the connection ends (§6.3).
fn codings() -> Vec<Case> {
    let body = "1\r\nx\r\n0\r\n\r\n";
    [
        (CHUNKED, OK),
        ("transfer-encoding: CHUNKED\r\n", OK),
        ("Transfer-Encoding: chunked, chunked\r\n", &[501][..]),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", &[501]),
        ("Transfer-Encoding: gzip, chunked\r\n", &[501]),
        ("Transfer-Encoding: chunked, identity\r\n", BAD),
        ("Transfer-Encoding: identity\r\n", BAD),
        ("Transfer-Encoding: xchunked\r\n", BAD),
        ("Transfer-Encoding: \"chunked\"\r\n", BAD),
        ("Transfer-Encoding: \r\n", BAD),
        ("Transfer-Encoding : chunked\r\n", BAD),
        ("Transfer-Encoding:\r\n chunked\r\n", BAD),
        ("Transfer-Encoding: chunked\r\nContent-Length: 11\r\n", &[200]),
        ("Content-Length: 11\r\nTransfer-Encoding: chunked\r\n", &[200]),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", &[200]),
        ("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", &[200]),
    ]
    .map(|(fields, expected)| case(fields, format!("{POST}{fields}\r\n{body}"), expected))
    .into_iter()
    .chain([case(
        "chunks in HTTP/1.0",
        format!("POST /channels/a/events HTTP/1.0\r\n{CHUNKED}\r\n{body}"),
        BAD,
    )])
    .collect()
}

/// Chunks (RFC 9112 §7.1).
fn chunks() -> Vec<Case> {
    [
        ("0\r\n\r\n", OK),
        ("1\r\nx\r\n0\r\n\r\n", OK),
        ("1\r\nx\r\n01\r\nx\r\n000\r\n\r\n", OK),
        ("1;name=value\r\nx\r\n0\r\n\r\n", OK),
        ("1\r\nx\r\n0\r\nTrailer: value\r\n\r\n", OK),
        ("A\r\n0123456789\r\n0\r\n\r\n", OK),
        ("x\r\nx\r\n0\r\n\r\n", BAD),
        ("\r\nx\r\n0\r\n\r\n", BAD),
        ("-1\r\nx\r\n0\r\n\r\n", BAD),
        ("+1\r\nx\r\n0\r\n\r\n", BAD),
        ("0x1\r\nx\r\n0\r\n\r\n", BAD),
        ("1\r\nxy\r\n0\r\n\r\n", BAD),
        ("2\r\nx\r\n0\r\n\r\n", BAD),
        ("1\nx\r\n0\r\n\r\n", BAD),
        ("1\r\nx\n0\r\n\r\n", BAD),
        ("1\rx\r\n0\r\n\r\n", BAD),
        ("1;a\nb\r\nx\r\n0\r\n\r\n", BAD),
        ("10000000000000000\r\nx\r\n0\r\n\r\n", BAD),
        ("fffffffffffffffff\r\nx\r\n0\r\n\r\n", BAD),
    ]
    .map(|(body, expected)| {
        case(format!("{body:?}"), format!("{POST}{CHUNKED}\r\n{body}"), expected)
    })
    .into()
}

/// Request lines and the ends of lines (RFC 9112 §2.2, §3).
fn lines() -> Vec<Case> {
    let host = "Host: localhost\r\n\r\n";
    [
        ("an empty line before", format!("\r\n{GET}\r\n"), OK),
        ("two spaces", format!("GET  /healthz HTTP/1.1\r\n{host}"), BAD),
        ("a tab for a space", format!("GET\t/healthz HTTP/1.1\r\n{host}"), BAD),
        ("a space before", format!(" GET /healthz HTTP/1.1\r\n{host}"), BAD),
        ("a space at the end", format!("GET /healthz HTTP/1.1 \r\n{host}"), BAD),
        ("a space in the target", format!("GET /health z HTTP/1.1\r\n{host}"), BAD),
        ("no version", format!("GET /healthz\r\n{host}"), BAD),
        ("no target", format!("GET HTTP/1.1\r\n{host}"), BAD),
        ("HTTP in lower case", format!("GET /healthz http/1.1\r\n{host}"), BAD),
        ("HTTP/1.2", format!("GET /healthz HTTP/1.2\r\n{host}"), BAD),
        ("HTTP/2.0", format!("GET /healthz HTTP/2.0\r\n{host}"), BAD),
        ("HTTP/1", format!("GET /healthz HTTP/1\r\n{host}"), BAD),
        ("HTTP/11.1", format!("GET /healthz HTTP/11.1\r\n{host}"), BAD),
        ("another protocol", "SSH-2.0-OpenSSH_9.2\r\n".to_owned(), BAD),
        ("TLS", "\u{16}\u{3}\u{1}\0\u{5}hello".to_owned(), BAD),
        // What begins HTTP/2 is no request, and gets no answer in HTTP/1.1.
        ("HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), &[]),
        ("lines that end in LF", "GET /healthz HTTP/1.1\nHost: localhost\n\n".to_owned(), OK),
        ("lines that end in CR", "GET /healthz HTTP/1.1\rHost: localhost\r\r".to_owned(), BAD),
        ("three requests at once", format!("{GET}\r\n{GET}\r\n{GET}\r\n"), &[200, 200, 200, 200]),
    ]
    .map(|(name, request, expected)| case(name, request, expected))
    .into()
}

/// Header fields (RFC 9112 §5).
fn fields() -> Vec<Case> {
    let many = |count: usize| format!("{GET}{}\r\n", "X: y\r\n".repeat(count));
    [
        ("a continued line", format!("{GET}X: a\r\n b\r\n\r\n"), BAD),
        ("a continued line, by a tab", format!("{GET}X: a\r\n\tb\r\n\r\n"), BAD),
        (
            "a continued first line",
            "GET /healthz HTTP/1.1\r\n Host: localhost\r\n\r\n".to_owned(),
            BAD,
        ),
        ("a space before the colon", format!("{GET}X : a\r\n\r\n"), BAD),
        ("a space in the name", format!("{GET}X Y: a\r\n\r\n"), BAD),
        ("no name", format!("{GET}: a\r\n\r\n"), BAD),
        ("no colon", format!("{GET}X\r\n\r\n"), BAD),
        ("a name that is none", format!("{GET}X(: a\r\n\r\n"), BAD),
        ("a NUL in the name", format!("{GET}X\0Y: a\r\n\r\n"), BAD),
        ("an empty value", format!("{GET}X:\r\n\r\n"), OK),
        ("no space after the colon", format!("{GET}X:a\r\n\r\n"), OK),
        ("as many as there may be", many(98), OK),
        ("too many", many(101), &[431]),
        ("far too many", many(5_000), &[431]),
        ("a large one", format!("{GET}X: {}\r\n\r\n", "x".repeat(15_000)), OK),
        ("one too large", format!("{GET}X: {}\r\n\r\n", "x".repeat(17_000)), &[431, 200]),
        ("one far too large", format!("{GET}X: {}\r\n\r\n", "x".repeat(100_000)), &[431]),
        ("no Host", "GET /healthz HTTP/1.1\r\n\r\n".to_owned(), &[400, 200]),
        ("two Hosts", format!("{GET}Host: localhost\r\n\r\n"), &[400, 200]),
        (
            "a Host that is none",
            "GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned(),
            &[400, 200],
        ),
    ]
    .map(|(name, request, expected)| case(name, request, expected))
    .into()
}

/// Forms of targets (RFC 9112 §3.2).
fn targets() -> Vec<Case> {
    let target = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    [
        ("absolute", target("http://localhost/healthz"), OK),
        ("absolute, with a port", target("http://localhost:80/healthz"), OK),
        ("absolute, another host", target("http://evil.example/healthz"), &[403, 200]),
        ("absolute, without a path", target("http://localhost"), &[404, 200]),
        ("absolute, with a user", target("http://me@localhost/healthz"), &[400, 200]),
        ("with a query", target("/healthz?x"), OK),
        ("with a fragment", target("/healthz#x"), OK),
        ("no slash, so a host", target("healthz"), &[403, 200]),
        ("a path that climbs", target("/channels/../healthz"), &[404, 200]),
        ("two slashes", target("//healthz"), &[404, 200]),
        ("escaped", target("/%68ealthz"), &[404, 200]),
        ("a NUL", target("/healthz\0"), BAD),
        ("what has to be escaped", target("/\"<>"), BAD),
        ("an asterisk", target("*"), &[404, 200]),
        ("long", target(&format!("/healthz?{}", "x".repeat(15_000))), OK),
        ("too long", target(&format!("/healthz?{}", "x".repeat(17_000))), &[431, 200]),
        ("far too long", target(&format!("/healthz?{}", "x".repeat(70_000))), &[431]),
        (
            "CONNECT",
            "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            &[404, 200],
        ),
        ("OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), &[404, 200]),
    ]
    .map(|(name, request, expected)| case(format!("target: {name}"), request, expected))
    .into()
}

/// Methods, and versions that may keep the connection.
fn methods() -> Vec<Case> {
    let request =
        |method: &str, path: &str| format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    [
        ("HEAD", request("HEAD", "/healthz"), OK),
        ("HEAD where only GET is", request("HEAD", "/channels/a/poll"), &[405, 200]),
        ("OPTIONS", request("OPTIONS", "/healthz"), &[204, 200]),
        ("in lower case", request("get", "/healthz"), &[405, 200]),
        ("an unknown method", request("BREW", "/healthz"), &[405, 200]),
        ("TRACE", request("TRACE", "/healthz"), &[405, 200]),
        ("DELETE", request("DELETE", "/channels/a/events"), &[405, 200]),
        ("no method", request("", "/healthz"), BAD),
        ("a method that is none", request("G(T", "/healthz"), BAD),
        (
            "POST where nothing is published",
            "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx".to_owned(),
            &[405],
        ),
        ("HTTP/1.0 ends", "GET /healthz HTTP/1.0\r\n\r\n".to_owned(), &[]),
        (
            "HTTP/1.0 goes on",
            "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".to_owned(),
            &[200],
        ),
        ("close", format!("{GET}Connection: close\r\n\r\n"), &[200]),
    ]
    .map(|(name, request, expected)| case(name, request, expected))
    .into()
}
