//! A plausible run for tests: four contenders in two blocks, of which one trial is invalid and one
//! failed. The reference is not among them, as in runs from before it. And a comparison of two builds.

mod search;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use crate::scenario::ContenderId;
use pushbench_wire::Transport;

use super::comparison::{Build, COMPARISON_VERSION, ComparedTrial, Role, Stage};
use super::folder::write_whole;
use super::latency_log::{Entry, Interval, LatencyLog, histogram};
use super::model::{Machine, SCHEMA_VERSION, ScenarioText, Setting};
use super::store::{LATENCY_FILE, Store};
use super::{Capacity, Comparison, Manifest, Metric, Outcome, Run, Stored, Trial, Warning};
use crate::scenario::Gate;

pub(crate) use search::capacity;

const MEASURED_S: u32 = 12;
const PER_SECOND: u64 = 2_000;

/// A record without its rows.
pub(crate) fn head<R: Stored>(record: &R) -> R {
    let mut head = record.clone();
    head.clear();
    head
}

/// Leaves a record in `dir` as measuring it would.
pub(crate) fn save<R: Stored>(dir: &Path, record: &R, rows: impl IntoIterator<Item = R::Row>) {
    let mut store = Store::begin(dir, record).unwrap();
    rows.into_iter().for_each(|row| store.append(&row, &[]).unwrap());
    store.end(record).unwrap();
}

/// The same of a run with its latencies.
pub(crate) fn save_run(dir: &Path, run: &Run, log: &LatencyLog) {
    save(dir, run, run.trials.clone());
    let latencies = log.encode(run.manifest.started_unix_s).unwrap();
    write_whole(&dir.join(LATENCY_FILE), &latencies).unwrap();
}

/// The same of a comparison.
pub(crate) fn save_comparison(dir: &Path, comparison: &Comparison) {
    save(dir, comparison, comparison.trials.clone());
}

/// The same of a search.
pub(crate) fn save_capacity(dir: &Path, capacity: &Capacity) {
    let attempts = capacity.searches.iter().flat_map(|search| search.attempts.clone());
    save(dir, capacity, attempts);
}

/// A run and its latencies, the same every time.
pub(crate) fn run() -> (Run, LatencyLog) {
    // Property tests start from it hundreds of times, and compressing takes a while.
    static RUN: LazyLock<(Run, LatencyLog)> = LazyLock::new(make);
    RUN.clone()
}

fn make() -> (Run, LatencyLog) {
    let mut log = LatencyLog::default();
    let mut trials = Vec::new();
    let mut started_s = 0.5;
    for block in 1..=2 {
        for &contender in Transport::ALL.iter().filter(|contender| !contender.is_reference()) {
            let trial = trial(contender, block, started_s + 2.0);
            if let Some(from_s) = trial.measured_from_s {
                log.entries.extend(entries(contender, trials.len(), block, from_s));
            }
            trials.push(trial);
            started_s += 16.0;
        }
    }
    (Run { schema_version: SCHEMA_VERSION, manifest: manifest(), trials }, log)
}

/// The contenders, of which none is a reference.
fn four() -> Vec<ContenderId> {
    let mut all = ContenderId::all_transports();
    all.pop();
    all
}

fn manifest() -> Manifest {
    Manifest {
        servers: Vec::new(),
        networks: Vec::new(),
        contenders: four(),
        run: "stock-ticker-20250102T030405Z".to_owned(),
        command: "pushbench run scenarios/stock-ticker.toml --blocks 2".to_owned(),
        seed: 7,
        started_at: "2025-01-02T03:04:05Z".to_owned(),
        started_unix_s: 1_735_787_045.0,
        planned_trials: 8,
        interrupted: false,
        version: "0.1.0".to_owned(),
        revision: Some("0123abc".to_owned()),
        server: "pushbench serve --listen 127.0.0.1:0".to_owned(),
        machine: Machine {
            kernel: "Linux 6.1.0 #1 SMP".to_owned(),
            cpu_model: Some("Example CPU @ 2.60GHz".to_owned()),
            cpu_governor: None,
            cores: 2,
            server_cores: vec![0],
            generator_cores: vec![1],
            memory_bytes: Some(8 << 30),
            congestion_control: Some("cubic".to_owned()),
            cpu_limit_cores: None,
        },
        settings: vec![Setting {
            name: "Nagle's algorithm".to_owned(),
            server: Some("off (TCP_NODELAY)".to_owned()),
            subscribers: "off (TCP_NODELAY)".to_owned(),
        }],
        proxies: Vec::new(),
        browsers: Vec::new(),
        shortenings: Vec::new(),
        scenario: ScenarioText {
            name: "stock-ticker".to_owned(),
            description: "Prices to many browsers.".to_owned(),
            path: "scenarios/stock-ticker.toml".to_owned(),
            text: "name = \"stock-ticker\"\n\n[workload]\nsubscribers = 100\n".to_owned(),
            sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
        },
        cells: Vec::new(),
    }
}

