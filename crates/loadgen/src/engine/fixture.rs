//! For tests: a trial in which all went well, and a way to publish that leads nowhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::bail;
use pushbench_wire::Stamp;
use pushbench_wire::stamp::STAMP_LEN;

use super::delivery_tracker::{DeliveryTracker, ExpectedEvents};
use super::machine::MachineTime;
use super::measurement::Measurement;
use super::pool::Traffic;
use super::publisher::PublishPlan;
use super::recorder::{Recorder, Window};
use super::snapshot::Snapshot;
use super::sockets::SocketReadings;
use super::traffic::TrafficReadings;
use crate::client::{Acknowledgements, OpenPath, PublishPath, PublishTarget, Totals};
use crate::deployment::observe::{Observation, Threads};
use crate::deployment::{Cores, ObservedPart, PartRole};
use crate::results::{Warning, latency_log};
use crate::scenario::Content;
use crate::scenario::schedule::{Due, MeasuredRange, Source};

pub(super) const SUBSCRIBERS: u32 = 10;

/// Measured events of the one channel.
pub(super) const EVENTS: u32 = 1_000;

/// From one event to the next.
const GAP_NS: u64 = 10_000_000;

/// The ten seconds that they take.
pub(super) fn window() -> Window {
    let window = Window::new(&[Duration::from_nanos(u64::from(EVENTS) * GAP_NS)]);
    window.begins_at(0);
    window
}

/// A tracker of them.
pub(super) fn tracker() -> DeliveryTracker {
    DeliveryTracker::new(
        ExpectedEvents::new(&[MeasuredRange { publisher: 0, measured: 0..EVENTS }]).into(),
    )
}

/// Every subscriber receives every event, and the one with an index `latency_ns` after it was meant
/// to be published.
pub(super) fn recorder(latency_ns: impl Fn(u32) -> u64) -> Recorder {
    let mut recorder = Recorder::new(window());
    for receiver in 1..=SUBSCRIBERS as u16 {
        let mut tracker = tracker();
        for sequence in 0..EVENTS {
            let intended_ns = u64::from(sequence) * GAP_NS;
            let stamp = Stamp { publisher: 0, sequence, intended_ns, published_ns: intended_ns };
            recorder.enter(&mut tracker, receiver, &stamp, intended_ns + latency_ns(sequence));
        }
    }
    recorder
}

/// What tasks used of two cores, in ticks of 10 ms.
pub(super) fn machine([core0, core1]: [u64; 2]) -> Option<MachineTime> {
    let stat = format!(
        "cpu  {} 0 0 0 0 0 0 0\ncpu0 {core0} 0 0 0 0 0 0 0\ncpu1 {core1} 0 0 0 0 0 0 0\n",
        core0 + core1
    );
    MachineTime::parse(&stat)
}

/// A server and a generator that have used so much CPU time, and never waited for it.
pub(super) fn parts(server_cpu_ns: u64, own_cpu_ns: u64) -> Vec<ObservedPart> {
    waiting_parts([server_cpu_ns, own_cpu_ns], [Some(0); 2])
}

/// The same, which have waited for it for so long, where the kernel says so.
pub(super) fn waiting_parts(cpu_ns: [u64; 2], wait_ns: [Option<u64>; 2]) -> Vec<ObservedPart> {
    let roles = [PartRole::Server(0), PartRole::Generator(0)];
    let part = |(role, (cpu_ns, wait_ns))| {
        let threads = Some(Threads::waited(wait_ns));
        let cpu_ns = Some(cpu_ns);
        ObservedPart {
            role,
            observation: Observation { cpu_ns, threads, ..Observation::default() },
        }
    };
    roles.into_iter().zip(cpu_ns.into_iter().zip(wait_ns)).map(part).collect()
}

