//! What is still whole in bytes that are set aside: how much of what was written nobody gets any more. It believes
//! nothing else of them, and knows no file.

use super::record::{Record, announced, is_whole, read};

/// How often all bytes are looked at, at most: where records seem to begin is up to whoever published.
const LOOKS: usize = 8;

/// How many events there are, at least, in records that are whole, wherever these begin.
pub(super) fn whole_events(bytes: &[u8]) -> u64 {
    let (mut at, mut events) = (0, 0);
    let mut left = bytes.len().saturating_mul(LOOKS);
    while at < bytes.len() {
        let rest = &bytes[at..];
        let Some(length) = announced(rest) else {
            at += 1;
            continue;
        };
        let behind = &rest[length..];
        let cost = length + announced(behind).unwrap_or_default();
        let Some(less) = left.checked_sub(cost) else { break };
        left = less;
        match read(rest) {
            Some((record, length)) => {
                at += length;
                if let Record::Batch(batch) = record {
                    events += batch.events.len() as u64;
                }
            }
            // Of a record that is damaged, most often the length is right.
            None if is_whole(behind) => at += length,
            None => at += 1,
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::record::{Parts, push_batch, push_end};
    use super::*;
    use crate::framing::Place;

    /// Records of one event, two, and three, and where they begin and all of it ends.
    fn written() -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut begins) = (Vec::new(), vec![0]);
        for count in 1..=3 {
            let payload = vec![7; 40];
            let event: Parts<'_> = (None, &payload, true);
            let events = vec![event; count];
            push_batch("a", Place { id: 1, position: 1 }, None, events.into_iter(), &mut bytes);
            begins.push(bytes.len());
        }
        (bytes, begins)
    }

    #[test]
    fn what_is_whole_behind_any_damage_is_counted() {
        let (bytes, begins) = written();
        assert_eq!(whole_events(&bytes), 6);
        for at in 0..bytes.len() {
            let record = begins.iter().filter(|&&begin| begin <= at).count();
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                assert_eq!(whole_events(&damaged), 6 - record as u64, "bit {bit} of {at}");
            }
            let behind: usize = (record + 1..=3).sum();
            assert_eq!(whole_events(&bytes[at + 1..]), behind as u64, "what is behind {at}");
        }
    }

    #[test]
    fn what_is_made_to_look_like_many_records_takes_no_time() {
        let mut bytes = Vec::new();
        while bytes.len() < 1 << 20 {
            bytes.extend_from_slice(&[0, 0, 8, 0, 9, 9, 9, 9, 1]);
        }
        push_end(&mut bytes);
        assert_eq!(whole_events(&bytes), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_through(bytes: Vec<u8>) {
            let _ = whole_events(&bytes);
        }
    }
}
