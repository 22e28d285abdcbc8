//! How the journal is written down: records that follow each other, each with its length and a checksum. It
//! knows no file.
//!
//! A record is its length (4 bytes, little-endian), the checksum of that and of what follows (4 bytes), and
//! then so many bytes, of which the first one says what it is. What is not whole is no record: the checksum
//! covers the length, too.

use std::io::{self, Read as _};

use pushbench_wire::checksum::crc32;

use crate::framing::Place;
use crate::hub::{ChannelState, HubState, Skip};
use crate::publish::{Claim, Known, Publishers};

/// What stands before the bytes of a record.
const FRAME_BYTES: usize = 8;

/// What a file begins with, behind the frame of its first record. The number says which version it is of.
const MAGIC: &[u8; 16] = b"\0pushbench log 1";

const BATCH: u8 = 1;
const END: u8 = 2;

/// One record.
#[derive(Debug, PartialEq)]
pub(super) enum Record<'a> {
    /// The first one of a file: what all that follows comes behind.
    Head(Head),
    /// Events that were published together.
    Batch(Batch<'a>),
    /// The server has stopped, and has written all there was.
    End,
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct Head {
    /// The number of the file.
    pub(super) number: u64,
    /// Whether everything that is kept follows, and no file before is needed.
    pub(super) is_all: bool,
    pub(super) hub: HubState,
    /// Publishers, and how far they were.
    pub(super) publishers: Vec<(Box<str>, Known)>,
}

/// Events that follow each other.
#[derive(Debug, PartialEq)]
pub(super) struct Batch<'a> {
    pub(super) channel: &'a str,
    pub(super) first: Place,
    pub(super) claim: Option<Claim>,
    pub(super) events: Vec<Parts<'a>>,
}

/// Name, payload, and whether that is binary.
pub(super) type Parts<'a> = (Option<&'a str>, &'a [u8], bool);

/// Appends a record with what `body` writes.
fn frame(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_BYTES]);
    body(out);
    let length = (out.len() - start - FRAME_BYTES) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    let sum = checksum(length, &out[start + FRAME_BYTES..]);
    out[start + 4..start + FRAME_BYTES].copy_from_slice(&sum.to_le_bytes());
}

fn checksum(length: u32, body: &[u8]) -> u32 {
    crc32(&[&length.to_le_bytes(), body])
}

fn number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// Names have 64 bytes at most.
fn name(out: &mut Vec<u8>, name: &str) {
    out.push(name.len() as u8);
    out.extend_from_slice(name.as_bytes());
}

fn place(out: &mut Vec<u8>, Place { id, position }: Place) {
    number(out, id);
    number(out, position);
}

/// Appends the first record of the file with this number. Where it `is_all`, what is kept follows.
pub(super) fn push_head(
    of: u64,
    is_all: bool,
    hub: &HubState,
    publishers: &Publishers,
    out: &mut Vec<u8>,
) {
    frame(out, |out| {
        out.extend_from_slice(MAGIC);
        number(out, of);
        out.push(u8::from(is_all));
        place(out, hub.last_removed);
        number(out, hub.last_position);
        number(out, hub.skipped.len() as u64);
        for Skip { after, to } in &hub.skipped {
            number(out, *after);
            number(out, *to);
        }
        number(out, hub.channels.len() as u64);
        for channel in &hub.channels {
            name(out, &channel.name);
            place(out, channel.from);
            number(out, channel.known_from);
        }
        let all = publishers.all();
        number(out, all.len() as u64);
        for (publisher, Known { taken, last_id, .. }) in all {
            name(out, publisher);
            number(out, *last_id);
            number(out, taken.len() as u64);
            for (first, last) in taken {
                number(out, *first);
                number(out, *last);
            }
        }
    });
}

