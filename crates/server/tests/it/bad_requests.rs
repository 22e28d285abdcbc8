//! Every way to ask wrongly that the server knows, with the exact answer.

use pushbench_server::Config;

use crate::support::{Response, Server};

struct Case {
    name: &'static str,
    request: String,
    status: u16,
    reason: &'static str,
    /// A header that the answer must have.
    header: Option<(&'static str, &'static str)>,
}

fn case(name: &'static str, request: impl Into<String>, status: u16, reason: &'static str) -> Case {
    Case { name, request: request.into(), status, reason, header: None }
}

fn get(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n")
}

fn post(target: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
}

const UPGRADE: &str = "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n";
const UPGRADE_TCP: &str = "Upgrade: pushbench-tcp\r\nConnection: Upgrade\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

const BAD_ID: &str = "it must be the id of an event, a number such as 42";
const BAD_NAME: &str = "an event's name is 1 to 64 of A-Z a-z 0-9 . _ - and not \"lagged\", which is \
                        the server's own";
const LENGTHS: &str =
    "with split=lengths every event has its length before it, 4 bytes, big-endian";
const NOTHING: &str = "there are /channels/{channel}/ with events, poll, long-poll, sse, ws \
                       and tcp, /healthz and /metrics";
const NO_UPGRADE: &str = "this is a WebSocket: send an HTTP/1.1 request with Upgrade: websocket and \
                          Connection: Upgrade";
const NO_TCP: &str = "this is raw TCP: send an HTTP/1.1 request with Upgrade: pushbench-tcp and \
                      Connection: Upgrade";

