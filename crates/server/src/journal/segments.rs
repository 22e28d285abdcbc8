//! The files that the journal consists of: where it goes on, and which of them are no longer needed. It knows
//! no publisher that waits.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::files::Folder;
use super::record::{push_batch, push_end, push_head};
use super::writer::complain;
use crate::hub::Hub;
use crate::publish::Publishers;

/// The least and the most that a file has before another one is begun.
const SEGMENT_BYTES: (usize, usize) = (1 << 20, 64 << 20);

/// The most files, as there are when a server is started often.
const MAX_FILES: usize = 64;

/// About what an event takes beside its name and payload.
const EVENT_BYTES: usize = 96;

/// How much is written at once where all is written again.
const PIECE_BYTES: usize = 1 << 20;

/// As many as a channel keeps.
pub(super) fn size_for(hub: &Hub) -> u64 {
    hub.limits().log_bytes.clamp(SEGMENT_BYTES.0, SEGMENT_BYTES.1) as u64
}

/// The files.
#[derive(Debug)]
pub(super) struct Segments {
    folder: Folder,
    /// Those that are no longer written to.
    closed: VecDeque<Closed>,
    file: Option<Arc<File>>,
    /// The number of that file, and its length as far as it counts.
    number: u64,
    length: u64,
    /// One whose end could not be cut off, and where it should end. Nothing may come behind it before it is:
    /// what is half there ends the journal when it is read.
    torn: Option<(Arc<File>, u64)>,
    /// How long the file has to be before another one is begun.
    not_before: u64,
    /// Whether there was no room to write all again when that was tried last.
    has_no_room: bool,
    /// Whether that was said.
    has_complained: bool,
    /// Where a file ends.
    pub(super) segment_bytes: u64,
    /// Whether files are synced when they are begun and left.
    is_synced: bool,
    /// How long a file may become on a disk that is full, as a test has it.
    #[cfg(test)]
    pub(super) full_at: u64,
}

#[derive(Debug)]
struct Closed {
    number: u64,
    bytes: u64,
    /// The position of the last event before its end.
    last_position: u64,
}

impl Segments {
    /// Behind these files, which all end at the last event that there is.
    pub(super) fn behind(
        folder: Folder,
        files: &[(u64, u64)],
        next_number: u64,
        is_synced: bool,
    ) -> Self {
        let closed =
            |&(number, bytes): &(u64, u64)| Closed { number, bytes, last_position: u64::MAX };
        Self {
            folder,
            closed: files.iter().map(closed).collect(),
            file: None,
            number: next_number - 1,
            length: 0,
            torn: None,
            not_before: 0,
            has_no_room: false,
            has_complained: false,
            segment_bytes: SEGMENT_BYTES.0 as u64,
            is_synced,
            #[cfg(test)]
            full_at: u64::MAX,
        }
    }

    /// The file that is written to.
    ///
    /// # Errors
    /// When it was given up, and there is no other one yet.
    pub(super) fn file(&self) -> io::Result<&Arc<File>> {
        self.file.as_ref().ok_or_else(|| io::Error::other("there is no file to write to"))
    }