fn trial(contender: Transport, block: u32, measured_from_s: f64) -> Trial {
    let mut trial = Trial {
        cell: "base".to_owned(),
        contender: contender.into(),
        block,
        outcome: Outcome::Valid,
        warnings: Vec::new(),
        measured_from_s: Some(measured_from_s),
        warm_up_s: 2.0,
        values: values(contender, block),
        parts: Vec::new(),
        repeated: false,
        schedule_sha256: None,
    };
    match (contender, block) {
        (Transport::LongPolling, 2) => {
            trial.outcome = Outcome::Invalid;
            trial.warnings.push(Warning::CpuStolen { percent: 14.2 });
        }
        (Transport::WebSocket, 2) => {
            trial.outcome =
                Outcome::Failed { reason: "the server was killed by signal 9".to_owned() };
            trial.measured_from_s = None;
            trial.values.clear();
        }
        (Transport::Polling, 1) => trial.warnings.push(Warning::PublisherLate { p99_ms: 1.3 }),
        _ => {}
    }
    trial
}

/// p50, p99 and slowest latency in ms; CPU of server and generator in µs; bytes; memory in kB.
fn figures(contender: Transport) -> [f64; 7] {
    match contender {
        Transport::Polling => [502.0, 990.0, 1004.0, 1.9, 2.6, 210.0, 7.9],
        Transport::LongPolling => [0.61, 1.9, 6.2, 14.2, 21.5, 402.0, 9.1],
        Transport::Sse => [0.41, 1.2, 4.4, 3.1, 4.0, 171.0, 7.2],
        Transport::WebSocket => [0.40, 1.1, 4.9, 3.0, 4.4, 136.0, 8.4],
        Transport::Tcp => unreachable!("it is not among them"),
    }
}

fn values(contender: Transport, block: u32) -> BTreeMap<Metric, f64> {
    let noise = 1.0 + 0.03 * f64::from(block - 1);
    let [p50, p99, max, server, generator, bytes, memory] = figures(contender);
    let deliveries = f64::from(MEASURED_S) * PER_SECOND as f64;
    BTreeMap::from([
        (Metric::LatencyP50, p50 * noise * 1e6),
        (Metric::LatencyP99, p99 * noise * 1e6),
        (Metric::LatencyMax, max * noise * 1e6),
        (Metric::Expected, deliveries),
        (Metric::Delivered, deliveries),
        (Metric::Lost, 0.0),
        (Metric::Duplicated, 0.0),
        (Metric::Reordered, 0.0),
        (Metric::ServerCpuPerDelivery, server * noise * 1e3),
        (Metric::GeneratorCpuPerDelivery, generator * noise * 1e3),
        (Metric::ServerMemoryPerSubscriber, memory * noise * 1e3),
        (Metric::BytesPerDelivery, bytes),
        (Metric::ConnectionsOpened, 100.0),
        (Metric::Requests, 1200.0),
    ])
}

fn entries(
    contender: Transport,
    trial: usize,
    block: u32,
    from_s: f64,
) -> impl Iterator<Item = Entry> {
    (0..MEASURED_S).map(move |second| {
        let mut histogram = histogram();
        for index in 0..PER_SECOND {
            let share = (index as f64 + 0.5) / PER_SECOND as f64;
            histogram.saturating_record(latency_ns(contender, block, second, share));
        }
        let start_s = from_s + f64::from(second);
        Entry::new(&contender.into(), trial, &Interval { start_s, length_s: 1.0, histogram })
            .expect("these times and latencies are possible")
    })
}

/// The latency below which `share` of the deliveries lie.
fn latency_ns(contender: Transport, block: u32, second: u32, share: f64) -> u64 {
    let [p50, p99, max, ..] = figures(contender);
    let wave = 1.0 + 0.05 * f64::from((second * 7 + block * 3) % 5);
    let ms = if contender == Transport::Polling {
        0.5 + 1003.0 * share
    } else {
        // Half below the median, then a tail that is straight on the chart's logarithmic axes.
        let nines = -(1.0 - share).log10();
        let tail = p50 * (p99 / p50).powf(((nines - 0.3) / 1.7).max(0.0));
        (p50 * (0.5 + share) * wave).max(tail * wave).min(max)
    };
    (ms * 1e6) as u64
}

