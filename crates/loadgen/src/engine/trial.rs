//! One trial: a fresh deployment, the steps that it goes through, and what was found.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::execution::{Findings, execute};
use super::foreign_place::ForeignPlace;
use super::machine::local_ports;
use super::measurement::Measurement;
use super::phase::Phase;
use super::pool::{BrowserPool, Comeback, Page, PoolPlan, THREAD_NAME, ThreadPool};
use super::publisher::Sent;
use super::publishing::open_publisher;
use super::recognised::{Suspicion, ensure_recognised};
use super::recorder::{Account, Window};
use super::slow_account::SlowDue;
use super::snapshot::Snapshot;
use super::sockets::SocketReadings;
use super::steps::{LEAD, Moment, steps};
use super::traffic::TrafficReadings;
use crate::client::{Mechanism, PublishForm, Tls, Totals};
use crate::deployment::network::{self, Network};
use crate::deployment::observe::OwnProcess;
use crate::deployment::{Cores, Deployment, NotStarted, PartRole, within};
use crate::scenario::schedule::{Schedule, window};
use crate::scenario::{Connection, Contender, Scenario};

/// How long a server that broke its connections may take to be seen dead.
const DYING: Duration = Duration::from_millis(500);

/// About what a trial takes beside its phases: starting the server, connecting, draining and
/// stopping.
const OVERHEAD: Duration = Duration::from_millis(700);

/// About how long a trial takes from its start to the window, and in all: one with the longest network.
pub(crate) fn planned_length(scenario: &Scenario) -> (Duration, Duration) {
    let workload = &scenario.workload;
    let networks = scenario.contenders.iter().filter_map(|of| of.road.network.as_ref());
    let laying = networks.map(network::laying).max().unwrap_or_default();
    let settling = if workload.idle.is_zero() { Duration::ZERO } else { LEAD };
    let window = window(workload);
    let before = laying + settling + workload.idle + window.start;
    (before, before + (window.end - window.start) + OVERHEAD)
}

/// What a trial needs to know.
pub(crate) struct TrialPlan<'a> {
    /// The question.
    pub(crate) scenario: &'a Scenario,
    /// What is measured this time.
    pub(crate) contender: &'a Contender,
    /// The server's program and first arguments.
    pub(crate) server: &'a [String],
    /// Whether it is a copy of the program that is started, made for this trial. Builds that differ by
    /// little need it, see [`FreshCopy`]; contenders that share a program's file are alike without.
    pub(crate) copied: bool,
    /// Who runs where.
    pub(crate) cores: &'a Cores,
    /// Whether deliveries are recorded. Otherwise they are only counted, which shows what recording
    /// costs: the trial then has its costs, but no latencies and no account of its events.
    pub(crate) record: bool,
}

