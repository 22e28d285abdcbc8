//! One trial: a fresh deployment, the steps that it goes through, and what was found.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use pushbench_wire::Transport;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::delivery_tracker::ExpectedEvents;
use super::execution::{Execution, Findings};
use super::foreign_place::ForeignPlace;
use super::machine::local_ports;
use super::measurement::Measurement;
use super::phase::Phase;
use super::pool::{
    Comeback, PoolPlan, SubscriberPool as _, SubscriberSpec, THREAD_NAME, ThreadPool,
};
use super::publisher::{Sent, stamped};
use super::publishing::open_publisher;
use super::recognised::{Suspicion, ensure_recognised};
use super::recorder::{Account, Window};
use super::send_queue::{DueEvent, SendPlan};
use super::slow_account::{SlowDue, is_slow};
use super::snapshot::Snapshot;
use super::sockets::SocketReadings;
use super::steps::{LEAD, Moment, steps};
use super::traffic::TrafficReadings;
use crate::client::{Foreign, Http, Mechanism, PublishForm, Subscription, Tls, Totals};
use crate::deployment::network::{self, Network};
use crate::deployment::observe::OwnProcess;
use crate::deployment::{Cores, Deployment, NotStarted, PartRole, within};
use crate::scenario::schedule::{
    MeasuredRange, Schedule, first_long_poll_timeouts, polling_phases, publisher_of, window,
};
use crate::scenario::{Connection, Contender, HttpVersion, Scenario, Server};

/// How long a server that broke its connections may take to be seen dead.
const DYING: Duration = Duration::from_millis(500);

