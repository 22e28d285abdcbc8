//! One trial: a fresh server, subscribers, the idle phase, warm-up, the measured window, the drain.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use pushbench_wire::clock;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::costs::TrafficReadings;
use super::delivery_tracker::ExpectedEvents;
use super::measurement::Measurement;
use super::publisher::{PublishPlan, Publisher, Sent};
use super::recorder::Window;
use super::send_queue::{DueEvent, SendPlan};
use super::snapshot::Snapshot;
use super::subscriber_pool::{Signal, SubscriberPool, SubscriberSpec, THREAD_NAME};
use crate::client::{Subscription, Totals};
use crate::deployment::observe::OwnProcess;
use crate::deployment::{Cores, Deployment, PartRole, server_command};
use crate::results::{Warning, latency_log};
use crate::scenario::schedule::{
    Schedule, first_long_poll_timeouts, polling_phases, publisher_of, window,
};
use crate::scenario::{Connection, Contender, Scenario, Settings, Workload};

/// From the last connection to the first event: the server finishes what connecting began.
const LEAD: Duration = Duration::from_millis(200);

/// How long no subscriber may get connected before the trial is given up.
const CONNECT_STALL: Duration = Duration::from_secs(20);

/// How long nothing may come in the drain, beyond a polling interval, before it is given up. As
/// long as a backlog shrinks, it is late and not lost.
const DRAIN: Duration = Duration::from_secs(3);

/// How long the drain goes on after the last expected delivery, for duplicates to show up.
const LINGER: Duration = Duration::from_millis(100);

/// How long before the measured window the kernel is asked about every connection, beyond twice the
/// time that it took before. As these connections are then those of the window, it should not be long.
const ASKING_AT_LEAST: Duration = Duration::from_millis(5);

/// How often the engine looks around while it waits.
const TICK: Duration = Duration::from_millis(50);

/// How long a server that broke its connections may take to be seen dead.
const DYING: Duration = Duration::from_millis(500);

/// About what a trial takes beside its phases: starting the server, connecting, draining and
/// stopping.
const OVERHEAD: Duration = Duration::from_millis(700);

/// About how long a trial takes from its start to the window, and in all.
pub(crate) fn planned_length(workload: &Workload) -> (Duration, Duration) {
    let settling = if workload.idle.is_zero() { Duration::ZERO } else { LEAD };
    let window = window(workload);
    let before = settling + workload.idle + window.start;
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
    /// Who runs where.
    pub(crate) cores: &'a Cores,
    /// Whether deliveries are recorded. Otherwise they are only counted, which shows what recording
    /// costs: the trial then has its costs, but no latencies and no account of its events.
    pub(crate) record: bool,
}

/// Where a trial stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Phase {
    /// The server starts.
    Start,
    /// Subscribers connect: how many are.
    Connect(u64),
    /// All are connected, and nothing is published.
    Idle,
    /// Events flow, unmeasured.
    WarmUp,
    /// Events flow and are measured: deliveries so far.
    Measure(u64),
    /// The measured window is over.
    Measured,
    /// The last deliveries are awaited: how many are missing.
    Drain(u64),
}