/// A comparison in which everything that can be said is said of something. Of the first scenario:
/// SSE costs more CPU, WebSocket less, WebSocket's p50 is too noisy to tell, and long polling loses
/// deliveries. Of the second: too few of polling's blocks can be trusted, raw TCP crashes, and
/// WebSocket is as it was.
pub(crate) fn comparison() -> Comparison {
    let mut trials = Vec::new();
    for block in 1..=8 {
        for contender in [Transport::LongPolling, Transport::Sse, Transport::WebSocket] {
            trials.extend(compared(0, Stage::First, contender, block));
        }
        for contender in [Transport::Polling, Transport::WebSocket, Transport::Tcp] {
            trials.extend(compared(1, Stage::First, contender, block));
        }
    }
    trials.extend((1..=8).flat_map(|block| compared(0, Stage::Confirm, Transport::Sse, block)));
    let mut first = manifest();
    first.command = "pushbench compare --baseline main --candidate wake-ups scenarios".to_owned();
    let mut second = first.clone();
    second.scenario.name = "notifications".to_owned();
    let gates = [
        (Metric::ServerCpuPerDelivery, 0.05, 0.0),
        (Metric::BytesPerDelivery, 0.005, 0.0),
        (Metric::LatencyP50, 0.10, 100e3),
    ];
    let gates = gates.map(|(metric, share, floor)| Gate { metric, share, floor }).to_vec();
    let build = |name: &str, command: &str| Build {
        name: name.to_owned(),
        command: format!("{command} serve --listen 127.0.0.1:0"),
    };
    Comparison {
        comparison_version: COMPARISON_VERSION,
        manifests: vec![first, second],
        baseline: build("main", "builds/0123abc/pushbench"),
        candidate: build("wake-ups", "builds/4567def/pushbench"),
        gates: vec![gates.clone(), gates],
        blocks: [8, 8],
        trials,
        interrupted: false,
    }
}

/// Baseline and candidate of a block.
fn compared(scenario: usize, stage: Stage, contender: Transport, block: u32) -> [ComparedTrial; 2] {
    // Fixed noise, the same for neither side nor block.
    let noise = |seed: u32| 1.0 + 0.01 * (f64::from(seed * block * 5 % 9) - 4.0) / 4.0;
    [Role::Baseline, Role::Candidate].map(|role| {
        let is_candidate = role == Role::Candidate;
        let mut trial = Trial {
            cell: "base".to_owned(),
            contender: contender.into(),
            block,
            outcome: Outcome::Valid,
            warnings: Vec::new(),
            measured_from_s: Some(2.0),
            warm_up_s: 2.0,
            values: match contender {
                Transport::Tcp => values(Transport::WebSocket, 1),
                _ => values(contender, 1),
            },
            parts: Vec::new(),
            repeated: false,
            schedule_sha256: None,
        };
        let mut scale = |metric, factor: f64| {
            trial.values.entry(metric).and_modify(|value| *value *= factor);
        };
        scale(Metric::ServerCpuPerDelivery, noise(u32::from(is_candidate) + 1));
        scale(Metric::LatencyP50, noise(u32::from(is_candidate) + 3));
        match (contender, is_candidate) {
            (Transport::WebSocket, _) if scenario == 1 => {}
            (Transport::Sse, true) => scale(Metric::ServerCpuPerDelivery, 1.12),
            (Transport::WebSocket, true) => {
                scale(Metric::ServerCpuPerDelivery, 0.8);
                let wild = [0.6, 1.7, 1.1, 0.8, 1.5, 0.7, 1.4, 1.2];
                scale(Metric::LatencyP50, wild[block as usize - 1]);
            }
            (Transport::LongPolling, true) if block == 2 => {
                trial.values.insert(Metric::Lost, 3.0);
                trial.values.insert(Metric::Delivered, 23_997.0);
            }
            (Transport::Polling, false) if block > 3 => {
                trial.outcome = Outcome::Invalid;
                trial.warnings.push(Warning::CpuStolen { percent: 14.2 });
            }
            (Transport::Tcp, true) if block == 8 => {
                trial.outcome =
                    Outcome::Failed { reason: "the server was killed by signal 11".to_owned() };
                trial.values.clear();
            }
            _ => {}
        }
        ComparedTrial { scenario, stage, role, redone: false, trial }
    })
}
