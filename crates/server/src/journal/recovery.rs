//! Reads a journal back, up to the last record that is whole, and brings back what it says. Behind a record that
//! is damaged nothing is believed: it is cut off, and the ids that it may have had are not used again. What is
//! whole behind it is counted, so that whoever runs the server learns of it.

use std::fs::{self, File};
use std::io;

use super::aside::whole_events;
use super::files::Folder;
use super::record::{Batch, Head, Record, is_whole, read, read_head};
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
    /// What a channel comes behind that is new since the last file was begun.
    new_after: Place,
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
    pub(crate) cut: Vec<(String, u64, u64)>,
    /// Events that are whole in what was cut off. They had been written, and nobody gets them any more.
    pub(crate) set_aside: u64,
    /// Events for which there was no room in memory.
    pub(crate) no_room: usize,
}

impl Report {
    /// What whoever starts the server should know; nothing where all is as it was left.
    pub(crate) fn in_a_line(&self) -> Option<String> {
        let mut parts = Vec::new();
        for (file, at, bytes) in &self.cut {
            parts.push(format!(
                "{file} is damaged at byte {at}, and {bytes} bytes are set aside in files *.damaged"
            ));
        }
        if self.no_room > 0 {
            parts.push(format!("{} events have no room within the limits", self.no_room));
        }
        if !self.is_whole && self.cut.is_empty() {
            parts.push("the server before did not stop by itself".to_owned());
        }
        let Self { events, channels, .. } = self;
        let without = match self.set_aside {
            0 => String::new(),
            lost => format!(
                ", and WITHOUT {lost} that were written before and are whole behind damage (if they matter, stop this \
                 server and restore the folder from a copy)"
            ),
        };
        (!parts.is_empty()).then(|| {
            format!(
                "the log goes on with {events} events of {channels} channels{without}: {}",
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
    let numbers = needed(folder)?;
    if numbers.is_empty() {
        found.report.is_whole = true;
        return Ok(found);
    }
    let mut heads_are_lost = false;
    for (at, &number) in numbers.iter().enumerate() {
        let bytes = fs::read(folder.path_of(number))?;
        let (length, is_ended) = read_file(folder, number, &bytes, hub, &mut state, &mut found)?;
        let behind = &numbers[at + 1..];
        found.report.is_whole = behind.is_empty() && is_ended;
        if length > 0 {
            found.files.push((number, length as u64));
        }
        // Of a server that was killed, the last record may be half there.
        if length < bytes.len() || bytes.is_empty() {
            let path = folder.path_of(number);
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            heads_are_lost |= length == 0;
            // Those behind it can do without one of which nothing is there.
            let goes_on = found.files.is_empty() && !behind.is_empty();
            let dropped = if goes_on { &[] } else { behind };
            let mut cut = (bytes.len() - length) as u64;
            found.report.set_aside += whole_events(&bytes[length..]);
            for &other in dropped {
                let bytes = fs::read(folder.path_of(other))?;
                cut += bytes.len() as u64;
                found.report.set_aside += whole_events(&bytes);
            }
            found.report.cut.push((name, length as u64, cut));
            folder.set_aside(number, length as u64)?;
            if !goes_on {
                heads_are_lost |= !dropped.is_empty();
                dropped.iter().try_for_each(|&other| folder.set_aside(other, 0))?;
                break;
            }
        }
    }
    found.report.is_whole &= found.report.cut.is_empty();
    found.next_number = numbers.last().map_or(1, |last| last + 1);
    state.last_position = found.last_position;
    // What was skipped is known from what is left, or else it is less than this.
    let least = if heads_are_lost { found.next_number } else { 0 };
    hub.resume(&state, (!found.report.is_whole).then_some(least));
    let totals = hub.totals();
    (found.report.events, found.report.channels) = (totals.log_events, totals.channels);
    found.report.no_room += hub.forgotten();
    Ok(found)
}

/// The files that are needed: those before one in which all was written again are not.
fn needed(folder: &Folder) -> io::Result<Vec<u64>> {
    folder.drop_all_new()?;
    let mut numbers = folder.numbers()?;
    for at in (1..numbers.len()).rev() {
        let file = File::open(folder.path_of(numbers[at]))?;
        let file_bytes = file.metadata()?.len();
        let head = read_head(file, file_bytes)?;
        if head.is_some_and(|head| head.is_all && head.number == numbers[at]) {
            // Who was about to remove them was killed.
            numbers.drain(..at).try_for_each(|number| folder.remove(number))?;
            break;
        }
    }
    Ok(numbers)
}

/// Reads the records of one file. Gives how many bytes of it are whole, and whether the last one says that
/// nothing was left to write.
fn read_file(
    folder: &Folder,
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
            Record::Batch(batch) => take_batch(&batch, hub, state, found),
            Record::End => {}
        }
        at += length;
    }
    let rest = &bytes[at..];
    if read(rest).is_none() && is_whole(rest) {
        let path = folder.path_of(number);
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "{} was written by another version of pushbench: start that one, or take another folder",
                path.display()
            ),
        ));
    }
    Ok((at, is_ended))
}

/// Whether a file follows what was read before: one whose last records are cut off looks whole by itself.
fn follows(head: &Head, found: &Recovered) -> bool {
    let HubState { last_position: to, skipped, .. } = &head.hub;
    let after = found.last_position;
    found.files.is_empty() || *to <= after || skipped.last() == Some(&Skip { after, to: *to })
}

fn take_head(head: Head, hub: &Hub, state: &mut HubState, found: &mut Recovered) {
    let HubState { last_removed, last_position, skipped, channels } = head.hub;
    found.last_position = found.last_position.max(last_position);
    found.new_after = last_removed;
    state.note_removed(last_removed);
    state.skipped = skipped;
    // All that there were are in it.
    hub.keep_only(channels.iter().map(|channel| &*channel.name));
    for channel in &channels {
        match hub.restore(&channel.name, channel.from, state) {
            Some(restored) => restored.restore_state(channel),
            None => state.note_removed(channel.from),
        }
    }
    for (publisher, known) in head.publishers {
        found.publishers.restore(publisher, known);
    }
}

fn take_batch(batch: &Batch<'_>, hub: &Hub, state: &mut HubState, found: &mut Recovered) {
    let Batch { channel, first, claim, events } = batch;
    let id = first.id.saturating_sub(1);
    let position = match id == found.new_after.id {
        true => found.new_after.position,
        false => first.position.saturating_sub(1),
    };
    let channel = hub.restore(channel, Place { id, position }, state);
    let mut place = *first;
    for &(name, payload, binary) in events {
        let held = hub.reserve(NewEvent::cost(name, payload.len()), Need::Input);
        let event = held.map(|held| NewEvent::new(name, payload, binary, held));
        if event.is_none() || channel.is_none() {
            found.report.no_room += 1;
        }
        match &channel {
            Some(channel) => channel.restore_event(place, event),
            None => state.note_removed(place),
        }
        found.last_position = found.last_position.max(place.position);
        place =
            Place { id: place.id.saturating_add(1), position: place.position.saturating_add(1) };
    }
    if let Some(claim) = claim {
        found.publishers.note(claim, place.id - 1);
    }
}
