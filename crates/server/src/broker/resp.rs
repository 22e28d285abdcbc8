//! The protocol that Redis speaks, in its third version (RESP3): commands out, replies in. It knows no connection, and
//! no meaning of either.
//!
//! The `redis` crate would make a tree of its own memory of each reply and queue pushed messages without a bound,
//! beside the memory that this server accounts for; what is needed here is shorter than getting around both.

use std::io::Write as _;

/// The longest line. Errors are some, and lengths of all else.
const MAX_LINE_BYTES: usize = 64 << 10;

/// The largest piece, which is Redis's own limit.
const MAX_PIECE_BYTES: usize = 512 << 20;

/// The most parts of one reply. A stream is read in pages that are much shorter.
const MAX_PARTS: usize = 1 << 20;

/// How deep replies are nested at most.
const MAX_DEPTH: u32 = 8;

/// A reply, or something that was pushed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value<'b> {
    /// Text, a number as text, or bytes.
    Bytes(&'b [u8]),
    Error(&'b [u8]),
    Number(i64),
    Nothing,
    /// The entries of a map follow each other.
    List(Vec<Self>),
    /// Nobody has asked for it.
    Push(Vec<Self>),
}

impl<'b> Value<'b> {
    /// Its bytes; none of something else.
    pub(super) fn bytes(&self) -> Option<&'b [u8]> {
        match *self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Its bytes as text.
    pub(super) fn text(&self) -> Option<&'b str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// A number, or text that is one.
    pub(super) fn number(&self) -> Option<u64> {
        match *self {
            Self::Number(number) => number.try_into().ok(),
            _ => self.text()?.parse().ok(),
        }
    }

    /// The parts of a list; none of something else.
    pub(super) fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(parts) => Some(parts),
            _ => None,
        }
    }
}

/// What is at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed<'b> {
    /// So many bytes of them are this.
    Whole(Value<'b>, usize),
    /// It cannot be whole before there are so many.
    Needs(usize),
}

/// They are no reply of Redis.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct NotRedis(&'static str);

const NO_REPLY: NotRedis = NotRedis("it does not speak the protocol of Redis");
const TOO_LARGE: NotRedis = NotRedis("a reply of Redis is too large");

/// Why a value could not be read.
enum Stop {
    Needs(usize),
    Never(NotRedis),
}

impl From<NotRedis> for Stop {
    fn from(error: NotRedis) -> Self {
        Self::Never(error)
    }
}

/// The first value in `bytes`.
///
/// # Errors
/// When there never will be one.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed<'_>, NotRedis> {
    let mut reader = Reader { bytes, at: 0, parts: 0 };
    match reader.value(0) {
        Ok(value) => Ok(Parsed::Whole(value, reader.at)),
        Err(Stop::Needs(len)) => Ok(Parsed::Needs(len)),
        Err(Stop::Never(error)) => Err(error),
    }
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    parts: usize,
}

impl<'b> Reader<'b> {
    fn value(&mut self, depth: u32) -> Result<Value<'b>, Stop> {
        if depth > MAX_DEPTH {
            return Err(TOO_LARGE.into());
        }
        let (kind, rest) = self.line()?;
        match kind {
            b'+' | b',' | b'#' | b'(' => Ok(Value::Bytes(rest)),
            b'-' => Ok(Value::Error(rest)),
            b':' => Ok(Value::Number(number(rest)?)),
            b'_' => Ok(Value::Nothing),
            b'$' | b'=' => Ok(self.piece(rest)?.map_or(Value::Nothing, Value::Bytes)),
            b'!' => Ok(self.piece(rest)?.map_or(Value::Nothing, Value::Error)),
            b'*' | b'~' => Ok(self.list(rest, 1, depth)?.map_or(Value::Nothing, Value::List)),
            b'%' => Ok(self.list(rest, 2, depth)?.map_or(Value::Nothing, Value::List)),
            b'>' => Ok(self.list(rest, 1, depth)?.map_or(Value::Nothing, Value::Push)),
            // What is said about the value that follows.
            b'|' => {
                self.list(rest, 2, depth)?;
                self.value(depth + 1)
            }
            _ => Err(NO_REPLY.into()),
        }
    }

    /// The kind of a value, and what stands behind that in its line.
    fn line(&mut self) -> Result<(u8, &'b [u8]), Stop> {
        let rest = &self.bytes[self.at..];
        let Some(&kind) = rest.first() else { return Err(Stop::Needs(self.at + 1)) };
        // Nobody waits for the end of a line of something else.
        if !b"+-:_$=!*~%>|,#(".contains(&kind) {
            return Err(NO_REPLY.into());
        }
        let Some(end) = rest.iter().take(MAX_LINE_BYTES).position(|&byte| byte == b'\n') else {
            let is_too_long = rest.len() >= MAX_LINE_BYTES;
            return Err(if is_too_long { NO_REPLY.into() } else { self.one_more() });
        };
        let line = rest[1..end].strip_suffix(b"\r").ok_or(NO_REPLY)?;
        self.at += end + 1;
        Ok((kind, line))
    }

    fn one_more(&self) -> Stop {
        Stop::Needs(self.bytes.len() + 1)
    }

    /// Bytes of a length; none if that is -1.
    fn piece(&mut self, length: &[u8]) -> Result<Option<&'b [u8]>, Stop> {
        let Some(length) = length_of(length, MAX_PIECE_BYTES)? else { return Ok(None) };
        let end = self.at + length;
        let (Some(piece), Some(ending)) =
            (self.bytes.get(self.at..end), self.bytes.get(end..end + 2))
        else {
            return Err(Stop::Needs(end + 2));
        };
        if ending != b"\r\n" {
            return Err(NO_REPLY.into());
        }
        self.at = end + 2;
        Ok(Some(piece))
    }

    fn list(
        &mut self,
        count: &[u8],
        each: usize,
        depth: u32,
    ) -> Result<Option<Vec<Value<'b>>>, Stop> {
        let Some(count) = length_of(count, MAX_PARTS)? else { return Ok(None) };
        self.parts += count * each;
        if self.parts > MAX_PARTS {
            return Err(TOO_LARGE.into());
        }
        // Each takes three bytes at least, so that memory is not had for saying so.
        let mut parts = Vec::with_capacity((count * each).min(self.bytes.len() / 3 + 1));
        for _ in 0..count * each {
            parts.push(self.value(depth + 1)?);
        }
        Ok(Some(parts))
    }
}

