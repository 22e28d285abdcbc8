//! A network between the clients and the server of a trial. In the usual way both are in network namespaces
//! of the trial's own, and the kernel delays each packet; a relay delays bytes where that is not possible.
//! It must not know what is sent, nor what is measured when.

mod account;
mod commands;
mod delay;
mod intact;
mod namespace;
mod nfqueue;

mod relay;
mod round_trip;
mod silence;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};

pub(crate) use account::Reading;
use namespace::Rights;
pub(crate) use namespace::{Inside, Namespace};
pub(crate) use round_trip::RoundTrip;

use self::account::lateness;
use self::commands::{IP, IPTABLES, TC};
use self::delay::{DelayThread, Fate};
use self::relay::Relay;
use crate::scenario::{Imitation, Network as Plan};

/// Where the server is, and where the clients are: in networks that nobody else sees.
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 255, 255, 1);
const CLIENTS: Ipv4Addr = Ipv4Addr::new(10, 255, 255, 2);

/// A network that was laid. Dropping it takes it away.
pub(crate) struct Network {
    plan: Plan,
    by: By,
    measured: RoundTrip,
}

enum By {
    /// One delaying thread for each direction; none where the kernel does it, or nothing is delayed.
    Packets {
        server: Namespace,
        clients: Namespace,
        delays: Vec<DelayThread>,
        /// What each end does to what it sends, as `tc` calls it; none where it does nothing.
        discipline: Option<&'static str>,
    },
    Relay(Relay),
}

/// Where this process is when it is in no trial's network.
pub(crate) struct Home {
    pub(crate) namespace: Namespace,
    /// Whether that is a network of its own, too: who is not root cannot come back to the machine's.
    pub(crate) is_apart: bool,
}

/// Makes sure that networks of this kind can be laid here. Before any other thread is started, it may make
/// this process the root of a user namespace. The answer is where this process is from then on, if any
/// network takes threads elsewhere.
///
/// # Errors
/// When they cannot, with what to do about it.
pub(crate) fn prepare<'a>(plans: impl Iterator<Item = &'a Plan>) -> anyhow::Result<Option<Home>> {
    let plans: Vec<_> = plans.filter(|plan| plan.by == Imitation::Packets).collect();
    if plans.is_empty() {
        return Ok(None);
    }
    IP.ensure_there()?;
    if plans.iter().any(|plan| plan.bandwidth.is_some()) {
        TC.ensure_there()?;
    }
    let is_apart = match namespace::gain_rights()? {
        Rights::Own => false,
        Rights::OfUserNamespace { settings } => {
            IP.run(&commands::batch(), commands::LOOPBACK_UP)?;
            namespace::adopt(&settings)?;
            true
        }
    };
    Ok(Some(Home { namespace: Namespace::own()?, is_apart }))
}

/// About how long it takes to lay a network.
pub(crate) fn laying(plan: &Plan) -> Duration {
    Duration::from_millis(200) + round_trip::length(plan.round_trip)
}

impl Network {
    /// Lays it. What gets lost, and how packets are delayed, follows from the seed.
    ///
    /// # Errors
    /// When a right, a program or a part of the kernel is missing, with what to do about it.
    pub(crate) fn lay(plan: &Plan, seed: u64) -> anyhow::Result<Self> {
        let laid = match plan.by {
            Imitation::Packets => Self::of_packets(plan, seed),
            Imitation::Relay => Self::of_a_relay(plan, seed),
        };
        laid.context("cannot lay the network of this contender")
    }

    fn of_packets(plan: &Plan, seed: u64) -> anyhow::Result<Self> {
        let settings = namespace::settings();
        let (server, clients) = (Namespace::new()?, Namespace::new()?);
        let line = commands::line_to(&clients.path());
        for (end, address, line) in [(&server, SERVER, &line[..]), (&clients, CLIENTS, "")] {
            end.within(|| {
                IP.run(&commands::batch(), &format!("{line}{}", commands::end_at(address)))?;
                namespace::adopt(&settings)
            })?;
        }
        clients.within(namespace::reuse_ports)?;
        let ends = [&server, &clients];
        let netem = commands::netem(plan).filter(|_| TC.ensure_there().is_ok());
        // Where the kernel has no netem, `tc` says so.
        let by_netem = netem
            .is_some_and(|netem| ends.iter().all(|end| end.within(|| TC.run(&netem, "")).is_ok()));
        let mut delays = Vec::new();
        let discipline = match (by_netem, plan.bandwidth) {
            (true, _) => Some("netem"),
            (false, Some(_)) => Some("tbf"),
            (false, None) => None,
        };
        if !by_netem {
            if let Some(bits) = plan.bandwidth {
                ends.iter()
                    .try_for_each(|end| end.within(|| TC.run(&commands::limiting(bits), "")))?;
            }
            let fate = Fate { delay: plan.one_way(), jitter: plan.jitter / 2, loss: plan.loss };
            if !fate.delay.is_zero() || fate.loss > 0.0 {
                for (seed, end) in (seed..).zip(ends) {
                    delays.push(DelayThread::start(end, fate, seed)?);
                    end.within(|| IPTABLES.run(&commands::queueing(), ""))?;
                }
            }
        }
        let measured = std::thread::scope(|scope| {
            let listener = server.within(|| Ok(TcpListener::bind((SERVER, 0))?))?;
            let address = listener.local_addr()?;
            let echoing = scope.spawn(move || round_trip::echo(&listener));
            let measured = clients.within(|| round_trip::measure(address, plan.round_trip))?;
            echoing.join().map_err(|_| anyhow!("a thread of the network panicked"))??;
            anyhow::Ok(measured)
        })?;
        let by = By::Packets { server, clients, delays, discipline };
        Ok(Self { plan: plan.clone(), by, measured })
    }

