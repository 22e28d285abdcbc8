//! Fault injection: misbehaviour of known size, with which a measuring instrument can be tested. It
//! acts between a publisher and the log, and with each delivery. Neither the log nor the transports
//! know what it does, and a server without faults has no injector.

mod delay_queue;
mod fault;
mod sequence_faults;

use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use nix::time::ClockId;
use pushbench_wire::clock;

use crate::framing::NewEvent;
use crate::hub::Channel;
use crate::metrics::Metrics;
use delay_queue::DelayQueue;
pub(crate) use fault::FaultKind;
pub use fault::{Fault, Faults, ParseFaultError, RepeatedFault, Stall};
pub(crate) use sequence_faults::SequenceFaults;

/// Makes a server misbehave.
#[derive(Debug)]
pub(crate) struct Injector {
    faults: Faults,
    metrics: Arc<Metrics>,
    /// `None` when every event becomes visible at once.
    delay_queue: Option<DelayQueue>,
}

impl Injector {
    /// `None` when there are no faults.
    ///
    /// # Errors
    /// When the thread that delays events cannot be started.
    pub(crate) fn new(faults: &Faults, metrics: &Arc<Metrics>) -> io::Result<Option<Self>> {
        if faults.is_empty() {
            return Ok(None);
        }
        let is_delayed = faults.delay.is_some() || faults.stall.is_some();
        Ok(Some(Self {
            faults: faults.clone(),
            metrics: Arc::clone(metrics),
            delay_queue: is_delayed.then(DelayQueue::start).transpose()?,
        }))
    }

    /// Applies the faults to `events` and appends the result. Returns the id of the last event, or
    /// `None` when none is appended now.
    pub(crate) fn publish(&self, channel: &Arc<Channel>, events: Vec<NewEvent>) -> Option<u64> {
        // Locked until the events are on their way, so that no others can overtake them.
        let mut sequence = channel.sequence_faults.lock().unwrap_or_else(PoisonError::into_inner);
        let mut remaining = Vec::with_capacity(events.len());
        for event in events {
            sequence
                .apply(&self.faults, event, &mut remaining, |kind| self.metrics.injected(kind, 1));
        }
        if remaining.is_empty() {
            return None;
        }
        let Some(delay_queue) = &self.delay_queue else { return Some(channel.publish(remaining)) };
        let count = remaining.len();
        delay_queue.push(channel, remaining, |now_ns| self.due_ns(now_ns, count));
        None
    }

    /// When `count` events published at `now_ns` become visible.
    fn due_ns(&self, now_ns: u64, count: usize) -> u64 {
        let mut due_ns = now_ns;
        if let Some(delay) = self.faults.delay {
            self.metrics.injected(FaultKind::Delay, count);
            due_ns += fault::as_ns(delay);
        }
        if let Some(end_ns) = self.faults.stall.and_then(|stall| stall.end_ns(due_ns)) {
            self.metrics.injected(FaultKind::Stall, count);
            due_ns = end_ns;
        }
        due_ns
    }

    /// Burns the CPU time that delivering `events` to one subscriber is to cost.
    pub(crate) fn deliver(&self, events: usize) {
        if let Some(cost) = self.faults.cpu {
            self.metrics.injected(FaultKind::Cpu, events);
            burn(cost.saturating_mul(u32::try_from(events).unwrap_or(u32::MAX)));
        }
    }
}

/// Uses `time` of this thread's CPU clock, which stops while the thread does not run.
fn burn(time: Duration) {
    // A thread can always read its own clock; without one nothing is burned.
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
    fn without_faults_there_is_no_injector() {
        assert!(Injector::new(&Faults::default(), &Arc::default()).unwrap().is_none());
    }

    #[test]
    fn a_delay_is_applied_before_a_stall() {
        let both = injector(&["delay=5us", "stall=10us/40us"]);
        assert_eq!(both.due_ns(0, 1), 5_000);
        assert_eq!(both.due_ns(24_999, 1), 29_999);
        assert_eq!(both.due_ns(25_000, 1), 40_000);
        assert_eq!(both.due_ns(34_999, 1), 40_000);
        assert_eq!(both.due_ns(35_000, 1), 40_000);
        assert_eq!(both.due_ns(36_000, 1), 41_000);
    }

    #[test]
    fn a_delivery_burns_at_least_its_cpu_time() {
        let start_ns = clock::read_ns(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
        injector(&["cpu=2ms"]).deliver(3);
        let end_ns = clock::read_ns(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
        assert!(end_ns - start_ns >= 6_000_000, "{} ns", end_ns - start_ns);
    }

    proptest! {
        /// The order of the delay queue relies on this.
        #[test]
        fn an_event_published_later_is_not_visible_earlier(
            first_ns in 0_u64..1_000_000, later_ns in 0_u64..100_000,
        ) {
            let both = injector(&["delay=7us", "stall=30us/100us"]);
            prop_assert!(both.due_ns(first_ns, 1) <= both.due_ns(first_ns + later_ns, 1));
        }
    }
}
