//! A thread that syncs a file every now and then. It knows nothing of what is in it.

use std::fs::File;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Shared;
use super::writer::complain;

/// A handle to the thread, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Syncing {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    /// What was written to since it was synced.
    written: Mutex<Written>,
    closing: Condvar,
}

#[derive(Debug, Default)]
struct Written {
    file: Option<Arc<File>>,
    is_closed: bool,
}

impl Syncing {
    /// Starts the thread.
    pub(super) fn every(interval: Duration, shared: Arc<Shared>) -> std::io::Result<Self> {
        let state = Arc::<State>::default();
        let thread = std::thread::Builder::new().name("journal-sync".to_owned()).spawn({
            let state = Arc::clone(&state);
            move || state.run(interval, &shared)
        })?;
        Ok(Self { state, thread: Some(thread) })
    }

    /// Says that this file was written to.
    pub(super) fn wrote(&self, file: &Arc<File>) {
        // The one before was synced when it was left.
        self.state.written().file = Some(Arc::clone(file));
    }
}

impl Drop for Syncing {
    fn drop(&mut self) {
        self.state.written().is_closed = true;
        self.state.closing.notify_one();
        if let Some(thread) = self.thread.take() {
            // It fails only if the thread panicked, which has already been reported.
            let _ = thread.join();
        }
    }
}

impl State {
    fn run(&self, interval: Duration, shared: &Shared) {
        let mut is_failing = false;
        loop {
            let written = self.written();
            if written.is_closed {
                return;
            }
            let waited = self.closing.wait_timeout(written, interval);
            let mut written = waited.unwrap_or_else(PoisonError::into_inner).0;
            let Some(file) = written.file.take() else { continue };
            drop(written);
            match file.sync_data() {
                Ok(()) => {
                    shared.counts.syncs.fetch_add(1, Relaxed);
                    is_failing = false;
                }
                Err(error) if !std::mem::replace(&mut is_failing, true) => {
                    complain(&format!("the log cannot be synced, and goes on: {error}"));
                }
                Err(_) => {}
            }
        }
    }

    /// Nothing panics while the lock is held.
    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
