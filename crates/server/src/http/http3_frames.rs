//! Where a stream of HTTP/3 is in its frames (RFC 9114 §7). It knows neither QUIC nor requests.
//!
//! h3 0.0.8 gathers what comes on a stream until it has a whole frame, without a limit, takes an empty DATA frame
//! for the end of a body, and ends a connection for a stream of WebTransport that a client opens. So it gets
//! each stream in pieces of which it keeps none: a frame's head by itself, and then what is in it. Too
//! long frames are refused, and those that mean nothing are left out.

use bytes::{Buf as _, Bytes};
use h3::error::Code;

const DATA: u64 = 0x00;
/// What a stream of WebTransport begins with that goes in both directions (draft-ietf-webtrans-http3-02 §4.2).
const WEBTRANSPORT: u64 = 0x41;
/// What one begins with that goes in one direction (§4.1).
const WEBTRANSPORT_ONE_WAY: u64 = 0x54;
/// What the stream of a connection's settings begins with (RFC 9114 §6.2.1).
const CONTROL: u64 = 0x00;

/// Says that a stream of WebTransport was not wanted (draft-ietf-webtrans-http3-02 §8.5).
pub(super) const STREAM_REJECTED: u64 = 0x3994_bd84;

/// The head of a frame has two variable-length integers.
const MAX_HEAD_BYTES: usize = 16;

/// Where one stream is.
#[derive(Debug)]
pub(super) struct Frames {
    place: Place,
    /// What is known of the head that comes.
    head: [u8; MAX_HEAD_BYTES],
    known: usize,
    /// Whether a frame has been handed on.
    has_begun: bool,
    /// How long a frame may be that is no data.
    max_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In what says which kind of stream this is.
    Kind,
    /// In the head of a frame.
    Head,
    /// In a frame that is handed on, with so much to come.
    Payload(u64),
    /// In one that is left out, likewise.
    LeftOut(u64),
    /// In something that has no frames.
    Bytes,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The head of a frame that is gathered, and how long it is.
    Gathered(Bytes, usize),
    /// Anything else.
    Plain(Bytes),
}

impl Frames {
    /// Those of a request. One that is no data has `max_bytes` at most.
    pub(super) fn of_request(max_bytes: usize) -> Self {
        let (head, max_bytes) = ([0; MAX_HEAD_BYTES], max_bytes as u64);
        Self { place: Place::Head, head, known: 0, has_begun: false, max_bytes }
    }

    /// Those of a stream in one direction, if it is one that has frames.
    pub(super) fn of_one_way(max_bytes: usize) -> Self {
        Self { place: Place::Kind, ..Self::of_request(max_bytes) }
    }

    /// Whether the stream may end here.
    pub(super) fn may_end(&self) -> bool {
        matches!(self.place, Place::Kind | Place::Bytes)
            || (self.place == Place::Head && self.known == 0)
    }

    /// Whether nothing has been handed on that is not over.
    pub(super) fn is_between(&self) -> bool {
        !matches!(self.place, Place::Payload(_))
    }

    /// The next piece of what has come; none if there is too little.
    ///
    /// # Errors
    /// Why the stream is refused.
    pub(super) fn next(&mut self, come: &mut Bytes) -> Result<Option<Piece>, u64> {
        while !come.is_empty() {
            match self.place {
                Place::Bytes => return Ok(Some(Piece::Plain(std::mem::take(come)))),
                Place::Payload(left) => {
                    let piece = take(come, left);
                    self.place = rest(left, piece.len(), Place::Payload);
                    return Ok(Some(Piece::Plain(piece)));
                }
                Place::LeftOut(left) => {
                    let piece = take(come, left);
                    self.place = rest(left, piece.len(), Place::LeftOut);
                }
                Place::Kind | Place::Head => {
                    self.head[self.known] = come.get_u8();
                    self.known += 1;
                    let piece = match self.place {
                        Place::Kind => self.kind()?,
                        _ => self.frame()?,
                    };
                    if piece.is_some() {
                        return Ok(piece);
                    }
                }
            }
        }
        Ok(None)
    }

    /// What is known of the head, which begins anew.
    fn take_head(&mut self) -> Bytes {
        let head = Bytes::copy_from_slice(&self.head[..self.known]);
        self.known = 0;
        head
    }

    /// The kind of the stream, if it is known.
    fn kind(&mut self) -> Result<Option<Piece>, u64> {
        let Some((kind, _)) = varint(&self.head[..self.known]) else { return Ok(None) };
        if kind == WEBTRANSPORT_ONE_WAY {
            return Err(STREAM_REJECTED);
        }
        self.place = if kind == CONTROL { Place::Head } else { Place::Bytes };
        Ok(Some(Piece::Plain(self.take_head())))
    }

    /// The head of a frame, if it is whole and handed on.
    fn frame(&mut self) -> Result<Option<Piece>, u64> {
        let known = &self.head[..self.known];
        let Some((kind, behind)) = varint(known) else { return Ok(None) };
        if kind == WEBTRANSPORT && !self.has_begun {
            return Err(STREAM_REJECTED);
        }
        let Some((len, _)) = varint(behind) else { return Ok(None) };
        let is_known = matches!(kind, 0x00..=0x09 | 0x0d | WEBTRANSPORT);
        if !is_known || (kind == DATA && len == 0 && self.has_begun) {
            self.known = 0;
            self.place = rest(len, 0, Place::LeftOut);
            return Ok(None);
        }
        if kind != DATA && len > self.max_bytes {
            return Err(Code::H3_EXCESSIVE_LOAD.value());
        }
        self.has_begun = true;
        self.place = rest(len, 0, Place::Payload);
        let head = self.take_head();
        Ok(Some(match usize::try_from(len) {
            Ok(len) if kind != DATA => Piece::Gathered(head, len),
            _ => Piece::Plain(head),
        }))
    }
}

