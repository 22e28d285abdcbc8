//! DEFLATE (RFC 1951) of one piece at a time: a piece refers to nothing before it and ends at a byte, so that
//! it is compressed once and stands in the streams of all who receive it.
//!
//! A message of `permessage-deflate` without context takeover (RFC 7692 §7.2.1) is such a piece, and pieces
//! with [`TAIL`] behind each are a DEFLATE stream that goes on.
//!
//! Both directions use a state of the calling thread, about 0.3 MB where both are used: a new one for each
//! piece would cost more than most pieces do.

use std::cell::RefCell;

use flate2::{Compress, Compression, FlushCompress};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// What comes behind a piece in a stream: the lengths of an empty stored block (RFC 1951 §3.2.4), whose head
/// is the end of the piece.
pub const TAIL: [u8; 4] = stored_lengths(0);

/// zlib's default, and that of most servers.
const LEVEL: Compression = Compression::new(6);

/// What has to come behind a piece that is whole: the empty block, and an empty one that is the last.
const END: [u8; 9] = [0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];

thread_local! {
    static DEFLATER: RefCell<Compress> = RefCell::new(Compress::new(LEVEL, false));
    static INFLATER: RefCell<DecompressorOxide> = RefCell::default();
}

/// Why a piece cannot be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// It is not DEFLATE, or its end is missing.
    #[error("it is not DEFLATE, or a part of it is missing")]
    Broken,
    /// It becomes larger than it may.
    #[error("it has more than {limit} bytes when it is inflated")]
    TooLarge {
        /// How large it may become.
        limit: usize,
    },
}

/// Appends `piece` to `out`, compressed, without [`TAIL`].
pub fn deflate(piece: &[u8], out: &mut Vec<u8>) {
    DEFLATER.with_borrow_mut(|deflater| {
        deflater.reset();
        let mut rest = piece;
        loop {
            // Enough for what does not become smaller: with less, the output comes in parts.
            out.reserve(rest.len() + rest.len() / 8 + 64);
            let before = deflater.total_in();
            // It cannot fail, as the level is a valid one and the stream never ends.
            let _ = deflater.compress_vec(rest, out, FlushCompress::Sync);
            rest = &rest[usize::try_from(deflater.total_in() - before).unwrap_or(rest.len())..];
            if out.len() < out.capacity() {
                break;
            }
        }
    });
    debug_assert!(out.ends_with(&TAIL), "what is flushed ends with an empty block");
    out.truncate(out.len() - TAIL.len());
}

/// Appends `piece` to a stream, compressed and flushed: with [`TAIL`].
pub fn push_flushed(piece: &[u8], out: &mut Vec<u8>) {
    deflate(piece, out);
    out.extend_from_slice(&TAIL);
}

/// Puts what `piece` was, which came without [`TAIL`], in the place of what `out` holds; at most `limit` bytes.
/// It holds no more than that meanwhile, whatever the piece is.
///
/// # Errors
/// [`InflateError`], and `out` holds anything then.
pub fn inflate(piece: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), InflateError> {
    // The window is `out` itself, so a piece that refers to what was before it is refused.
    const FLAGS: u32 = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF | TINFL_FLAG_HAS_MORE_INPUT;
    out.clear();
    // One more than may be shows that it is too much.
    out.resize(piece.len().saturating_mul(4).min(limit) + 1, 0);
    INFLATER.with_borrow_mut(|inflater| {
        inflater.init();
        let (mut rest, mut is_at_end) = (piece, false);
        let mut filled = 0;
        loop {
            if rest.is_empty() && !is_at_end {
                (rest, is_at_end) = (&END, true);
            }
            let (status, used, given) = decompress(inflater, rest, out, filled, FLAGS);
            rest = &rest[used..];
            filled += given;
            if filled > limit {
                return Err(InflateError::TooLarge { limit });
            }
            match status {
                TINFLStatus::Done if is_at_end && rest.is_empty() => {
                    out.truncate(filled);
                    return Ok(());
                }
                // The last block of a stream may stand within a piece (RFC 7692 §7.2.3.4).
                TINFLStatus::Done => inflater.init(),
                TINFLStatus::NeedsMoreInput if !is_at_end => {}
                TINFLStatus::HasMoreOutput => out.resize((out.len() * 2).min(limit + 1), 0),
                _ => return Err(InflateError::Broken),
            }
        }
    })
}

