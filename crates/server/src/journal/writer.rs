//! The thread that writes: all that waits goes to the file at once, and is synced once if it is to be. Only then
//! it goes to the channels, and its publishers are answered. It is the only one that appends to channels.

use std::io::{self, Write as _};
use std::mem::take;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::record::push_batch;
use super::segments::Segments;
use super::syncing::Syncing;
use super::{Job, LogSync, Refused, Shared, Taken, is_full};
use crate::framing::Place;
use crate::hub::Hub;
use crate::publish::{Publishers, Standing};

/// How much is written at once before others are answered.
const GROUP_BYTES: usize = 4 << 20;

pub(super) struct Writer {
    hub: Arc<Hub>,
    segments: Segments,
    publishers: Publishers,
    /// Whether each group is synced.
    syncs_each: bool,
    syncing: Option<Syncing>,
    /// What is written next.
    buffer: Vec<u8>,
    shared: Arc<Shared>,
    /// Whether it was said that something cannot be written.
    has_complained: bool,
    /// The same of another file.
    has_complained_of_segment: bool,
}

/// What is to become of a job.
enum Planned {
    New { before: Option<u64> },
    Repeated(Option<u64>),
    Forgotten,
}

impl Writer {
    pub(super) fn new(
        hub: Arc<Hub>,
        segments: Segments,
        publishers: Publishers,
        sync: LogSync,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        let syncing = match sync {
            LogSync::Interval(interval) => Some(Syncing::every(interval, Arc::clone(&shared))?),
            LogSync::Always | LogSync::Never => None,
        };
        shared.counts.bytes.store(segments.bytes(), Relaxed);
        Ok(Self {
            hub,
            segments,
            publishers,
            syncs_each: sync == LogSync::Always,
            syncing,
            buffer: Vec::new(),
            shared,
            has_complained: false,
            has_complained_of_segment: false,
        })
    }