impl TrialPlan<'_> {
    /// Runs the trial. An error is the reason of a failed trial. Dropping the future ends the
    /// server and the subscribers.
    pub(crate) async fn run(&self, mut progress: impl FnMut(Phase)) -> anyhow::Result<Measurement> {
        progress(Phase::Start);
        let command = server_command(self.server, self.scenario, &self.server_times(), self.cores);
        let mut deployment = Deployment::of_servers(&[command]).await?;
        deployment.add_part(PartRole::Generator(0), Box::new(OwnProcess::new(THREAD_NAME)));
        match self.measure(&mut deployment, &mut progress).await {
            Ok(measurement) => {
                deployment.stop().await?;
                Ok(measurement)
            }
            // A dead server shows first as a broken connection, but its end is the better reason.
            Err(error) => Err(timeout(DYING, deployment.ended()).await.unwrap_or(error)),
        }
    }

    async fn measure(
        &self,
        deployment: &mut Deployment,
        progress: &mut impl FnMut(Phase),
    ) -> anyhow::Result<Measurement> {
        let workload = &self.scenario.workload;
        let schedule = Schedule::new(workload, self.scenario.seed);
        let span = window(workload);
        let phases: Vec<_> = workload.phases.iter().map(|phase| phase.duration).collect();
        let recorded = match &phases[..] {
            [] => Window::new(&[span.end - span.start]),
            phases => Window::new(phases),
        };
        let planned = schedule.planned().events;
        let (send_queues, subscribers) = self.subscribers(deployment, &schedule)?;
        let at_start = Snapshot::take(deployment, Totals::default(), None)?;
        let mut pool = SubscriberPool::start(
            self.contender.id.transport(),
            subscribers,
            &recorded,
            self.record,
            self.cores.generator.len(),
        )?;
        self.connect(&mut pool, progress).await?;
        // Only to know how long it takes.
        let asked = Instant::now();
        pool.traffic().await;
        let asking = asked.elapsed();
        let idle = self.idle(deployment, &mut pool, progress).await?;

        let (start_ns, start) = (clock::now_ns() + LEAD.as_nanos() as u64, Instant::now() + LEAD);
        recorded.begins_at(start_ns + span.start.as_nanos() as u64);
        let membership = schedule.membership();
        let audience = |channel| membership.of_channel(channel).len() as u64;
        let plan = PublishPlan {
            address: *deployment.publish().first().context("there is nowhere to publish")?,
            channels: (0..workload.channels).map(channel_name).collect(),
            audiences: (0..workload.channels).map(audience).collect(),
            content: workload.content,
            most_payload_bytes: workload.most_payload_bytes(),
            start_ns,
            send_queues,
        };
        let publisher = Publisher::start(plan, schedule.events())?;
        // What costs CPU to ask is asked before the window and after it.
        let edge = start + span.start;
        let before_edge = edge - (asking * 2 + ASKING_AT_LEAST).min(LEAD);
        wait_until(before_edge, &mut pool, Some(&publisher), |_| progress(Phase::WarmUp)).await?;
        let traffic_before = pool.traffic().await;
        deployment.look();
        deployment.count_instructions(true);
        wait_until(edge, &mut pool, Some(&publisher), |_| progress(Phase::WarmUp)).await?;
        let before = Snapshot::take(deployment, pool.totals(), Some(&publisher))?;
        wait_until(start + span.end, &mut pool, Some(&publisher), |pool| {
            progress(Phase::Measure(pool.totals().measured));
        })
        .await?;
        let after = Snapshot::take(deployment, pool.totals(), Some(&publisher))?;
        deployment.count_instructions(false);
        let traffic_after = pool.traffic().await;
        progress(Phase::Measured);

        let sent = finish(publisher, after.published, planned).await?;
        let Sent { lateness, deliveries: expected, schedule_sha256, .. } = sent;
        if self.record {
            self.drain(&mut pool, expected, progress).await?;
        }
        sleep(LINGER).await;
        let traffic_at_end = pool.traffic().await;
        deployment.look();
        let end = Snapshot::take(deployment, pool.totals(), None)?;
        let series = format!(
            "pushbench_deliveries_total{{transport=\"{}\"}}",
            self.contender.id.transport()
        );
        let server_deliveries = deployment.sample(&series).await;
        let recorder = tokio::task::spawn_blocking(|| pool.stop()).await??;
        ensure!(
            recorder.account.unknown == 0,
            "{} deliveries were of events that this trial did not publish",
            recorder.account.unknown
        );
        Ok(Measurement {
            subscribers: workload.subscribers,
            keeps_connections: self.connection() == Connection::KeepAlive,
            cores: self.cores.clone(),
            planned,
            expected: self.record.then_some(expected),
            start: at_start,
            idle,
            before,
            after,
            end,
            traffic: TrafficReadings {
                before: traffic_before,
                after: traffic_after,
                at_end: traffic_at_end,
            },
            server_deliveries,
            lateness,
            is_steady: workload.is_steady(),
            schedule_sha256,
            recorder,
        })
    }

    /// The moments between which everyone is connected and nothing is published.
    async fn idle(
        &self,
        deployment: &mut Deployment,
        pool: &mut SubscriberPool,
        progress: &mut impl FnMut(Phase),
    ) -> anyhow::Result<Option<(Snapshot, Snapshot)>> {
        let idle = self.scenario.workload.idle;
        if idle.is_zero() {
            return Ok(None);
        }
        let start = Instant::now() + LEAD;
        wait_until(start, pool, None, |_| progress(Phase::Idle)).await?;
        let from = Snapshot::take(deployment, pool.totals(), None)?;
        wait_until(start + idle, pool, None, |_| progress(Phase::Idle)).await?;
        Ok(Some((from, Snapshot::take(deployment, pool.totals(), None)?)))
    }

    /// What the contender sets of the server, as its flags.
    fn server_times(&self) -> Vec<(&'static str, Duration)> {
        match &self.contender.settings {
            Settings::Polling(_) => vec![],
            Settings::LongPolling(asked) => vec![("--long-poll-timeout", asked.timeout)],
            Settings::Sse(stream) | Settings::WebSocket(stream) | Settings::Tcp(stream) => {
                vec![("--heartbeat", stream.heartbeat)]
            }
        }
    }

    fn connection(&self) -> Connection {
        self.contender.settings.connection()
    }

    /// What a client that polls goes by; of others nobody asks.
    fn poll_interval(&self) -> Duration {
        self.contender.settings.polling_interval().unwrap_or(Duration::from_secs(1))
    }

    fn long_poll_timeout(&self) -> Duration {
        match &self.contender.settings {
            Settings::LongPolling(long_polling) => long_polling.timeout,
            _ => Duration::from_secs(30),
        }
    }

    /// The connections that receive events, and where what each of them sends goes; nowhere when
    /// subscribers do not send.
    fn subscribers(
        &self,
        deployment: &Deployment,
        schedule: &Schedule,
    ) -> anyhow::Result<(Vec<mpsc::UnboundedSender<DueEvent>>, Vec<SubscriberSpec>)> {
        let scenario = self.scenario;
        let Scenario { seed, ref workload, .. } = *scenario;
        let connections = workload.connections();
        let interval = self.poll_interval();
        let phases = polling_phases(seed, connections, interval);
        let long_poll_timeout = self.long_poll_timeout();
        let first_timeouts = first_long_poll_timeouts(seed, connections, long_poll_timeout);
        let poll_epoch = Instant::now();
        let expected_events: Vec<Arc<ExpectedEvents>> = schedule
            .measured_ranges()
            .iter()
            .map(|ranges| Arc::new(ExpectedEvents::new(ranges)))
            .collect();
        let mut send_queues = Vec::new();
        let subscribers = phases
            .into_iter()
            .zip(first_timeouts)
            .zip(schedule.membership().connections())
            .zip(0..)
            .map(|(((poll_phase, first_long_poll_timeout), &channel), connection)| {
                let address = deployment.subscribe(connection, channel);
                Ok(SubscriberSpec {
                    subscription: Subscription {
                        address: address.context("there is nowhere to subscribe")?,
                        channel: channel_name(channel),
                        poll_interval: interval,
                        poll_epoch,
                        poll_phase,
                        long_poll_timeout,
                        first_long_poll_timeout,
                        connection: self.connection(),
                    },
                    expected: Arc::clone(&expected_events[channel as usize]),
                    publisher: publisher_of(connection / workload.channels_per_subscriber),
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

    async fn connect(
        &self,
        pool: &mut SubscriberPool,
        progress: &mut impl FnMut(Phase),
    ) -> anyhow::Result<()> {
        let wanted = u64::from(self.scenario.workload.connections());
        let mut connected = 0;
        while connected < wanted {
            progress(Phase::Connect(connected));
            match timeout(CONNECT_STALL, pool.signal()).await {
                Ok(Signal::Connected) => connected += 1,
                Ok(Signal::Failed(reason)) => {
                    bail!("subscriber {} of {wanted} could not connect: {reason}", connected + 1)
                }
                Err(_) => bail!(
                    "{connected} of {wanted} subscribers were connected, and then none for {CONNECT_STALL:?}"
                ),
            }
        }
        Ok(())
    }

    async fn drain(
        &self,
        pool: &mut SubscriberPool,
        expected: u64,
        progress: &mut impl FnMut(Phase),
    ) -> anyhow::Result<()> {
        let polling = self.contender.settings.polling_interval().unwrap_or_default();
        let patience = polling + DRAIN;
        let give_up = Instant::now() + patience.max(latency_log::HIGHEST);
        let mut deadline = Instant::now() + patience;
        let mut last_missing = u64::MAX;
        loop {
            let missing = expected.saturating_sub(pool.totals().measured);
            if missing == 0 || Instant::now() >= deadline.min(give_up) {
                break;
            }
            if missing < last_missing {
                last_missing = missing;
                deadline = Instant::now() + patience;
            }
            progress(Phase::Drain(missing));
            look_around(TICK, pool).await?;
        }
        Ok(())
    }
}

/// Waits for the publisher, unless so much is left to publish that the trial cannot be used: with a
/// rate that nobody can sustain it would go on for long.
async fn finish(publisher: Publisher, published: u64, planned: u64) -> anyhow::Result<Sent> {
    let is_in_vain = Warning::FewerEventsThanPlanned { published, planned }.invalidates();
    let end = move || if is_in_vain { publisher.stop() } else { publisher.finish() };
    tokio::task::spawn_blocking(end).await?
}

fn channel_name(index: u32) -> String {
    format!("channel-{index}")
}

/// Waits until `time`, as long as subscribers and publisher are well.
async fn wait_until(
    time: Instant,
    pool: &mut SubscriberPool,
    publisher: Option<&Publisher>,
    mut tick: impl FnMut(&SubscriberPool),
) -> anyhow::Result<()> {
    loop {
        let left = time.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        tick(pool);
        look_around(left.min(TICK), pool).await?;
        if let Some(reason) = publisher.and_then(Publisher::failure) {
            bail!(reason);
        }
    }
}

async fn look_around(time: Duration, pool: &mut SubscriberPool) -> anyhow::Result<()> {
    match timeout(time, pool.signal()).await {
        Ok(Signal::Failed(reason)) => Err(anyhow::anyhow!("a subscriber failed: {reason}")),
        Ok(Signal::Connected) | Err(_) => Ok(()),
    }
    .context("the trial cannot go on")
}
