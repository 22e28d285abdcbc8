//! How events travel between the nodes of one deployment: as messages of Pub/Sub and entries of a Redis Stream, and the
//! scripts that number and publish them at once. It knows no connection.

use std::fmt;

use pushbench_wire::event::is_event_name;

use crate::framing::{NewEvent, Place};
use crate::memory::Reservation;

/// What the keys and channels of a deployment begin with.
pub(super) const PREFIX: &str = "pushbench:";

/// The key of the hash that has the last id of each channel, and of all of them together. No channel's name has a `#`.
pub(super) const IDS: &str = "pushbench:#ids";

/// The field of [`IDS`] with the last position among the events of all channels.
pub(super) const ORDER: &str = "#order";

/// What a channel is called at the broker.
pub(super) fn topic(channel: &str) -> String {
    format!("{PREFIX}{channel}")
}

/// The key of a channel's Redis Stream.
pub(super) fn stream_key(channel: &str) -> String {
    format!("{PREFIX}#stream:{channel}")
}

/// How a deployment begins, or goes on. `ARGV`: the epoch that the node knows, if it knows one, and the last position that
/// it knows of. The answer is the epoch, and the id before the first one.
///
/// Who has lived longer than the broker's data numbers from the time in microseconds on: whatever a subscriber has
/// received before is below that, so it is told that it missed something, and takes no event for another. A deployment
/// without a past begins with 1.
pub(super) const JOIN: &str = r"
local known = redis.call('HMGET', KEYS[1], '#epoch', '#base', '#order')
local last = tonumber(ARGV[2])
if known[1] then
  if known[1] == ARGV[1] and tonumber(known[3]) >= last then return {known[1], known[2]} end
  if known[1] ~= ARGV[1] and tonumber(known[2]) >= last then return {known[1], known[2]} end
end
local time = redis.call('TIME')
local epoch = string.format('%.0f', time[1] * 1000000 + time[2])
local base = '0'
if last > 0 then base = string.format('%.0f', math.max(tonumber(epoch), last + 1)) end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], '#epoch', epoch, '#base', base, '#order', base)
return {epoch, base}
";

/// Numbers events and publishes them, which nobody can come between. `KEYS`: the ids, and the channel's Redis Stream.
/// `ARGV`: the channel, the epoch, how many events the stream keeps and how many milliseconds, and the events. The answer
/// is the id of the last one.
///
/// The parts in `{}` differ by mode. A number of Lua has too many digits to be written without a format.
const PUBLISH: &str = r"
local known = redis.call('HMGET', KEYS[1], '#epoch', '#base', ARGV[1])
if known[1] ~= ARGV[2] then return redis.error_reply('EPOCH the ids of this deployment were lost') end
local count = #ARGV - 4
if not known[3] then redis.call('HSET', KEYS[1], ARGV[1], known[2]) end
local first = redis.call('HINCRBY', KEYS[1], ARGV[1], count) - count + 1
local position = redis.call('HINCRBY', KEYS[1], '#order', count) - count + 1
{keep}
local head = string.format('%s %.0f %.0f %d\n', ARGV[2], first, position, count)
redis.call('{publish}', 'pushbench:' .. ARGV[1], head .. table.concat(ARGV, '', 5))
return first + count - 1
";

/// Keeps what was published in the channel's stream, whose entries have the ids of their events.
const KEEP: &str = r"
for i = 1, count do
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], string.format('0-%.0f', first + i - 1),
    'p', string.format('%.0f', position + i - 1), 'e', ARGV[4 + i])
end
redis.call('PEXPIRE', KEYS[2], ARGV[4])
";

/// The script that publishes by the command `publish`, and keeps events or does not.
pub(super) fn publish_script(publish: &str, keeps: bool) -> String {
    let keep = if keeps { KEEP } else { "" };
    PUBLISH.replace("{publish}", publish).replace("{keep}", keep)
}

/// What an event has before its name and its payload: whether it is binary, and both lengths.
const HEAD_BYTES: usize = 6;

/// An event as it travels.
pub(super) fn encode(event: &NewEvent, bytes: &mut Vec<u8>) {
    let (name, payload, binary) = event.parts();
    let name = name.unwrap_or_default().as_bytes();
    bytes.push(binary.into());
    // Names have 64 bytes at most, and payloads 1 GiB.
    bytes.push(name.len() as u8);
    bytes.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(payload);
}

/// How long it is then.
pub(super) fn encoded_len(event: &NewEvent) -> usize {
    let (name, payload, _) = event.parts();
    HEAD_BYTES + name.map_or(0, str::len) + payload.len()
}

/// An event that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoded<'b> {
    name: Option<&'b str>,
    payload: &'b [u8],
    binary: bool,
}

impl Encoded<'_> {
    /// What it costs here.
    pub(super) fn cost(&self) -> usize {
        NewEvent::cost(self.name, self.payload.len())
    }

    /// The event, accounted for in `held`.
    pub(super) fn to_event(self, held: Reservation) -> NewEvent {
        NewEvent::new(self.name, self.payload, self.binary, held)
    }
}

/// What has come is nothing that a node sends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoEvent;

impl fmt::Display for NoEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "somebody publishes other things than events to {PREFIX}…: give this deployment a Redis of its own"
        )
    }
}