    /// Writes until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let (mut jobs, mut group) = (Vec::new(), Vec::new());
        let shared = Arc::clone(&self.shared);
        while shared.take(&mut jobs) {
            let mut bytes = 0;
            for job in jobs.drain(..) {
                bytes += job.size_bytes();
                group.push(job);
                if bytes >= GROUP_BYTES {
                    self.commit(&mut group);
                    bytes = 0;
                }
            }
            self.commit(&mut group);
        }
        drop(self.syncing.take());
        if let Err(error) = self.segments.end() {
            complain(&format!("the end of the log cannot be written: {error}"));
        }
    }

    /// Writes these together; where that fails, each by itself, as the others may be smaller.
    fn commit(&mut self, group: &mut Vec<Job>) {
        match self.write(group) {
            Ok(()) => {}
            Err(error) if group.len() < 2 => self.refuse(group, &error),
            Err(_) => {
                // What a publisher sent behind one that is refused is refused, too: it counts on the order.
                let mut refused: Vec<(Box<str>, io::Error)> = Vec::new();
                for job in take(group) {
                    let publisher = job.claim.as_ref().map(|claim| claim.publisher.clone());
                    let mut alone = vec![job];
                    let before = refused.iter().find(|of| Some(&of.0) == publisher.as_ref());
                    if let Some((_, error)) = before {
                        self.refuse(&mut alone, error);
                    } else if let Err(error) = self.write(&mut alone) {
                        self.refuse(&mut alone, &error);
                        refused.extend(publisher.map(|publisher| (publisher, error)));
                    }
                }
            }
        }
    }

    fn write(&mut self, group: &mut Vec<Job>) -> io::Result<()> {
        if group.is_empty() {
            return Ok(());
        }
        if self.segments.is_due() {
            self.begin_segment()?;
        }
        let planned = self.plan(group);
        let begin = self.segments.length();
        let written = match self.buffer.is_empty() {
            // All of them came again.
            true => Ok(()),
            false => self.segments.append(&self.buffer).and_then(|()| self.sync(begin)),
        };
        if let Err(error) = written {
            self.undo(group, planned);
            return Err(error);
        }
        self.shared.counts.writes.fetch_add(1, Relaxed);
        self.shared.counts.bytes.store(self.segments.bytes(), Relaxed);
        self.shared.is_failing.store(false, Relaxed);
        self.has_complained = false;
        for (job, planned) in group.drain(..).zip(planned) {
            let taken = match planned {
                Planned::New { .. } => {
                    let last_id = Some(job.channel.publish(job.events));
                    Ok(Taken { last_id, is_repeated: false })
                }
                Planned::Repeated(last_id) => Ok(Taken { last_id, is_repeated: true }),
                Planned::Forgotten => Err(Refused::Forgotten),
            };
            if let Some(answer) = job.answer {
                // Who has gone does not want to know.
                let _ = answer.send(taken);
            }
        }
        Ok(())
    }

    /// Writes all jobs that are new into the buffer, with the ids that their events will have.
    fn plan(&mut self, group: &[Job]) -> Vec<Planned> {
        self.buffer.clear();
        let mut position = self.hub.order().last();
        let plan = |job: &Job| {
            match job.claim.as_ref().map(|claim| self.publishers.standing(claim)) {
                None | Some(Standing::New) => {}
                Some(Standing::Taken(last_id)) => return Planned::Repeated(last_id),
                Some(Standing::Forgotten) => return Planned::Forgotten,
            }
            let count = job.events.len() as u64;
            let before = job.channel.next_after().max(job.channel.planned.load(Relaxed));
            let first = Place { id: before + 1, position: position + 1 };
            let events = job.events.iter().map(|event| event.parts());
            push_batch(job.channel.name(), first, job.claim.as_ref(), events, &mut self.buffer);
            position += count;
            job.channel.planned.store(before + count, Relaxed);
            let claim = job.claim.as_ref();
            let before = claim.and_then(|claim| self.publishers.note(claim, before + count));
            Planned::New { before }
        };
        group.iter().map(plan).collect()
    }

    /// Makes sure of what was written behind `begin`, if that is to be.
    fn sync(&mut self, begin: u64) -> io::Result<()> {
        let file = Arc::clone(self.segments.file()?);
        if let Some(syncing) = &self.syncing {
            syncing.wrote(&file);
        }
        if !self.syncs_each {
            return Ok(());
        }
        file.sync_data().inspect_err(|_| {
            // Nobody knows what the disk has of it, and asking again does not tell.
            self.segments.give_up(begin);
        })?;
        self.shared.counts.syncs.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Forgets what was planned.
    fn undo(&mut self, group: &[Job], planned: Vec<Planned>) {
        for (job, planned) in group.iter().zip(planned).rev() {
            job.channel.planned.store(0, Relaxed);
            if let (Planned::New { before }, Some(claim)) = (planned, &job.claim) {
                self.publishers.undo(claim, before);
            }
        }
    }

    /// Begins another file. Where there is no room for that, the one before goes on.
    fn begin_segment(&mut self) -> io::Result<()> {
        let Err(error) = self.segments.begin(&self.hub, &self.publishers) else {
            self.has_complained_of_segment = false;
            return Ok(());
        };
        if self.segments.file().is_err() {
            return Err(error);
        }
        self.segments.go_on();
        if !std::mem::replace(&mut self.has_complained_of_segment, true) {
            complain(&format!(
                "the log cannot go on in another file, and goes on in this one: {error}"
            ));
        }
        Ok(())
    }

    fn refuse(&mut self, group: &mut Vec<Job>, error: &io::Error) {
        let folder = self.segments.folder().path().display();
        let (reason, refused): (_, fn(String) -> Refused) = match is_full(error) {
            true => (
                format!(
                    "there is no room for the log in {folder} ({error}); free some, or lower log_bytes; nothing of \
                     this request was kept"
                ),
                Refused::DiskFull,
            ),
            false => (
                format!(
                    "the log in {folder} cannot be written ({error}); nothing of this request was kept"
                ),
                Refused::Failed,
            ),
        };
        self.shared.is_failing.store(true, Relaxed);
        if !std::mem::replace(&mut self.has_complained, true) {
            complain(&reason);
        }
        for job in group.drain(..) {
            self.shared.counts.refused.fetch_add(1, Relaxed);
            if let Some(answer) = job.answer {
                let _ = answer.send(Err(refused(reason.clone())));
            }
        }
    }
}

impl Job {
    fn size_bytes(&self) -> usize {
        self.events.iter().map(|event| event.parts().1.len()).sum()
    }
}

/// Says something on standard error, in one line. Where nobody reads it, that is no reason to stop.
pub(crate) fn complain(what: &str) {
    let _ = writeln!(io::stderr(), "pushbench serve: {what}");
}
