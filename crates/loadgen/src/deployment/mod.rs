//! What a trial starts or finds: servers, and whatever else takes part, each with how it is observed.
//! It must not know a transport, nor what is measured when.

mod announcement;
mod broker;
mod browser;
mod certificate;
mod control;
mod cores;
mod cpu_limit;
mod doubts;
mod elsewhere;
mod ends;
mod family;
mod fresh_copy;
mod group;
mod guard;
mod listener;
pub(crate) mod network;
mod nodes;
pub(crate) mod observe;
mod output;
mod patience;
mod profile;
mod proxy;
mod readiness;
mod restart;
mod running;
mod server_command;
mod server_process;
mod socket_table;
mod sockets;

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use futures_util::future::select_all;
use tempfile::TempDir;

pub(crate) use browser::{BrowserPage, browser_version};
pub(crate) use cores::Cores;
pub(crate) use cpu_limit::CpuLimit;
pub(crate) use doubts::Doubts;
pub(crate) use family::adopt_orphans;
pub(crate) use fresh_copy::FreshCopy;
pub(crate) use patience::{LOOK, within};
pub(crate) use proxy::{free_port, proxy_version};
pub(crate) use readiness::{Readiness, ServerStart};
pub(crate) use server_command::{OwnFiles, server_command};
pub(crate) use sockets::{EndSockets, Sockets};

use family::Mark;
use network::{Network, Reading};
use observe::{Observation, Observe};
use profile::Profile;
use server_process::ServerProcess;

/// All parts of a trial. Dropping it ends the processes that it started.
#[derive(Default)]
pub(crate) struct Deployment {
    publish: Vec<SocketAddr>,
    subscribe: Vec<SocketAddr>,
    /// Servers, and proxies behind them.
    processes: Vec<ServerProcess>,
    /// Of `processes`, in their order, and then of others.
    parts: Vec<Part>,
    /// Those of `processes` that were killed because the scenario wants it.
    killed: BTreeSet<usize>,
    /// What goes when they have ended.
    folders: Vec<TempDir>,
    /// The same of browsers.
    profiles: Vec<Profile>,
    /// Those that were ended on purpose, and are not started again yet.
    ended: Vec<Ended>,
    /// Those that servers were started on.
    cores: Option<Cores>,
    doubts: Doubts,
    /// Whether subscribers reach it by TLS.
    has_tls: bool,
    /// Whether they reach it by HTTP/3 at the same port.
    has_http3: bool,
    /// What lies before the servers; nothing but loopback if it is none.
    network: Option<Network>,
}

/// A server that could not be started: another trial with it would go no further.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
pub(crate) struct NotStarted(anyhow::Error);

impl NotStarted {
    /// For this reason.
    pub(crate) fn saying(reason: String) -> Self {
        Self(anyhow::Error::msg(reason))
    }
}

/// A server that was ended on purpose: its number among the processes, and what it had used.
struct Ended {
    process: usize,
    used: Observation,
}

/// A process, or several that belong together.
struct Part {
    role: PartRole,
    observe: Box<dyn Observe>,
}

/// What a part is for. Those of a kind are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PartRole {
    /// It serves.
    Server(u32),
    /// It stands between subscribers and servers.
    Proxy(u32),
    /// It carries events from server to server.
    Broker(u32),
    /// It publishes, or subscribes, or both.
    Generator(u32),
    /// It runs subscribers.
    Browser(u32),
}

/// Its name in results.
impl fmt::Display for PartRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, index) = match self {
            Self::Server(index) => ("server", index),
            Self::Proxy(index) => ("proxy", index),
            Self::Broker(index) => ("broker", index),
            Self::Generator(index) => ("generator", index),
            Self::Browser(index) => ("browser", index),
        };
        match index {
            0 => f.write_str(kind),
            others => write!(f, "{kind}-{}", others + 1),
        }
    }
}

