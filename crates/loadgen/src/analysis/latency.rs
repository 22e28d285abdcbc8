//! Latency curves: the intervals of a contender's valid trials, pooled.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::results::latency_log::{Entry, LatencyLog, histogram};
use crate::results::{Metric, Run, Trial};
use crate::scenario::Phase;

/// The slack in times that tells which trial an interval belongs to: the log keeps milliseconds.
const SLACK_S: f64 = 0.005;

/// How many samples must lie beyond a percentile for it to be shown: with fewer, the next run would
/// show something else.
const SAMPLES_BEYOND: f64 = 10.0;

/// The most points over time: more would be closer together than the pixels that show them.
const POINTS_OVER_TIME: f64 = 200.0;

/// Points of a spectrum in every tenfold of 1/(1−p).
const POINTS_PER_DECADE: u32 = 20;

/// The latencies of one contender over all valid trials.
#[derive(Clone, Debug, PartialEq)]
pub struct Latency {
    /// All of them together, in nanoseconds.
    pub histogram: Histogram<u64>,
    /// The percentile spectrum, as far as the samples carry it; empty without samples.
    pub spectrum: Vec<SpectrumPoint>,
    /// How they went over the measured time, in order.
    pub over_time: Vec<TimePoint>,
    /// Those of each phase of the scenario; none when it has none.
    pub phases: Vec<PhaseLatency>,
}

/// The latencies of one phase, by when events were meant to be published.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseLatency {
    /// What the scenario calls it.
    pub name: String,
    /// Where it begins, in seconds since measuring began.
    pub from_s: f64,
    /// Where it ends.
    pub to_s: f64,
    /// How many there are.
    pub deliveries: u64,
    /// Median in nanoseconds, if anything was delivered.
    pub p50_ns: Option<u64>,
    /// 99th percentile in nanoseconds, if there are enough samples for it.
    pub p99_ns: Option<u64>,
}

/// A point of a percentile spectrum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpectrumPoint {
    /// The share of deliveries that were at most this slow, from 0 to below 1.
    pub quantile: f64,
    /// Their latency in nanoseconds.
    pub latency_ns: u64,
}

/// A stretch of the measured time, the same one of all trials together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimePoint {
    /// Its middle, in seconds since measuring began.
    pub at_s: f64,
    /// Median latency in nanoseconds.
    pub p50_ns: u64,
    /// 99th percentile in nanoseconds, if there are enough samples for it.
    pub p99_ns: Option<u64>,
}

impl Latency {
    /// From intervals, each with the time from which its trial measured.
    pub(super) fn of(intervals: &[(f64, &Entry)], phases: &[Phase]) -> Self {
        let full = || intervals.iter().filter(|(_, interval)| interval.samples > 0);
        let since = |from_s: f64, interval: &Entry| interval.start_s - from_s;
        let step_s = full().map(|(_, interval)| interval.length_s).fold(1e-3, f64::max);
        let end_s = full().map(|(from_s, of)| since(*from_s, of) + of.length_s).fold(0.0, f64::max);
        // Whole intervals to a point, as many as it takes.
        let step_s = step_s * (end_s / step_s / POINTS_OVER_TIME).ceil().max(1.0);

        let mut all = histogram();
        let mut by_step: BTreeMap<u64, Histogram<u64>> = BTreeMap::new();
        for (from_s, interval) in full() {
            let latencies = interval.histogram();
            add(&mut all, &latencies);
            let step = ((since(*from_s, interval) + SLACK_S) / step_s).max(0.0) as u64;
            add(by_step.entry(step).or_insert_with(histogram), &latencies);
        }
        let over_time = by_step.iter().map(|(&step, histogram)| TimePoint {
            at_s: (step as f64 + 0.5) * step_s,
            p50_ns: histogram.value_at_quantile(0.5),
            p99_ns: carries(histogram, 0.99).then(|| histogram.value_at_quantile(0.99)),
        });
        Self {
            spectrum: spectrum(&all),
            over_time: over_time.collect(),
            phases: by_phase(intervals, phases),
            histogram: all,
        }
    }
}

