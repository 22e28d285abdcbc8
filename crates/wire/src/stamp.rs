//! The stamp at the start of a benchmark payload: who published the event, its sequence number, and
//! its intended and actual publish times. It is text, so that every framing carries it unchanged.

/// The length of an encoded stamp in bytes, and so of the smallest payload that can be measured.
pub const STAMP_LEN: usize = MAGIC.len() + 4 + 8 + 16 + 16;

const MAGIC: &[u8; 2] = b"pb";

/// What the stamp of a payload says. Times are nanoseconds of [`crate::clock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The publisher that sent the event, numbered within the trial.
    pub publisher: u16,
    /// Counts from 0 for each publisher and channel, without gaps.
    pub sequence: u32,
    /// The publish time in the schedule. Delivery latency counts from here.
    pub intended_ns: u64,
    /// The actual publish time. *Uncorrected* latency counts from here.
    pub published_ns: u64,
}

impl Stamp {
    /// Overwrites the first [`STAMP_LEN`] bytes of `payload`.
    ///
    /// # Panics
    /// When `payload` is shorter than [`STAMP_LEN`].
    pub fn write_to(&self, payload: &mut [u8]) {
        let (magic, rest) = payload[..STAMP_LEN].split_at_mut(MAGIC.len());
        magic.copy_from_slice(MAGIC);
        let (publisher, rest) = rest.split_at_mut(4);
        write_hex(publisher, u64::from(self.publisher));
        let (sequence, rest) = rest.split_at_mut(8);
        write_hex(sequence, u64::from(self.sequence));
        let (intended, published) = rest.split_at_mut(16);
        write_hex(intended, self.intended_ns);
        write_hex(published, self.published_ns);
    }

    /// Reads the stamp at the start of `payload`. Returns `None` if there is none.
    #[must_use]
    pub fn read_from(payload: &[u8]) -> Option<Self> {
        let digits = payload.get(..STAMP_LEN)?.strip_prefix(MAGIC)?;
        Some(Self {
            publisher: u16::try_from(read_hex(&digits[..4])?).ok()?,
            sequence: u32::try_from(read_hex(&digits[4..12])?).ok()?,
            intended_ns: read_hex(&digits[12..28])?,
            published_ns: read_hex(&digits[28..])?,
        })
    }
}

fn write_hex(digits: &mut [u8], mut value: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 0xf) as usize];
        value >>= 4;
    }
}

fn read_hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, &digit| {
        let nibble = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(nibble))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_stamp_reads_back(
            publisher: u16, sequence: u32, intended_ns: u64, published_ns: u64, padding in 0_usize..64,
        ) {
            let stamp = Stamp { publisher, sequence, intended_ns, published_ns };
            let mut payload = vec![b'.'; STAMP_LEN + padding];
            stamp.write_to(&mut payload);
            prop_assert!(payload.is_ascii());
            prop_assert_eq!(Stamp::read_from(&payload), Some(stamp));
        }

        #[test]
        fn any_bytes_are_read_without_panic(payload: Vec<u8>) {
            if let Some(stamp) = Stamp::read_from(&payload) {
                let mut again = payload.clone();
                stamp.write_to(&mut again);
                prop_assert_eq!(again, payload);
            }
        }

        #[test]
        fn one_broken_digit_is_noticed(at in 0..STAMP_LEN) {
            let mut payload = vec![0; STAMP_LEN];
            Stamp { publisher: 1, sequence: 2, intended_ns: 3, published_ns: 4 }.write_to(&mut payload);
            payload[at] = b'G';
            prop_assert_eq!(Stamp::read_from(&payload), None);
        }
    }
}
