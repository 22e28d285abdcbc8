//! Misbehaviour by known amounts, for those who test an instrument with this server. It stands
//! between a publisher and the log, and beside each delivery. Neither the log nor the transports
//! know what it does, and a server that is told nothing has none of it.

mod disorder;
mod fault;
mod late;

use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use nix::time::ClockId;
use pushbench_wire::clock;

use crate::framing::Draft;
use crate::hub::Channel;
use crate::metrics::Metrics;
pub(crate) use disorder::Disorder;
pub(crate) use fault::Kind;
pub use fault::{BadFault, Fault, Faults, RepeatedFault, Stall};
use late::Late;

/// What makes a server misbehave.
#[derive(Debug)]
pub(crate) struct Injector {
    faults: Faults,
    metrics: Arc<Metrics>,
    /// There is none if every event is visible at once.
    late: Option<Late>,
}

impl Injector {
    /// `None` if there is no fault.
    ///
    /// # Errors
    /// When the thread cannot be started that makes events late.
    pub(crate) fn new(faults: &Faults, metrics: &Arc<Metrics>) -> io::Result<Option<Self>> {
        if faults.is_empty() {
            return Ok(None);
        }
        let is_late = faults.delay.is_some() || faults.stall.is_some();
        Ok(Some(Self {
            faults: faults.clone(),
            metrics: Arc::clone(metrics),
            late: is_late.then(Late::start).transpose()?,
        }))
    }

    /// Appends what the faults leave of `drafts`. Returns the id of the last event, if any was
    /// appended already.
    pub(crate) fn publish(&self, channel: &Arc<Channel>, drafts: Vec<Draft>) -> Option<u64> {
        // Held until the events are on their way: nobody may overtake.
        let mut disorder = channel.disorder.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = Vec::with_capacity(drafts.len());
        for draft in drafts {
            disorder.pass(&self.faults, draft, &mut left, |kind| self.metrics.injected(kind, 1));
        }
        if left.is_empty() {
            return None;
        }
        let Some(late) = &self.late else { return Some(channel.publish(left)) };
        let count = left.len();
        late.append(channel, left, |now_ns| self.due_ns(now_ns, count));
        None
    }

    /// When `count` events that are published at `now_ns` become visible.
    fn due_ns(&self, now_ns: u64, count: usize) -> u64 {
        let mut due_ns = now_ns;
        if let Some(delay) = self.faults.delay {
            self.metrics.injected(Kind::Delay, count);
            due_ns += fault::as_ns(delay);
        }
        if let Some(end_ns) = self.faults.stall.and_then(|stall| stall.end_ns(due_ns)) {
            self.metrics.injected(Kind::Stall, count);
            due_ns = end_ns;
        }
        due_ns
    }

    /// Burns what the delivery of `events` to one subscriber is to cost.
    pub(crate) fn deliver(&self, events: usize) {
        if let Some(cost) = self.faults.cpu {
            self.metrics.injected(Kind::Cpu, events);
            burn(cost.saturating_mul(u32::try_from(events).unwrap_or(u32::MAX)));
        }
    }
}

/// Uses up `time` of this thread's own CPU clock, which stands still while others run.
fn burn(time: Duration) {
    // A thread can always read its own clock; a burn that cannot be timed is none.
    let Ok(start_ns) = clock::read_ns(ClockId::CLOCK_THREAD_CPUTIME_ID) else { return };
    let end_ns = start_ns.saturating_add(fault::as_ns(time));
    while clock::read_ns(ClockId::CLOCK_THREAD_CPUTIME_ID).is_ok_and(|now_ns| now_ns < end_ns) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn injector(faults: &[&str]) -> Injector {
        let faults = Faults::new(faults.iter().map(|fault| fault.parse().unwrap())).unwrap();
        Injector::new(&faults, &Arc::default()).unwrap().unwrap()
    }

    #[test]
    fn no_fault_no_injector() {
        assert!(Injector::new(&Faults::default(), &Arc::default()).unwrap().is_none());
    }

    #[test]
    fn a_delay_comes_before_a_standstill() {
        let both = injector(&["delay=5us", "stall=10us/40us"]);
        assert_eq!(both.due_ns(0, 1), 5_000);
        assert_eq!(both.due_ns(24_999, 1), 29_999);
        assert_eq!(both.due_ns(25_000, 1), 40_000);
        assert_eq!(both.due_ns(34_999, 1), 40_000);
        assert_eq!(both.due_ns(35_000, 1), 40_000);
        assert_eq!(both.due_ns(36_000, 1), 41_000);
    }

    #[test]
    fn a_burn_takes_what_it_is_told() {
        let start_ns = clock::read_ns(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
        injector(&["cpu=2ms"]).deliver(3);
        let end_ns = clock::read_ns(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
        assert!(end_ns - start_ns >= 6_000_000, "{} ns", end_ns - start_ns);
    }

    proptest! {
        /// On which the order of the queue of late events relies.
        #[test]
        fn what_is_published_later_is_not_visible_earlier(
            first_ns in 0_u64..1_000_000, later_ns in 0_u64..100_000,
        ) {
            let both = injector(&["delay=7us", "stall=30us/100us"]);
            prop_assert!(both.due_ns(first_ns, 1) <= both.due_ns(first_ns + later_ns, 1));
        }
    }
}
