//! What is known of a trial at one moment: of all parts, of the publisher and the subscribers, and of
//! the machine. Two snapshots bound the idle phase, and two the measured window.

use nix::time::ClockId;
use pushbench_wire::clock;

use super::machine::{MachineTime, slab_bytes};
use super::publisher::Publisher;
use crate::client::{TcpTotals, Totals};
use crate::deployment::network::Reading;
use crate::deployment::observe::{Observation, Used};
use crate::deployment::{CpuLimit, Deployment, ObservedPart, PartRole};

/// One moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    pub(super) at_ns: u64,
    pub(super) parts: Vec<ObservedPart>,
    pub(super) publisher_cpu_ns: u64,
    /// Measured events that were published.
    pub(super) published: u64,
    /// This thread, which watches the trial and shows its progress.
    pub(super) engine_cpu_ns: u64,
    pub(super) totals: Totals,
    pub(super) machine: Option<MachineTime>,
    /// The limit of a container, if there is one.
    pub(super) cpu_limit: Option<CpuLimit>,
    pub(super) publisher_tcp: Option<TcpTotals>,
    /// Of the whole machine.
    pub(super) slab_bytes: Option<u64>,
    /// What the network did, if there is one.
    pub(super) network: Option<Reading>,
}

/// What was done from one moment to a later one.
#[derive(Clone, Debug)]
pub(super) struct Usage {
    pub(super) length_ns: u64,
    /// Each part by itself.
    pub(super) parts: Vec<(PartRole, Used)>,
    /// All servers together.
    pub(super) server: Used,
    /// The proxies, if there are any.
    pub(super) proxy: Used,
    /// What is between servers, if there is anything.
    pub(super) broker: Used,
    /// The browser, if there is one. It is a part of the generator.
    pub(super) browser: Used,
    /// Servers and what is beside them, which share cores.
    pub(super) server_side: Used,
    /// Whether the servers did something and are said to have used no CPU time for it. That cannot be,
    /// so nothing is known of what they used.
    pub(super) server_is_unseen: bool,
    /// The subscribers: everything that generates load, without the publisher, the network and the thread
    /// that watches.
    pub(super) generator: Used,
    /// CPU time of everything that generates load, the publisher and that thread included.
    pub(super) own_cpu_ns: Option<u64>,
    pub(super) publisher_cpu_ns: u64,
    /// What the network did, if there is one.
    pub(super) network: Option<Reading>,
    pub(super) flow: Totals,
}

impl Snapshot {
    /// There is no publisher before the first event.
    pub(super) fn take(
        deployment: &mut Deployment,
        totals: Totals,
        publisher: Option<&Publisher>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            at_ns: clock::now_ns(),
            parts: deployment.observe(),
            publisher_cpu_ns: publisher.map_or(0, Publisher::cpu_ns),
            published: publisher.map_or(0, Publisher::published),
            engine_cpu_ns: clock::read_ns(ClockId::CLOCK_THREAD_CPUTIME_ID)?,
            totals,
            machine: MachineTime::read(),
            cpu_limit: CpuLimit::read(),
            publisher_tcp: publisher.and_then(Publisher::tcp),
            slab_bytes: slab_bytes(),
            network: deployment.network_reading()?,
        })
    }

    /// What was done since `earlier`, by the same parts.
    pub(super) fn since(&self, earlier: &Self) -> Usage {
        let flow = self.totals.since(&earlier.totals);
        let both = self.parts.iter().zip(&earlier.parts);
        let mut parts: Vec<(PartRole, Used)> =
            both.map(|(now, then)| (now.role, now.observation.since(&then.observation))).collect();
        let servers = parts.iter_mut().filter(|(role, _)| is_server(role));
        let idlers = servers.filter(|(_, used)| used.cpu_ns == Some(0));
        let server_is_unseen = match flow.deliveries + flow.requests {
            0 => false,
            _ => idlers.map(|(_, used)| *used = Used::default()).count() > 0,
        };
        let of_role = |is_meant: fn(&PartRole) -> bool| {
            Used::sum(parts.iter().filter(|(role, _)| is_meant(role)).map(|(_, used)| *used))
        };
        let own = of_role(is_generator);
        let publisher_cpu_ns = self.publisher_cpu_ns - earlier.publisher_cpu_ns;
        let network = self.network.as_ref().zip(earlier.network.as_ref());
        let network = network.map(|(now, then)| now.since(then));
        let network_cpu_ns = network.as_ref().map_or(0, |network| network.cpu_ns);
        let others_ns =
            publisher_cpu_ns + network_cpu_ns + self.engine_cpu_ns - earlier.engine_cpu_ns;
        Usage {
            length_ns: self.at_ns - earlier.at_ns,
            server: of_role(is_server),
            proxy: of_role(is_proxy),
            broker: of_role(is_broker),
            browser: of_role(is_browser),
            server_side: of_role(|role| !is_generator(role)),
            server_is_unseen,
            generator: own.with_cpu(own.cpu_ns.map(|all| all.saturating_sub(others_ns))),
            own_cpu_ns: own.cpu_ns,
            publisher_cpu_ns,
            network,
            flow,
            parts,
        }
    }

    /// A figure of all servers together.
    pub(super) fn of_servers(&self, figure: impl Fn(&Observation) -> Option<u64>) -> Option<u64> {
        self.of_parts(is_server, figure)
    }

    /// A figure of all proxies together; none without them.
    pub(super) fn of_proxies(&self, figure: impl Fn(&Observation) -> Option<u64>) -> Option<u64> {
        self.of_parts(is_proxy, figure)
    }

    /// A figure of what is between servers; none without it.
    pub(super) fn of_brokers(&self, figure: impl Fn(&Observation) -> Option<u64>) -> Option<u64> {
        self.of_parts(is_broker, figure)
    }

    /// A figure of this process, without a browser: the memory of whose processes is partly the same.
    pub(super) fn of_own_generator(
        &self,
        figure: impl Fn(&Observation) -> Option<u64>,
    ) -> Option<u64> {
        self.of_parts(|role| matches!(role, PartRole::Generator(_)), figure)
    }

    /// What is not known of one of them is not known of all, and of nobody nothing is.
    fn of_parts(
        &self,
        is_meant: fn(&PartRole) -> bool,
        figure: impl Fn(&Observation) -> Option<u64>,
    ) -> Option<u64> {
        let meant = self.parts.iter().filter(|part| is_meant(&part.role));
        let figures: Option<Vec<u64>> = meant.map(|part| figure(&part.observation)).collect();
        figures.filter(|figures| !figures.is_empty()).map(|figures| figures.iter().sum())
    }
}