/// The lengths of a stored block with so many bytes (RFC 1951 §3.2.4).
pub(crate) const fn stored_lengths(bytes: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (bytes.to_le_bytes(), (!bytes).to_le_bytes());
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Decompress, FlushDecompress};
    use proptest::prelude::*;

    fn deflated(piece: &[u8]) -> Vec<u8> {
        let mut out = b"before".to_vec();
        deflate(piece, &mut out);
        out.split_off(6)
    }

    fn inflated(piece: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
        let mut out = b"from before".to_vec();
        inflate(piece, limit, &mut out).map(|()| out)
    }

    /// Anything between noise and what is very regular.
    fn any_piece() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..300),
            (any::<u8>(), 0..5_000_usize).prop_map(|(byte, count)| vec![byte; count]),
            Just(br#"{"symbol":"ABC","price":12.5},"#.repeat(20)),
        ];
        proptest::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn every_piece_reads_back_and_no_limit_below_is_enough(piece in any_piece()) {
            let small = deflated(&piece);
            prop_assert_eq!(inflated(&small, piece.len()), Ok(piece.clone()));
            if let Some(limit) = piece.len().checked_sub(1) {
                prop_assert_eq!(inflated(&small, limit), Err(InflateError::TooLarge { limit }));
            }
        }

        #[test]
        fn pieces_stand_in_one_stream(pieces in proptest::collection::vec(any_piece(), 0..4)) {
            let mut stream = Vec::new();
            for piece in &pieces {
                stream.extend(deflated(piece));
                stream.extend(TAIL);
            }
            let mut whole = Vec::with_capacity(pieces.concat().len() + 1);
            Decompress::new(false)
                .decompress_vec(&stream, &mut whole, FlushDecompress::Sync)
                .unwrap();
            prop_assert_eq!(whole, pieces.concat());
        }

        #[test]
        fn any_bytes_are_read_without_panic_and_within_the_limit(
            piece in proptest::collection::vec(any::<u8>(), 0..200),
            limit in 0..2_000_usize,
        ) {
            if let Ok(out) = inflated(&piece, limit) {
                prop_assert!(out.len() <= limit);
            }
        }

        #[test]
        fn what_is_damaged_is_an_error_or_something_else(piece in any_piece(), at: prop::sample::Index, bit in 0..8) {
            let mut small = deflated(&piece);
            if !small.is_empty() {
                let at = at.index(small.len());
                small[at] ^= 1_u8 << bit;
                if let Ok(other) = inflated(&small, 100_000) {
                    prop_assert!(other.len() <= 100_000);
                }
            }
        }
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        let piece = br#"{"symbol":"ABC","price":12.5}"#.repeat(9);
        let small = deflated(&piece);
        for end in 0..small.len() {
            assert_eq!(inflated(&small[..end], 1_000), Err(InflateError::Broken), "{end}");
        }
    }

    // RFC 7692 §7.2.3: the examples.
    #[test]
    fn the_standards_examples() {
        for piece in [
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
        ] {
            assert_eq!(inflated(piece, 5).unwrap(), b"Hello", "{piece:x?}");
        }
        assert_eq!(inflated(&[0x00], 5).unwrap(), b"", "an empty one");
        let refers_to_the_one_before = [0xf2, 0x00, 0x11, 0x00, 0x00];
        assert_eq!(inflated(&refers_to_the_one_before, 5), Err(InflateError::Broken));
    }

    #[test]
    fn a_bomb_holds_no_more_than_the_limit() {
        let bomb = deflated(&vec![0; 50 << 20]);
        assert!(bomb.len() < 100_000);
        let mut out = Vec::new();
        let limit = 64 << 10;
        assert_eq!(inflate(&bomb, limit, &mut out), Err(InflateError::TooLarge { limit }));
        assert!(out.capacity() <= 2 * limit, "{} bytes", out.capacity());
    }
}