    fn of_a_relay(plan: &Plan, seed: u64) -> anyhow::Result<Self> {
        let relay = Relay::start(plan, seed)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = relay.to(listener.local_addr()?)?;
        let echoing = std::thread::spawn(move || round_trip::echo(&listener));
        let measured = round_trip::measure(address, plan.round_trip)?;
        echoing.join().map_err(|_| anyhow!("a thread of the network panicked"))??;
        Ok(Self { plan: plan.clone(), by: By::Relay(relay), measured })
    }

    /// What was to be laid.
    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How long a round trip takes in it.
    pub(crate) fn measured(&self) -> RoundTrip {
        self.measured
    }

    /// At which address the server shall listen.
    pub(crate) fn server_address(&self) -> Ipv4Addr {
        match self.by {
            By::Packets { .. } => SERVER,
            By::Relay(_) => Ipv4Addr::LOCALHOST,
        }
    }

    /// Takes the calling thread, and what it starts, to where the server is, as long as the answer lives.
    ///
    /// # Errors
    /// A kernel that refuses.
    pub(crate) fn visit_the_server(&self) -> anyhow::Result<Option<Inside>> {
        match &self.by {
            By::Packets { server, .. } => server.enter().map(Some),
            By::Relay(_) => Ok(None),
        }
    }

    /// Whether it is in between itself, with connections of its own to both sides.
    pub(crate) fn is_a_relay(&self) -> bool {
        matches!(self.by, By::Relay(_))
    }

    /// Where clients are; none where that is no place of its own.
    pub(crate) fn clients(&self) -> Option<Namespace> {
        match &self.by {
            By::Packets { clients, .. } => Some(clients.clone()),
            By::Relay(_) => None,
        }
    }

    /// Where clients find the server that is at `server`.
    ///
    /// # Errors
    /// When no relay can be put before it.
    pub(crate) fn way_to(&self, server: SocketAddr) -> anyhow::Result<SocketAddr> {
        match &self.by {
            By::Packets { .. } => {
                ensure!(
                    server.ip() == SERVER,
                    "the server says that it listens on {server}, where no client comes to through the \
                     network: it has to listen on {SERVER} (`{{host}}`), or on all addresses"
                );
                Ok(server)
            }
            By::Relay(relay) => relay.to(server),
        }
    }

    /// Loses all that is sent from now on, or no more than it did before.
    ///
    /// # Errors
    /// Where it does not carry packets, or the kernel refuses.
    pub(crate) fn carry_nothing(&self, is_out: bool) -> anyhow::Result<()> {
        match &self.by {
            By::Packets { server, clients, .. } => [server, clients]
                .iter()
                .try_for_each(|end| end.within(|| IPTABLES.run(&commands::dropping(is_out), ""))),
            By::Relay(_) => Err(anyhow!("a relay cannot lose packets")),
        }
    }

    /// What it has done so far.
    ///
    /// # Errors
    /// When it does no more, and why.
    pub(crate) fn reading(&self) -> anyhow::Result<Reading> {
        let none =
            Reading { cpu_ns: 0, packets: 0, lost: 0, overflown: 0, lateness: Some(lateness()) };
        match &self.by {
            By::Packets { delays, .. } if delays.is_empty() => {
                Ok(Reading { lateness: None, ..none })
            }
            By::Packets { delays, .. } => {
                delays.iter().try_fold(none, |sum, of| Ok(sum.and(&of.reading()?)))
            }
            By::Relay(relay) => Ok(relay.reading()),
        }
    }
}

#[cfg(test)]
mod tests;
