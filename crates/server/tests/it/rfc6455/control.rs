//! Control frames: pings, pongs and closes.

use super::*;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = pings();
    cases.extend(closes());
    cases
}

fn pings() -> Vec<Case> {
    let open = |name: String, sent, pongs| Case {
        messages: Vec::new(),
        pongs,
        ..Case::message(name, sent, TEXT, b"")
    };
    let mut cases = Vec::new();
    for len in [0, 1, 2, 63, 124, 125] {
        let payload: Vec<_> = (0..len).map(|at| at * 2 + 5).collect();
        let sent = frame(FIN | PING, &payload);
        cases.push(open(format!("a ping of {len} bytes"), sent, vec![payload.clone()]));
        let sent = frame(FIN | PONG, &payload);
        cases.push(open(format!("a pong of {len} bytes that nobody asked for"), sent, vec![]));
    }
    for len in [126, 127, 65_535, 65_536] {
        for opcode in [PING, PONG, CLOSE] {
            let sent = frame(FIN | opcode, &vec![b'x'; len]);
            cases.push(Case::fails(format!("opcode {opcode} with {len} bytes"), sent, 1002));
        }
    }
    let pongs: Vec<_> = (0..10).map(|number| vec![number]).collect();
    let sent = pongs.iter().flat_map(|payload| frame(FIN | PING, payload)).collect();
    cases.push(open("ten pings".to_owned(), sent, pongs));
    let bytes = vec![0xff, 0xfe, 0x00];
    cases.push(open("a ping that is no text".to_owned(), frame(FIN | PING, &bytes), vec![bytes]));
    cases
}

fn closes() -> Vec<Case> {
    let closes = |name: String, sent, code| Case {
        name,
        sent,
        messages: Vec::new(),
        pongs: Vec::new(),
        end: End::Closes(code),
    };
    let mut cases = Vec::new();
    // Registered with IANA, for libraries, and private (§7.4): answered with the same.
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000,
        4999,
    ] {
        cases.push(closes(format!("closes with {code}"), close(code, b""), Some(code)));
    }
    // Reserved, never sent, or undefined.
    for code in
        [0, 1, 500, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 9999, 65_535]
    {
        cases.push(Case::fails(format!("closes with {code}"), close(code, b""), 1002));
        let with_reason = close(code, b"why");
        cases.push(Case::fails(format!("closes with {code} and a reason"), with_reason, 1002));
    }
    cases.push(closes("closes without a code".to_owned(), frame(FIN | CLOSE, b""), None));
    cases.push(Case::fails("closes with half a code", frame(FIN | CLOSE, b"\x03"), 1002));
    for reason in [&b"bye"[..], "\u{20ac}\u{1f600}".as_bytes(), &[b'x'; 123]] {
        let name = format!("closes with a reason of {} bytes", reason.len());
        cases.push(closes(name, close(1000, reason), Some(1000)));
    }
    for reason in [&b"\xff"[..], b"ab\xc3", b"\xed\xa0\x80", b"a\xe2\x82"] {
        let sent = close(1000, reason);
        cases.push(Case::fails(format!("closes with the reason {reason:x?}"), sent, 1007));
    }
    // Nothing counts after a close (§5.5.1).
    for (name, after) in [
        ("a message", frame(FIN | TEXT, b"x")),
        ("a ping", frame(FIN | PING, b"x")),
        ("a second close", close(1001, b"")),
        ("what is no frame", vec![0xff; 50]),
    ] {
        let sent = [close(1000, b""), after].concat();
        cases.push(closes(format!("sends {name} after it closed"), sent, Some(1000)));
    }
    let sent = [frame(TEXT, b"unfinished"), close(1000, b"")].concat();
    cases.push(closes("closes within a message".to_owned(), sent, Some(1000)));
    cases
}
