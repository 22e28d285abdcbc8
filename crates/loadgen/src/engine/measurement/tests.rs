use super::*;
use crate::client::Totals;
use crate::engine::fixture::{flawless, parts, window};
use crate::engine::slow_account::SlowDue;
use crate::results::latency_log;

/// Three seconds in which the ten subscribers sent fifty requests.
fn idle() -> Option<(Snapshot, Snapshot)> {
    let from = flawless().before;
    let to = Snapshot {
        at_ns: 3_000_000_000,
        parts: parts(6_000_000, 8_000_000),
        engine_cpu_ns: 1_000_000,
        totals: Totals { requests: 50, bytes_in: 700, bytes_out: 300, ..Totals::default() },
        ..from.clone()
    };
    Some((from, to))
}

#[test]
fn idle_costs_are_those_of_a_subscriber_in_a_minute() {
    let values = Measurement { idle: idle(), ..flawless() }.values();
    // Ten subscribers for 3 s are half a subscriber for a minute.
    for (metric, value) in [
        (Metric::IdlePhase, 3e9),
        (Metric::IdleServerCpu, 12e6),
        (Metric::IdleGeneratorCpu, 14e6),
        (Metric::IdleBytes, 2_000.0),
        (Metric::IdleRequests, 100.0),
        (Metric::ServerCpuPerDelivery, 200e3),
        (Metric::ServerCpuPerSecond, 200e6),
        // Of the server's 2 s in the window, 20 ms would have been used without a delivery.
        (Metric::ServerCpuAboveIdlePerDelivery, 198e3),
    ] {
        let found = values[&metric];
        assert!((found / value - 1.0).abs() < 1e-9, "{}: {found}", metric.name());
    }
}

#[test]
fn noise_may_push_the_cost_above_idle_below_zero() {
    let mut trial = Measurement { idle: idle(), ..flawless() };
    trial.after.parts = parts(19_000_000, 3_000_000_000);
    let above = trial.values()[&Metric::ServerCpuAboveIdlePerDelivery];
    assert!((above + 100.0).abs() < 1e-6, "1 ms too little for 10,000 deliveries: {above}");
}

#[test]
fn without_an_idle_phase_nothing_is_known_of_its_cost() {
    let values = flawless().values();
    for metric in [
        Metric::IdlePhase,
        Metric::IdleServerCpu,
        Metric::IdleGeneratorCpu,
        Metric::IdleBytes,
        Metric::IdleRequests,
        Metric::ServerCpuAboveIdlePerDelivery,
    ] {
        assert!(!values.contains_key(&metric), "{}", metric.name());
    }
}

#[test]
fn what_is_not_recorded_has_costs_alone() {
    let trial = Measurement { expected: None, recorder: Recorder::new(window()), ..flawless() };
    let (trial, intervals) =
        trial.into_trial("base", pushbench_wire::Transport::Sse.into(), 1, Duration::ZERO, 0);
    assert_eq!((trial.outcome, &trial.warnings[..]), (Outcome::Valid, &[][..]));
    assert_eq!(intervals.len(), 0);
    for metric in [
        Metric::LatencyP50,
        Metric::LatencyMax,
        Metric::LatencyMean,
        Metric::UncorrectedLatencyMax,
        Metric::Expected,
        Metric::Delivered,
        Metric::Lost,
        Metric::Duplicated,
        Metric::Reordered,
        Metric::NegativeLatency,
    ] {
        assert!(!trial.values.contains_key(&metric), "{}", metric.name());
    }
    assert_eq!(trial.values[&Metric::WindowDeliveries], 10_000.0);
    assert_eq!(trial.values[&Metric::ServerCpuPerDelivery], 200e3);
    assert_eq!(trial.values[&Metric::GeneratorCpuPerDelivery], 240e3);
}

#[test]
fn an_impossible_zero_is_empty_and_says_why() {
    let mut trial = flawless();
    for at in [&mut trial.start, &mut trial.before, &mut trial.after, &mut trial.end] {
        for part in &mut at.parts {
            part.observation = Observation {
                cpu_ns: Some(0),
                cpu_is_incomplete: true,
                memory_bytes: Some(0),
                memory_peak_bytes: Some(0),
                ..Observation::default()
            };
        }
    }
    trial.doubts.listener_is_untold = true;
    trial.doubts.had_to_be_killed = true;
    trial.doubts.log_is_in_memory = true;
    let values = trial.values();
    for metric in [
        Metric::ServerCpu,
        Metric::ServerCpuPerDelivery,
        Metric::ServerCpuPerSecond,
        Metric::ServerMemory,
        Metric::ServerMemoryPeak,
        Metric::ServerMemoryPerSubscriber,
    ] {
        assert!(!values.contains_key(&metric), "{}", metric.name());
    }
    let deliveries = values[&Metric::WindowDeliveries] as u64;
    let reasons = [
        Warning::ServerChildrenUnseen,
        Warning::NoServerCpu { deliveries },
        Warning::NoServerMemory,
        Warning::ListenerUntold,
        Warning::ServerKilled,
        Warning::LogInMemory,
    ];
    assert_eq!(trial.of_the_server(&trial.after.since(&trial.before)), reasons);
}

