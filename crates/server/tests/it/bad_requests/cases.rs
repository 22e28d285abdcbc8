//! The requests, with the response to each.

use super::*;

pub(super) fn case(
    name: &'static str,
    request: impl Into<String>,
    status: u16,
    reason: &'static str,
) -> Case {
    Case { name, request: request.into(), status, reason, waits: Duration::ZERO, header: None }
}

pub(super) fn get(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
}

pub(super) fn post(target: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
}

pub(super) const UPGRADE: &str = "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n";
pub(super) const UPGRADE_TCP: &str = "Upgrade: pushbench-tcp\r\nConnection: Upgrade\r\n";
pub(super) const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
pub(super) const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

pub(super) const BAD_ID: &str = "it must be an event id, which is a number such as 42";
pub(super) const BAD_NAME: &str = "an event name must be 1 to 64 characters of A-Z a-z 0-9 . _ - and not \
                        \"lagged\", which is reserved for the server";
pub(super) const LENGTHS: &str =
    "with split=lengths each event is preceded by its length, 4 bytes, big-endian";
pub(super) const PATHS: &str = "the paths are /channels/{channel}/ followed by events, poll, long-poll, sse, ws, \
                     tcp, and /healthz and /metrics";
pub(super) const NO_UPGRADE: &str = "this path serves WebSocket; send an HTTP/1.1 request with Upgrade: websocket \
                          and Connection: Upgrade";
pub(super) const NO_TCP: &str = "this path serves raw TCP; send an HTTP/1.1 request with Upgrade: pushbench-tcp \
                      and Connection: Upgrade";
pub(super) const BAD_CHANNEL: &str =
    "is not a valid channel name; it must be 1 to 64 characters of A-Z a-z 0-9 . _ -";

pub(super) const HEADER_TIMEOUT: Duration = Duration::from_millis(200);
pub(super) const BODY_TIMEOUT: Duration = Duration::from_millis(300);

