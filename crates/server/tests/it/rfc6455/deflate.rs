//! Compressed messages (RFC 7692), each by itself.

use flate2::{Compress, Compression, FlushCompress};

use super::*;

/// Says that a message is compressed.
const RSV1: u8 = 0x40;

/// RFC 7692 §7.2.3.1, and the same in two blocks (§7.2.3.6), stored (§7.2.3.3), and in a last block
/// (§7.2.3.4).
const HELLO: [&[u8]; 4] = [
    &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
    &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
    &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
    &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
];

/// A message as another implementation compresses it.
fn deflated(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 1_000);
    Compress::new(Compression::best(), false)
        .compress_vec(message, &mut out, FlushCompress::Sync)
        .unwrap();
    out.truncate(out.len() - 4);
    out
}

pub(super) fn cases() -> Vec<Case> {
    [good(), bad(), too_large()].into_iter().flatten().collect()
}

fn good() -> Vec<Case> {
    let mut cases = Vec::new();
    for opcode in [TEXT, BINARY] {
        for (number, hello) in HELLO.into_iter().enumerate() {
            let name = |what: &str| format!("opcode {opcode}, example {number}{what}");
            let sent = frame(FIN | RSV1 | opcode, hello);
            cases.push(Case::message(name(""), sent, opcode, b"Hello"));
            let (first, last) = hello.split_at(3);
            let sent = [
                frame(RSV1 | opcode, first),
                frame(FIN | PING, b"?"),
                frame(CONTINUATION, b""),
                frame(FIN, last),
            ];
            let case = Case::message(name(" in fragments"), sent.concat(), opcode, b"Hello");
            cases.push(Case { pongs: vec![b"?".to_vec()], ..case });
        }
        cases.push(Case::message("nothing", frame(FIN | RSV1 | opcode, &[0]), opcode, b""));
        for len in [1_000, 65_535, MAX_BYTES] {
            let message = b"all work and no play ".repeat(4_000)[..len].to_vec();
            let sent = frame(FIN | RSV1 | opcode, &deflated(&message));
            cases.push(Case::message(format!("{len} bytes"), sent, opcode, &message));
        }
    }
    let text = "\u{20ac}\u{1f600}".repeat(9);
    let small = deflated(text.as_bytes());
    for cut in 1..small.len() {
        let sent = [frame(RSV1 | TEXT, &small[..cut]), frame(FIN, &small[cut..])].concat();
        cases.push(Case::message(format!("text cut at {cut}"), sent, TEXT, text.as_bytes()));
    }
    let mixed = [
        frame(FIN | RSV1 | TEXT, HELLO[0]),
        frame(FIN | TEXT, b"plain"),
        frame(TEXT, b"pl"),
        frame(FIN, b"ain"),
        frame(FIN | RSV1 | BINARY, &deflated(&[0xff; 200])),
    ];
    let messages = vec![
        (TEXT, b"Hello".to_vec()),
        (TEXT, b"plain".to_vec()),
        (TEXT, b"plain".to_vec()),
        (BINARY, vec![0xff; 200]),
    ];
    cases.push(Case { messages, ..Case::message("some of them", mixed.concat(), TEXT, b"") });
    cases
}

fn bad() -> Vec<Case> {
    let mut cases = Vec::new();
    let whole = deflated(&b"all work and no play ".repeat(9));
    for (name, payload) in [
        ("nothing at all", &b""[..]),
        ("a block of no kind", &[0x07]),
        ("something else", b"Hello"),
        ("a part of it", &whole[..whole.len() / 2]),
        // §7.2.3.2: it refers to the message before.
        ("a window of others", &[0xf2, 0x00, 0x11, 0x00, 0x00]),
    ] {
        for opcode in [TEXT, BINARY] {
            let before = frame(FIN | RSV1 | TEXT, HELLO[0]);
            let messages = vec![(TEXT, b"Hello".to_vec())];
            let sent = [&before[..], &frame(FIN | RSV1 | opcode, payload)].concat();
            let case = Case::fails(format!("opcode {opcode}, {name}"), sent, 1007);
            cases.push(Case { messages: messages.clone(), ..case });
            let fragments = [frame(RSV1 | opcode, payload), frame(FIN, b"")].concat();
            let sent = [before, fragments].concat();
            let case = Case::fails(format!("opcode {opcode}, {name}, in fragments"), sent, 1007);
            cases.push(Case { messages, ..case });
        }
    }
    let no_text = deflated(b"\xff\xfe");
    cases.push(Case::fails("no UTF-8", frame(FIN | RSV1 | TEXT, &no_text), 1007));
    let sent = [frame(RSV1 | TEXT, &no_text[..1]), frame(FIN, &no_text[1..])].concat();
    cases.push(Case::fails("no UTF-8 in fragments", sent, 1007));
    // Only the first frame of a message says it (§6.1).
    let sent = [frame(RSV1 | TEXT, &HELLO[0][..3]), frame(FIN | RSV1, &HELLO[0][3..])].concat();
    cases.push(Case::fails("marked twice", sent, 1002));
    cases
}

fn too_large() -> Vec<Case> {
    let mut cases = Vec::new();
    for len in [MAX_BYTES + 1, 2 * MAX_BYTES, 50 << 20] {
        let bomb = deflated(&vec![b'x'; len]);
        for opcode in [TEXT, BINARY] {
            let sent = frame(FIN | RSV1 | opcode, &bomb);
            cases.push(Case::fails(format!("{len} bytes of opcode {opcode}"), sent, 1009));
            let (first, last) = bomb.split_at(bomb.len() / 2);
            let sent = [frame(RSV1 | opcode, first), frame(FIN, last)].concat();
            let name = format!("{len} bytes of opcode {opcode} in fragments");
            cases.push(Case::fails(name, sent, 1009));
        }
    }
    // As it comes, a message may not be larger either.
    let head = raw_frame(FIN | RSV1 | BINARY, Length::Bits64, MAX_BYTES as u64 + 1, b"");
    cases.push(Case::fails("too much as it comes", head, 1009));
    cases
}
