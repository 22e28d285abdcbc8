//! The sockets that subscribers' connections have left, and the ports that they take.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::deployment::{EndSockets, Sockets};
use crate::results::{Metric, Warning};

/// With a larger share of the ports taken, connections may soon fail.
const NEAR: f64 = 0.8;

/// What the kernel's tables said of a trial.
#[derive(Clone, Debug, Default)]
pub(super) struct SocketReadings {
    /// Before anyone subscribed: connections of whoever looked whether the server is there.
    pub(super) start: Sockets,
    /// Just after the window.
    pub(super) after: Sockets,
    /// What the publisher's connections have for addresses, closed ones too.
    pub(super) publisher: BTreeSet<SocketAddr>,
    /// How many ports connections from this machine to one address can have.
    pub(super) local_ports: Option<u64>,
    /// Whether a description may lead subscribers elsewhere, or they come by UDP. Then there are no sockets to be seen, and nobody
    /// knows how many there are.
    pub(super) may_be_elsewhere: bool,
}

/// Sockets at one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    all: u64,
    time_wait: u64,
}

impl SocketReadings {
    fn of(&self, end: impl Fn(&Sockets) -> Option<&EndSockets>) -> Option<Count> {
        let (start, after) = (end(&self.start)?, end(&self.after)?);
        // A server that ran before has sockets of the trial before, whose ports come again in this one.
        let is_new = |address: &&SocketAddr| {
            let has_come_again = start.time_wait.contains_key(address)
                && after.time_wait.get(address).is_none_or(|since| *since > self.start.at_ns);
            (has_come_again || !start.all.contains(address)) && !self.publisher.contains(address)
        };
        let all = after.all.iter().filter(is_new).count() as u64;
        let time_wait = after.time_wait.keys().filter(is_new).count() as u64;
        let count = Count { all, time_wait };
        Some(count).filter(|count| !self.may_be_elsewhere || count.all > 0)
    }

    fn at_subscribers(&self) -> Option<Count> {
        self.of(|sockets| sockets.at_subscribers.as_ref())
    }

    /// The sockets at both ends when the window has ended.
    pub(super) fn values(&self) -> impl Iterator<Item = (Metric, Option<f64>)> + use<> {
        let server = self.of(|sockets| sockets.at_server.as_ref());
        let subscribers = self.at_subscribers();
        let number =
            |of: Option<Count>, figure: fn(Count) -> u64| of.map(|count| figure(count) as f64);
        [
            (Metric::TimeWaitAtServer, number(server, |count| count.time_wait)),
            (Metric::TimeWaitAtSubscribers, number(subscribers, |count| count.time_wait)),
            (Metric::PortsAtServer, number(server, |count| count.all)),
            (Metric::PortsAtSubscribers, number(subscribers, |count| count.all)),
        ]
        .into_iter()
    }

    /// Whether connections may soon fail for want of a port.
    pub(super) fn warning(&self) -> Option<Warning> {
        let (used, ports) = (self.at_subscribers()?.all, self.local_ports?);
        (used as f64 > NEAR * ports as f64).then_some(Warning::PortsNearlyUsedUp { used, ports })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(
        all: impl IntoIterator<Item = u16>,
        time_wait: impl IntoIterator<Item = u16>,
    ) -> EndSockets {
        waiting_since(5, all, time_wait)
    }

    fn waiting_since(
        since_ns: u64,
        all: impl IntoIterator<Item = u16>,
        time_wait: impl IntoIterator<Item = u16>,
    ) -> EndSockets {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        EndSockets {
            all: all.into_iter().map(address).collect(),
            time_wait: time_wait.into_iter().map(|port| (address(port), since_ns)).collect(),
        }
    }

    /// A trial has left sockets, of which these are not the subscribers'.
    fn left() -> SocketReadings {
        let start = end([1], [1]);
        SocketReadings {
            start: Sockets { at_ns: 10, at_server: Some(start), at_subscribers: Some(end([], [])) },
            after: Sockets {
                at_ns: 20,
                at_server: Some(end(1..=9, 1..=7)),
                at_subscribers: Some(end([2, 3], [])),
            },
            publisher: end([2], []).all,
            local_ports: Some(2),
            may_be_elsewhere: false,
        }
    }

    fn values(readings: &SocketReadings) -> Vec<Option<f64>> {
        readings.values().map(|(_, value)| value).collect()
    }

    #[test]
    fn only_the_sockets_of_subscribers_count() {
        assert_eq!(values(&SocketReadings::default()), [None; 4], "nobody has looked");
        assert_eq!(values(&left()), [5.0, 0.0, 7.0, 1.0].map(Some));
    }

    #[test]
    fn ports_of_the_trial_before_come_again() {
        let mut readings = left();
        readings.start.at_subscribers = Some(end(1..=4, 1..=4));
        readings.publisher.clear();
        let now = |all: &[u16], since_ns, time_wait: &[u16]| {
            let (all, time_wait) = (all.iter().copied(), time_wait.iter().copied());
            Some(waiting_since(since_ns, all, time_wait))
        };
        let mut counts = |end| {
            readings.after.at_subscribers = end;
            let values = values(&readings);
            (values[3].unwrap(), values[1].unwrap())
        };
        assert_eq!(counts(now(&[1, 2, 3, 4], 5, &[1, 2, 3, 4])), (0.0, 0.0), "they still wait");
        assert_eq!(counts(now(&[1, 2, 3, 4], 15, &[1, 2, 3, 4])), (4.0, 4.0), "they wait again");
        assert_eq!(counts(now(&[1, 2, 3], 5, &[1])), (2.0, 0.0), "they are open");
    }

    #[test]
    fn whoever_is_led_elsewhere_is_not_seen() {
        let mut readings = left();
        readings.after.at_subscribers = Some(end([2], []));
        assert_eq!(values(&readings)[1..], [0.0, 7.0, 0.0].map(Some), "of our own it is 0");
        readings.may_be_elsewhere = true;
        assert_eq!(values(&readings)[1..], [None, Some(7.0), None]);
    }

    #[test]
    fn ports_that_are_nearly_used_up() {
        let mut readings = left();
        assert_eq!(readings.warning(), None);
        readings.local_ports = Some(1);
        let warning = readings.warning().unwrap();
        assert_eq!(warning, Warning::PortsNearlyUsedUp { used: 1, ports: 1 });
        assert!(!warning.invalidates());
        readings.after.at_subscribers = None;
        assert_eq!(readings.warning(), None);
    }
}
