//! gzip (RFC 1952) as an answer's `Content-Encoding`: a member whose pieces are compressed once for all who
//! receive them ([`crate::deflate`]), and the decoder of a body that arrives in pieces of any size.

use std::cell::RefCell;
use std::fmt;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::deflate::stored_lengths;

/// The head of a member (§2.3): DEFLATE, no name, no time, written by an unknown system.
pub const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// What ends a member: an empty last block, the checksum and the length of all that it holds.
const END_BYTES: usize = 10;

/// A member that is written: what its end has to say about what it holds.
#[derive(Debug, Default)]
pub struct Member(Crc);

impl Member {
    /// Counts `content`, as it is before it is compressed.
    pub fn add(&mut self, content: &[u8]) {
        self.0.update(content);
    }

    /// What comes behind the last piece, which has its [`TAIL`](crate::deflate::TAIL).
    #[must_use]
    pub fn end(&self) -> [u8; END_BYTES] {
        let mut end = [0; END_BYTES];
        // A last block with fixed codes and nothing but its end (RFC 1951 §3.2.6).
        end[0] = 3;
        end[2..6].copy_from_slice(&self.0.sum().to_le_bytes());
        end[6..].copy_from_slice(&self.0.amount().to_le_bytes());
        end
    }
}

/// Appends `content` as it is, behind a piece without its [`TAIL`](crate::deflate::TAIL). What comes next is a
/// piece or an end.
///
/// # Panics
/// When it has 64 KiB or more, which no stored block holds.
pub(crate) fn push_stored(content: &[u8], out: &mut Vec<u8>) {
    let len = u16::try_from(content.len()).expect("a stored block has less than 64 KiB");
    out.extend_from_slice(&stored_lengths(len));
    out.extend_from_slice(content);
}

/// A head may have as much: a name and comments, which nobody needs.
const MAX_HEAD_BYTES: usize = 4 << 10;

/// What is inflated at once.
const SCRATCH_BYTES: usize = 16 << 10;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into());
}

/// Decodes a body in pieces of any size. It holds 43 kB; what it gives is never kept, and so has no limit here.
pub struct Decoder {
    state: State,
    inflater: Decompress,
    crc: Crc,
    /// The beginning of a head or of an end whose rest has not arrived.
    partial: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first member.
    Start,
    Head,
    Content,
    End,
    /// Behind a member; another one may follow (§2.2).
    Complete,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("state", &self.state).finish_non_exhaustive()
    }
}

/// The body cannot be read as gzip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It does not begin as gzip does.
    #[error("it does not begin as gzip does")]
    BadHead,
    /// What is in it is not DEFLATE.
    #[error("what is in it is not DEFLATE")]
    Broken,
    /// The checksum or the length is not that of the content.
    #[error("its checksum or its length is wrong")]
    BadEnd,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            state: State::Start,
            inflater: Decompress::new(false),
            crc: Crc::new(),
            partial: Vec::new(),
        }
    }
}

impl Decoder {
    /// Begins another body.
    pub fn reset(&mut self) {
        self.state = State::Start;
        self.partial.clear();
    }