fn cases() -> Vec<Case> {
    let leak = |text: String| -> &'static str { text.leak() };
    vec![
        case(
            "no host",
            "GET /healthz HTTP/1.1\r\n\r\n",
            400,
            "there is no Host; an HTTP/1.1 request must have it",
        ),
        case(
            "two hosts",
            get("/healthz", "host: y\r\n"),
            400,
            "there are 2 Host headers; send only one",
        ),
        case(
            "no such path",
            get("/nope", ""),
            404,
            leak(format!("there is nothing at /nope; {NOTHING}")),
        ),
        case(
            "no such resource",
            get("/channels/a/push", ""),
            404,
            leak(format!("there is nothing at /channels/a/push; {NOTHING}")),
        ),
        case(
            "a slash too many",
            get("/channels/a/poll/", ""),
            404,
            leak(format!("there is nothing at /channels/a/poll/; {NOTHING}")),
        ),
        case(
            "an escaped channel",
            get("/channels/a%20b/poll", ""),
            400,
            "\"a%20b\" cannot name a channel; a name is 1 to 64 of A-Z a-z 0-9 . _ -",
        ),
        case(
            "no channel",
            get("/channels//poll", ""),
            400,
            "\"\" cannot name a channel; a name is 1 to 64 of A-Z a-z 0-9 . _ -",
        ),
        Case {
            header: Some(("allow", "POST, OPTIONS")),
            ..case(
                "reads where events are published",
                get("/channels/a/events", ""),
                405,
                "/channels/a/events does not take GET; it takes POST, OPTIONS",
            )
        },
        Case {
            header: Some(("allow", "GET, OPTIONS")),
            ..case(
                "publishes to a poll",
                post("/channels/a/poll", "", "x"),
                405,
                "/channels/a/poll does not take POST; it takes GET, OPTIONS",
            )
        },
        Case {
            header: Some(("allow", "GET, HEAD, OPTIONS")),
            ..case(
                "deletes health",
                "DELETE /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
                405,
                "/healthz does not take DELETE; it takes GET, HEAD, OPTIONS",
            )
        },
        case(
            "a poll with a body",
            "GET /channels/a/poll HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx",
            400,
            "GET takes no body here; leave it out, or publish with POST to /channels/{channel}/events",
        ),
        case(
            "a stream with a body",
            "GET /channels/a/sse HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx",
            400,
            "GET takes no body here; leave it out, or publish with POST to /channels/{channel}/events",
        ),
        case(
            "after is no number",
            get("/channels/a/poll?after=x", ""),
            400,
            leak(format!("after is \"x\"; {BAD_ID}")),
        ),
        case(
            "after is negative",
            get("/channels/a/sse?after=-1", ""),
            400,
            leak(format!("after is \"-1\"; {BAD_ID}")),
        ),
        case(
            "after is too large",
            get("/channels/a/long-poll?after=18446744073709551616", ""),
            400,
            leak(format!("after is \"18446744073709551616\"; {BAD_ID}")),
        ),
        case(
            "Last-Event-ID is no number",
            get("/channels/a/sse", "Last-Event-ID: seven\r\n"),
            400,
            leak(format!("last-event-id is \"seven\"; {BAD_ID}")),
        ),
        case(
            "X-Last-Event-Id is no number",
            get("/channels/a/poll", "X-Last-Event-Id: +1\r\n"),
            400,
            leak(format!("x-last-event-id is \"+1\"; {BAD_ID}")),
        ),
        case(
            "a timeout with a unit",
            get("/channels/a/long-poll?timeout_ms=1s", ""),
            400,
            "timeout_ms is \"1s\"; it must be a number of milliseconds such as 30000",
        ),
        case(
            "an event's name with a space",
            post("/channels/a/events?event=a%20b", "", "x"),
            400,
            leak(format!("event is \"a%20b\"; {BAD_NAME}")),
        ),
        case(
            "the server's own name",
            post("/channels/a/events?event=lagged", "", "x"),
            400,
            leak(format!("event is \"lagged\"; {BAD_NAME}")),
        ),
        case(
            "an empty name",
            post("/channels/a/events?event=", "", "x"),
            400,
            leak(format!("event is \"\"; {BAD_NAME}")),
        ),
        case(
            "splits at words",
            post("/channels/a/events?split=words", "", "x"),
            400,
            "split is \"words\"; it can only be \"lines\" or \"lengths\"",
        ),
        case(
            "splits bytes",
            post(
                "/channels/a/events?split=lines",
                "Content-Type: Application/Octet-Stream; x=y\r\n",
                "x",
            ),
            400,
            "split=lines needs text; leave the content type application/octet-stream out, or publish with split=lengths",
        ),
        case(
            "splits nothing",
            post("/channels/a/events?split=lines", "", "\n"),
            400,
            "the body holds no line; with split=lines every line is one event",
        ),
        case(
            "no lengths",
            post("/channels/a/events?split=lengths", "", ""),
            400,
            leak(format!("the body holds no event; {LENGTHS}")),
        ),
        case(
            "half a length",
            post("/channels/a/events?split=lengths", "", "\0\0\0\x01a\0\0"),
            400,
            leak(format!("the body ends within the length at byte 5; {LENGTHS}")),
        ),
        case(
            "half an event",
            post("/channels/a/events?split=lengths", "", "\0\0\0\x01a\0\0\0\x03bc"),
            400,
            leak(format!(
                "the event at byte 5 of the body has 3 bytes by its length, but only 2 follow; {LENGTHS}"
            )),
        ),
        case(
            "a length too large",
            post("/channels/a/events?split=lengths", "", "\0\0\0\x01a\0\0\0\x65"),
            413,
            "an event of the body has 101 bytes; the most is 100",
        ),
        case(
            "an event too large",
            post("/channels/a/events", "", &"x".repeat(101)),
            413,
            "an event of the body has 101 bytes; the most is 100",
        ),
        case(
            "a line too large",
            post("/channels/a/events?split=lines", "", &format!("a\n{}", "x".repeat(101))),
            413,
            "an event of the body has 101 bytes; the most is 100",
        ),
        case(
            "a body too large",
            post("/channels/a/events", "", &"x".repeat(1_001)),
            413,
            "the body is larger than 1000 bytes; publish fewer events per request",
        ),
        case(
            "a chunked body too large",
            format!(
                "POST /channels/a/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n{}\r\n0\r\n\r\n",
                "x".repeat(1_001)
            ),
            413,
            "the body is larger than 1000 bytes; publish fewer events per request",
        ),
        case(
            "a body that never comes",
            "POST /channels/a/events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab",
            408,
            "the body did not arrive within 200ms; send it at once",
        ),
        case(
            "headers that never end",
            "GET /healthz HTTP/1.1\r\nHost",
            408,
            "the headers did not arrive within 200ms; send them at once",
        ),
        case(
            "headers too large",
            get("/healthz", &format!("X: {}\r\n", "x".repeat(2_000))),
            431,
            "the request line and headers have 2037 bytes; the most is 2000",
        ),
        case(
            "a channel too many",
            get("/channels/d/poll", ""),
            503,
            "3 channels exist, the most that this server keeps; use one of them",
        ),
        Case {
            header: Some(("upgrade", "websocket")),
            ..case("a plain request for a WebSocket", get("/channels/a/ws", ""), 426, NO_UPGRADE)
        },
        case(
            "Upgrade without Connection",
            get("/channels/a/ws", &format!("Upgrade: websocket\r\n{VERSION}{KEY}")),
            426,
            NO_UPGRADE,
        ),
        case(
            "a WebSocket over HTTP/1.0",
            format!("GET /channels/a/ws HTTP/1.0\r\n{UPGRADE}{VERSION}{KEY}\r\n"),
            426,
            NO_UPGRADE,
        ),
        Case {
            header: Some(("sec-websocket-version", "13")),
            ..case(
                "an old WebSocket",
                get("/channels/a/ws", &format!("{UPGRADE}{KEY}Sec-WebSocket-Version: 8\r\n")),
                426,
                "the WebSocket version must be 13: send Sec-WebSocket-Version: 13",
            )
        },
        case(
            "no WebSocket key",
            get("/channels/a/ws", &format!("{UPGRADE}{VERSION}")),
            400,
            "Sec-WebSocket-Key must be 16 random bytes in base64",
        ),
        case(
            "a short WebSocket key",
            get("/channels/a/ws", &format!("{UPGRADE}{VERSION}Sec-WebSocket-Key: YQ==\r\n")),
            400,
            "Sec-WebSocket-Key must be 16 random bytes in base64",
        ),
        case(
            "another subprotocol",
            get(
                "/channels/a/ws",
                &format!("{UPGRADE}{VERSION}{KEY}Sec-WebSocket-Protocol: mqtt, graphql-ws\r\n"),
            ),
            400,
            "the only subprotocol here is pushbench.v1: offer it in Sec-WebSocket-Protocol, or offer none",
        ),
        case(
            "the subprotocol in another case",
            get(
                "/channels/a/ws",
                &format!("{UPGRADE}{VERSION}{KEY}Sec-WebSocket-Protocol: PUSHBENCH.V1\r\n"),
            ),
            400,
            "the only subprotocol here is pushbench.v1: offer it in Sec-WebSocket-Protocol, or offer none",
        ),
        case(
            "a WebSocket after no number",
            get("/channels/a/ws?after=x", &format!("{UPGRADE}{VERSION}{KEY}")),
            400,
            leak(format!("after is \"x\"; {BAD_ID}")),
        ),
        Case {
            header: Some(("upgrade", "pushbench-tcp")),
            ..case("a plain request for raw TCP", get("/channels/a/tcp", ""), 426, NO_TCP)
        },
        Case {
            header: Some(("connection", "upgrade")),
            ..case(
                "raw TCP with another Upgrade",
                get("/channels/a/tcp", &format!("{UPGRADE}{VERSION}{KEY}")),
                426,
                NO_TCP,
            )
        },
        case(
            "raw TCP over HTTP/1.0",
            format!("GET /channels/a/tcp HTTP/1.0\r\n{UPGRADE_TCP}\r\n"),
            426,
            NO_TCP,
        ),
        case(
            "raw TCP after no number",
            get("/channels/a/tcp?after=x", UPGRADE_TCP),
            400,
            leak(format!("after is \"x\"; {BAD_ID}")),
        ),
    ]
}