/// What was observed of a part at one moment.
#[derive(Clone, Debug)]
pub(crate) struct ObservedPart {
    pub(crate) role: PartRole,
    pub(crate) observation: Observation,
}

impl Deployment {
    /// Starts one server process for each of `starts`, on the server's cores, and waits until all of them
    /// answer.
    ///
    /// # Errors
    /// Why one of them did not get that far.
    pub(crate) async fn of_servers(
        starts: &[ServerStart],
        cores: &Cores,
    ) -> Result<Self, NotStarted> {
        let mut deployment = Self::default();
        for (index, start) in (0..).zip(starts) {
            deployment.add_server(index, start, cores).await.map_err(NotStarted)?;
        }
        Ok(deployment)
    }

    async fn add_server(
        &mut self,
        index: u32,
        start: &ServerStart,
        cores: &Cores,
    ) -> anyhow::Result<()> {
        self.cores = Some(cores.clone());
        let server = self.start(PartRole::Server(index), start, cores).await?;
        let (address, tls, http3) = (server.address(), server.tls(), server.http3());
        self.publish.push(address);
        self.subscribe.push(tls.unwrap_or(address));
        self.has_tls = tls.is_some();
        self.has_http3 = http3.is_some() && http3 == tls;
        Ok(())
    }

    /// Starts a process as a part. What is started comes before parts that others have started.
    async fn start(
        &mut self,
        role: PartRole,
        start: &ServerStart,
        cores: &Cores,
    ) -> anyhow::Result<&ServerProcess> {
        let mark = match role {
            PartRole::Proxy(_) | PartRole::Browser(_) => Mark::of_foreground(),
            PartRole::Server(_) | PartRole::Broker(_) | PartRole::Generator(_) => Mark::new(),
        };
        let process = ServerProcess::start(start, &mark, cores).await?;
        let address = process.address();
        let mut observe = observe::started_process(process.process(), mark);
        observe.look();
        let members = observe.processes();
        let at = self.processes.len();
        self.parts.insert(at, Part { role, observe });
        self.processes.push(process);
        // A browser listens nowhere.
        if !matches!(role, PartRole::Browser(_)) {
            self.doubts.look_who_listens(&start.what, address, &members)?;
        }
        Ok(&self.processes[at])
    }

    /// What makes figures of the servers doubtful.
    pub(crate) fn doubts(&self) -> Doubts {
        self.doubts
    }

    /// A server keeps its log in this folder.
    pub(crate) fn has_log_in(&mut self, folder: &Path) {
        self.doubts.of_log_in(folder);
    }

    /// Whether subscribers reach the servers by TLS.
    pub(crate) fn has_tls(&self) -> bool {
        self.has_tls
    }

    /// Whether subscribers reach the servers by HTTP/3, where they are by TLS.
    pub(crate) fn has_http3(&self) -> bool {
        self.has_http3
    }

    /// Lets subscribers come through `network`. Whoever publishes is at the servers' end of it.
    ///
    /// # Errors
    /// When a server cannot be reached through it.
    pub(crate) fn put_behind(&mut self, network: Network) -> Result<(), NotStarted> {
        let ways = self.subscribe.iter().map(|&server| network.way_to(server));
        self.subscribe = ways.collect::<anyhow::Result<_>>().map_err(NotStarted)?;
        self.network = Some(network);
        Ok(())
    }

    /// What lies before the servers.
    pub(crate) fn network(&self) -> Option<&Network> {
        self.network.as_ref()
    }

    /// Makes sure that the network is as it was laid, if there is one.
    ///
    /// # Errors
    /// When it is not, and why.
    pub(crate) fn ensure_network_intact(&self) -> anyhow::Result<()> {
        self.network.as_ref().map_or(Ok(()), Network::ensure_intact)
    }

    /// What the network has done so far; none where there is none.
    ///
    /// # Errors
    /// When it does no more, and why.
    pub(crate) fn network_reading(&self) -> anyhow::Result<Option<Reading>> {
        self.network.as_ref().map(Network::reading).transpose()
    }