/// The first event in `bytes`, and what is behind it.
pub(super) fn split_first(bytes: &[u8]) -> Result<(Encoded<'_>, &[u8]), NoEvent> {
    let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or(NoEvent)?;
    let [binary, name_len, length @ ..] = *head;
    let (name, rest) = rest.split_at_checked(name_len.into()).ok_or(NoEvent)?;
    let name = std::str::from_utf8(name).map_err(|_| NoEvent)?;
    if !name.is_empty() && !is_event_name(name) {
        return Err(NoEvent);
    }
    let length = u32::from_be_bytes(length) as usize;
    let (payload, rest) = rest.split_at_checked(length).ok_or(NoEvent)?;
    let binary = binary == 1;
    if !binary && std::str::from_utf8(payload).is_err() {
        return Err(NoEvent);
    }
    Ok((Encoded { name: Some(name).filter(|name| !name.is_empty()), payload, binary }, rest))
}

/// A message of Pub/Sub: some events that were published together.
#[derive(Debug)]
pub(super) struct Message<'b> {
    pub(super) epoch: &'b str,
    /// The place of the first event.
    pub(super) first: Place,
    /// How many there are.
    pub(super) count: u64,
    pub(super) events: &'b [u8],
}

impl<'b> Message<'b> {
    pub(super) fn parse(bytes: &'b [u8]) -> Result<Self, NoEvent> {
        let end = bytes.iter().take(100).position(|&byte| byte == b'\n').ok_or(NoEvent)?;
        let head = std::str::from_utf8(&bytes[..end]).map_err(|_| NoEvent)?;
        let mut words = head.split(' ');
        let epoch = words.next().ok_or(NoEvent)?;
        let mut number = || words.next().and_then(|word| word.parse().ok()).ok_or(NoEvent);
        let (id, position, count): (u64, u64, u64) = (number()?, number()?, number()?);
        let is_right = id > 0 && position > 0 && count > 0;
        let ends = id.checked_add(count).zip(position.checked_add(count));
        if !is_right || ends.is_none() {
            return Err(NoEvent);
        }
        let events = &bytes[end + 1..];
        Ok(Self { epoch, first: Place { id, position }, count, events })
    }

    /// The place of the last event.
    pub(super) fn last(&self) -> Place {
        let Place { id, position } = self.first;
        Place { id: id + self.count - 1, position: position + self.count - 1 }
    }
}

/// The place of an entry of a Redis Stream, `0-ID`, whose field `p` has the position.
pub(super) fn entry_place(id: &str, position: u64) -> Result<Place, NoEvent> {
    let id = id.strip_prefix("0-").and_then(|id| id.parse().ok()).ok_or(NoEvent)?;
    Ok(Place { id, position })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(name: Option<&str>, payload: &[u8], binary: bool) -> NewEvent {
        NewEvent::new(name, payload, binary, Reservation::default())
    }

    proptest! {
        #[test]
        fn any_event_travels_unchanged(
            name in proptest::option::of("[a-z]{1,64}"),
            payload: Vec<u8>,
            text: String,
            binary: bool,
        ) {
            let payload = if binary { payload } else { text.into_bytes() };
            let sent = event(name.as_deref(), &payload, binary);
            let mut bytes = Vec::new();
            encode(&sent, &mut bytes);
            prop_assert_eq!(bytes.len(), encoded_len(&sent));
            let whole = bytes.len();
            bytes.push(b'x');
            let (encoded, rest) = split_first(&bytes).unwrap();
            prop_assert_eq!(rest, b"x");
            let received = encoded.to_event(Reservation::default());
            prop_assert_eq!(received.parts(), sent.parts());
            for end in 0..whole {
                prop_assert_eq!(split_first(&bytes[..end]), Err(NoEvent));
            }
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = split_first(&bytes);
            let _ = Message::parse(&bytes);
        }
    }

    #[test]
    fn a_message_says_where_its_events_are() {
        let message = Message::parse(b"176 41 50 3\nabc").unwrap();
        assert_eq!((message.epoch, message.events), ("176", &b"abc"[..]));
        assert_eq!(message.first, Place { id: 41, position: 50 });
        assert_eq!(message.last(), Place { id: 43, position: 52 });
        for wrong in [
            &b"176 41 50 3"[..],
            b"176 41 50\n",
            b"176 0 50 3\n",
            b"176 41 50 0\n",
            b"176 41 50 -3\n",
            b"176 18446744073709551615 50 3\n",
            b"hello\n",
            b"",
        ] {
            assert!(Message::parse(wrong).is_err(), "{}", wrong.escape_ascii());
        }
        assert_eq!(entry_place("0-41", 50), Ok(Place { id: 41, position: 50 }));
        assert_eq!(entry_place("1-41", 50), Err(NoEvent));
    }

    #[test]
    fn text_is_text_wherever_it_comes_from() {
        let mut bytes = Vec::new();
        encode(&event(None, b"\xff", true), &mut bytes);
        assert!(split_first(&bytes).is_ok());
        bytes[0] = 0;
        assert_eq!(split_first(&bytes), Err(NoEvent), "or clients would get what is not UTF-8");
    }
}
