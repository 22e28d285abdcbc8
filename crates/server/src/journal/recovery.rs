//! Reads a journal back, up to the last record that is whole, and brings back what it says. Behind a record that
//! is damaged nothing is believed: it is cut off, and the ids that it may have had are not used again.

use std::fs::{self, OpenOptions};
use std::io;

use super::files::Folder;
use super::record::{Batch, Head, Record, read};
use crate::framing::{NewEvent, Place};
use crate::hub::{Hub, HubState, Skip};
use crate::memory::Need;
use crate::publish::Publishers;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    pub(super) publishers: Publishers,
    /// The files that are kept, with their sizes.
    pub(super) files: Vec<(u64, u64)>,
    /// The number of the next file.
    pub(super) next_number: u64,
    /// The position of the last event.
    pub(super) last_position: u64,
    pub(super) report: Report,
}

/// What is said of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Events that are kept.
    pub(crate) events: usize,
    pub(crate) channels: usize,
    /// Whether the server before had stopped by itself, and everything is there.
    pub(crate) is_whole: bool,
    /// What was cut off: the file, where in it, and how many bytes that and all behind it had.
    pub(crate) cut: Option<(String, u64, u64)>,
    /// Events for which there was no room in memory.
    pub(crate) no_room: usize,
}

impl Report {
    /// What whoever starts the server should know; nothing where all is as it was left.
    pub(crate) fn in_a_line(&self) -> Option<String> {
        let mut parts = Vec::new();
        if let Some((file, at, bytes)) = &self.cut {
            parts.push(format!("{file} is damaged at byte {at}, and {bytes} bytes are cut off"));
        }
        if self.no_room > 0 {
            parts.push(format!("{} events have no room within the limits", self.no_room));
        }
        if !self.is_whole && self.cut.is_none() {
            parts.push("the server before did not stop by itself".to_owned());
        }
        let Self { events, channels, .. } = self;
        (!parts.is_empty()).then(|| {
            format!(
                "the log goes on with {events} events of {channels} channels: {}",
                parts.join("; ")
            )
        })
    }
}

/// Brings everything back into `hub`, which nobody uses yet.
///
/// # Errors
/// When a file cannot be read or cut, whatever is in it.
pub(super) fn recover(folder: &Folder, hub: &Hub) -> io::Result<Recovered> {
    let mut found = Recovered { next_number: 1, ..Recovered::default() };
    let mut state = HubState::default();
    let numbers = folder.numbers()?;
    if numbers.is_empty() {
        found.report.is_whole = true;
        return Ok(found);
    }
    for (at, &number) in numbers.iter().enumerate() {
        let bytes = fs::read(folder.path_of(number))?;
        let (length, is_ended) = read_file(number, &bytes, hub, &mut state, &mut found)?;
        let is_last = at + 1 == numbers.len();
        // Of a server that was killed, the last record may be half there.
        if length < bytes.len() || bytes.is_empty() {
            let behind = numbers[at + 1..].iter().map(|&other| size_of(folder, other));
            let cut = size_of(folder, number) - length as u64 + behind.sum::<u64>();
            let name = folder.path_of(number);
            let name = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
            found.report.cut = Some((name, length as u64, cut));
            keep(folder, number, length, &mut found)?;
            numbers[at + 1..].iter().for_each(|&other| folder.remove(other));
            break;
        }
        keep(folder, number, length, &mut found)?;
        found.report.is_whole = is_last && is_ended;
    }
    found.next_number = numbers.last().map_or(1, |last| last + 1);
    state.last_position = found.last_position;
    hub.resume(&state, (!found.report.is_whole).then_some(found.next_number));
    let totals = hub.totals();
    (found.report.events, found.report.channels) = (totals.log_events, totals.channels);
    Ok(found)
}

fn size_of(folder: &Folder, number: u64) -> u64 {
    fs::metadata(folder.path_of(number)).map_or(0, |about| about.len())
}

/// Keeps so much of a file; nothing of one that has no whole record.
fn keep(folder: &Folder, number: u64, length: usize, found: &mut Recovered) -> io::Result<()> {
    if length == 0 {
        folder.remove(number);
        return Ok(());
    }
    if size_of(folder, number) > length as u64 {
        let file = OpenOptions::new().write(true).open(folder.path_of(number))?;
        file.set_len(length as u64)?;
        file.sync_all()?;
    }
    found.files.push((number, length as u64));
    Ok(())
}

/// Reads the records of one file. Gives how many bytes of it are whole, and whether the last one says that
/// nothing was left to write.
fn read_file(
    number: u64,
    bytes: &[u8],
    hub: &Hub,
    state: &mut HubState,
    found: &mut Recovered,
) -> io::Result<(usize, bool)> {
    let (mut at, mut is_ended) = (0, false);
    while let Some((record, length)) = read(&bytes[at..]) {
        is_ended = record == Record::End;
        match record {
            Record::Head(head) if at == 0 && head.number == number && follows(&head, found) => {
                take_head(head, hub, state, found);
            }
            // A file that is another one, or no whole one.
            Record::Head(_) => break,
            _ if at == 0 => break,
            Record::Batch(batch) => take_batch(&batch, hub, found),
            Record::End => {}
        }
        at += length;
    }
    Ok((at, is_ended))
}

/// Whether a file follows what was read before: one whose last records are cut off looks whole by itself. One
/// in which all was written again begins further back.
fn follows(head: &Head, found: &Recovered) -> bool {
    let HubState { last_position: to, skipped, .. } = &head.hub;
    let after = found.last_position;
    found.files.is_empty() || *to <= after || skipped.last() == Some(&Skip { after, to: *to })
}

fn take_head(head: Head, hub: &Hub, state: &mut HubState, found: &mut Recovered) {
    let HubState { last_removed, last_position, skipped, channels } = head.hub;
    found.last_position = found.last_position.max(last_position);
    for channel in &channels {
        if let Some(restored) = hub.restore(&channel.name, channel.from) {
            restored.restore_state(channel);
        }
    }
    state.last_removed.id = state.last_removed.id.max(last_removed.id);
    state.last_removed.position = state.last_removed.position.max(last_removed.position);
    state.skipped = skipped;
    for (claim, last_id) in head.publishers {
        if found.publishers.repeated(&claim).is_none() {
            found.publishers.note(&claim, last_id);
        }
    }
}

fn take_batch(batch: &Batch<'_>, hub: &Hub, found: &mut Recovered) {
    let Batch { channel, first, claim, events } = batch;
    let before =
        Place { id: first.id.saturating_sub(1), position: first.position.saturating_sub(1) };
    let channel = hub.restore(channel, before);
    let mut place = *first;
    for &(name, payload, binary) in events {
        let held = hub.reserve(NewEvent::cost(name, payload.len()), Need::Input);
        let event = held.map(|held| NewEvent::new(name, payload, binary, held));
        if event.is_none() || channel.is_none() {
            found.report.no_room += 1;
        }
        if let Some(channel) = &channel {
            channel.restore_event(place, event);
        }
        found.last_position = found.last_position.max(place.position);
        place =
            Place { id: place.id.saturating_add(1), position: place.position.saturating_add(1) };
    }
    if let Some(claim) = claim
        && found.publishers.repeated(claim).is_none()
    {
        found.publishers.note(claim, place.id - 1);
    }
}