/// Appends events that follow each other.
pub(super) fn push_batch<'a>(
    channel: &str,
    first: Place,
    claim: Option<&Claim>,
    events: impl ExactSizeIterator<Item = Parts<'a>>,
    out: &mut Vec<u8>,
) {
    frame(out, |out| {
        out.push(BATCH);
        name(out, channel);
        place(out, first);
        match claim {
            None => name(out, ""),
            Some(claim) => {
                name(out, &claim.publisher);
                number(out, claim.sequence);
            }
        }
        number(out, events.len() as u64);
        for (event, payload, binary) in events {
            out.push(u8::from(binary));
            name(out, event.unwrap_or_default());
            number(out, payload.len() as u64);
            out.extend_from_slice(payload);
        }
    });
}

/// Appends what says that nothing was left to write.
pub(super) fn push_end(out: &mut Vec<u8>) {
    frame(out, |out| out.push(END));
}

/// The record at the beginning of `bytes`, and its length; none if no whole one is there.
pub(super) fn read(bytes: &[u8]) -> Option<(Record<'_>, usize)> {
    let body = body(bytes)?;
    Some((parse(body)?, FRAME_BYTES + body.len()))
}

fn body(bytes: &[u8]) -> Option<&[u8]> {
    let (&length, rest) = bytes.split_first_chunk::<4>()?;
    let (&sum, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(length);
    let body = rest.get(..length as usize)?;
    (checksum(length, body) == u32::from_le_bytes(sum)).then_some(body)
}

/// Whether a record begins there that is whole, whatever it says.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    body(bytes).is_some()
}

/// How long a record is by what it says itself, if it may begin there.
pub(super) fn announced(bytes: &[u8]) -> Option<usize> {
    let (&length, rest) = bytes.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(length) as usize;
    let body = rest.get(4..)?.get(..length)?;
    matches!(body.first(), Some(&(0 | BATCH | END))).then_some(FRAME_BYTES + length)
}

/// The first record of a file, and nothing more of it; none if that is no whole one.
pub(super) fn read_head(mut file: impl io::Read, file_bytes: u64) -> io::Result<Option<Head>> {
    let mut bytes = Vec::new();
    file.by_ref().take(FRAME_BYTES as u64).read_to_end(&mut bytes)?;
    let Some(length) = bytes.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_le_bytes(*length).into();
    if length <= file_bytes {
        file.take(length).read_to_end(&mut bytes)?;
    }
    Ok(match read(&bytes) {
        Some((Record::Head(head), _)) => Some(head),
        _ => None,
    })
}