    /// Removes this folder when all processes have ended.
    pub(crate) fn keep(&mut self, folder: TempDir) {
        self.folders.push(folder);
    }

    /// Adds what others have started.
    pub(crate) fn add_part(&mut self, role: PartRole, observe: Box<dyn Observe>) {
        self.parts.push(Part { role, observe });
    }

    /// Where to publish. Of several addresses, each has its share of the channels: the n-th channel
    /// is at the n-th address, and so on in turn.
    pub(crate) fn publish(&self) -> &[SocketAddr] {
        &self.publish
    }

    /// Where the connection with this number is to subscribe to the channel with that number; `None`
    /// when there is nowhere. Servers that have a share of the channels each have subscribers by
    /// channel, and those that have all of them in turn.
    pub(crate) fn subscribe(&self, connection: u32, channel: u32) -> Option<SocketAddr> {
        let number = if self.publish.len() > 1 { channel } else { connection };
        self.subscribe.get(number as usize % self.subscribe.len().max(1)).copied()
    }

    /// Finds out what belongs to each part by now, which costs more than observing it.
    pub(crate) fn look(&mut self) {
        self.parts.iter_mut().for_each(|part| part.observe.look());
    }

    /// What each part has used so far.
    pub(crate) fn observe(&mut self) -> Vec<ObservedPart> {
        let observed =
            |part: &mut Part| ObservedPart { role: part.role, observation: part.observe.read() };
        self.parts.iter_mut().map(observed).collect()
    }

    /// Begins or ends counting the instructions of every part.
    pub(crate) fn count_instructions(&mut self, on: bool) {
        self.parts.iter_mut().for_each(|part| part.observe.count_instructions(on));
    }

    /// Stops the processes of all servers where they are, or lets them go on.
    pub(crate) fn pause_servers(&mut self, is_paused: bool) {
        for (process, part) in self.processes.iter().zip(&mut self.parts) {
            if matches!(part.role, PartRole::Server(_)) {
                part.observe.look();
                process.pause(is_paused, &part.observe.processes());
            }
        }
    }

    fn servers(&self) -> impl Iterator<Item = &ServerProcess> {
        let both = self.processes.iter().zip(&self.parts);
        both.filter(|(_, part)| matches!(part.role, PartRole::Server(_)))
            .map(|(process, _)| process)
    }

    /// What the servers' own metrics say of `series`, all together; empty when one does not say.
    pub(crate) async fn sample(&self, series: &str) -> Option<f64> {
        // What one counted that was killed has gone with it.
        if !self.killed.is_empty() {
            return None;
        }
        let mut sum = None;
        for server in self.servers() {
            sum = Some(sum.unwrap_or(0.0) + server.sample(series).await?);
        }
        sum
    }

    /// Waits until a server or a proxy ends, which none should do by itself, and says how it did.
    pub(crate) async fn ended(&mut self) -> anyhow::Error {
        let processes = self.processes.iter_mut().enumerate();
        let others = processes.filter(|(index, _)| !self.killed.contains(index));
        let others: Vec<_> = others.map(|(_, server)| Box::pin(server.ended())).collect();
        if others.is_empty() {
            return std::future::pending().await;
        }
        select_all(others).await.0
    }

    /// Ends everything that was started.
    ///
    /// # Errors
    /// When a server or a proxy had ended before.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let processes = std::mem::take(&mut self.processes).into_iter().zip(&mut self.parts);
        for (index, (server, part)) in processes.enumerate() {
            let family = || {
                part.observe.look();
                part.observe.processes()
            };
            let stopped = server.stop(family).await;
            if !self.killed.contains(&index) {
                stopped?;
            }
        }
        Ok(())
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        for (server, part) in self.processes.iter_mut().zip(&mut self.parts) {
            part.observe.look();
            server.kill(&part.observe.processes());
        }
    }
}

#[cfg(test)]
mod tests;
