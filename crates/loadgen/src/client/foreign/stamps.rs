//! Events in messages: wherever there is a stamp, there is an event. Whether stamps come as they were
//! sent or in base64 is decided by the first one, and kept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use memchr::memmem::Finder;
use pushbench_wire::Stamp;
use pushbench_wire::stamp::STAMP_LEN;

/// How a server passes payloads on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Encoding {
    #[default]
    Undecided,
    /// As they are, or within text that does not change a stamp's characters.
    Plain,
    /// In base64.
    Base64,
}

/// How a stamp begins.
const MAGIC: &[u8] = b"pb";

/// The characters of base64 that hold a stamp which is the beginning of what is encoded.
const ENCODED_LEN: usize = STAMP_LEN.div_ceil(3) * 4;

/// `pb` and the first digit of a stamp fill three bytes, of which the last may be `0` to `f`: in base64,
/// `cGIw` to `cGJm`.
const ENCODED_MAGIC: [&[u8]; 2] = [b"cGI", b"cGJ"];

/// Finds the events of one subscriber.
#[derive(Debug)]
pub(super) struct Stamps {
    encoding: Encoding,
    /// Made once, because that takes as long as a search.
    magic: Finder<'static>,
}

impl Default for Stamps {
    fn default() -> Self {
        Self { encoding: Encoding::default(), magic: Finder::new(MAGIC) }
    }
}

impl Stamps {
    /// Gives `found` every stamp in `message`, and says how many there are.
    pub(super) fn find(&mut self, message: &[u8], mut found: impl FnMut(&[u8])) -> usize {
        match self.encoding {
            Encoding::Plain => plain(&self.magic, message, &mut found),
            Encoding::Base64 => encoded(message, &mut found),
            Encoding::Undecided => {
                let count = plain(&self.magic, message, &mut found);
                if count > 0 {
                    self.encoding = Encoding::Plain;
                    return count;
                }
                let count = encoded(message, &mut found);
                if count > 0 {
                    self.encoding = Encoding::Base64;
                }
                count
            }
        }
    }
}

fn plain(magic: &Finder<'_>, message: &[u8], found: &mut impl FnMut(&[u8])) -> usize {
    let mut count = 0;
    let mut rest = message;
    while let Some(at) = magic.find(rest) {
        let from = &rest[at..];
        if Stamp::read_from(from).is_some() {
            found(&from[..STAMP_LEN]);
            count += 1;
            rest = &from[STAMP_LEN..];
        } else {
            rest = &from[1..];
        }
    }
    count
}

fn encoded(message: &[u8], found: &mut impl FnMut(&[u8])) -> usize {
    let mut count = 0;
    let mut at = 0;
    while let Some(begin) = memchr::memchr(b'c', &message[at..]).map(|begin| at + begin) {
        at = begin + 1;
        let Some(text) = message.get(begin..begin + ENCODED_LEN) else { break };
        if !ENCODED_MAGIC.iter().any(|magic| text.starts_with(magic)) {
            continue;
        }
        let mut bytes = [0; ENCODED_LEN];
        // Four characters are three bytes, so that a payload that ends behind its stamp is padded.
        let Ok(length) = BASE64.decode_slice(text, &mut bytes) else { continue };
        if Stamp::read_from(&bytes[..length]).is_some() {
            found(&bytes[..STAMP_LEN]);
            count += 1;
            at = begin + ENCODED_LEN;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn payload(sequence: u32, length: usize) -> Vec<u8> {
        let mut payload = vec![b'.'; STAMP_LEN + length];
        Stamp { publisher: 0, sequence, intended_ns: 1, published_ns: 2 }.write_to(&mut payload);
        payload
    }

    fn found(stamps: &mut Stamps, message: &[u8]) -> Vec<u32> {
        let mut sequences = Vec::new();
        let mut enter = |payload: &[u8]| {
            sequences.push(Stamp::read_from(payload).unwrap().sequence);
        };
        stamps.find(message, &mut enter);
        sequences
    }

    proptest! {
        #[test]
        fn stamps_are_found_in_whatever_is_around_them(
            around in proptest::collection::vec(".{0,30}", 1..5),
            length in 0_usize..9,
            is_encoded: bool,
        ) {
            let mut message = Vec::new();
            for (index, text) in (0..).zip(&around) {
                message.extend_from_slice(text.as_bytes());
                let payload = payload(index, length);
                match is_encoded {
                    true => message.extend_from_slice(BASE64.encode(payload).as_bytes()),
                    false => message.extend(payload),
                }
            }
            let expected: Vec<u32> = (0..around.len() as u32).collect();
            prop_assert_eq!(found(&mut Stamps::default(), &message), expected);
        }

        #[test]
        fn any_bytes_are_searched(message: Vec<u8>) {
            prop_assert_eq!(found(&mut Stamps::default(), &message), [0_u32; 0]);
            prop_assert_eq!(found(&mut Stamps { encoding: Encoding::Base64, ..Stamps::default() }, &message), [0_u32; 0]);
        }
    }

    #[test]
    fn the_first_one_decides() {
        let encoded = BASE64.encode(payload(7, 82));
        let mut stamps = Stamps::default();
        assert_eq!(found(&mut stamps, b"{\"type\":\"ping\"}"), [0_u32; 0]);
        assert_eq!(stamps.encoding, Encoding::Undecided);
        assert_eq!(found(&mut stamps, encoded.as_bytes()), [7]);
        assert_eq!(found(&mut stamps, &payload(8, 0)), [0_u32; 0], "base64 from now on");
        let quoted = serde_json::to_string(&String::from_utf8(payload(9, 5)).unwrap()).unwrap();
        assert_eq!(found(&mut Stamps::default(), quoted.as_bytes()), [9]);
    }
}