    /// Whether the body may end here.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Decodes the next piece of the body and passes its content to `on_content`, in parts of any size. All that
    /// was flushed is passed on at once.
    ///
    /// # Errors
    /// What [`DecodeError`] becomes, or the error of `on_content`; the body cannot be read any further then.
    pub fn feed<E: From<DecodeError>>(
        &mut self,
        piece: &[u8],
        mut on_content: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut rest = piece;
            while !rest.is_empty() {
                rest = match self.state {
                    State::Start | State::Complete => {
                        self.state = State::Head;
                        rest
                    }
                    State::Head => self.read_head(rest)?,
                    State::Content => self.read_content(rest, scratch, &mut on_content)?,
                    State::End => self.read_end(rest)?,
                };
            }
            Ok(())
        })
    }

    fn read_head<'p>(&mut self, piece: &'p [u8]) -> Result<&'p [u8], DecodeError> {
        let before = self.partial.len();
        self.partial.extend_from_slice(&piece[..piece.len().min(MAX_HEAD_BYTES)]);
        let Some(len) = head_len(&self.partial)? else {
            return if self.partial.len() >= MAX_HEAD_BYTES {
                Err(DecodeError::BadHead)
            } else {
                Ok(&[])
            };
        };
        self.partial.clear();
        self.inflater.reset(false);
        self.crc.reset();
        self.state = State::Content;
        Ok(&piece[len - before..])
    }

    fn read_content<'p, E: From<DecodeError>>(
        &mut self,
        mut piece: &'p [u8],
        scratch: &mut [u8],
        on_content: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<&'p [u8], E> {
        loop {
            let (taken, given) = (self.inflater.total_in(), self.inflater.total_out());
            let status = self
                .inflater
                .decompress(piece, scratch, FlushDecompress::None)
                .map_err(|_| DecodeError::Broken)?;
            let count = |now: u64, before: u64| usize::try_from(now - before).unwrap_or_default();
            let taken = count(self.inflater.total_in(), taken);
            let content = &scratch[..count(self.inflater.total_out(), given)];
            piece = &piece[taken..];
            if !content.is_empty() {
                self.crc.update(content);
                on_content(content)?;
            }
            if status == Status::StreamEnd {
                self.state = State::End;
                return Ok(piece);
            }
            // With more room, there may be more.
            if content.len() < scratch.len() {
                if piece.is_empty() {
                    return Ok(piece);
                }
                if taken == 0 && content.is_empty() {
                    return Err(DecodeError::Broken.into());
                }
            }
        }
    }

    fn read_end<'p>(&mut self, piece: &'p [u8]) -> Result<&'p [u8], DecodeError> {
        const BYTES: usize = 8;
        let (some, rest) = piece.split_at(piece.len().min(BYTES - self.partial.len()));
        self.partial.extend_from_slice(some);
        if self.partial.len() == BYTES {
            let sums = [self.crc.sum(), self.crc.amount()].map(u32::to_le_bytes).concat();
            if self.partial != sums {
                return Err(DecodeError::BadEnd);
            }
            self.partial.clear();
            self.state = State::Complete;
        }
        Ok(rest)
    }
}

