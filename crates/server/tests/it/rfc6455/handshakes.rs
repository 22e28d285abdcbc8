//! The opening handshake (§4.2): each header, the version, the key, the method and subprotocols.

use super::*;
use crate::support::Response;

const UPGRADE: &str = "Upgrade: websocket\r\n";
const CONNECTION: &str = "Connection: Upgrade\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

fn answer(server: &Server, line: &str, headers: &[&str]) -> Response {
    let mut connection = server.connect();
    connection.send(format!("{line}\r\nHost: localhost\r\n{}\r\n", headers.concat()));
    connection.response_head()
}

#[test]
fn every_handshake_gets_its_status() {
    let server = Server::start(Config::default());
    let protocol = |offered: &str| format!("Sec-WebSocket-Protocol: {offered}\r\n");
    let key = |key: &str| format!("Sec-WebSocket-Key: {key}\r\n");
    let version = |version: &str| format!("Sec-WebSocket-Version: {version}\r\n");
    let replaced: [(String, usize, u16); 38] = [
        // As it should be, and other ways to write it.
        (UPGRADE.to_owned(), 0, 101),
        ("upgrade: WebSocket\r\n".to_owned(), 0, 101),
        ("Upgrade: h2c, websocket\r\n".to_owned(), 0, 101),
        ("Connection: keep-alive, Upgrade\r\n".to_owned(), 1, 101),
        ("Connection: keep-alive\r\nConnection: upgrade\r\n".to_owned(), 1, 101),
        ("connection: UPGRADE\r\n".to_owned(), 1, 101),
        (key("  AAAAAAAAAAAAAAAAAAAAAA==  "), 3, 101),
        // No upgrade.
        (String::new(), 0, 426),
        ("Upgrade: \r\n".to_owned(), 0, 426),
        ("Upgrade: websockets\r\n".to_owned(), 0, 426),
        ("Upgrade: h2c\r\n".to_owned(), 0, 426),
        ("Upgrade: websocket/13\r\n".to_owned(), 0, 426),
        (String::new(), 1, 426),
        ("Connection: close\r\n".to_owned(), 1, 426),
        ("Connection: keep-alive\r\n".to_owned(), 1, 426),
        ("Connection: Upgrades\r\n".to_owned(), 1, 426),
        // The version (§4.4).
        (String::new(), 2, 426),
        (version(""), 2, 426),
        (version("8"), 2, 426),
        (version("12"), 2, 426),
        (version("14"), 2, 426),
        (version("013"), 2, 426),
        (version("13, 8"), 2, 426),
        (version("thirteen"), 2, 426),
        (version("13") + &version("13"), 2, 400),
        (version("13") + &version("8"), 2, 400),
        // The key is 16 bytes in base64, once.
        (String::new(), 3, 400),
        (key(""), 3, 400),
        (key("dGhlIHNhbXBsZSBub25jZQ"), 3, 400),
        (key("dGhlIHNhbXBsZSBub25jZQ="), 3, 400),
        (key("dGhlIHNhbXBsZSBub25jZQ==="), 3, 400),
        (key("dGhlIHNhbXBsZSBub25j"), 3, 400),
        (key("dGhlIHNhbXBsZSBub25jZWFh"), 3, 400),
        (key("dGhlIHNhbXBsZSBub25jZ!=="), 3, 400),
        (key("dGhlIHNhbXBs ZSBub25jZQ=="), 3, 400),
        (key("AAAAAAAAAAAAAAAAAAAAAA==, AAAAAAAAAAAAAAAAAAAAAA=="), 3, 400),
        (KEY.to_owned() + KEY, 3, 400),
        (KEY.to_owned() + &key("AAAAAAAAAAAAAAAAAAAAAA=="), 3, 400),
    ];
    let check = |line: &str, headers: &[&str], status: u16| {
        let response = answer(&server, line, headers);
        assert_eq!(response.status, status, "{line} {headers:?}");
        if status == 426 {
            assert_eq!(response.header("upgrade"), Some("websocket"), "{headers:?}");
        }
        response
    };
    let line = "GET /channels/a/ws HTTP/1.1";
    for (header, place, status) in &replaced {
        let mut headers = [UPGRADE, CONNECTION, VERSION, KEY];
        headers[*place] = header;
        check(line, &headers, *status);
    }
    let proper = [UPGRADE, CONNECTION, VERSION, KEY];
    for (offered, chosen, status) in [
        (protocol("pushbench.v1"), Some("pushbench.v1"), 101),
        (protocol("mqtt, pushbench.v1"), Some("pushbench.v1"), 101),
        (protocol("mqtt") + &protocol("pushbench.v1"), Some("pushbench.v1"), 101),
        (protocol("mqtt"), None, 400),
        (protocol(""), None, 400),
        (protocol("PushBench.v1"), None, 400),
        (protocol("pushbench.v10"), None, 400),
        // No extension is accepted, and so none is named.
        (
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n".into(),
            None,
            101,
        ),
    ] {
        let response = check(line, &[&proper.concat(), &offered], status);
        assert_eq!(response.header("sec-websocket-protocol"), chosen, "{offered}");
        assert_eq!(response.header("sec-websocket-extensions"), None, "{offered}");
    }
    for (line, status) in [
        ("HEAD /channels/a/ws HTTP/1.1", 405),
        ("POST /channels/a/ws HTTP/1.1", 405),
        ("PUT /channels/a/ws HTTP/1.1", 405),
        ("GET /channels/a/ws HTTP/1.0", 426),
        ("GET /channels/a/ws?after=x HTTP/1.1", 400),
        ("GET /channels/a%20b/ws HTTP/1.1", 400),
        ("GET /channels/a/wss HTTP/1.1", 404),
    ] {
        check(line, &proper, status);
    }
    let accepted = check(line, &proper, 101);
    // The example of §1.3.
    let accept = accepted.header("sec-websocket-accept");
    assert_eq!(accept, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(accepted.header("upgrade"), Some("websocket"));
    assert_eq!(accepted.header("connection"), Some("Upgrade"));
}
