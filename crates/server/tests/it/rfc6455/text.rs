//! Text is UTF-8, wherever it is cut (§8.1).

use super::*;

const VALID: [&str; 12] = [
    "a",
    "\0",
    "\u{7f}",
    "\u{80}",
    "\u{7ff}",
    "\u{800}",
    "\u{d7ff}",
    "\u{e000}",
    "\u{fffd}\u{feff}",
    "\u{ffff}",
    "\u{10000}\u{1f600}",
    "\u{10ffff}",
];

/// Each is wrong at once, wherever it is.
const INVALID: [&[u8]; 15] = [
    b"\x80",
    b"\xbf",
    b"\xc0\x80",
    b"\xc1\xbf",
    b"\xc3\x28",
    b"\xe0\x80\x80",
    b"\xe0\x9f\xbf",
    b"\xe2\x28\xa1",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xf0\x80\x80\x80",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xfe",
    b"\xff",
];

/// The beginning of a character, which is wrong only at the end of a text.
const CUT: [&[u8]; 6] = [b"\xc3", b"\xe2", b"\xe2\x82", b"\xf0", b"\xf0\x9f", b"\xf0\x9f\x98"];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for text in VALID {
        let text = format!("<{text}>");
        let name = format!("the text {text:?}");
        cases.push(Case::message(&name, frame(FIN | TEXT, text.as_bytes()), TEXT, text.as_bytes()));
        for cut in 1..text.len() {
            let (head, tail) = text.as_bytes().split_at(cut);
            let sent = [frame(TEXT, head), frame(FIN, tail)].concat();
            cases.push(Case::message(format!("{name}, cut at {cut}"), sent, TEXT, text.as_bytes()));
        }
    }
    for bad in INVALID {
        for (place, text) in [
            ("alone", bad.to_vec()),
            ("at the start", [bad, b"ab"].concat()),
            ("at the end", [b"ab", bad].concat()),
            ("after a character", ["\u{20ac}".as_bytes(), bad].concat()),
        ] {
            let name = format!("the bytes {bad:x?} {place}");
            cases.push(Case::fails(&name, frame(FIN | TEXT, &text), 1007));
            // As soon as it is there, whatever may follow.
            cases.push(Case::fails(format!("{name} of a fragment"), frame(TEXT, &text), 1007));
            let sent = [frame(TEXT, b"ok"), frame(CONTINUATION, &text)].concat();
            cases.push(Case::fails(format!("{name} of a second fragment"), sent, 1007));
        }
        let name = format!("the bytes {bad:x?} that are no text");
        cases.push(Case::message(name, frame(FIN | BINARY, bad), BINARY, bad));
    }
    for cut in CUT {
        let name = format!("a text that ends with {cut:x?}");
        cases.push(Case::fails(&name, frame(FIN | TEXT, cut), 1007));
        let sent = [frame(TEXT, b"ab"), frame(FIN, cut)].concat();
        cases.push(Case::fails(format!("{name}, in fragments"), sent, 1007));
        let sent = [frame(TEXT, cut), frame(FIN, b"")].concat();
        cases.push(Case::fails(format!("{name}, with an empty end"), sent, 1007));
        let sent = [frame(TEXT, cut), frame(CONTINUATION, b"a")].concat();
        cases.push(Case::fails(format!("{name} before another character"), sent, 1007));
    }
    cases
}