/// The publisher of no stamp: what a subscriber receives there is not its own.
const NOBODY: u16 = u16::MAX;

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
        let (mut deployment, reach) = self.deployment(place, network).await?;
        deployment.add_part(PartRole::Generator(0), Box::new(OwnProcess::new(THREAD_NAME)));
        let place = reach.behind.as_ref().or(place);
        match self.measure(&mut deployment, place, reach.tls, progress).await {
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
        let pool = ThreadPool::connect(PoolPlan {
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
        })?;
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
        let mut execution = Execution::new(deployment, pool, planned, series, open_publisher);
        let polling = settings.polling_interval();
        let steps = steps(workload, connections, self.record, polling);
        execution.run(&steps, progress).await?;
        let (findings, mut recorder) = execution.finish().await?;
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

    /// The connections that receive events, and where what each of them sends goes; nowhere when
    /// subscribers do not send.
    fn subscribers(
        &self,
        deployment: &Deployment,
        schedule: &Schedule,
        channels: &[String],
        foreign: Option<(&Server, &ForeignPlace)>,
        tls: Option<&Tls>,
    ) -> anyhow::Result<(Vec<mpsc::UnboundedSender<DueEvent>>, Vec<SubscriberSpec>)> {
        let scenario = self.scenario;
        let Scenario { seed, ref workload, .. } = *scenario;
        let settings = &self.contender.settings;
        let transport = self.contender.id.transport();
        let membership = schedule.membership();
        let is_shared = self.contender.shares_connections(workload);
        let together = if is_shared { membership.each() } else { 1 };
        let of_connections = membership.connections().chunks(together);
        let connections = of_connections.len() as u32;
        // Clients that do not have these settings have no use for them.
        let interval = settings.polling_interval().unwrap_or_default();
        let phases = polling_phases(seed, connections, interval);
        let long_poll_timeout = settings.long_poll_timeout().unwrap_or_default();
        let first_timeouts = first_long_poll_timeouts(seed, connections, long_poll_timeout);
        let poll_epoch = Instant::now();
        let mut ranges = schedule.measured_ranges();
        if foreign.is_some() || is_shared {
            // Nobody else publishes there.
            for (channel, range) in (0..).zip(&mut ranges) {
                range.iter_mut().for_each(|range| range.publisher = stamped(channel));
            }
        }
        // Subscriptions of one subscriber follow each other.
        let per_subscriber = workload.channels_per_subscriber.div_ceil(together as u32).max(1);
        let (mut http, mut secured) = (Http::Http1, tls.cloned());
        let expected = |ranges: &[MeasuredRange]| Arc::new(ExpectedEvents::new(ranges));
        let of_channels: Vec<_> = ranges.iter().map(|ranges| expected(ranges)).collect();
        let head_may_wait = self.contender.road.proxy.is_some() && transport == Transport::Sse;
        let mut send_queues = Vec::new();
        let subscribers = phases
            .into_iter()
            .zip(first_timeouts)
            .zip(of_connections)
            .zip(0..)
            .map(|(((poll_phase, first_long_poll_timeout), members), connection)| {
                if connection % per_subscriber == 0 {
                    http = match self.contender.http() {
                        HttpVersion::Http1 => Http::Http1,
                        HttpVersion::Http2 => Http::Http2(Arc::default()),
                        HttpVersion::Http3 => Http::Http3(Arc::default()),
                        HttpVersion::WebTransport => Http::WebTransport,
                    };
                }
                if self.contender.road.resumes_tls && connection % per_subscriber == 0 {
                    secured = tls.map(Tls::remembering);
                }
                let first = *members.first().context("a connection has no channel")?;
                // One that is part of a subscriber goes where the others of it go.
                let ring = deployment.ring(connection / per_subscriber, first);
                let address = *ring.first().context("there is nowhere to subscribe")?;
                let names: Vec<&str> =
                    members.iter().map(|&channel| &channels[channel as usize][..]).collect();
                Ok(SubscriberSpec {
                    subscription: Subscription {
                        address,
                        channel: names.join(","),
                        settings: settings.clone(),
                        poll_epoch,
                        poll_phase,
                        first_long_poll_timeout,
                        fallback: self.contender.fallback.clone(),
                        tls: secured.clone(),
                        http: http.clone(),
                        compression: self.contender.compresses(),
                        foreign: foreign.and_then(|(server, place)| {
                            let recipe = server.subscribe.get(&transport)?;
                            let recipe = match &names[..] {
                                [_] => Arc::clone(recipe),
                                several => {
                                    let names: Vec<_> =
                                        several.iter().map(|&name| name.to_owned()).collect();
                                    Arc::new(recipe.for_channels(&names))
                                }
                            };
                            let channel = channels[first as usize].clone();
                            let own =
                                [("channel", channel), ("subscriber", connection.to_string())];
                            Some(Foreign {
                                recipe,
                                values: place.values_over(address).with(own),
                                tls: place.tls_of_subscribers().cloned(),
                                trace: None,
                            })
                        }),
                    },
                    ring,
                    connection,
                    subscriber: connection / per_subscriber,
                    head_may_wait,
                    slow: workload
                        .slow
                        .filter(|_| is_slow(workload, connection / per_subscriber))
                        .map(|slow| slow.reads),
                    expected: match members {
                        [only] => Arc::clone(&of_channels[*only as usize]),
                        several => {
                            let mut several = several.to_vec();
                            several.sort_unstable();
                            let of = |channel: u32| ranges[channel as usize].iter().cloned();
                            expected(&several.into_iter().flat_map(of).collect::<Vec<_>>())
                        }
                    },
                    publisher: match foreign.is_some() || is_shared {
                        true => NOBODY,
                        false => publisher_of(connection / workload.channels_per_subscriber),
                    },
                    sends: workload.upstream.as_ref().map(|_| {
                        let (queue, due) = mpsc::unbounded_channel();
                        send_queues.push(queue);
                        let most_payload_bytes = workload.most_payload_bytes();
                        SendPlan { due, content: workload.content, most_payload_bytes }
                    }),
                })
            })
            .collect::<anyhow::Result<_>>()?;
        Ok((send_queues, subscribers))
    }
}