/// How long the head at the beginning of `bytes` is, if all of it is there (§2.3).
fn head_len(bytes: &[u8]) -> Result<Option<usize>, DecodeError> {
    const CHECKSUM: u8 = 1 << 1;
    const EXTRA: u8 = 1 << 2;
    const NAME: u8 = 1 << 3;
    const COMMENT: u8 = 1 << 4;
    const RESERVED: u8 = 0b1110_0000;
    let known = bytes.len().min(3);
    if bytes[..known] != HEAD[..known] || bytes.get(3).is_some_and(|flags| flags & RESERVED != 0) {
        return Err(DecodeError::BadHead);
    }
    let Some(&flags) = bytes.get(3) else { return Ok(None) };
    let mut len = HEAD.len();
    if flags & EXTRA != 0 {
        let Some(&[low, high]) = bytes.get(len..len + 2) else { return Ok(None) };
        len += 2 + usize::from(u16::from_le_bytes([low, high]));
    }
    for flag in [NAME, COMMENT] {
        if flags & flag != 0 {
            let text = bytes.get(len..).unwrap_or_default();
            let Some(end) = memchr::memchr(0, text) else { return Ok(None) };
            len += end + 1;
        }
    }
    if flags & CHECKSUM != 0 {
        len += 2;
    }
    Ok((len <= bytes.len()).then_some(len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deflate::{TAIL, deflate};
    use proptest::prelude::*;

    /// What a body in these pieces holds, and whether it is complete.
    fn decode(pieces: &[&[u8]]) -> Result<(Vec<u8>, bool), DecodeError> {
        let mut decoder = Decoder::default();
        // It has read another body before.
        let _ = decoder.feed::<DecodeError>(&member(&[b"other"])[..20], |_| Ok(()));
        decoder.reset();
        let mut content = Vec::new();
        for piece in pieces {
            decoder.feed(piece, |part| {
                content.extend_from_slice(part);
                Ok::<_, DecodeError>(())
            })?;
        }
        Ok((content, decoder.is_complete()))
    }

    fn member(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut member, mut out) = (Member::default(), HEAD.to_vec());
        for piece in pieces {
            member.add(piece);
            deflate(piece, &mut out);
            out.extend(TAIL);
        }
        out.extend(member.end());
        out
    }

    fn any_pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let large = (any::<u8>(), 0..40_000_usize).prop_map(|(byte, count)| vec![byte; count]);
        let piece = prop_oneof![proptest::collection::vec(any::<u8>(), 0..400), large];
        proptest::collection::vec(piece, 0..4)
    }

    proptest! {
        #[test]
        fn every_body_reads_back_however_it_is_cut(
            pieces in any_pieces(),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let all: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            // Two members, which count as one body.
            let body = [member(&all), member(&[b"more"])].concat();
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
            cuts.extend([0, body.len()]);
            cuts.sort_unstable();
            let cut: Vec<_> = cuts.windows(2).map(|cut| &body[cut[0]..cut[1]]).collect();
            let content = [pieces.concat(), b"more".to_vec()].concat();
            prop_assert_eq!(decode(&cut), Ok((content, true)));
        }

        #[test]
        fn another_implementation_reads_a_member(pieces in any_pieces()) {
            let all: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let mut read = Vec::new();
            let member = member(&all);
            let mut decoder = flate2::read::GzDecoder::new(&member[..]);
            std::io::Read::read_to_end(&mut decoder, &mut read).unwrap();
            prop_assert_eq!(read, pieces.concat());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, begins_well: bool) {
            let body = if begins_well { [&HEAD[..], &bytes].concat() } else { bytes };
            let _ = decode(&[&body]);
        }

        #[test]
        fn no_bit_of_the_content_changes_unnoticed(at in 10_usize..100, bit in 0..8) {
            let pieces: [&[u8]; 2] = [b"The quick brown fox jumps over the lazy dog, ", b"and over the fox."];
            let mut body = member(&pieces);
            let at = at.min(body.len() - 1);
            body[at] ^= 1_u8 << bit;
            // Bits before a stored block mean nothing.
            if let Ok((content, true)) = decode(&[&body]) {
                prop_assert_eq!(content, pieces.concat());
            }
        }
    }

    #[test]
    fn what_is_flushed_is_there_before_the_end() {
        let body = member(&[b"one", b"two"]);
        let mut decoder = Decoder::default();
        let mut content = Vec::new();
        let mut lengths = Vec::new();
        for byte in body.chunks(1) {
            let taken = decoder.feed(byte, |part| {
                content.extend_from_slice(part);
                Ok::<_, DecodeError>(())
            });
            taken.unwrap();
            lengths.push(content.len());
        }
        let first = HEAD.len() + {
            let mut one = Vec::new();
            deflate(b"one", &mut one);
            one.len()
        };
        assert_eq!(lengths[first + TAIL.len() - 1], 3, "{lengths:?}");
    }

    #[test]
    fn heads_with_all_that_may_be_in_them() {
        let content = member(&[b"x"]).split_off(HEAD.len());
        let mut head = HEAD;
        head[3] = 0b1_1111;
        let body =
            [&head[..], b"\x03\0abc", b"name\0", b"what it is\0", b"\x12\x34", &content].concat();
        let bytes: Vec<_> = body.chunks(1).collect();
        assert_eq!(decode(&bytes), Ok((b"x".to_vec(), true)));
        assert_eq!(decode(&[&body]), Ok((b"x".to_vec(), true)));
        for (bad, why) in [
            (&b"PK\x03\x04"[..], "another format"),
            (&[0x1f, 0x8b, 8, 0b10_0000], "a flag that is reserved"),
            (&[0x1f, 0x8b, 7], "another method"),
            (
                &[&[0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0][..], &[b'n'; 5_000]].concat(),
                "an endless name",
            ),
        ] {
            assert_eq!(decode(&[bad]), Err(DecodeError::BadHead), "{why}");
        }
    }

    #[test]
    fn what_is_cut_off_is_not_complete() {
        let body = member(&[b"all of it"]);
        for end in 0..body.len() {
            let (_, is_complete) = decode(&[&body[..end]]).unwrap();
            assert!(!is_complete, "{end}");
        }
        let mut wrong = body.clone();
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(decode(&[&wrong]), Err(DecodeError::BadEnd));
        wrong = [&HEAD[..], &[7, 7, 7]].concat();
        assert_eq!(decode(&[&wrong]), Err(DecodeError::Broken));
    }
}
