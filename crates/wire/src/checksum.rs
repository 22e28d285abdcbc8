//! CRC-32 as gzip has it (RFC 1952 §8), for whatever is kept and must be known to be whole. It knows no file.

use flate2::Crc;

/// The checksum of `parts`, one behind the other. It finds every change within 32 bits that follow each other.
#[must_use]
pub fn crc32(parts: &[&[u8]]) -> u32 {
    let mut crc = Crc::new();
    parts.iter().for_each(|part| crc.update(part));
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_one_that_everybody_has() {
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(crc32(&[b"1234", b"56789"]), 0xcbf4_3926);
    }
}