impl TrialPlan<'_> {
    /// Runs the trial. An error is the reason of a failed trial. Dropping the future ends the
    /// server and the subscribers.
    pub(crate) async fn run(&self, mut progress: impl FnMut(Phase)) -> anyhow::Result<Measurement> {
        progress(Phase::Start);
        let network = self.network().await?;
        let host = network.as_ref().map_or(Ipv4Addr::LOCALHOST, Network::server_address);
        // Servers and publishers are at the far end. This thread goes there, and who starts from it.
        let _there = network.as_ref().map(Network::visit_the_server).transpose()?;
        let server = self.contender.server.as_deref();
        let place = server.map(|server| ForeignPlace::of(server, host)).transpose()?;
        let outcome = self.run_at(place.as_ref(), network, &mut progress).await;
        outcome.map_err(|error| match &place {
            Some(place) => place.without_secrets(&error),
            None => error,
        })
    }

    /// The network of the contender, laid.
    async fn network(&self) -> anyhow::Result<Option<Network>> {
        let Some(plan) = self.contender.road.network.clone() else { return Ok(None) };
        let seed = self.scenario.seed;
        // It waits for programs and for round trips.
        let laid = tokio::task::spawn_blocking(move || Network::lay(&plan, seed)).await?;
        laid.map(Some).map_err(|error| NotStarted::saying(format!("{error:#}")).into())
    }

    async fn run_at(
        &self,
        place: Option<&ForeignPlace>,
        network: Option<Network>,
        progress: &mut impl FnMut(Phase),
    ) -> anyhow::Result<Measurement> {
        let page = self.page(network.as_ref())?;
        let (mut deployment, reach) = self.deployment(place, network, page.as_ref()).await?;
        deployment.add_part(PartRole::Generator(0), Box::new(OwnProcess::new(THREAD_NAME)));
        let page = self.open_browser(&mut deployment, &reach, page).await?;
        let place = reach.behind.as_ref().or(place);
        match self.measure(&mut deployment, place, reach.tls, page, progress).await {
            Ok(measurement) => {
                deployment.ensure_network_intact()?;
                deployment.stop().await?;
                Ok(measurement)
            }
            // A dead server shows first as a broken connection, and so does a network that is no more, but
            // these are the better reasons.
            Err(error) => Err(match within(DYING, deployment.ended()).await {
                Some(ended) => ended,
                None => match deployment.ensure_network_intact() {
                    Ok(()) => self.on_the_road(error),
                    Err(changed) => changed,
                },
            }),
        }
    }

    async fn measure(
        &self,
        deployment: &mut Deployment,
        place: Option<&ForeignPlace>,
        tls: Option<Tls>,
        page: Option<Page>,
        progress: &mut impl FnMut(Phase),
    ) -> anyhow::Result<Measurement> {
        let workload = &self.scenario.workload;
        let Contender { id, settings, server, .. } = self.contender;
        let is_by_udp = self.contender.http().is_by_udp();
        let transport = id.transport();
        let foreign = server.as_deref().zip(place);
        let schedule = Schedule::new(workload, self.scenario.seed);
        let slow = SlowDue::of(workload, &schedule);
        let recorded = Window::of(workload);
        let planned = schedule.planned().events;
        let prefix = place.map_or("", |place| &place.channel_prefix);
        let channels: Vec<_> =
            (0..workload.channels).map(|index| format!("{prefix}channel-{index}")).collect();
        let (send_queues, subscribers) =
            self.subscribers(deployment, &schedule, &channels, foreign, tls.as_ref())?;
        let connections = subscribers.len() as u64;
        let forms = match foreign {
            None => deployment.publish().iter().copied().map(PublishForm::Own).collect(),
            Some((server, place)) => place.publish_forms(server, &channels).await?,
        };
        let stamp_channels = foreign.is_some() || self.contender.shares_connections(workload);
        let sockets_at_start = deployment.sockets();
        let start = Snapshot::take(deployment, Totals::default(), None)?;
        let is_in_browser = page.is_some();
        let pool = PoolPlan {
            mechanism: Mechanism {
                transport,
                foreign: foreign.is_some(),
                falls_back: self.contender.fallback.is_some(),
            },
            subscribers,
            window: recorded.clone(),
            record: self.record,
            workers: self.cores.generator.len(),
            place: deployment.network().and_then(Network::clients),
            comeback: Comeback {
                reconnect: workload.reconnect,
                seed: self.scenario.seed,
                is_patient: !workload.faults.is_empty() || slow.is_some(),
            },
            page,
        };
        let network = deployment.network().map(|of| (of.plan().clone(), of.measured()));
        let open_publisher = open_publisher(
            &schedule,
            workload,
            recorded,
            channels,
            forms,
            stamp_channels,
            send_queues,
        );
        let series = format!("pushbench_deliveries_total{{transport=\"{transport}\"}}");
        let polling = settings.polling_interval();
        let steps = steps(workload, connections, self.record, polling);
        // The only place where it matters what runs subscribers.
        let plan = (planned, series, open_publisher);
        let (findings, mut recorder) = match is_in_browser {
            false => execute::<ThreadPool>(deployment, pool, plan, &steps, progress).await?,
            true => execute::<BrowserPool>(deployment, pool, plan, &steps, progress).await?,
        };
        let Account { first_reconnect, first_other, .. } = &mut recorder.account;
        for said in [first_reconnect, first_other].into_iter().flatten() {
            // Before there is anything behind it: it may end within a secret.
            *said = place.map_or_else(|| said.clone(), |place| place.values.redact(said));
        }
        ensure!(
            recorder.account.unknown == 0,
            "{} deliveries were of events that this trial did not publish{}",
            recorder.account.unknown,
            match place {
                Some(_) =>
                    ": does somebody else publish to this channel, or does the server change payloads?",
                None => "",
            }
        );
        let Findings { mut snapshots, mut traffic, sockets, sent, server_deliveries, restarts } =
            findings;
        let Sent { lateness, deliveries, schedule_sha256, told } =
            sent.context("nothing was sent")?;
        if let (Some(server), true) = (server.as_deref(), self.record && deliveries > 0) {
            let suspicion = Suspicion { server, transport, publisher_told: told.as_deref() };
            ensure_recognised(&recorder.account, &suspicion)?;
        }
        let mut snapshot = |moment| snapshots.remove(&moment).context("a snapshot is missing");
        let mut traffic = |moment| traffic.remove(&moment).flatten();
        Ok(Measurement {
            subscribers: workload.subscribers,
            keeps_connections: settings.connection() == Connection::KeepAlive,
            asks_at_once: settings.polling_interval().is_some(),
            cores: self.cores.clone(),
            doubts: deployment.doubts(),
            is_described: foreign.is_some(),
            is_by_udp,
            is_compressed: self.contender.compresses(),
            falls_back: self.contender.fallback.is_some(),
            planned,
            expected: self.record.then_some(deliveries),
            start,
            connected: snapshot(Moment::Connected)?,
            idle: match workload.idle.is_zero() {
                true => None,
                false => Some((snapshot(Moment::IdleStart)?, snapshot(Moment::IdleEnd)?)),
            },
            before: snapshot(Moment::WindowStart)?,
            after: snapshot(Moment::WindowEnd)?,
            end: snapshot(Moment::End)?,
            traffic: TrafficReadings {
                before: traffic(Moment::WindowStart),
                after: traffic(Moment::WindowEnd),
                at_end: traffic(Moment::End),
            },
            sockets: SocketReadings {
                start: sockets_at_start,
                after: sockets.0,
                publisher: sockets.1,
                local_ports: local_ports(),
                may_be_elsewhere: foreign.is_some() || is_by_udp,
            },
            server_deliveries,
            lateness,
            network,
            is_steady: workload.is_steady(),
            faults: workload.faults.len() as u64,
            restarts,
            slow,
            schedule_sha256,
            recorder,
        })
    }
}
