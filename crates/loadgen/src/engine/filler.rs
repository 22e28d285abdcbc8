//! What payloads hold beside their stamps. It follows from the event alone, so that all contenders get the same.

use std::fmt::Write as _;
use std::sync::LazyLock;

use pushbench_wire::Stamp;
use pushbench_wire::stamp::STAMP_LEN;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::scenario::Content;

/// The payload of whoever publishes, one after the other.
#[derive(Debug)]
pub(super) struct Filler {
    content: Content,
    payload: Vec<u8>,
}

impl Filler {
    /// For payloads of at most so many bytes, of which a stamp is one.
    pub(super) fn new(content: Content, most_payload_bytes: usize) -> Self {
        let bytes = most_payload_bytes.max(STAMP_LEN);
        let payload = match content {
            Content::Text => (b'a'..=b'z').cycle().take(bytes).collect(),
            Content::Binary => {
                let mut random = vec![0; bytes];
                ChaCha8Rng::seed_from_u64(0).fill_bytes(&mut random);
                random
            }
            Content::Json => {
                // Made now, not when the first event is due.
                LazyLock::force(&RECORDS);
                vec![0; bytes]
            }
        };
        Self { content, payload }
    }

    /// Whether payloads are arbitrary bytes.
    pub(super) fn is_binary(&self) -> bool {
        self.content == Content::Binary
    }

    /// The payload of an event, of so many bytes.
    pub(super) fn payload(&mut self, stamp: &Stamp, bytes: usize) -> &[u8] {
        let payload = &mut self.payload[..bytes];
        match self.content {
            Content::Text | Content::Binary => {}
            Content::Json => RECORDS.write_to(stamp, &mut payload[STAMP_LEN..]),
        }
        stamp.write_to(payload);
        payload
    }
}

/// What JSON payloads are cut from.
static RECORDS: LazyLock<Records> = LazyLock::new(Records::new);

/// So many records: more than any window of a compressor reaches.
const COUNT: usize = 1_000;

/// Records with a comma behind each, and where each of them begins.
struct Records {
    text: String,
    starts: Vec<usize>,
}

impl Records {
    /// Updates of orders as trading systems send them: names that all have, words of which there are few, and
    /// numbers, times and identifiers of which none returns.
    fn new() -> Self {
        const TYPES: [&str; 4] =
            ["order.created", "order.updated", "order.filled", "order.cancelled"];
        const SIDES: [&str; 2] = ["buy", "sell"];
        const STATES: [&str; 4] = ["open", "partially_filled", "filled", "cancelled"];
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let mut millis: u32 = 0;
        let (mut text, mut starts) = (String::new(), Vec::new());
        for _ in 0..COUNT {
            starts.push(text.len());
            millis += random.random_range(1..400);
            let of = |words: &[&'static str], random: &mut ChaCha8Rng| {
                words[random.random_range(0..words.len())]
            };
            let symbol: String =
                (0..4).map(|_| char::from(random.random_range(b'A'..=b'Z'))).collect();
            // Writing to a `String` cannot fail.
            let _ = write!(
                text,
                r#"{{"id":"{:032x}","type":"{}","time":"2026-03-14T09:{:02}:{:02}.{:03}Z","account":{},"symbol":"{symbol}","side":"{}","price":{}.{:02},"quantity":{},"status":"{}"}},"#,
                random.random::<u128>(),
                of(&TYPES, &mut random),
                millis / 60_000,
                millis / 1_000 % 60,
                millis % 1_000,
                random.random_range(10_000..1_000_000),
                of(&SIDES, &mut random),
                random.random_range(5..900),
                random.random_range(0..100),
                random.random_range(1..200) * 10,
                of(&STATES, &mut random),
            );
        }
        Self { text, starts }
    }

    /// Fills `payload` with the records of an event, from one of them on. The last one is cut off.
    fn write_to(&self, stamp: &Stamp, mut payload: &mut [u8]) {
        // A prime number of records further for each event, so that those that follow each other share few.
        let place = u64::from(stamp.sequence) * 101 + u64::from(stamp.publisher) * 37;
        let mut rest = &self.text.as_bytes()[self.starts[(place % COUNT as u64) as usize]..];
        while !payload.is_empty() {
            let (here, behind) = payload.split_at_mut(rest.len().min(payload.len()));
            here.copy_from_slice(&rest[..here.len()]);
            (payload, rest) = (behind, self.text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use pushbench_wire::deflate::deflate;

    use super::*;

    fn stamp(sequence: u32) -> Stamp {
        Stamp { publisher: 3, sequence, intended_ns: 1_000, published_ns: 2_000 }
    }

    #[test]
    fn json_is_that_of_its_event_and_cut_at_its_size() {
        let mut filler = Filler::new(Content::Json, 300_000);
        let mut texts = Vec::new();
        for (sequence, bytes) in [(0, STAMP_LEN), (1, 600), (2, 600), (7, 300_000), (1, 600)] {
            let payload = filler.payload(&stamp(sequence), bytes);
            assert_eq!(Stamp::read_from(payload), Some(stamp(sequence)));
            texts.push(String::from_utf8(payload[STAMP_LEN..].to_vec()).unwrap());
            assert_eq!(texts.last().unwrap().len(), bytes - STAMP_LEN);
        }
        assert_eq!(texts[1], texts[4], "the same for each contender");
        assert_ne!(texts[1], texts[2]);
        let whole = &texts[3][..texts[3].rfind("},").unwrap() + 1];
        let records: Vec<serde_json::Value> = serde_json::from_str(&format!("[{whole}]")).unwrap();
        assert!(records.len() > COUNT, "they begin again");
        assert!(records.iter().all(|record| record["id"].is_string() && record["price"].is_f64()));
    }

    /// The share that is left of the payloads of 100 events: each compressed by itself, and all in one stream.
    fn left(content: Content, bytes: usize) -> [f64; 2] {
        let mut filler = Filler::new(content, bytes);
        let (mut alone, mut all) = (Vec::new(), Vec::new());
        let mut together =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(6));
        for sequence in 0..100 {
            let payload = filler.payload(&stamp(sequence), bytes);
            deflate(payload, &mut alone);
            all.extend_from_slice(payload);
            std::io::Write::write_all(&mut together, payload).unwrap();
            std::io::Write::flush(&mut together).unwrap();
        }
        [alone, together.finish().unwrap()].map(|small| small.len() as f64 / all.len() as f64)
    }

    /// The figures of docs/road.md.
    #[test]
    fn what_compression_leaves_is_as_documented() {
        let found = [
            (Content::Json, 256),
            (Content::Json, 1_024),
            (Content::Json, 4_096),
            (Content::Text, 1_024),
        ]
        .map(|(content, bytes)| left(content, bytes).map(|left| (left * 100.0).round()));
        assert_eq!(found, [[72.0, 35.0], [40.0, 27.0], [28.0, 24.0], [6.0, 3.0]]);
    }
}
