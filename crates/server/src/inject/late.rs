//! A thread that appends events later than they were published. tokio's timers tick once in 1 ms;
//! this thread sleeps as precisely as the kernel allows, some 50 µs.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use pushbench_wire::clock;

use crate::framing::Draft;
use crate::hub::Channel;

/// The thread, which ends with this. Events that are not due by then are never appended.
#[derive(Debug)]
pub(super) struct Late {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    /// In the order in which they are due.
    events: VecDeque<Pending>,
    closed: bool,
}

#[derive(Debug)]
struct Pending {
    due_ns: u64,
    channel: Arc<Channel>,
    drafts: Vec<Draft>,
}

impl Late {
    /// # Errors
    /// When the system has no thread left.
    pub(super) fn start() -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let thread = std::thread::Builder::new().name("late".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.append_when_due()
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Appends `drafts` at the time that `due_ns` makes of now. An event that was handed over
    /// before is appended before, if `due_ns` never makes less of more.
    pub(super) fn append(
        &self,
        channel: &Arc<Channel>,
        drafts: Vec<Draft>,
        due_ns: impl FnOnce(u64) -> u64,
    ) {
        let was_empty = {
            let mut queue = self.shared.queue();
            let was_empty = queue.events.is_empty();
            // The clock is read within the lock, so that the queue is in order.
            let due_ns = due_ns(clock::now_ns());
            queue.events.push_back(Pending { due_ns, channel: Arc::clone(channel), drafts });
            was_empty
        };
        // Otherwise the thread waits for the event in front, which is due no later.
        if was_empty {
            self.shared.changed.notify_one();
        }
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It fails only if the thread panicked, which has been reported by then.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn append_when_due(&self) {
        // A kernel that refuses only makes the events later by its usual slack of 50 µs.
        let _ = nix::sys::prctl::set_timerslack(1);
        while let Some(Pending { channel, drafts, .. }) = self.next_due() {
            channel.publish(drafts);
        }
    }

    /// Waits until an event is due; `None` once the queue is closed.
    fn next_due(&self) -> Option<Pending> {
        let mut queue = self.queue();
        while !queue.closed {
            let Some(front) = queue.events.front() else {
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left_ns = front.due_ns.saturating_sub(clock::now_ns());
            if left_ns == 0 {
                return queue.events.pop_front();
            }
            let waited = self.changed.wait_timeout(queue, Duration::from_nanos(left_ns));
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        None
    }

    /// Nothing panics while it holds the lock.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