/// A window of ten seconds, in which the server used 2 s of core 0 and the generator 3 s of core 1.
pub(super) fn flawless() -> Measurement {
    let before = Snapshot { parts: parts(0, 0), machine: machine([0, 0]), ..Snapshot::default() };
    let deliveries = u64::from(EVENTS) * u64::from(SUBSCRIBERS);
    let totals = Totals { deliveries, connections: SUBSCRIBERS.into(), ..Totals::default() };
    let after = Snapshot {
        at_ns: 10_000_000_000,
        parts: parts(2_000_000_000, 3_000_000_000),
        publisher_cpu_ns: 500_000_000,
        published: EVENTS.into(),
        engine_cpu_ns: 100_000_000,
        totals,
        machine: machine([205, 295]),
        ..Snapshot::default()
    };
    Measurement {
        subscribers: SUBSCRIBERS,
        keeps_connections: true,
        asks_at_once: false,
        cores: Cores { server: vec![0], generator: vec![1] },
        listeners_are_known: true,
        is_described: false,
        is_by_udp: false,
        is_compressed: false,
        falls_back: false,
        planned: EVENTS.into(),
        expected: Some(deliveries),
        start: before.clone(),
        connected: before.clone(),
        idle: None,
        before,
        end: after.clone(),
        after,
        traffic: TrafficReadings { at_end: Some(Traffic::default()), ..TrafficReadings::default() },
        sockets: SocketReadings::default(),
        server_deliveries: Some(deliveries as f64),
        lateness: latency_log::histogram(),
        network: None,
        is_steady: true,
        faults: 0,
        slow: None,
        schedule_sha256: None,
        recorder: recorder(|_| 2_000_000),
    }
}

/// The warnings of a trial that went well but for one thing.
pub(super) fn after(spoil: impl FnOnce(&mut Measurement)) -> Vec<Warning> {
    let mut trial = flawless();
    spoil(&mut trial);
    trial.warnings()
}

/// The only warning, and whether the trial is still used.
pub(super) fn only(spoil: impl FnOnce(&mut Measurement)) -> (Warning, bool) {
    let warnings = after(spoil);
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    (warning.clone(), !warning.invalidates())
}

/// A measured event that is due at `offset_ns`: the even ones on the first channel, the odd ones on
/// the second.
pub(super) fn due(sequence: u32, offset_ns: u64) -> Due {
    Due {
        offset_ns,
        channel: sequence % 2,
        source: Source::Backend,
        sequence,
        payload_bytes: STAMP_LEN,
        is_measured: true,
    }
}

/// For two channels, with an audience of 1 and 10.
pub(super) fn publish_plan(start_ns: u64) -> PublishPlan {
    PublishPlan {
        audiences: vec![1, 10],
        content: Content::Text,
        stamp_channels: false,
        most_payload_bytes: STAMP_LEN,
        start_ns,
        send_queues: Vec::new(),
    }
}

/// A path on which what was sent is answered one by one.
#[derive(Clone, Default)]
pub(super) struct ScriptedPath {
    /// Channel and sequence.
    pushed: Arc<Mutex<Vec<(usize, u32)>>>,
    sent: Arc<AtomicU64>,
    answered: Arc<AtomicU64>,
    is_broken: bool,
}

impl ScriptedPath {
    /// It takes nothing.
    pub(super) fn broken() -> Self {
        Self { is_broken: true, ..Self::default() }
    }

    pub(super) fn opened(&self) -> OpenPath<Self> {
        OpenPath { path: self.clone(), acknowledgements: self.clone(), probe: None }
    }

    pub(super) fn pushed(&self) -> Vec<(usize, u32)> {
        self.pushed.lock().unwrap().clone()
    }

    pub(super) fn is_answered(&self) -> bool {
        self.sent.load(Ordering::Relaxed) == self.answered.load(Ordering::Relaxed)
    }
}

impl PublishPath for ScriptedPath {
    type Acknowledgements = Self;

    fn open(_: &PublishTarget<'_>) -> anyhow::Result<OpenPath<Self>> {
        bail!("it leads nowhere")
    }

    fn push(&mut self, channel: usize, payload: &[u8]) {
        let stamp = Stamp::read_from(payload).unwrap();
        self.pushed.lock().unwrap().push((channel, stamp.sequence));
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        if self.is_broken {
            bail!("it is broken");
        }
        let pushed = self.pushed.lock().unwrap().len();
        self.sent.store(pushed as u64, Ordering::Release);
        Ok(())
    }
}

impl Acknowledgements for ScriptedPath {
    fn acknowledge(&mut self) -> anyhow::Result<u64> {
        std::thread::yield_now();
        let to_come = self.sent.load(Ordering::Acquire) - self.answered.load(Ordering::Relaxed);
        if to_come > 0 {
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
        Ok(to_come.saturating_sub(1))
    }
}
