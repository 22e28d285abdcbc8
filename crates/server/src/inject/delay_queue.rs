//! A thread that appends events some time after they were published. tokio's timers have a resolution
//! of 1 ms; this thread sleeps as precisely as the kernel allows, which is to about 50 µs.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use pushbench_wire::clock;

use crate::framing::NewEvent;
use crate::hub::Channel;

/// A handle to the thread, which ends when this is dropped. Events that are not due by then are never
/// appended.
#[derive(Debug)]
pub(super) struct DelayQueue {
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
    /// Ordered by the time at which they are due.
    events: VecDeque<Pending>,
    closed: bool,
}

#[derive(Debug)]
struct Pending {
    due_ns: u64,
    channel: Arc<Channel>,
    events: Vec<NewEvent>,
}

impl DelayQueue {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system cannot start another thread.
    pub(super) fn start() -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let thread = std::thread::Builder::new().name("delay-queue".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.append_when_due()
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Appends `events` to the channel at the time that `due_ns` returns for the current time. Events
    /// are appended in the order of these calls, provided that `due_ns` is monotonic.
    pub(super) fn push(
        &self,
        channel: &Arc<Channel>,
        events: Vec<NewEvent>,
        due_ns: impl FnOnce(u64) -> u64,
    ) {
        let was_empty = {
            let mut queue = self.shared.queue();
            let was_empty = queue.events.is_empty();
            // The clock is read while the lock is held, so that the queue stays ordered.
            let due_ns = due_ns(clock::now_ns());
            queue.events.push_back(Pending { due_ns, channel: Arc::clone(channel), events });
            was_empty
        };
        // Otherwise the thread already waits for an event that is due no later.
        if was_empty {
            self.shared.changed.notify_one();
        }
    }
}

impl Drop for DelayQueue {
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It fails only if the thread panicked, which has already been reported.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn append_when_due(&self) {
        // If the kernel refuses, events are late by its default slack of 50 µs.
        let _ = nix::sys::prctl::set_timerslack(1);
        while let Some(Pending { channel, events, .. }) = self.next_due() {
            channel.publish(events);
        }
    }

    /// Waits until an event is due. Returns `None` once the queue is closed.
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

    /// Nothing panics while the lock is held.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