pub(super) fn cases() -> Vec<Case> {
    let leak = |text: String| -> &'static str { text.leak() };
    vec![
        case(
            "no host",
            "GET /healthz HTTP/1.1\r\n\r\n",
            400,
            "the request has no Host header; HTTP/1.1 requires one",
        ),
        case(
            "two hosts",
            get("/healthz", "host: y\r\n"),
            400,
            "the request has 2 Host headers; send exactly one",
        ),
        case(
            "no such path",
            get("/nope", ""),
            404,
            leak(format!("nothing is served at /nope; {PATHS}")),
        ),
        case(
            "no such resource",
            get("/channels/a/push", ""),
            404,
            leak(format!("nothing is served at /channels/a/push; {PATHS}")),
        ),
        case(
            "a slash too many",
            get("/channels/a/poll/", ""),
            404,
            leak(format!("nothing is served at /channels/a/poll/; {PATHS}")),
        ),
        case(
            "an escaped channel",
            get("/channels/a%20b/poll", ""),
            400,
            leak(format!("\"a%20b\" {BAD_CHANNEL}")),
        ),
        case("no channel", get("/channels//poll", ""), 400, leak(format!("\"\" {BAD_CHANNEL}"))),
        Case {
            header: Some(("allow", "POST, OPTIONS")),
            ..case(
                "reads where events are published",
                get("/channels/a/events", ""),
                405,
                "/channels/a/events does not allow GET; it allows POST, OPTIONS",
            )
        },
        Case {
            header: Some(("allow", "GET, OPTIONS")),
            ..case(
                "publishes to a poll",
                post("/channels/a/poll", "", "x"),
                405,
                "/channels/a/poll does not allow POST; it allows GET, OPTIONS",
            )
        },
        Case {
            header: Some(("allow", "GET, HEAD, OPTIONS")),
            ..case(
                "deletes health",
                "DELETE /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
                405,
                "/healthz does not allow DELETE; it allows GET, HEAD, OPTIONS",
            )
        },
        case(
            "a poll with a body",
            "GET /channels/a/poll HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx",
            400,
            "a GET request must have no body here; leave it out, or publish with POST to /channels/{channel}/events",
        ),
        case(
            "a stream with a body",
            "GET /channels/a/sse HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx",
            400,
            "a GET request must have no body here; leave it out, or publish with POST to /channels/{channel}/events",
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
            "split is \"words\"; it must be \"lines\" or \"lengths\"",
        ),
        case(
            "splits bytes",
            post(
                "/channels/a/events?split=lines",
                "Content-Type: Application/Octet-Stream; x=y\r\n",
                "x",
            ),
            400,
            "split=lines needs text; leave out the content type application/octet-stream, or publish with split=lengths",
        ),
        case(
            "splits nothing",
            post("/channels/a/events?split=lines", "", "\n"),
            400,
            "the body has no lines; with split=lines each line is one event",
        ),
        case(
            "no lengths",
            post("/channels/a/events?split=lengths", "", ""),
            400,
            leak(format!("the body has no events; {LENGTHS}")),
        ),
        case(
            "half a length",
            post("/channels/a/events?split=lengths", "", "\0\0\0\x01a\0\0"),
            400,
            leak(format!("the body ends inside the length at byte 5; {LENGTHS}")),
        ),
        case(
            "half an event",
            post("/channels/a/events?split=lengths", "", "\0\0\0\x01a\0\0\0\x03bc"),
            400,
            leak(format!(
                "the event at byte 5 of the body should have 3 bytes, but only 2 follow its length; {LENGTHS}"
            )),
        ),
        case(
            "a length too large",
            post("/channels/a/events?split=lengths", "", "\0\0\0\x01a\0\0\0\x65"),
            413,
            "an event of the body has 101 bytes; the limit is 100",
        ),
        case(
            "an event too large",
            post("/channels/a/events", "", &"x".repeat(101)),
            413,
            "an event of the body has 101 bytes; the limit is 100",
        ),
        case(
            "a line too large",
            post("/channels/a/events?split=lines", "", &format!("a\n{}", "x".repeat(101))),
            413,
            "an event of the body has 101 bytes; the limit is 100",
        ),
        case(
            "a body too large",
            post("/channels/a/events", "", &"x".repeat(1_001)),
            413,
            "the body has more than 1000 bytes; publish fewer events per request",
        ),
        case(
            "a chunked body too large",
            format!(
                "POST /channels/a/events HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n{}\r\n0\r\n\r\n",
                "x".repeat(1_001)
            ),
            413,
            "the body has more than 1000 bytes; publish fewer events per request",
        ),
        Case {
            waits: BODY_TIMEOUT,
            ..case(
                "a body that never arrives",
                "POST /channels/a/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab",
                408,
                "the body did not arrive within 300ms; send it without delay",
            )
        },
        Case {
            waits: HEADER_TIMEOUT,
            ..case(
                "headers that never end",
                "GET /healthz HTTP/1.1\r\nHost",
                408,
                "the headers did not arrive within 200ms; send them without delay",
            )
        },
        case(
            "headers too large",
            get("/healthz", &format!("X: {}\r\n", "x".repeat(2_000))),
            431,
            "the request line and headers have 2045 bytes; the limit is 2000",
        ),
        case(
            "a channel too many",
            get("/channels/d/poll", ""),
            503,
            "all 3 channels of this server exist already; use one of them or raise max_channels",
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
                "this server speaks WebSocket version 13; send Sec-WebSocket-Version: 13",
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
            "the only subprotocol is pushbench.v1; offer it in Sec-WebSocket-Protocol or offer none",
        ),
        case(
            "the subprotocol in another case",
            get(
                "/channels/a/ws",
                &format!("{UPGRADE}{VERSION}{KEY}Sec-WebSocket-Protocol: PUSHBENCH.V1\r\n"),
            ),
            400,
            "the only subprotocol is pushbench.v1; offer it in Sec-WebSocket-Protocol or offer none",
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