fn number(text: &[u8]) -> Result<i64, NotRedis> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(NO_REPLY)
}

/// A length; none if it is -1.
fn length_of(text: &[u8], most: usize) -> Result<Option<usize>, NotRedis> {
    match number(text)? {
        -1 => Ok(None),
        length => {
            let length = usize::try_from(length).map_err(|_| NO_REPLY)?;
            if length > most { Err(TOO_LARGE) } else { Ok(Some(length)) }
        }
    }
}

/// Appends a command of so many words, which are then pushed.
pub(super) fn begin_command(bytes: &mut Vec<u8>, words: usize) {
    // Writing to a `Vec` cannot fail.
    let _ = write!(bytes, "*{words}\r\n");
}

/// Appends a word of a command.
pub(super) fn push_word(bytes: &mut Vec<u8>, word: &[u8]) {
    let _ = write!(bytes, "${}\r\n", word.len());
    bytes.extend_from_slice(word);
    bytes.extend_from_slice(b"\r\n");
}

/// Appends a whole command.
pub(super) fn push_command<W: AsRef<[u8]>>(bytes: &mut Vec<u8>, words: &[W]) {
    begin_command(bytes, words.len());
    words.iter().for_each(|word| push_word(bytes, word.as_ref()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(bytes: &[u8]) -> Value<'_> {
        match parse(bytes) {
            Ok(Parsed::Whole(value, len)) if len == bytes.len() => value,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_kind_of_reply() {
        use Value::{Bytes, Error, List, Nothing, Number, Push};
        let replies: [(&str, Value<'_>); 12] = [
            ("+OK\r\n", Bytes(b"OK")),
            ("-NOSCRIPT No.\r\n", Error(b"NOSCRIPT No.")),
            (":-12\r\n", Number(-12)),
            ("$4\r\na\r\nb\r\n", Bytes(b"a\r\nb")),
            ("$-1\r\n", Nothing),
            ("_\r\n", Nothing),
            ("*-1\r\n", Nothing),
            ("#t\r\n", Bytes(b"t")),
            ("*2\r\n:1\r\n*1\r\n$0\r\n\r\n", List(vec![Number(1), List(vec![Bytes(b"")])])),
            ("%1\r\n+proto\r\n:3\r\n", List(vec![Bytes(b"proto"), Number(3)])),
            (">2\r\n+message\r\n$1\r\nx\r\n", Push(vec![Bytes(b"message"), Bytes(b"x")])),
            ("|1\r\n+ttl\r\n:1\r\n:7\r\n", Number(7)),
        ];
        for (bytes, value) in replies {
            assert_eq!(whole(bytes.as_bytes()), value, "{bytes:?}");
            for end in 0..bytes.len() {
                let cut = parse(&bytes.as_bytes()[..end]);
                let Ok(Parsed::Needs(len)) = cut else { panic!("{bytes:?} to {end}: {cut:?}") };
                assert!((end + 1..=bytes.len()).contains(&len), "{bytes:?} to {end}: {len}");
            }
        }
    }

    #[test]
    fn a_large_piece_is_not_read_again_and_again() {
        assert_eq!(parse(b"*2\r\n:1\r\n$1000\r\nabc"), Ok(Parsed::Needs(1_017)));
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        let deep = "*1\r\n".repeat(MAX_DEPTH as usize + 2);
        let many = format!("*{}\r\n", MAX_PARTS + 1);
        for bytes in [
            "HTTP/1.1 400 Bad Request\r\n",
            ":one\r\n",
            "$1\r\nabc",
            "$-2\r\n",
            "+OK\n",
            "$99999999999\r\n",
            &deep,
            &many,
        ] {
            assert!(parse(bytes.as_bytes()).is_err(), "{bytes:?}");
        }
        assert!(parse(&[b'+'; MAX_LINE_BYTES]).is_err());
    }

    #[test]
    fn a_command_is_a_list_of_pieces() {
        let mut bytes = Vec::new();
        push_command(&mut bytes, &["SET", "a", "b\r\n"]);
        assert_eq!(bytes, b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$3\r\nb\r\n\r\n");
        assert_eq!(
            whole(&bytes),
            Value::List([&b"SET"[..], b"a", b"b\r\n"].map(Value::Bytes).into())
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_panic(bytes: Vec<u8>, cut in "[-+:$*%>|_#0-9\r\n]{0,40}") {
            let _ = parse(&bytes);
            let _ = parse(cut.as_bytes());
        }
    }
}
