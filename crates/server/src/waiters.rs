//! Who is to be woken when a channel has news. It knows neither events nor transports.
//!
//! A waiter leaves its waker here once and is woken from then on, event after event. The lists of
//! tokio's channels forget a waker when they have woken it, so that every subscriber would have to
//! take its place in the list again after each event.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The wakers of all who wait.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Waiters {
    /// Wakes everyone. What they wait for must be visible before the call.
    pub(crate) fn wake_all(&self) {
        for waker in self.places().wakers.iter().flatten() {
            waker.wake_by_ref();
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the waiters, given up when it is dropped.
#[derive(Debug)]
pub(crate) struct Waiter {
    waiters: Arc<Waiters>,
    place: Option<(usize, Waker)>,
}

impl Waiter {
    pub(crate) fn new(waiters: Arc<Waiters>) -> Self {
        Self { waiters, place: None }
    }

    /// Completes as soon as `is_due`, which is looked at whenever everyone is woken.
    pub(crate) fn poll(&mut self, cx: &Context<'_>, is_due: impl Fn() -> bool) -> Poll<()> {
        if is_due() {
            return Poll::Ready(());
        }
        if self.place.as_ref().is_some_and(|(_, waker)| waker.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        self.take_place(cx.waker());
        // What came before the place was taken has woken somebody else.
        if is_due() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn take_place(&mut self, waker: &Waker) {
        let mut places = self.waiters.places();
        let index = match &self.place {
            Some((index, _)) => *index,
            None => places.free.pop().unwrap_or_else(|| {
                places.wakers.push(None);
                places.wakers.len() - 1
            }),
        };
        let old = places.wakers[index].replace(waker.clone());
        drop(places);
        // The last waker of a task drops the task, and with it perhaps another waiter: not within
        // the lock.
        drop(old);
        self.place = Some((index, waker.clone()));
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let Some((index, _)) = self.place else { return };
        let mut places = self.waiters.places();
        let old = places.wakers[index].take();
        places.free.push(index);
        drop(places);
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
    fn a_waiter_that_moves_to_another_task_takes_its_place_along() {
        let waiters = Arc::<Waiters>::default();
        let mut waiter = Waiter::new(Arc::clone(&waiters));
        let ((old, old_waker), (new, new_waker)) = (waker(), waker());
        let _ = waiter.poll(&Context::from_waker(&old_waker), || false);
        let _ = waiter.poll(&Context::from_waker(&new_waker), || false);
        waiters.wake_all();
        assert_eq!(old.0.load(Ordering::Relaxed), 0);
        assert_eq!(new.0.load(Ordering::Relaxed), 1);
        assert_eq!(waiters.places().wakers.len(), 1);
    }

    #[test]
    fn places_are_used_again() {
        let waiters = Arc::<Waiters>::default();
        let (_, waker) = waker();
        for _ in 0..3 {
            let mut waiter = Waiter::new(Arc::clone(&waiters));
            let _ = waiter.poll(&Context::from_waker(&waker), || false);
        }
        assert_eq!(waiters.places().wakers.len(), 1);
    }

    #[test]
    fn news_that_comes_while_the_place_is_taken_is_not_missed() {
        let waiters = Arc::<Waiters>::default();
        let looks = AtomicUsize::new(0);
        let (_, waker) = waker();
        let due_at_second_look = || looks.fetch_add(1, Ordering::Relaxed) == 1;
        let polled = Waiter::new(waiters).poll(&Context::from_waker(&waker), due_at_second_look);
        assert!(polled.is_ready());
    }
}
