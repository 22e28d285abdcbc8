//! Messages of a stream that comes in pieces, or of a frame. It must not know what they mean.

use crate::client::{ClientError, MAX_EVENT_BYTES};
use crate::scenario::Split;

const RECORD_SEPARATOR: u8 = 0x1E;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Cuts what comes into messages. Its memory is limited, whatever the server sends.
#[derive(Debug)]
pub(super) struct Messages {
    split: Split,
    /// The beginning of a message or line whose end has not come yet.
    partial: Vec<u8>,
    sse: Sse,
}

/// The buffers of WHATWG HTML §9.2.6.
#[derive(Debug, Default)]
struct Sse {
    /// Whether the last byte was a CR, so that an LF right behind it does not end another line.
    after_cr: bool,
    data: Vec<u8>,
    has_data: bool,
    /// Whether a line has ended: only the first may begin with a byte order mark.
    has_begun: bool,
    /// That of the last event that is complete, and what it will be behind the next one.
    last_event_id: String,
    next_event_id: String,
    retry_ms: Option<u64>,
}

impl Messages {
    pub(super) fn new(split: Split) -> Self {
        Self { split, partial: Vec::new(), sse: Sse::default() }
    }

    /// The id of the last event that had one; empty if none had, or without SSE.
    pub(super) fn last_event_id(&self) -> &str {
        &self.sse.last_event_id
    }

    /// How long the server last asked to wait before one comes back, in milliseconds.
    pub(super) fn retry_ms(&self) -> Option<u64> {
        self.sse.retry_ms
    }

    /// Gives `take` every message that `piece` completes.
    ///
    /// # Errors
    /// When one is larger than any client accepts.
    pub(super) fn feed(
        &mut self,
        piece: &[u8],
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), ClientError> {
        match self.split {
            Split::None => take(piece),
            Split::Lines => self.feed_until(b'\n', piece, |line| {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                if !line.is_empty() {
                    take(line);
                }
            })?,
            Split::RecordSeparator => self.feed_until(RECORD_SEPARATOR, piece, take)?,
            Split::Sse => self.feed_sse(piece, take)?,
        }
        Ok(())
    }

    /// Gives `take` every message of all of a frame or body: what has no end, ends with it.
    ///
    /// # Errors
    /// When one is larger than any client accepts.
    pub(super) fn of_whole(
        &mut self,
        whole: &[u8],
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), ClientError> {
        self.feed(whole, &mut take)?;
        if !self.partial.is_empty() {
            match self.split {
                // An event that is not complete is none (§9.2.6).
                Split::None | Split::Sse => {}
                Split::Lines | Split::RecordSeparator => take(&self.partial),
            }
            self.partial.clear();
        }
        Ok(())
    }

    fn feed_until(
        &mut self,
        end: u8,
        mut piece: &[u8],
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), ClientError> {
        while let Some(at) = memchr::memchr(end, piece) {
            if self.partial.is_empty() {
                take(&piece[..at]);
            } else {
                self.keep(&piece[..at])?;
                take(&self.partial);
                self.partial.clear();
            }
            piece = &piece[at + 1..];
        }
        self.keep(piece)
    }

    fn feed_sse(
        &mut self,
        mut piece: &[u8],
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), ClientError> {
        while let Some(&first) = piece.first() {
            if std::mem::take(&mut self.sse.after_cr) && first == b'\n' {
                piece = &piece[1..];
                continue;
            }
            let Some(at) = memchr::memchr2(b'\r', b'\n', piece) else {
                return self.keep(piece);
            };
            if self.partial.is_empty() {
                self.sse.line(&piece[..at], &mut take)?;
            } else {
                self.keep(&piece[..at])?;
                self.sse.line(&self.partial, &mut take)?;
                self.partial.clear();
            }
            self.sse.after_cr = piece[at] == b'\r';
            piece = &piece[at + 1..];
        }
        Ok(())
    }

    fn keep(&mut self, piece: &[u8]) -> Result<(), ClientError> {
        if self.partial.len() + piece.len() > MAX_EVENT_BYTES {
            return Err(too_large());
        }
        self.partial.extend_from_slice(piece);
        Ok(())
    }
}