#[test]
fn what_cannot_be_observed_is_empty_and_does_not_fail_a_trial() {
    let mut trial = Measurement { idle: idle(), ..flawless() };
    for part in &mut trial.after.parts {
        part.observation = Observation::default();
    }
    let (trial, _) =
        trial.into_trial("base", pushbench_wire::Transport::Sse.into(), 1, Duration::ZERO, 0);
    assert_eq!(trial.outcome, Outcome::Valid);
    assert!(matches!(trial.warnings[..], [Warning::Unchecked { .. }]), "{:?}", trial.warnings);
    for metric in [
        Metric::ServerCpu,
        Metric::ServerCpuPerDelivery,
        Metric::ServerCpuPerSecond,
        Metric::ServerCpuAboveIdlePerDelivery,
        Metric::GeneratorCpu,
        Metric::ServerContextSwitches,
    ] {
        assert!(!trial.values.contains_key(&metric), "{}", metric.name());
    }
    assert!(trial.values.contains_key(&Metric::IdleServerCpu), "that was observed");
    let empty = |name: &str| PartUse {
        name: name.to_owned(),
        cpu_ns: None,
        memory_peak_bytes: None,
        context_switches: None,
    };
    assert_eq!(trial.parts, ["server", "generator"].map(empty));
}

#[test]
fn each_part_has_a_row() {
    let (trial, _) =
        flawless().into_trial("base", pushbench_wire::Transport::Sse.into(), 1, Duration::ZERO, 0);
    let cpu: Vec<_> = trial.parts.iter().map(|part| (&part.name[..], part.cpu_ns)).collect();
    let all = [("server", Some(2_000_000_000)), ("generator", Some(3_000_000_000))];
    assert_eq!(cpu, all, "of the generator all, its publisher too");
}

#[test]
fn a_percentile_without_enough_samples_is_empty() {
    let mut histogram = latency_log::histogram();
    assert_eq!(percentile(&histogram, 0.5), None);
    histogram.record_n(1_000, 4_999).unwrap();
    assert_eq!(percentile(&histogram, 0.5), Some(1_000.0));
    assert_eq!(percentile(&histogram, 0.99), None);
    histogram.record(1_000).unwrap();
    assert_eq!(percentile(&histogram, 0.99), Some(1_000.0));
    assert_eq!(percentile(&histogram, 0.999), None);
}

#[test]
fn nothing_per_nothing_is_empty() {
    assert_eq!(ratio(3, 0), None);
    assert_eq!(ratio(3, 2), Some(1.5));
}

#[test]
fn what_is_compressed_has_no_framing_of_its_own() {
    let of = |is_compressed| Measurement { is_compressed, ..flawless() }.values();
    assert!(of(false).contains_key(&Metric::FramingBytesPerDelivery));
    let values = of(true);
    assert!(!values.contains_key(&Metric::FramingBytesPerDelivery));
    let known = [Metric::PayloadBytesPerDelivery, Metric::BytesPerDelivery];
    assert!(known.iter().all(|metric| values.contains_key(metric)));
}

#[test]
fn connecting_is_divided_by_the_connections() {
    let mut trial = flawless();
    trial.start = Snapshot { totals: Totals::default(), parts: parts(0, 0), ..trial.start };
    trial.connected = Snapshot {
        parts: parts(4_000_000, 6_000_000),
        engine_cpu_ns: trial.start.engine_cpu_ns,
        totals: Totals { connections: 10, bytes_in: 7_000, bytes_out: 3_000, ..Totals::default() },
        ..trial.start.clone()
    };
    for took_ns in 1..=200 {
        trial.recorder.connects.saturating_record(took_ns * 1_000_000);
    }
    let values = trial.values();
    for (metric, value) in [
        (Metric::ServerCpuPerConnection, 400e3),
        (Metric::GeneratorCpuPerConnection, 600e3),
        (Metric::BytesPerConnection, 1_000.0),
        (Metric::ConnectTimeP50, 100e6),
    ] {
        let found = values[&metric];
        assert!((found / value - 1.0).abs() < 1e-2, "{}: {found}", metric.name());
    }
    assert!(!values.contains_key(&Metric::ConnectTimeP99), "too few");
    trial.keeps_connections = false;
    assert!(!trial.values().contains_key(&Metric::BytesPerConnection), "each poll has its own");
}

#[test]
fn others_do_not_pay_for_slow_readers() {
    let trial = |slow| Measurement { idle: idle(), slow, ..flawless() }.values();
    let (without, with) = (trial(None), trial(Some(SlowDue { subscribers: 5, deliveries: 5_000 })));
    let gone: Vec<_> = without.keys().filter(|of| !with.contains_key(of)).copied().collect();
    let shared = [
        Metric::ServerCpuPerDelivery,
        Metric::GeneratorCpuPerDelivery,
        Metric::IdleServerCpu,
        Metric::IdleGeneratorCpu,
        Metric::ServerCpuAboveIdlePerDelivery,
    ];
    assert!(shared.iter().all(|of| gone.contains(of)), "{gone:?}");
    assert_eq!(with[&Metric::ServerCpu], without[&Metric::ServerCpu], "it is that of all");
    assert!((with[&Metric::IdleBytes] - 4_000.0).abs() < 1e-9, "of five who are not slow");
}