/// At most `left` of what has come.
fn take(come: &mut Bytes, left: u64) -> Bytes {
    let len = usize::try_from(left).unwrap_or(usize::MAX).min(come.len());
    come.split_to(len)
}

/// Where a stream is when of `left` bytes `len` have come.
fn rest(left: u64, len: usize, inside: impl FnOnce(u64) -> Place) -> Place {
    match left - len as u64 {
        0 => Place::Head,
        left => inside(left),
    }
}

/// A variable-length integer (RFC 9000 §16) and what is behind it, if it is whole.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let len = 1 << (bytes.first()? >> 6);
    let (integer, behind) = bytes.split_at_checked(len)?;
    let first = u64::from(integer[0] & 0x3f);
    let value = integer[1..].iter().fold(first, |value, byte| value << 8 | u64::from(*byte));
    Some((value, behind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADERS: u8 = 1;

    /// What is handed on of `stream`, which comes in pieces of `size` bytes.
    fn handed_on(mut frames: Frames, stream: &[u8], size: usize) -> Result<Vec<Vec<u8>>, u64> {
        let mut pieces = Vec::new();
        for come in stream.chunks(size) {
            let mut come = Bytes::copy_from_slice(come);
            while let Some(piece) = frames.next(&mut come)? {
                let (Piece::Gathered(piece, _) | Piece::Plain(piece)) = piece;
                pieces.push(piece.to_vec());
            }
            assert!(come.is_empty());
        }
        Ok(pieces)
    }

    fn of_request(stream: &[u8]) -> Result<Vec<Vec<u8>>, u64> {
        handed_on(Frames::of_request(100), stream, usize::MAX)
    }

    #[test]
    fn each_head_and_each_payload_is_a_piece() {
        let stream = [&[HEADERS, 2][..], b"ab", &[0, 1], b"c", &[0, 1], b"d"].concat();
        let pieces = of_request(&stream).unwrap();
        assert_eq!(pieces, [&[HEADERS, 2][..], b"ab", &[0, 1], b"c", &[0, 1], b"d"]);
    }

    #[test]
    fn what_means_nothing_is_left_out() {
        // An empty DATA frame, and one of a reserved kind (RFC 9114 §7.2.8) that is larger than others may be.
        let large = [&[0x21, 0x40, 200][..], &[0; 200]].concat();
        let stream = [&large[..], &[HEADERS, 1, b'a', 0, 0], &large, &[0, 1, b'b', 0, 0]].concat();
        let pieces = of_request(&stream).unwrap();
        assert_eq!(pieces, [&[HEADERS, 1][..], b"a", &[0, 1], b"b"]);
        assert_eq!(of_request(&[0, 0]).unwrap(), [[0, 0]], "data before any head is an error");
    }

    #[test]
    fn what_is_too_long_is_refused_before_it_comes() {
        for kind in [HEADERS, 4, 7] {
            assert_eq!(of_request(&[kind, 0x40, 101]), Err(Code::H3_EXCESSIVE_LOAD.value()));
            assert_eq!(of_request(&[kind, 0x40, 100]).unwrap(), [[kind, 0x40, 100]]);
        }
        // Data may be of any length: whoever reads them has a limit.
        let data = [&[HEADERS, 0][..], &[0, 0xc0, 0, 0, 1, 0, 0, 0, 0]].concat();
        assert_eq!(of_request(&data).unwrap()[1], data[2..]);
    }

    #[test]
    fn streams_of_webtransport_are_refused() {
        assert_eq!(of_request(&[0x40, 0x41]), Err(STREAM_REJECTED));
        let one_way = |stream: &[u8]| handed_on(Frames::of_one_way(100), stream, usize::MAX);
        assert_eq!(one_way(&[0x40, 0x54]), Err(STREAM_REJECTED));
        assert_eq!(one_way(&[0, 4, 1, b's']).unwrap(), [&[0][..], &[4, 1], b"s"]);
        assert_eq!(one_way(b"\x02any bytes").unwrap(), [&b"\x02"[..], b"any bytes"]);
        assert_eq!(one_way(&[0, 4, 0x40, 101]), Err(Code::H3_EXCESSIVE_LOAD.value()));
    }

    #[test]
    fn a_stream_may_end_between_frames() {
        let ends = |stream: &[u8]| {
            let mut frames = Frames::of_request(100);
            let mut come = Bytes::copy_from_slice(stream);
            while frames.next(&mut come).unwrap().is_some() {}
            frames.may_end()
        };
        assert!(ends(&[]) && ends(&[HEADERS, 1, b'a']) && ends(&[0x21, 1, b'x']));
        assert!(!ends(&[HEADERS]) && !ends(&[HEADERS, 1]) && !ends(&[0x21, 2, b'x']));
    }

    proptest! {
        #[test]
        fn it_is_the_same_however_it_comes(
            frames in proptest::collection::vec((0..3_u8, 0..90_usize), 1..9),
            size in 1..20_usize,
        ) {
            let mut stream = vec![HEADERS, 0];
            for (kind, len) in frames {
                let kind = [0, HEADERS, 0x21][usize::from(kind)];
                stream.extend([&[kind, 0x40, len as u8][..], &vec![b'x'; len]].concat());
            }
            let whole = of_request(&stream).unwrap().concat();
            let pieces = handed_on(Frames::of_request(100), &stream, size).unwrap();
            prop_assert_eq!(pieces.concat(), whole);
        }

        #[test]
        fn any_stream_is_read_without_panic(stream: Vec<u8>, size in 1..20_usize) {
            let _ = handed_on(Frames::of_request(100), &stream, size);
            let _ = handed_on(Frames::of_one_way(100), &stream, size);
        }
    }
}