impl Sse {
    fn line(&mut self, line: &[u8], take: &mut impl FnMut(&[u8])) -> Result<(), ClientError> {
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        let line = if is_first { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
        if line.is_empty() {
            self.last_event_id.clone_from(&self.next_event_id);
            if std::mem::take(&mut self.has_data) {
                take(&self.data);
                self.data.clear();
            }
            return Ok(());
        }
        let (field, value) = match memchr::memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                if self.data.len() + value.len() > MAX_EVENT_BYTES {
                    return Err(too_large());
                }
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            }
            b"id" if !value.contains(&0) => {
                self.next_event_id.clear();
                self.next_event_id.push_str(&String::from_utf8_lossy(value));
            }
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let digits = std::str::from_utf8(value).ok();
                self.retry_ms = digits.and_then(|digits| digits.parse().ok());
            }
            _ => {}
        }
        Ok(())
    }
}

fn too_large() -> ClientError {
    ClientError::Foreign(format!(
        "the server sent more than {MAX_EVENT_BYTES} bytes in which no message ends: is `split` right?"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_server_says_how_long_to_wait() {
        let mut messages = Messages::new(Split::Sse);
        let mut feed = |piece: &[u8]| {
            messages.feed(piece, |_| {}).unwrap();
            messages.retry_ms()
        };
        assert_eq!(feed(b"data: 1\n\n"), None);
        assert_eq!(feed(b"retry: 250\n\n"), Some(250));
        assert_eq!(feed(b"retry: soon\nretry\ndata: 2\n\n"), Some(250), "no number");
    }

    fn fed(split: Split, pieces: &[&[u8]]) -> Vec<String> {
        let mut messages = Messages::new(split);
        let mut taken = Vec::new();
        for piece in pieces {
            let mut take = |message: &[u8]| {
                taken.push(String::from_utf8_lossy(message).into_owned());
            };
            messages.feed(piece, &mut take).unwrap();
        }
        taken
    }

    #[test]
    fn a_stream_is_cut_where_it_says() {
        assert_eq!(fed(Split::None, &[b"a\nb", b"c"]), ["a\nb", "c"]);
        assert_eq!(fed(Split::Lines, &[b"a\r\n\nb", b"c\nd"]), ["a", "bc"]);
        assert_eq!(fed(Split::RecordSeparator, &[b"{}\x1ea", b"b\x1e"]), ["{}", "ab"]);
        let stream: &[u8] =
            b": hi\n\nid: 7:0\nevent: x\ndata: a\ndata:b\n\ndata\r\n\r\nid\n\ndata: c";
        assert_eq!(fed(Split::Sse, &[stream]), ["a\nb", ""]);
        let mut messages = Messages::new(Split::Sse);
        messages.feed(b"id: 7:0\ndata: a\n\n", |_| {}).unwrap();
        assert_eq!(messages.last_event_id(), "7:0");
        messages.feed(b"id: 8\ndata: b\n", |_| {}).unwrap();
        assert_eq!(messages.last_event_id(), "7:0", "the event is not complete");
        assert_eq!(fed(Split::Sse, &[b"\xEF\xBB\xBFdata: a\n\n"]), ["a"]);
    }

    #[test]
    fn a_frame_ends_its_last_message() {
        let whole = |split, frame: &[u8]| {
            let mut taken = Vec::new();
            let mut messages = Messages::new(split);
            for _ in 0..2 {
                taken.clear();
                messages.of_whole(frame, |message| taken.push(message.to_vec())).unwrap();
            }
            taken
        };
        assert_eq!(whole(Split::Lines, b"a\nb"), [b"a", b"b"]);
        assert_eq!(whole(Split::RecordSeparator, b"a\x1eb"), [b"a", b"b"]);
        assert_eq!(whole(Split::RecordSeparator, b"a\x1e"), [b"a"]);
        assert_eq!(whole(Split::None, b"a"), [b"a"]);
    }

    #[test]
    fn what_does_not_end_is_refused() {
        for split in [Split::Lines, Split::RecordSeparator, Split::Sse] {
            let mut messages = Messages::new(split);
            let piece = vec![b'x'; MAX_EVENT_BYTES / 2];
            let mut fed = (0..3).map(|_| messages.feed(&piece, |_| {}));
            assert!(fed.any(|fed| fed.is_err()), "{split:?}");
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            stream in "[a:{ \r\n\x1e]{0,60}",
            cuts in proptest::collection::vec(0_usize..61, 0..6),
        ) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.sort_unstable();
            let ends = cuts.iter().copied().chain([stream.len()]);
            let begins = [0].into_iter().chain(cuts.iter().copied());
            let pieces: Vec<_> =
                begins.zip(ends).map(|(begin, end)| &stream.as_bytes()[begin..end]).collect();
            for split in [Split::Lines, Split::RecordSeparator, Split::Sse] {
                prop_assert_eq!(fed(split, &pieces), fed(split, &[stream.as_bytes()]), "{:?}", split);
            }
        }
    }
}
