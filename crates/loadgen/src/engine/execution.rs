//! Does the steps of a trial one after the other, and tells how far it is. It must not know why they
//! are in that order, nor what becomes of what it finds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use pushbench_wire::clock;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::phase::Phase;
use super::pool::{PoolPlan, Signal, SubscriberPool, Traffic};
use super::publisher::{Publisher, Sent};
use super::publishing::{OpenPublisher, StartPublisher};
use super::recorder::Recorder;
use super::snapshot::Snapshot;
use super::steps::{Action, LEAD, Moment, Step, StepKind, Until, When};
use crate::deployment::{Deployment, LOOK, Sockets, within};
use crate::results::{Warning, latency_log};
use crate::scenario::FaultKind;

/// How long no subscriber may get connected before the trial is given up.
const CONNECT_STALL: Duration = Duration::from_secs(20);

/// How much earlier what has to be done ahead of an edge begins than twice the time that it took
/// before. What is asked then is not asked at the edge, so it should not be long.
const MARGIN: Duration = Duration::from_millis(5);

/// How long a publisher that is behind at the end of the window has to catch up: a busy machine holds a
/// thread up for less, and a rate that nobody can sustain goes on for longer.
const CATCH_UP: Duration = Duration::from_secs(1);

/// How long slow subscribers may take to catch up with a log.
const LONGEST_CATCH_UP: Duration = Duration::from_secs(30);

/// Some never got connected, and nobody says why.
#[derive(Debug, thiserror::Error)]
#[error("{connected} of {wanted} subscribers were connected, and then none for {CONNECT_STALL:?}")]
pub(super) struct NotAllConnected {
    pub(super) connected: u64,
    pub(super) wanted: u64,
}

/// Does all `steps` with a pool of this kind, and gives what was found and what its subscribers recorded. With it come
/// how many measured events are to be published, where the servers' metrics have what they delivered, and how the
/// publisher is connected.
///
/// # Errors
/// Why the trial cannot go on.
pub(super) async fn execute<P: SubscriberPool>(
    deployment: &mut Deployment,
    pool: PoolPlan,
    (planned, deliveries_series, open_publisher): (u64, String, OpenPublisher),
    steps: &[Step],
    progress: &mut impl FnMut(Phase),
) -> anyhow::Result<(Findings, Recorder)> {
    let pool = P::connect(pool)?;
    let mut execution =
        Execution::new(deployment, pool, planned, deliveries_series, open_publisher);
    execution.run(steps, progress).await?;
    execution.finish().await
}

/// A trial that goes on.
pub(super) struct Execution<'a, P: SubscriberPool> {
    deployment: &'a mut Deployment,
    pool: P,
    /// Gone once it has been used, as what follows is.
    open_publisher: Option<OpenPublisher>,
    start_publisher: Option<StartPublisher>,
    /// Measured events that are to be published.
    planned: u64,
    /// Where the servers' metrics have what they delivered.
    deliveries_series: String,
    publisher: Option<Publisher>,
    findings: Findings,
    /// How long it took the last time to look at all parts, and to ask about all connections.
    looking: Duration,
    asking: Duration,
}

/// What was found on the way.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) snapshots: BTreeMap<Moment, Snapshot>,
    pub(super) traffic: BTreeMap<Moment, Option<Traffic>>,
    /// Just after the window, and which of them are the publisher's.
    pub(super) sockets: (Sockets, BTreeSet<SocketAddr>),
    /// Empty when nothing was published.
    pub(super) sent: Option<Sent>,
    /// Events that the servers say they delivered; empty when one does not say, or has forgotten some.
    pub(super) server_deliveries: Option<f64>,
    /// How long each restart of the servers took, without the time that they were to stay down.
    pub(super) restarts: Vec<Duration>,
}

impl<'a, P: SubscriberPool> Execution<'a, P> {
    pub(super) fn new(
        deployment: &'a mut Deployment,
        pool: P,
        planned: u64,
        deliveries_series: String,
        open_publisher: OpenPublisher,
    ) -> Self {
        Self {
            deployment,
            pool,
            open_publisher: Some(open_publisher),
            start_publisher: None,
            planned,
            deliveries_series,
            publisher: None,
            findings: Findings::default(),
            looking: Duration::ZERO,
            asking: Duration::ZERO,
        }
    }

    /// Does all `steps`.
    ///
    /// # Errors
    /// Why the trial cannot go on.
    pub(super) async fn run(
        &mut self,
        steps: &[Step],
        progress: &mut impl FnMut(Phase),
    ) -> anyhow::Result<()> {
        let mut begin = Instant::now();
        for step in steps {
            // Who was stopped (Ctrl-Z, a debugger) before anything was published goes on from here: the
            // schedule counts from its start, too.
            if self.publisher.is_none() && begin.elapsed() > LEAD {
                begin = Instant::now();
            }
            begin = self.step(step, begin, progress).await?;
        }
        Ok(())
    }