fn is_server(role: &PartRole) -> bool {
    matches!(role, PartRole::Server(_))
}

fn is_broker(role: &PartRole) -> bool {
    matches!(role, PartRole::Broker(_))
}

fn is_proxy(role: &PartRole) -> bool {
    matches!(role, PartRole::Proxy(_))
}

fn is_browser(role: &PartRole) -> bool {
    matches!(role, PartRole::Browser(_))
}

fn is_generator(role: &PartRole) -> bool {
    matches!(role, PartRole::Generator(_) | PartRole::Browser(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(cpu_ns: [Option<u64>; 4]) -> Vec<ObservedPart> {
        let roles = [
            PartRole::Server(0),
            PartRole::Server(1),
            PartRole::Generator(0),
            PartRole::Generator(1),
        ];
        let part = |(role, cpu_ns)| {
            let memory_bytes = cpu_ns;
            let observation = Observation { cpu_ns, memory_bytes, ..Observation::default() };
            ObservedPart { role, observation }
        };
        roles.into_iter().zip(cpu_ns).map(part).collect()
    }

    #[test]
    fn nobody_serves_without_cpu_time() {
        let before = Snapshot { parts: parts([Some(10); 4]), ..Snapshot::default() };
        let after =
            Snapshot { parts: parts([Some(10), Some(10), Some(50), Some(50)]), ..before.clone() };
        let idle = after.since(&before);
        assert_eq!((idle.server.cpu_ns, idle.server_is_unseen), (Some(0), false));
        let totals = Totals { deliveries: 1, ..Totals::default() };
        let served = Snapshot { totals, ..after }.since(&before);
        assert_eq!((served.server, served.server_is_unseen), (Used::default(), true));
        assert_eq!(served.own_cpu_ns, Some(80));
    }

    #[test]
    fn both_sides_may_have_several_parts() {
        let before = Snapshot { parts: parts([Some(10); 4]), ..Snapshot::default() };
        let after = Snapshot {
            at_ns: 1_000,
            parts: parts([Some(110), Some(30), Some(510), Some(60)]),
            publisher_cpu_ns: 40,
            engine_cpu_ns: 5,
            ..Snapshot::default()
        };
        let usage = after.since(&before);
        assert_eq!(usage.server.cpu_ns, Some(120));
        assert_eq!(usage.own_cpu_ns, Some(550));
        assert_eq!(usage.generator.cpu_ns, Some(505), "without publisher and watching thread");
        assert_eq!(after.of_servers(|part| part.memory_bytes), Some(140));
        assert_eq!(usage.parts[1].1.cpu_ns, Some(20));

        let one_is_unknown = Snapshot { parts: parts([Some(110), None, Some(510), None]), ..after };
        let usage = one_is_unknown.since(&before);
        assert_eq!((usage.server.cpu_ns, usage.generator.cpu_ns), (None, None));
        assert_eq!(one_is_unknown.of_servers(|part| part.memory_bytes), None);
        assert_eq!(usage.parts[0].1.cpu_ns, Some(100), "of the other one it is");
        assert_eq!(Snapshot::default().of_own_generator(|part| part.memory_bytes), None);
    }
}
