//! What Redis answers, in the second version of its protocol (RESP2), which every server of its kind
//! speaks until it is asked for another one.

use anyhow::{Context as _, bail};

/// The longest line, and the largest piece, of an answer to an event.
const MAX_BYTES: usize = 64 << 10;

/// The most parts of one that may be missing: who never sends the last one is not waited for.
const MAX_PARTS: usize = 1_024;

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Done,
    /// With these words.
    Refused(String),
}

/// The first answer in `bytes`, and its length; none if it has not come whole.
///
/// # Errors
/// When that is no answer of Redis.
pub(super) fn parse(bytes: &[u8]) -> anyhow::Result<Option<(usize, Reply)>> {
    let mut at = 0;
    let mut reply = None;
    // What is in an array is part of one answer.
    let mut to_come = 1_usize;
    while to_come > 0 {
        anyhow::ensure!(at <= 2 * MAX_BYTES && to_come <= MAX_PARTS, TOO_LARGE);
        let rest = &bytes[at..];
        let Some(&kind) = rest.first() else { return Ok(None) };
        // Nobody waits for the end of a line of something else.
        if !b"+-:$*".contains(&kind) {
            bail!(NOT_REDIS);
        }
        let Some(end) = memchr::memchr(b'\n', rest) else {
            anyhow::ensure!(rest.len() <= MAX_BYTES, NOT_REDIS);
            return Ok(None);
        };
        let line = rest[1..end].strip_suffix(b"\r").context(NOT_REDIS)?;
        at += end + 1;
        to_come -= 1;
        let number = || std::str::from_utf8(line).ok().and_then(|line| line.parse::<i64>().ok());
        let length = || {
            let number = number().context(NOT_REDIS)?;
            // A length of -1 stands for nothing.
            let length = usize::try_from(number.max(0)).context(NOT_REDIS)?;
            anyhow::ensure!(length <= MAX_BYTES, TOO_LARGE);
            anyhow::Ok((number >= 0).then_some(length))
        };
        match kind {
            b'-' if reply.is_none() => {
                reply = Some(Reply::Refused(String::from_utf8_lossy(line).into_owned()));
            }
            b':' => drop(number().context(NOT_REDIS)?),
            b'$' => {
                if let Some(length) = length()? {
                    let Some(end) = bytes.get(at + length..at + length + 2) else {
                        return Ok(None);
                    };
                    anyhow::ensure!(end == b"\r\n", NOT_REDIS);
                    at += length + 2;
                }
            }
            b'*' => to_come += length()?.unwrap_or_default(),
            _ => {}
        }
        reply.get_or_insert(Reply::Done);
    }
    Ok(reply.map(|reply| (at, reply)))
}

const TOO_LARGE: &str = "the answer of Redis to an event is too large";
const NOT_REDIS: &str = "not the protocol of Redis";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_answer_is_one_when_it_is_whole() {
        let refused = || Reply::Refused("ERR no such key".to_owned());
        for (answer, reply) in [
            ("+OK\r\n", Reply::Done),
            (":12\r\n", Reply::Done),
            ("$15\r\n1526919030474-0\r\n", Reply::Done),
            ("$-1\r\n", Reply::Done),
            ("*2\r\n:1\r\n*1\r\n$2\r\n\r\n\r\n", Reply::Done),
            ("*0\r\n", Reply::Done),
            ("-ERR no such key\r\n", refused()),
            ("*1\r\n-ERR of a part\r\n", Reply::Done),
        ] {
            let more = format!("{answer}:1");
            assert_eq!(parse(more.as_bytes()).unwrap(), Some((answer.len(), reply)), "{answer:?}");
            for end in 0..answer.len() {
                assert_eq!(parse(&answer.as_bytes()[..end]).unwrap(), None, "{answer:?} to {end}");
            }
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for answer in [
            "HTTP/1.1 400 Bad Request\r\n",
            ":one\r\n",
            "$1\r\nabc",
            "+OK\n",
            "$99999999\r\n",
            "$x\r\n",
            "*65536\r\n",
        ] {
            assert!(parse(answer.as_bytes()).is_err(), "{answer:?}");
        }
        assert!(parse(&[b'+'; MAX_BYTES + 2]).is_err());
        let endless = "*2\r\n".repeat(100_000);
        assert!(parse(endless.as_bytes()).is_err(), "its end never comes");
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_panic(bytes: Vec<u8>, number: i64) {
            let _ = parse(&bytes);
            for kind in ["$", "*", ":"] {
                let _ = parse(&[format!("{kind}{number}\r\n").as_bytes(), &bytes].concat());
            }
        }
    }
}
