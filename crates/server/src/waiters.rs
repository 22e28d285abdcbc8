//! The tasks to wake when a channel has new events. It knows neither events nor transports.
//!
//! A waiter registers its waker once and is woken by every event from then on. tokio's channels
//! remove a waker from their list when they wake it, so every subscriber would have to register again
//! after each event.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::memory::{Need, Reservation};

/// The registered wakers.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Mutex<Slots>);

#[derive(Debug, Default)]
struct Slots {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
    held: Reservation,
}

/// What a slot costs, used or not: the lists double when they grow.
const SLOT_BYTES: usize = 2 * (size_of::<Option<Waker>>() + size_of::<usize>());

impl Waiters {
    /// No waiters. They are accounted for in `held`.
    pub(crate) fn new(held: Reservation) -> Self {
        Self(Mutex::new(Slots { held, ..Slots::default() }))
    }

    /// Wakes every waiter. What they wait for must be visible before the call.
    pub(crate) fn wake_all(&self) {
        for waker in self.slots().wakers.iter().flatten() {
            waker.wake_by_ref();
        }
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One waiter, which is registered until it is dropped.
#[derive(Debug)]
pub(crate) struct Waiter {
    waiters: Arc<Waiters>,
    slot: Option<(usize, Waker)>,
}

impl Waiter {
    /// A waiter that is not registered yet.
    pub(crate) fn new(waiters: Arc<Waiters>) -> Self {
        Self { waiters, slot: None }
    }

    /// Completes as soon as `is_due` returns true. It is called again whenever the waiters are woken.
    pub(crate) fn poll(&mut self, cx: &Context<'_>, is_due: impl Fn() -> bool) -> Poll<()> {
        if is_due() {
            return Poll::Ready(());
        }
        if self.slot.as_ref().is_some_and(|(_, waker)| waker.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        self.register(cx.waker());
        // What became due before the waker was registered has not woken it.
        if is_due() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn register(&mut self, waker: &Waker) {
        let mut slots = self.waiters.slots();
        let index = match &self.slot {
            Some((index, _)) => *index,
            None => slots.free.pop().unwrap_or_else(|| {
                slots.held.add(SLOT_BYTES);
                slots.wakers.push(None);
                slots.wakers.len() - 1
            }),
        };
        let old = slots.wakers[index].replace(waker.clone());
        drop(slots);
        // Dropped outside the lock: the last waker of a task drops the task, and that may drop
        // another waiter.
        drop(old);
        self.slot = Some((index, waker.clone()));
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let Some((index, _)) = self.slot else { return };
        let mut slots = self.waiters.slots();
        let old = slots.wakers[index].take();
        slots.free.push(index);
        if slots.free.len() == slots.wakers.len() {
            // A channel keeps no memory for the subscribers that it once had.
            slots.wakers = Vec::new();
            slots.free = Vec::new();
            slots.held.resize(0, Need::Connection);
        }
        drop(slots);
        drop(old);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn waker() -> (Arc<Count>, Waker) {
        let count = Arc::<Count>::default();
        (Arc::clone(&count), Waker::from(count))
    }

    #[test]
    fn a_waiter_is_woken_again_and_again_until_it_is_dropped() {
        let waiters = Arc::<Waiters>::default();
        let mut waiter = Waiter::new(Arc::clone(&waiters));
        let (count, waker) = waker();
        assert!(waiter.poll(&Context::from_waker(&waker), || false).is_pending());
        waiters.wake_all();
        waiters.wake_all();
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
        drop(waiter);
        waiters.wake_all();
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_waiter_that_moves_to_another_task_keeps_its_slot() {
        let waiters = Arc::<Waiters>::default();
        let mut waiter = Waiter::new(Arc::clone(&waiters));
        let ((old, old_waker), (new, new_waker)) = (waker(), waker());
        let _ = waiter.poll(&Context::from_waker(&old_waker), || false);
        let _ = waiter.poll(&Context::from_waker(&new_waker), || false);
        waiters.wake_all();
        assert_eq!(old.0.load(Ordering::Relaxed), 0);
        assert_eq!(new.0.load(Ordering::Relaxed), 1);
        assert_eq!(waiters.slots().wakers.len(), 1);
    }

    #[test]
    fn slots_are_reused_and_freed_with_the_last_waiter() {
        let waiters = Arc::<Waiters>::default();
        let (_, waker) = waker();
        let register = || {
            let mut waiter = Waiter::new(Arc::clone(&waiters));
            let _ = waiter.poll(&Context::from_waker(&waker), || false);
            waiter
        };
        let first = register();
        for _ in 0..3 {
            register();
        }
        assert_eq!(waiters.slots().wakers.len(), 2);
        drop(first);
        assert_eq!(waiters.slots().wakers.capacity(), 0);
        assert_eq!(waiters.slots().free.capacity(), 0);
    }

    #[test]
    fn what_becomes_due_during_registration_is_not_missed() {
        let waiters = Arc::<Waiters>::default();
        let calls = AtomicUsize::new(0);
        let (_, waker) = waker();
        let due_at_second_call = || calls.fetch_add(1, Ordering::Relaxed) == 1;
        let polled = Waiter::new(waiters).poll(&Context::from_waker(&waker), due_at_second_call);
        assert!(polled.is_ready());
    }
}