/// An interval lies in one phase, because the window was cut along them.
fn by_phase(intervals: &[(f64, &Entry)], phases: &[Phase]) -> Vec<PhaseLatency> {
    let mut to_s = 0.0;
    let phase = |phase: &Phase| {
        let from_s = to_s;
        to_s += phase.duration.as_secs_f64();
        let middle_s = |(began_s, of): &&(f64, &Entry)| of.start_s - began_s + of.length_s / 2.0;
        let mut latencies = histogram();
        for (_, interval) in intervals.iter().filter(|of| (from_s..to_s).contains(&middle_s(of))) {
            add(&mut latencies, &interval.histogram());
        }
        PhaseLatency {
            name: phase.name.clone(),
            from_s,
            to_s,
            deliveries: latencies.len(),
            p50_ns: (!latencies.is_empty()).then(|| latencies.value_at_quantile(0.5)),
            p99_ns: carries(&latencies, 0.99).then(|| latencies.value_at_quantile(0.99)),
        }
    };
    phases.iter().map(phase).collect()
}

fn add(to: &mut Histogram<u64>, from: &Histogram<u64>) {
    to.add(from).expect("every latency histogram has the same bounds");
}

fn carries(histogram: &Histogram<u64>, quantile: f64) -> bool {
    // Half a sample of slack, because 1 − p is not exact.
    histogram.len() as f64 * (1.0 - quantile) >= SAMPLES_BEYOND - 0.5
}

fn spectrum(histogram: &Histogram<u64>) -> Vec<SpectrumPoint> {
    (0_u32..)
        .map(|step| 1.0 - 10_f64.powf(-f64::from(step) / f64::from(POINTS_PER_DECADE)))
        .take_while(|&quantile| carries(histogram, quantile))
        .map(|quantile| SpectrumPoint {
            quantile,
            latency_ns: histogram.value_at_quantile(quantile),
        })
        .collect()
}

/// The intervals of every trial, as indices into the log. The log of a run that was killed may hold
/// a trial that nothing else tells of.
pub(super) fn by_trial(run: &Run, log: &LatencyLog) -> Vec<Vec<usize>> {
    let mut intervals = vec![Vec::new(); run.trials.len()];
    for (index, interval) in log.entries.iter().enumerate() {
        let trial = match interval.trial {
            Some(trial) => Some(trial),
            None => by_time(run, interval),
        };
        let is_its = |trial: &Trial| trial.contender.name() == interval.contender;
        if let Some(trial) = trial.filter(|&trial| run.trials.get(trial).is_some_and(is_its)) {
            intervals[trial].push(index);
        }
    }
    intervals
}

/// The trial of an interval in a log that does not say it. Trials run one after the other, so it is
/// its contender's last trial that had begun to measure by then, and had not ended.
fn by_time(run: &Run, interval: &Entry) -> Option<usize> {
    let began = |index: &usize| run.trials[*index].measured_from_s;
    (0..run.trials.len())
        .filter(|&index| run.trials[index].contender.name() == interval.contender)
        .filter(|index| began(index).is_some_and(|from_s| from_s <= interval.start_s + SLACK_S))
        .max_by(|a, b| began(a).unwrap_or_default().total_cmp(&began(b).unwrap_or_default()))
        .filter(|&trial| begins_within(&run.trials[trial], interval))
}