#[test]
fn every_bad_request_gets_its_status_and_reason() {
    let server = Server::start(Config {
        max_event_bytes: 100,
        max_body_bytes: 1_000,
        max_header_bytes: 2_000,
        max_channels: 3,
        header_timeout: std::time::Duration::from_millis(200),
        body_timeout: std::time::Duration::from_millis(200),
        ..Config::default()
    });
    for channel in ["a", "b", "c"] {
        assert_eq!(server.get(&format!("/channels/{channel}/poll")).status, 204);
    }
    for case in cases() {
        let mut connection = server.connect();
        connection.send(&case.request);
        let response = connection.response();
        assert_eq!(
            (response.status, response.reason().as_str()),
            (case.status, case.reason),
            "{}",
            case.name
        );
        if let Some((name, value)) = case.header {
            assert_eq!(response.header(name), Some(value), "{}", case.name);
        }
    }
    assert_eq!(server.get("/channels/a/poll").status, 204, "nothing was published");
}

/// A body that is not UTF-8 does not fit into the table.
#[test]
fn text_must_be_utf8() {
    let server = Server::start(Config::default());
    let response = server.publish("/channels/a/events", b"ab\xff");
    assert_eq!(response.status, 400);
    assert_eq!(
        response.reason(),
        "the body is not UTF-8 from byte 2 on; publish arbitrary bytes with Content-Type: \
         application/octet-stream"
    );
}

/// What is no HTTP at all, hyper answers by itself and without a body.
#[test]
fn what_is_no_http_is_turned_down() {
    let server = Server::start(Config::default());
    for request in ["GARBAGE\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /\u{1} HTTP/1.1\r\n\r\n"] {
        let mut connection = server.connect();
        connection.send(request);
        assert_eq!(connection.response().status, 400, "{request:?}");
    }
    let mut connection = server.connect();
    connection.send(get("/healthz", &format!("X: {}\r\n", "x".repeat(40_000))));
    assert_eq!(connection.response().status, 431);
}

#[test]
fn beyond_the_connections_there_is_a_reason_too() {
    let server = Server::start(Config { max_connections: 1, ..Config::default() });
    let mut first = server.connect();
    assert_eq!(first.get("/healthz", "").status, 200);
    let refused: Response = server.get("/healthz");
    assert_eq!(refused.status, 503);
    assert_eq!(refused.reason(), "1 connections are open, the most that this server takes");
    assert_eq!(first.get("/healthz", "").status, 200, "the one that is open goes on");
}

#[test]
fn a_client_that_sends_on_can_still_read_the_answer() {
    let server = Server::start(Config { max_body_bytes: 1_000, ..Config::default() });
    // More than the socket buffers hold, so that the server has to read on while the client writes.
    let response = server.publish("/channels/a/events", &vec![b'x'; 8 << 20]);
    assert_eq!(response.status, 413);
    assert_eq!(response.header("connection"), Some("close"));
}