    /// Ends the subscribers, and gives what was found and what they recorded.
    pub(super) async fn finish(self) -> anyhow::Result<(Findings, Recorder)> {
        let pool = self.pool;
        let recorder = tokio::task::spawn_blocking(|| pool.stop()).await??;
        Ok((self.findings, recorder))
    }

    /// Does one step, and says when the next one begins.
    async fn step(
        &mut self,
        step: &Step,
        begin: Instant,
        progress: &mut impl FnMut(Phase),
    ) -> anyhow::Result<Instant> {
        let kind = step.kind;
        progress(self.phase(kind));
        for &(when, action) in &step.actions {
            let time = match (when, step.until) {
                (When::After(time), _) => begin + time,
                (When::AheadOfEnd, Until::Passed(length)) => {
                    begin + length.saturating_sub((self.looking + self.asking) * 2 + MARGIN)
                }
                (When::AheadOfEnd, _) => {
                    bail!("nobody knows when this step ends: {step:?}")
                }
            };
            self.wait_until(time, kind, progress).await?;
            self.perform(action).await?;
        }
        match step.until {
            Until::Done => {}
            Until::Passed(length) => {
                self.wait_until(begin + length, kind, progress).await?;
                return Ok(begin + length);
            }
            Until::Connected(wanted) => self.connected(wanted, progress).await?,
            Until::Delivered(patience) => self.delivered(patience, progress).await?,
            Until::CaughtUp(patience) => self.caught_up(patience).await?,
        }
        Ok(Instant::now())
    }

    /// How far the trial is.
    fn phase(&self, kind: StepKind) -> Phase {
        let measured = self.pool.totals().measured;
        match (kind, &self.findings.sent) {
            (StepKind::Connect, _) => Phase::Connect(0),
            (StepKind::Idle, _) => Phase::Idle,
            (StepKind::WarmUp, _) => Phase::WarmUp,
            (StepKind::Measure, _) => Phase::Measure(measured),
            (StepKind::Drain, None) => Phase::Measured,
            (StepKind::Drain, Some(sent)) => Phase::Drain(sent.deliveries.saturating_sub(measured)),
        }
    }

    async fn perform(&mut self, action: Action) -> anyhow::Result<()> {
        let since = Instant::now();
        match action {
            Action::LookAtParts => {
                self.deployment.look();
                self.looking = since.elapsed();
            }
            Action::Observe(moment) => {
                let totals = self.pool.totals();
                let snapshot = Snapshot::take(self.deployment, totals, self.publisher.as_ref())?;
                self.findings.snapshots.insert(moment, snapshot);
            }
            Action::AskTraffic(moment) => {
                let traffic = self.pool.traffic().await;
                self.asking = since.elapsed();
                self.findings.traffic.insert(moment, traffic);
            }
            Action::CountSockets => {
                let publisher = self.publisher.as_ref().map(Publisher::addresses);
                self.findings.sockets = (self.deployment.sockets(), publisher.unwrap_or_default());
            }
            Action::AskServers => {
                let said = self.deployment.sample(&self.deliveries_series).await;
                // One that was started again counts from there.
                let counted_all = self.findings.restarts.is_empty();
                self.findings.server_deliveries = said.filter(|_| counted_all);
            }
            Action::Break(kind) => self.disturb(kind, true).await?,
            Action::Mend(kind) => self.disturb(kind, false).await?,
            Action::ReadOn => self.pool.read_on(),
            Action::CountInstructions(on) => self.deployment.count_instructions(on),
            Action::OpenPublisher => self.start_publisher = Some(self.open_publisher().await?),
            Action::Publish => {
                let start = self.start_publisher.take().context("there is no publisher")?;
                self.publisher = Some(start(clock::now_ns() + LEAD.as_nanos() as u64)?);
            }
            Action::FinishPublishing => {
                let Some(publisher) = self.publisher.take() else { return Ok(()) };
                let window_end = self.findings.snapshots.get(&Moment::WindowEnd);
                let published = window_end.map_or(0, |snapshot| snapshot.published);
                let behind = Warning::FewerEventsThanPlanned { published, planned: self.planned };
                let patience = behind.invalidates().then_some(CATCH_UP);
                let end = move || publisher.finish(patience);
                self.findings.sent = Some(tokio::task::spawn_blocking(end).await??);
            }
        }
        Ok(())
    }

    /// Connects on a thread of its own, which nobody waits for who gives the trial up.
    async fn open_publisher(&mut self) -> anyhow::Result<StartPublisher> {
        let open = self.open_publisher.take().context("the publisher is connected already")?;
        let (opened, mut outcome) = oneshot::channel();
        std::thread::Builder::new()
            .name("publish-open".into())
            .spawn(move || drop(opened.send(open())))
            .context("cannot start the thread that connects the publisher")?;
        loop {
            match timeout(LOOK, &mut outcome).await {
                Ok(outcome) => return outcome.context("the publisher's thread panicked")?,
                Err(_) => self.look_around(Duration::ZERO).await?,
            }
        }
    }

