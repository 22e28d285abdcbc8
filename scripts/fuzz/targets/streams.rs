//! What a client sends after it has opened a WebSocket, compressed or not, or raw TCP: any bytes, in two pieces.
//! The answer to a WebSocket is made of frames.

#![no_main]

mod edge;

use libfuzzer_sys::fuzz_target;

const WEBSOCKET: &[u8] =
    b"GET /channels/a/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const COMPRESSED: &[u8] =
    b"GET /channels/a/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
const TCP: &[u8] = b"GET /channels/a/tcp HTTP/1.1\r\nHost: localhost\r\nUpgrade: pushbench-tcp\r\n\
    Connection: Upgrade\r\n\r\n";

fuzz_target!(|data: &[u8]| {
    let [which, cut, input @ ..] = data else { return };
    let is_websocket = which % 4 != 0;
    let request = match which % 4 {
        0 => TCP,
        2 => COMPRESSED,
        _ => WEBSOCKET,
    };
    let (head, tail) = input.split_at(usize::from(*cut).min(input.len()));
    let answer = edge::exchange(&[request, head, tail]);
    // A client that closes its side may get nothing.
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 101 "), "{answer:?}");
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    if let (true, Some(end)) = (is_websocket, end) {
        check_frames(&answer[end + 4..], request == COMPRESSED);
    }
});

/// Whole, unmasked frames without reserved bits, but that of messages which `may_be_compressed`, and nothing after a
/// close. The last may be cut off.
fn check_frames(mut stream: &[u8], may_be_compressed: bool) {
    while let [first, second, rest @ ..] = stream {
        let is_compressed = may_be_compressed && matches!(first, 0xc1 | 0xc2);
        assert!(is_compressed || matches!(first, 0x81 | 0x82 | 0x88 | 0x89 | 0x8a), "{first:#x}");
        let (len, rest) = match (second, rest) {
            (126, [a, b, rest @ ..]) => (usize::from(u16::from_be_bytes([*a, *b])), rest),
            (127, [len @ .., _]) if len.len() < 8 => return,
            (127, rest) => {
                let (len, rest) = rest.split_at(8);
                (u64::from_be_bytes(len.try_into().unwrap()) as usize, rest)
            }
            (126, _) => return,
            (len, rest) => (usize::from(*len), rest),
        };
        assert!(*second < 128, "masked");
        let Some(rest) = rest.get(len..) else { return };
        assert!(*first != 0x88 || rest.is_empty(), "after a close: {rest:?}");
        stream = rest;
    }
}
