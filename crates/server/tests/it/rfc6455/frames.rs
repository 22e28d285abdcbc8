//! Data frames: lengths, masks, reserved bits and opcodes, fragments.

use super::*;

pub(super) fn cases() -> Vec<Case> {
    let groups = [lengths(), bad_lengths(), masks(), reserved(), fragments(), bad_fragments()];
    groups.into_iter().flatten().collect()
}

fn lengths() -> Vec<Case> {
    let lengths = [
        0, 1, 2, 124, 125, 126, 127, 128, 255, 256, 65_534, 65_535, 65_536, 65_537, 69_999,
        MAX_BYTES,
    ];
    let case = |(opcode, len)| {
        let payload = vec![b'x'; len];
        let name = format!("opcode {opcode} with {len} bytes");
        Case::message(name, frame(FIN | opcode, &payload), opcode, &payload)
    };
    [TEXT, BINARY]
        .into_iter()
        .flat_map(|opcode| lengths.map(|len| (opcode, len)))
        .map(case)
        .collect()
}

fn bad_lengths() -> Vec<Case> {
    let mut cases = Vec::new();
    for opcode in [TEXT, BINARY, PING, PONG, CLOSE] {
        // In more bytes than it takes (§5.2); a control frame has no longer form at all (§5.5).
        for (length, len) in [
            (Length::Bits16, 0),
            (Length::Bits16, 1),
            (Length::Bits16, 125),
            (Length::Bits64, 0),
            (Length::Bits64, 125),
            (Length::Bits64, 126),
            (Length::Bits64, 65_535),
        ] {
            let sent = raw_frame(FIN | opcode, length, len, &vec![b'x'; len as usize]);
            cases.push(Case::fails(format!("opcode {opcode}, {len} in {length:?}"), sent, 1002));
        }
    }
    // The highest bit must be 0 (§5.2); what is merely too large is another matter (§7.4.1).
    for (len, code) in [
        (1 << 63, 1002),
        (u64::MAX, 1002),
        (MAX_BYTES as u64 + 1, 1009),
        (1 << 31, 1009),
        (1 << 32, 1009),
        ((1 << 63) - 1, 1009),
    ] {
        // The head is enough.
        let sent = raw_frame(FIN | BINARY, Length::Bits64, len, b"");
        cases.push(Case::fails(format!("a length of {len}"), sent, code));
    }
    for (first, second) in [(1, MAX_BYTES), (MAX_BYTES, 1), (40_000, 40_000)] {
        let sent = [frame(BINARY, &vec![0; first]), frame(FIN, &vec![0; second])].concat();
        cases.push(Case::fails(format!("fragments of {first} and {second}"), sent, 1009));
    }
    cases
}

fn masks() -> Vec<Case> {
    let mut cases = Vec::new();
    for mask in [[0; 4], [0xff; 4], [1, 2, 3, 4], [0x80, 0, 0, 0x7f]] {
        for len in [0, 1, 2, 3, 4, 5, 7, 8, 9] {
            let payload: Vec<_> = (0..len).map(|at| b'a' + at).collect();
            let sent = masked_frame(FIN | TEXT, Length::Bits7, u64::from(len), &payload, mask);
            let name = format!("{len} bytes masked with {mask:?}");
            cases.push(Case::message(name, sent, TEXT, &payload));
        }
    }
    // A client must mask whatever it sends (§5.1).
    for (opcode, payload) in [
        (TEXT, &b"x"[..]),
        (TEXT, b""),
        (BINARY, b"x"),
        (PING, b""),
        (PONG, b""),
        (CLOSE, b"\x03\xe8"),
    ] {
        let sent = [&[FIN | opcode, payload.len() as u8], payload].concat();
        cases.push(Case::fails(format!("opcode {opcode}, not masked"), sent, 1002));
    }
    let sent = [frame(TEXT, b"a"), vec![FIN, 1, b'b']].concat();
    cases.push(Case::fails("a continuation, not masked", sent, 1002));
    cases
}