    /// Lets a fault begin or end.
    async fn disturb(&mut self, kind: FaultKind, begins: bool) -> anyhow::Result<()> {
        let since = Instant::now();
        match kind {
            FaultKind::Cut { how, share } => self.pool.cut(how, share),
            FaultKind::KillNode => self.deployment.kill_node()?,
            FaultKind::Pause { .. } => self.deployment.pause_servers(begins),
            FaultKind::Outage { .. } => {
                let network = self.deployment.network().context("there is no network to break")?;
                network.carry_nothing(begins)?;
            }
            FaultKind::Restart { how, .. } if begins => {
                self.deployment.end_servers(how).await;
                self.findings.restarts.push(since.elapsed());
            }
            FaultKind::Restart { .. } => {
                self.deployment.start_servers_again().await?;
                if let Some(took) = self.findings.restarts.last_mut() {
                    *took += since.elapsed();
                }
            }
            FaultKind::Silence { share } => {
                let ports = self.pool.ports_to_silence(share).await?;
                let network = self.deployment.network().context("there is no network to break")?;
                let since_ns = network.carry_nothing_of(&ports)?;
                self.pool.are_silenced(since_ns);
            }
        }
        Ok(())
    }

    /// Waits until `time`, as long as subscribers and publisher are well.
    async fn wait_until(
        &mut self,
        time: Instant,
        kind: StepKind,
        progress: &mut impl FnMut(Phase),
    ) -> anyhow::Result<()> {
        loop {
            let left = time.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            progress(self.phase(kind));
            self.look_around(left.min(LOOK)).await?;
        }
    }

    async fn look_around(&mut self, time: Duration) -> anyhow::Result<()> {
        if let Ok(Signal::Failed(reason)) = timeout(time, self.pool.signal()).await {
            bail!("the trial cannot go on: a subscriber failed: {reason}");
        }
        match self.publisher.as_ref().and_then(Publisher::failure) {
            Some(reason) => bail!(reason),
            None => Ok(()),
        }
    }

    async fn connected(
        &mut self,
        wanted: u64,
        progress: &mut impl FnMut(Phase),
    ) -> anyhow::Result<()> {
        let mut connected = 0;
        // A browser may end before its page has called, and nobody else would say so.
        let mut ended = std::pin::pin!(self.deployment.ended());
        while connected < wanted {
            progress(Phase::Connect(connected));
            let signal = within(CONNECT_STALL, self.pool.signal());
            let signal = tokio::select! {
                biased;
                signal = signal => signal,
                error = &mut ended => return Err(error),
            };
            match signal {
                Some(Signal::Opened) => {}
                Some(Signal::Connected) => connected += 1,
                Some(Signal::Failed(reason)) => {
                    bail!("subscriber {} of {wanted} could not connect: {reason}", connected + 1)
                }
                None => bail!(NotAllConnected { connected, wanted }),
            }
        }
        Ok(())
    }

    /// Waits until all measured deliveries have come, or none for as long as `patience`.
    async fn delivered(
        &mut self,
        patience: Duration,
        progress: &mut impl FnMut(Phase),
    ) -> anyhow::Result<()> {
        let expected = self.findings.sent.as_ref().map_or(0, |sent| sent.deliveries);
        // Counted in looks: time in which this process was stopped is nobody's.
        let mut left = patience.max(latency_log::HIGHEST);
        let mut patience_left = patience;
        let mut last_missing = u64::MAX;
        loop {
            let missing = expected.saturating_sub(self.pool.totals().measured);
            if missing < last_missing {
                last_missing = missing;
                patience_left = patience;
            }
            if missing == 0 || patience_left.min(left).is_zero() {
                return Ok(());
            }
            progress(Phase::Drain(missing));
            self.look_around(LOOK).await?;
            left = left.saturating_sub(LOOK);
            patience_left = patience_left.saturating_sub(LOOK);
        }
    }

    /// Waits until nothing has come to slow subscribers for as long as `patience`.
    async fn caught_up(&mut self, patience: Duration) -> anyhow::Result<()> {
        let mut left = LONGEST_CATCH_UP.max(patience);
        let (mut patience_left, mut last) = (patience, None);
        while !left.min(patience_left).is_zero() {
            let received = Some(self.pool.totals().slow_events);
            patience_left = if received == last { patience_left } else { patience };
            last = received;
            self.look_around(LOOK).await?;
            left = left.saturating_sub(LOOK);
            patience_left = patience_left.saturating_sub(LOOK);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