    /// Appends `bytes`, all of them or none.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = Arc::clone(self.file()?);
        let written = file.write_all_at(bytes, self.length);
        #[cfg(test)]
        let written = match self.length + bytes.len() as u64 <= self.full_at {
            true => written,
            false => Err(io::ErrorKind::StorageFull.into()),
        };
        match written {
            Ok(()) => {
                self.length += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.cut_back(self.length);
                Err(error)
            }
        }
    }

    /// How long the file is.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Forgets what was appended behind `length`.
    pub(super) fn cut_back(&mut self, length: u64) {
        self.length = length;
        if self.file.as_ref().is_some_and(|file| file.set_len(length).is_err()) {
            self.torn = self.file.take().map(|file| (file, length));
        }
    }

    /// Gives the file up: what was not synced may be lost, or there nevertheless.
    pub(super) fn give_up(&mut self, length: u64) {
        self.length = length;
        self.torn = self.file.take().map(|file| (file, length)).or(self.torn.take());
    }

    /// All bytes on the disk.
    pub(super) fn bytes(&self) -> u64 {
        self.length + self.closed.iter().map(|closed| closed.bytes).sum::<u64>()
    }

    /// Whether another file is to be begun.
    pub(super) fn is_due(&self) -> bool {
        self.file.is_none() || self.length >= self.segment_bytes.max(self.not_before)
    }

    /// There is no room for another file: it is tried again when this one is longer.
    pub(super) fn go_on(&mut self) {
        self.not_before = self.length + self.segment_bytes / 16;
    }

    /// Begins another file, and removes those that are no longer needed. Where a channel that is hardly
    /// used keeps old files from going, all that is kept is written again, if there is room for that.
    ///
    /// # Errors
    /// When it cannot be begun: then the file before goes on, if there is one that may.
    pub(super) fn begin(&mut self, hub: &Hub, publishers: &Publishers) -> io::Result<()> {
        if let Some((file, length)) = &self.torn {
            file.set_len(*length)?;
            // Or what was cut off might be there again, before what is answered from now on.
            file.sync_all()?;
            self.torn = None;
        }
        let last_position = hub.order().last();
        let oldest = hub.oldest_position().unwrap_or(u64::MAX);
        let totals = hub.totals();
        let kept = (totals.log_bytes + totals.log_events * EVENT_BYTES) as u64;
        let stays = |closed: &&Closed| closed.last_position >= oldest;
        let staying: u64 = self.closed.iter().filter(stays).map(|closed| closed.bytes).sum();
        let writes_again = staying + self.length > 2 * kept + 2 * self.segment_bytes
            || self.closed.iter().filter(stays).count() > MAX_FILES;
        if let (Some(file), true) = (&self.file, self.is_synced) {
            file.sync_data()?;
        }
        let number = self.number + 1;
        // What had no room is not tried again before there is another file.
        let tries_all = writes_again && !self.has_no_room;
        let all = match tries_all {
            true => self.write_all_again(number, hub, publishers),
            false => None,
        };
        let is_all = all.is_some();
        let (file, length) = match all {
            Some(begun) => begun,
            None => self.write_first(number, hub, publishers, false)?,
        };
        self.has_no_room = tries_all && !is_all;
        self.folder.show(number)?;
        if self.length > 0 {
            let (number, bytes) = (self.number, self.length);
            self.closed.push_back(Closed { number, bytes, last_position });
        }
        (self.file, self.number, self.length) = (Some(Arc::new(file)), number, length);
        self.not_before = 0;
        for closed in &mut self.closed {
            // Of files that were there before, it is not known better.
            let needed_until = if is_all { 0 } else { last_position };
            closed.last_position = closed.last_position.min(needed_until);
        }
        if self.is_synced || is_all {
            // Until that is certain, nothing may come behind it, and the others have to stay.
            self.folder.sync().inspect_err(|_| self.give_up(length))?;
        }
        // Oldest first, and none behind one that cannot be removed now: what is read must have no gap.
        while let Some(closed) = self.closed.front().filter(|of| of.last_position < oldest) {
            if let Err(error) = self.folder.remove(closed.number) {
                complain(&format!("a file of the log cannot be removed yet: {error}"));
                break;
            }
            self.closed.pop_front();
        }
        Ok(())
    }

    /// The same with all that is kept, if there is room for it.
    fn write_all_again(
        &mut self,
        number: u64,
        hub: &Hub,
        publishers: &Publishers,
    ) -> Option<(File, u64)> {
        match self.write_first(number, hub, publishers, true) {
            Ok(begun) => {
                self.has_complained = false;
                Some(begun)
            }
            Err(error) => {
                self.has_no_room = true;
                if !std::mem::replace(&mut self.has_complained, true) {
                    complain(&format!(
                        "there is no room to write the log again, so its old files stay: {error}"
                    ));
                }
                None
            }
        }
    }

    /// Writes what the file of this number begins with, so that it can be shown. Gives its length.
    fn write_first(
        &self,
        number: u64,
        hub: &Hub,
        publishers: &Publishers,
        with_events: bool,
    ) -> io::Result<(File, u64)> {
        let file = self.folder.create(number)?;
        let written = write_first(&file, number, hub, publishers, with_events);
        let synced = written.and_then(|length| {
            if self.is_synced || with_events {
                file.sync_data()?;
            }
            Ok(length)
        });
        match synced {
            Ok(length) => Ok((file, length)),
            Err(error) => {
                self.folder.drop_new(number);
                Err(error)
            }
        }
    }

    /// Says that nothing was left to write.
    pub(super) fn end(&mut self) -> io::Result<()> {
        if self.file.is_none() && self.length == 0 {
            // This server had no room for anything, and nothing is added to what the one before has left.
            return Ok(());
        }
        let mut end = Vec::new();
        push_end(&mut end);
        let ended = self.append(&end);
        // What was written has to be there, whether that fits behind it or not.
        let synced = if self.is_synced { self.file()?.sync_all() } else { Ok(()) };
        ended.and(synced)
    }

    pub(super) fn folder(&self) -> &Folder {
        &self.folder
    }
}

/// Writes what a file begins with, and all events where that is so. Gives its length.
fn write_first(
    file: &File,
    number: u64,
    hub: &Hub,
    publishers: &Publishers,
    with_events: bool,
) -> io::Result<u64> {
    let (mut buffer, mut length) = (Vec::new(), 0);
    let (state, events) = if with_events { hub.kept() } else { (hub.state(), Vec::new()) };
    push_head(number, with_events, &state, publishers, &mut buffer);
    for (channel, event) in events {
        push_batch(channel.name(), event.place(), None, [event.parts()].into_iter(), &mut buffer);
        if buffer.len() >= PIECE_BYTES {
            file.write_all_at(&buffer, length)?;
            length += buffer.len() as u64;
            buffer.clear();
        }
    }
    file.write_all_at(&buffer, length)?;
    Ok(length + buffer.len() as u64)
}