fn parse(body: &[u8]) -> Option<Record<'_>> {
    let mut rest = Rest(body);
    let record = match rest.bytes(1)? {
        [0] => {
            rest.0 = body.strip_prefix(MAGIC)?;
            Record::Head(rest.head()?)
        }
        [BATCH] => Record::Batch(rest.batch()?),
        [END] => Record::End,
        _ => return None,
    };
    rest.0.is_empty().then_some(record)
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn number(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*bytes))
    }

    fn name(&mut self) -> Option<&'a str> {
        let &[length] = self.bytes(1)? else { return None };
        std::str::from_utf8(self.bytes(length.into())?).ok()
    }

    fn place(&mut self) -> Option<Place> {
        Some(Place { id: self.number()?, position: self.number()? })
    }

    /// As many as a number before them says.
    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()?;
        // Each takes a byte at least.
        if count > self.0.len() as u64 {
            return None;
        }
        (0..count).map(|_| one(self)).collect()
    }

    fn head(&mut self) -> Option<Head> {
        Some(Head {
            number: self.number()?,
            is_all: self.bytes(1)? != [0],
            hub: HubState {
                last_removed: self.place()?,
                last_position: self.number()?,
                skipped: self
                    .list(|rest| Some(Skip { after: rest.number()?, to: rest.number()? }))?,
                channels: self.list(|rest| {
                    let (name, from) = (rest.name()?.into(), rest.place()?);
                    Some(ChannelState { name, from, known_from: rest.number()? })
                })?,
            },
            publishers: self.list(|rest| {
                let (publisher, last_id) = (rest.name()?.into(), rest.number()?);
                let taken = rest.list(|rest| Some((rest.number()?, rest.number()?)))?;
                Some((publisher, Known::restored(taken, last_id)))
            })?,
        })
    }

    fn batch(&mut self) -> Option<Batch<'a>> {
        let (channel, first) = (self.name()?, self.place()?);
        let claim = match self.name()? {
            "" => None,
            publisher => Some(Claim { publisher: publisher.into(), sequence: self.number()? }),
        };
        let events = self.list(|rest| {
            let &[binary] = rest.bytes(1)? else { return None };
            let name = Some(rest.name()?).filter(|name| !name.is_empty());
            let length = usize::try_from(rest.number()?).ok()?;
            Some((name, rest.bytes(length)?, binary != 0))
        })?;
        Some(Batch { channel, first, claim, events })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written() -> Vec<u8> {
        let mut publishers = Publishers::default();
        publishers.note(&Claim { publisher: "p".into(), sequence: 8 }, 9);
        let state = HubState {
            last_removed: Place { id: 1, position: 2 },
            last_position: 3,
            skipped: vec![Skip { after: 4, to: 5 }],
            channels: vec![ChannelState {
                name: "a".into(),
                from: Place { id: 6, position: 7 },
                known_from: 6,
            }],
        };
        let mut bytes = Vec::new();
        push_head(42, true, &state, &publishers, &mut bytes);
        let events: [Parts<'_>; 2] = [(Some("price"), b"1.2", false), (None, b"\xff", true)];
        let claim = Claim { publisher: "p".into(), sequence: 9 };
        let first = Place { id: 7, position: 8 };
        push_batch("a", first, Some(&claim), events.into_iter(), &mut bytes);
        push_batch("b", first, None, [].into_iter(), &mut bytes);
        push_end(&mut bytes);
        bytes
    }

    fn records(mut bytes: &[u8]) -> Vec<Record<'_>> {
        let mut records = Vec::new();
        while let Some((record, length)) = read(bytes) {
            records.push(record);
            bytes = &bytes[length..];
        }
        records
    }

    #[test]
    fn what_is_written_reads_back() {
        let bytes = written();
        let records = records(&bytes);
        let [Record::Head(head), Record::Batch(batch), Record::Batch(_), Record::End] =
            &records[..]
        else {
            panic!("{records:?}")
        };
        assert_eq!((head.number, head.is_all), (42, true));
        assert_eq!(head.hub.channels[0].from.position, 7);
        assert_eq!(head.publishers, [("p".into(), Known::restored(vec![(8, 8)], 9))]);
        assert_eq!((batch.channel, batch.first.id), ("a", 7));
        assert_eq!(batch.claim.as_ref().map(|claim| claim.sequence), Some(9));
        assert_eq!(batch.events[0], (Some("price"), &b"1.2"[..], false));
        assert_eq!(batch.events[1], (None, &b"\xff"[..], true));
    }

    #[test]
    fn a_damaged_record_is_none_and_those_before_it_are_whole() {
        let bytes = written();
        let ends: Vec<_> = records(&bytes)
            .iter()
            .scan(0, |end, _| {
                *end += read(&bytes[*end..])?.1;
                Some(*end)
            })
            .collect();
        for at in 0..bytes.len() {
            let whole = ends.iter().filter(|&&end| end <= at).count();
            assert_eq!(records(&bytes[..at]).len(), whole, "cut at {at}");
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert_eq!(records(&flipped).len(), whole, "bit {bit} of {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
            let mut framed = Vec::new();
            frame(&mut framed, |out| out.extend_from_slice(&bytes));
            let _ = read(&framed);
            framed.clear();
            frame(&mut framed, |out| out.extend([&MAGIC[..], &bytes].concat()));
            let _ = read(&framed);
        }
    }
}