/// Whether `interval` begins before `trial` ends, if it says when that was.
fn begins_within(trial: &Trial, interval: &Entry) -> bool {
    trial
        .measured_from_s
        .zip(trial.value(Metric::Window))
        .is_none_or(|(from_s, window_ns)| interval.start_s <= from_s + window_ns / 1e9 + SLACK_S)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pushbench_wire::Transport;

    use super::*;
    use crate::results::{Interval, fixture};

    fn interval(start_s: f64, latencies_ns: impl IntoIterator<Item = u64>) -> Entry {
        let mut histogram = histogram();
        latencies_ns.into_iter().for_each(|ns| histogram.saturating_record(ns));
        let measured = Interval { start_s, length_s: 1.0, histogram };
        Entry::new(&Transport::Sse.into(), 0, &measured).unwrap()
    }

    #[test]
    fn the_spectrum_ends_where_ten_samples_are_left() {
        for (samples, last) in [(10, 0.0), (100, 0.9), (1_000, 0.99), (10_000, 0.999)] {
            let interval = interval(0.0, 1..=samples);
            let spectrum = Latency::of(&[(0.0, &interval)], &[]).spectrum;
            let end = spectrum.last().unwrap().quantile;
            assert!((end - last).abs() < 1e-9, "{samples} samples carry p{last}, not p{end}");
        }
        assert_eq!(Latency::of(&[(0.0, &interval(0.0, 1..=9))], &[]).spectrum, []);
        assert_eq!(Latency::of(&[], &[]).spectrum, []);
    }

    #[test]
    fn the_same_second_of_two_trials_is_one_point() {
        let (a, b) = (interval(10.0, [100; 500]), interval(50.001, [300; 501]));
        let late = interval(51.001, [7]);
        let over_time = Latency::of(&[(10.0, &a), (50.0, &b), (50.0, &late)], &[]).over_time;
        assert_eq!(
            over_time,
            [
                TimePoint { at_s: 0.5, p50_ns: 300, p99_ns: Some(300) },
                TimePoint { at_s: 1.5, p50_ns: 7, p99_ns: None },
            ]
        );
    }

    #[test]
    fn phases_share_the_intervals() {
        let phase = |name: &str, seconds| Phase {
            name: name.to_owned(),
            duration: Duration::from_secs(seconds),
            rate: [1.0; 2],
        };
        let (a, b) = (interval(10.0, [100; 1_000]), interval(50.001, [300; 3_000]));
        let later = interval(51.0, [7]);
        let of = [(10.0, &a), (50.0, &b), (50.0, &later)];
        let phases =
            Latency::of(&of, &[phase("quiet", 1), phase("goal", 2), phase("end", 1)]).phases;
        let found: Vec<_> = phases
            .iter()
            .map(|of| (of.name.as_str(), of.from_s, of.deliveries, of.p50_ns))
            .collect();
        assert_eq!(
            found,
            [("quiet", 0.0, 4_000, Some(300)), ("goal", 1.0, 1, Some(7)), ("end", 3.0, 0, None)]
        );
        assert_eq!((phases[0].p99_ns, phases[1].p99_ns), (Some(300), None));
    }

    #[test]
    fn a_long_run_has_no_more_points_than_pixels() {
        let intervals: Vec<_> = (0..1_001).map(|s| interval(f64::from(s), [5; 3])).collect();
        let timed: Vec<_> = intervals.iter().map(|interval| (0.0, interval)).collect();
        let latency = Latency::of(&timed, &[]);
        assert_eq!(latency.histogram.len(), 3_003);
        assert_eq!(latency.over_time.len(), 167, "six seconds each");
        assert_eq!(latency.over_time[1].at_s, 9.0);
    }

    #[test]
    fn an_interval_belongs_to_the_trial_that_was_measuring() {
        let (run, log) = fixture::run();
        let by_trial = by_trial(&run, &log);
        for (trial, intervals) in run.trials.iter().zip(&by_trial) {
            let from_s = trial.measured_from_s;
            assert_eq!(intervals.len(), if from_s.is_some() { 12 } else { 0 });
            for &index in intervals {
                let interval = &log.entries[index];
                assert_eq!(interval.contender, trial.contender.name());
                assert!((0.0..12.0).contains(&(interval.start_s - from_s.unwrap())));
            }
        }
        let early = LatencyLog { entries: vec![interval(0.0, [1])] };
        assert!(super::by_trial(&run, &early).iter().all(Vec::is_empty), "before any trial");
    }

    #[test]
    fn a_trial_that_only_the_log_knows_is_nobodys() {
        let (mut run, log) = fixture::run();
        let before = by_trial(&run, &log);
        for trial in run.trials.iter_mut().filter(|trial| trial.measured_from_s.is_some()) {
            trial.values.insert(Metric::Window, 12.0e9);
        }
        assert_eq!(by_trial(&run, &log), before, "a window holds all of its trial");

        let cut_off = run.trials.pop().unwrap();
        assert_eq!(cut_off.contender, Transport::WebSocket, "the last, which failed");
        let begun_s = run.trials.last().unwrap().measured_from_s.unwrap() + 16.0;
        let unknown = (0..12).map(|second| {
            let mut interval = interval(begun_s + f64::from(second), [1]);
            interval.contender = "websocket".to_owned();
            interval
        });
        let longer = LatencyLog { entries: log.entries.into_iter().chain(unknown).collect() };
        assert_eq!(by_trial(&run, &longer), before[..run.trials.len()]);
    }
}