fn reserved() -> Vec<Case> {
    let mut cases = Vec::new();
    for bits in [0x40, 0x20, 0x10, 0x60, 0x50, 0x30, 0x70] {
        for opcode in [TEXT, BINARY, PING, PONG, CLOSE] {
            let sent = frame(FIN | bits | opcode, b"");
            cases.push(Case::fails(format!("opcode {opcode}, reserved {bits:#x}"), sent, 1002));
        }
        let sent = [frame(TEXT, b"a"), frame(FIN | bits, b"b")].concat();
        cases.push(Case::fails(format!("a continuation, reserved {bits:#x}"), sent, 1002));
    }
    for opcode in [0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        let within = [frame(TEXT, b"a"), frame(FIN | opcode, b"x")].concat();
        let after = [frame(FIN | PONG, b""), frame(FIN | opcode, b"x")].concat();
        for (name, sent) in [
            ("empty", frame(FIN | opcode, b"")),
            ("with a payload", frame(FIN | opcode, b"x")),
            ("a fragment", frame(opcode, b"x")),
            ("within a message", within),
            ("after a pong", after),
        ] {
            cases.push(Case::fails(format!("reserved opcode {opcode:#x}, {name}"), sent, 1002));
        }
    }
    cases
}

fn fragments() -> Vec<Case> {
    let mut cases = Vec::new();
    for opcode in [TEXT, BINARY] {
        for parts in [
            &[&b"a"[..], b"b"][..],
            &[b"", b""],
            &[b"", b"a"],
            &[b"a", b""],
            &[b"", b"", b"a", b"", b""],
            &[b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h"],
            &[&[b'x'; 125], &[b'y'; 126], &[b'z'; 127]],
            &[&[b'x'; 35_000], &[b'y'; 35_000]],
        ] {
            let frames = |between: &[u8]| {
                let mut sent = Vec::new();
                for (at, part) in parts.iter().enumerate() {
                    let first = if at == 0 { opcode } else { CONTINUATION };
                    let fin = if at + 1 == parts.len() { FIN } else { 0 };
                    sent.extend(frame(fin | first, part));
                    if fin == 0 {
                        sent.extend(between);
                    }
                }
                sent
            };
            let name = |what| format!("opcode {opcode} in {} fragments{what}", parts.len());
            let whole = parts.concat();
            cases.push(Case::message(name(""), frames(b""), opcode, &whole));
            // Control frames may come in between (§5.4).
            let ping = Case::message(
                name(", pings between"),
                frames(&frame(FIN | PING, b"?")),
                opcode,
                &whole,
            );
            cases.push(Case { pongs: vec![b"?".to_vec(); parts.len() - 1], ..ping });
            let pong = frames(&frame(FIN | PONG, b"!"));
            cases.push(Case::message(name(", pongs between"), pong, opcode, &whole));
        }
    }
    let two =
        [frame(FIN | TEXT, b"1"), frame(BINARY, b"2"), frame(FIN, b"3"), frame(FIN | TEXT, b"4")];
    let messages = vec![(TEXT, b"1".to_vec()), (BINARY, b"23".to_vec()), (TEXT, b"4".to_vec())];
    cases.push(Case { messages, ..Case::message("messages in a row", two.concat(), TEXT, b"") });
    cases
}

fn bad_fragments() -> Vec<Case> {
    let started = |next: Vec<u8>| [frame(TEXT, b"a"), next].concat();
    [
        ("a continuation of nothing", frame(FIN, b"x")),
        ("a continuation of nothing, unfinished", frame(CONTINUATION, b"x")),
        ("an empty continuation of nothing", frame(FIN, b"")),
        ("a text within a text", started(frame(FIN | TEXT, b"b"))),
        ("a text within a text, unfinished", started(frame(TEXT, b"b"))),
        ("bytes within a text", started(frame(FIN | BINARY, b"b"))),
        ("a ping in fragments", frame(PING, b"x")),
        ("a pong in fragments", frame(PONG, b"x")),
        ("a close in fragments", frame(CLOSE, b"\x03\xe8")),
        ("a ping in fragments within a text", started(frame(PING, b"x"))),
    ]
    .into_iter()
    .map(|(name, sent)| Case::fails(name, sent, 1002))
    .chain([{
        // The first message stands; the continuation after its end belongs to nothing.
        let sent = [frame(TEXT, b"a"), frame(FIN, b"b"), frame(FIN, b"c")].concat();
        let messages = vec![(TEXT, b"ab".to_vec())];
        Case { messages, ..Case::fails("a continuation after the end", sent, 1002) }
    }])
    .collect()
}
