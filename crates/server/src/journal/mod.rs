//! The journal: what is published is on disk before anybody sees it, so that a server which ends, however it
//! ends, goes on where it was. One thread writes for all publishers, and syncs once for all of them that wait.
//! It knows no request and no transport.
//!
//! It is a log that is only appended to, and not a database: what is kept is a queue, the newest events of each
//! channel; what is read is all of it, once, in order; and that it survives any damage up to the last whole
//! record follows from its form (`record`), where a tree of pages would have to be trusted.

mod aside;
mod files;
mod record;
mod recovery;
mod segments;
mod syncing;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::framing::NewEvent;
use crate::hub::{Channel, Hub};
use crate::publish::{Claim, Publishers};
use files::Folder;
pub(crate) use recovery::Report;
use segments::Segments;
use writer::Writer;
pub(crate) use writer::complain;

/// How often it is tried whether the disk takes events again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// A log on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskLog {
    /// The folder, which is made if it is not there. One server has it at a time.
    pub folder: PathBuf,
    /// When it is synced.
    pub sync: LogSync,
}

/// When what was written is certainly on the disk. What the operating system has been given survives the end of
/// the server in any case; this is about the end of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogSync {
    /// Before a publisher is answered, and before subscribers get it.
    Always,
    /// At least this often.
    Interval(Duration),
    /// When the operating system likes.
    Never,
}

/// Why events were not taken. None of the request were.
#[derive(Clone, Debug)]
pub(crate) enum Refused {
    /// There is no room on the disk.
    DiskFull(String),
    /// The disk does not take them for another reason.
    Failed(String),
    /// They may have been taken long before.
    Forgotten,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The id of its last event, if that is known.
    pub(crate) last_id: Option<u64>,
    /// Whether it was taken before, and not again.
    pub(crate) is_repeated: bool,
}

/// Events that are to be written and then published, all of them or none.
#[derive(Debug)]
struct Job {
    channel: Arc<Channel>,
    events: Vec<NewEvent>,
    claim: Option<Claim>,
    answer: Option<oneshot::Sender<Result<Taken, Refused>>>,
}

/// A handle to the thread that writes. What it has been given is written when this is closed or dropped.
#[derive(Debug)]
pub(crate) struct Journal {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// Whether the last of what was to be written was not.
    is_failing: AtomicBool,
    /// When it was last tried with an event that nobody waits for.
    tried: Mutex<Option<Instant>>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: Vec<Job>,
    is_closed: bool,
}

/// What the journal did so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) writes: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) set_aside: AtomicU64,
}

impl Counts {
    /// As Prometheus' text.
    pub(crate) fn write_to(&self, text: &mut String) {
        let all = [
            (
                "pushbench_log_writes_total",
                "counter",
                "Groups of events written to disk.",
                &self.writes,
            ),
            ("pushbench_log_syncs_total", "counter", "Times that the log was synced.", &self.syncs),
            (
                "pushbench_log_refused_total",
                "counter",
                "Requests and messages whose events could not be written.",
                &self.refused,
            ),
            ("pushbench_log_disk_bytes", "gauge", "Bytes of the log on disk.", &self.bytes),
            (
                "pushbench_log_set_aside_events",
                "gauge",
                "Events that were whole behind damage when this server started, and are set aside.",
                &self.set_aside,
            ),
        ];
        for (name, kind, help, count) in all {
            let value = count.load(Ordering::Relaxed);
            text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n"));
        }
    }
}

/// Begins the first file of this server. Where there is no room for it, what is there can be read, and each
/// publisher is told, until there is.
fn begin(segments: &mut Segments, hub: &Hub, publishers: &Publishers) -> io::Result<()> {
    match segments.begin(hub, publishers) {
        Err(error) if is_full(&error) => {
            complain(&format!(
                "there is no room for the log in {} ({error}); free some: until then nothing can be published",
                segments.folder().path().display()
            ));
            Ok(())
        }
        begun => begun,
    }
}

/// Whether there is no room for more.
fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

impl Journal {
    /// Brings back into `hub`, which nobody uses yet, what was written before, and starts to write behind it.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub(crate) fn open(log: &DiskLog, hub: &Arc<Hub>) -> io::Result<(Self, Report)> {
        Self::with_files_of(segments::size_for(hub), log, hub)
    }

    fn with_files_of(
        segment_bytes: u64,
        log: &DiskLog,
        hub: &Arc<Hub>,
    ) -> io::Result<(Self, Report)> {
        let folder = Folder::open(&log.folder)?;
        let recovered = recovery::recover(&folder, hub)?;
        let (publishers, report) = (recovered.publishers, recovered.report);
        let is_synced = log.sync != LogSync::Never;
        let mut segments =
            Segments::behind(folder, &recovered.files, recovered.next_number, is_synced);
        segments.segment_bytes = segment_bytes;
        begin(&mut segments, hub, &publishers)?;
        let shared = Arc::new(Shared::default());
        shared.counts.set_aside.store(report.set_aside, Ordering::Relaxed);
        let writer =
            Writer::new(Arc::clone(hub), segments, publishers, log.sync, Arc::clone(&shared))?;
        let thread =
            std::thread::Builder::new().name("journal".to_owned()).spawn(move || writer.run())?;
        Ok((Self { shared, thread: Mutex::new(Some(thread)) }, report))
    }

    /// Publishes `events`, and waits until they are written.
    ///
    /// # Errors
    /// Why they are not.
    pub(crate) async fn publish(
        &self,
        channel: &Arc<Channel>,
        events: Vec<NewEvent>,
        claim: Option<Claim>,
    ) -> Result<Taken, Refused> {
        let (answer, answered) = oneshot::channel();
        let channel = Arc::clone(channel);
        self.shared.add(Job { channel, events, claim, answer: Some(answer) });
        answered.await.unwrap_or_else(|_| Err(Refused::Failed("the server is stopping".to_owned())))
    }

    /// Publishes an event that nobody waits for. Says whether it may be written: when others are not,
    /// it is not either, but for one every now and then, which finds out whether they are again.
    pub(crate) fn send(&self, channel: &Arc<Channel>, event: NewEvent) -> bool {
        if self.shared.is_failing.load(Ordering::Relaxed) && !self.shared.may_try_again() {
            return false;
        }
        let channel = Arc::clone(channel);
        self.shared.add(Job { channel, events: vec![event], claim: None, answer: None });
        true
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    /// Writes what is left, and takes no more.
    pub(crate) fn close(&self) {
        self.shared.queue().is_closed = true;
        self.shared.changed.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It fails only if the thread panicked, which has already been reported.
            let _ = thread.join();
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn may_try_again(&self) -> bool {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let may = tried.is_none_or(|at| at.elapsed() >= TRY_AGAIN);
        if may {
            *tried = Some(Instant::now());
        }
        may
    }

    fn add(&self, job: Job) {
        let was_empty = {
            let mut queue = self.queue();
            if queue.is_closed {
                // Who waits for its answer is told so by the end of that.
                return;
            }
            queue.jobs.push(job);
            queue.jobs.len() == 1
        };
        // Otherwise the thread knows already, or looks again before it waits.
        if was_empty {
            self.changed.notify_one();
        }
    }

    /// Moves all that is there into `jobs`, as soon as there is any. Says whether there may be more.
    fn take(&self, jobs: &mut Vec<Job>) -> bool {
        let mut queue = self.queue();
        while queue.jobs.is_empty() && !queue.is_closed {
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut queue.jobs, jobs);
        !jobs.is_empty()
    }

    /// Nothing panics while the lock is held.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
