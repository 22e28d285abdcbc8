//! Makes scenarios fit into a time, and says what that took. Trials get no shorter than their figures
//! can bear: how short that is follows from the scenario. It measures nothing.

use std::time::Duration;

use humantime::format_duration;

use crate::engine::{planned_length, samples_for};
use crate::results::Metric;
use crate::results::shortening::{Part, Shortening};
use crate::scenario::{Scenario, Workload};

/// Events that are fewer than this on a channel are rare.
const RARE_PER_SECOND: f64 = 1.0;

/// An idle phase shorter than this tells nothing of what waiting costs.
const LEAST_IDLE: Duration = Duration::from_millis(500);

/// A window shorter than this holds too little of what a scenario does.
const LEAST_WINDOW: Duration = Duration::from_secs(1);

/// What a warm-up takes where no contender needs a longer one: connections and caches have been used.
const LEAST_WARM_UP: Duration = Duration::from_millis(250);

/// How near the shortening comes to the time that there is: 1 / 2^STEPS of what can be cut.
const STEPS: u32 = 16;

/// What trials have to stay long enough for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// For the percentiles that the scenario is long enough for itself.
    Percentiles,
    /// For polling in its steady state, [`LEAST_WINDOW`], one event, and what thresholds and gates
    /// judge.
    Validity,
}

/// A scenario as a comparison measures it: without the idle phase, if no gate or threshold is about
/// it, and with a shorter `duration` when so many `trials` would take longer than `at_most`. It stays
/// long enough for what the scenario itself is long enough for: the percentiles that are gated or
/// shown, and an interval of polling.
pub(crate) fn trials_to_fit(scenario: &Scenario, trials: u32, at_most: Duration) -> Scenario {
    let mut fitted = scenario.clone();
    if !is_judged(scenario, Metric::takes_idle_phase) {
        fitted.workload.idle = Duration::ZERO;
    }
    let (_, trial) = planned_length(&fitted);
    let excess = trial.saturating_sub(at_most / trials);
    if excess.is_zero() {
        return fitted;
    }
    let wanted = fitted.workload.duration.saturating_sub(excess);
    fitted.workload.set_duration(window(scenario, wanted, Purpose::Percentiles));
    fitted
}

/// Scenarios as a run measures them that has so much time for all of them. First there are fewer
/// blocks, the same number for all that have more; then all trials get shorter, by the same share of
/// what each can spare. If that is not enough, they are as short as they can be.
pub(crate) fn run_to_fit(scenarios: &[Scenario], at_most: Duration) -> Vec<Scenario> {
    let mut fitted = scenarios.to_vec();
    let mut blocks = scenarios.iter().map(|scenario| scenario.blocks).max().unwrap_or(1);
    while length(&fitted) > at_most && blocks > 1 {
        blocks -= 1;
        for scenario in &mut fitted {
            scenario.blocks = scenario.blocks.min(blocks);
        }
    }
    for purpose in [Purpose::Percentiles, Purpose::Validity] {
        if length(&fitted) > at_most {
            fitted = with_shorter_trials(&fitted, at_most, purpose);
        }
    }
    fitted
}

/// With trials that are as long as the time allows, between the least that `purpose` takes and what
/// they are.
fn with_shorter_trials(
    scenarios: &[Scenario],
    at_most: Duration,
    purpose: Purpose,
) -> Vec<Scenario> {
    let keeping = |share: f64| -> Vec<Scenario> {
        scenarios.iter().map(|scenario| shortened(scenario, share, purpose)).collect()
    };
    let (mut best, mut low, mut high) = (keeping(0.0), 0.0, 1.0);
    for _ in 0..STEPS {
        let share = f64::midpoint(low, high);
        let tried = keeping(share);
        if length(&tried) <= at_most {
            (best, low) = (tried, share);
        } else {
            high = share;
        }
    }
    best
}

/// How long a run of all of them takes, about. Polling's last events wait for the next poll.
pub(crate) fn length(scenarios: &[Scenario]) -> Duration {
    let of = |scenario: &Scenario| {
        let (_, trial) = planned_length(scenario);
        let drains = scenario.contenders.iter().filter_map(|of| of.settings.polling_interval());
        trial * scenario.contenders.len() as u32 + drains.sum::<Duration>()
    };
    let all = |scenario: &Scenario| {
        let cells = scenario.cells().into_iter();
        cells.map(|(_, cell)| of(cell)).sum::<Duration>() * scenario.blocks
    };
    scenarios.iter().map(all).sum()
}

/// The scenario with `share` of what its trials can spare.
fn shortened(scenario: &Scenario, share: f64, purpose: Purpose) -> Scenario {
    let mut shortened = scenario.clone();
    let between = |least: Duration, full: Duration| {
        // In milliseconds, people read it.
        let ms = (least + full.saturating_sub(least).mul_f64(share)).as_secs_f64() * 1e3;
        Duration::from_millis((ms - 1e-6).ceil() as u64).min(full)
    };
    let Workload { duration, warm_up, idle, .. } = scenario.workload;
    let workload = &mut shortened.workload;
    let least = window(scenario, LEAST_WINDOW, purpose);
    workload.set_duration(window(scenario, between(least, duration), purpose));
    let interval = scenario.longest_polling_interval().unwrap_or_default();
    let wanted = between(LEAST_WARM_UP.max(interval).min(warm_up), warm_up);
    workload.warm_up = whole_bursts(workload, wanted);
    // Where events are rare, waiting is what a contender costs.
    let is_rare = workload.base_rate().is_some_and(|rate| rate < RARE_PER_SECOND);
    workload.idle = match is_rare || is_judged(scenario, Metric::takes_idle_phase) {
        true => between(LEAST_IDLE.min(idle), idle),
        false => Some(between(Duration::ZERO, idle))
            .filter(|shorter| *shorter >= LEAST_IDLE.min(idle))
            .unwrap_or_default(),
    };
    for cell in &mut shortened.sweep {
        cell.scenario = self::shortened(&cell.scenario, share, purpose);
    }
    shortened
}

/// At least this, and whole bursts where events come in bursts.
fn whole_bursts(workload: &Workload, wanted: Duration) -> Duration {
    let Some(bursts) = workload.bursts else { return wanted };
    let period = bursts.on + bursts.off;
    period * wanted.as_nanos().div_ceil(period.as_nanos()) as u32
}

/// The `duration` of about `wanted` that still serves its purpose, and is no longer than it was. It
/// holds whole gaps between events, because that is what a window consists of.
fn window(scenario: &Scenario, wanted: Duration, purpose: Purpose) -> Duration {
    let workload = &scenario.workload;
    let interval = scenario.longest_polling_interval().unwrap_or_default();
    let Some(rate) = workload.base_rate() else {
        return wanted.max(interval).max(LEAST_WARM_UP).min(workload.duration);
    };
    // Phases keep their shares, and so the mean of their rates.
    let rate = rate * workload.mean_factor();
    let events_within = |span: Duration| (span.as_secs_f64() * rate) as u32;
    let judged = |metric| is_judged(scenario, |of| of == metric);
    let samples = if judged(Metric::LatencyP999) {
        samples_for(0.999)
    } else if purpose == Purpose::Percentiles || judged(Metric::LatencyP99) {
        samples_for(0.99)
    } else {
        1
    };
    // An event of every channel, or one of a subscriber, which goes to about one channel's.
    let deliveries = match workload.events_per_second {
        0.0 => workload.memberships() / workload.channels,
        _ => workload.memberships(),
    };
    let for_samples = samples.div_ceil(u64::from(deliveries.max(1)));
    let mut least = u32::try_from(for_samples).unwrap_or(u32::MAX).max(1);
    // What is whole but for the rounding of floating point is whole.
    least = least.max((interval.as_secs_f64() * rate - 1e-9).ceil() as u32);
    let events = events_within(wanted).max(least);
    // Rounded up to a millisecond, people read it; an event more is no harm.
    let ms = f64::from(events) / rate * 1e3;
    let duration = Duration::from_millis((ms - 1e-6).ceil() as u64);
    whole_bursts(workload, duration).min(workload.duration)
}

/// Whether a gate or a threshold is about such a metric.
fn is_judged(scenario: &Scenario, such: impl Fn(Metric) -> bool) -> bool {
    scenario.gates.iter().any(|gate| such(gate.metric))
        || scenario.thresholds.iter().any(|threshold| such(threshold.metric))
}

/// How many deliveries a trial needs to have a value of `metric`.
pub(crate) fn samples_of(metric: Metric) -> u64 {
    match metric {
        Metric::LatencyP75 => samples_for(0.75),
        Metric::LatencyP90 => samples_for(0.9),
        Metric::LatencyP95 => samples_for(0.95),
        Metric::LatencyP99 | Metric::UncorrectedLatencyP99 => samples_for(0.99),
        Metric::LatencyP999 => samples_for(0.999),
        _ => 0,
    }
}

/// What `fitted` measures less than `asked`.
pub(crate) fn shortenings(asked: &Scenario, fitted: &Scenario) -> Vec<Shortening> {
    let blocks = (fitted.blocks != asked.blocks).then(|| Shortening {
        part: Part::Blocks,
        asked: asked.blocks.to_string(),
        measured: Some(fitted.blocks.to_string()),
    });
    let [asked, fitted] = [asked, fitted].map(|scenario| &scenario.workload);
    let spans = [
        (Part::Idle, asked.idle, fitted.idle),
        (Part::WarmUp, asked.warm_up, fitted.warm_up),
        (Part::Duration, asked.duration, fitted.duration),
    ];
    let shorter = spans.into_iter().filter(|(_, asked, fitted)| fitted != asked);
    let spans = shorter.map(|(part, asked, fitted)| Shortening {
        part,
        asked: format_duration(asked).to_string(),
        measured: (!fitted.is_zero()).then(|| format_duration(fitted).to_string()),
    });
    blocks.into_iter().chain(spans).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scenario::Gate;

    fn default_scenario() -> Scenario {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios/default.toml");
        Scenario::load(path.as_ref()).unwrap().0
    }

    /// How many trials a comparison of 8 blocks takes.
    fn compared(scenario: &Scenario) -> u32 {
        scenario.contenders.len() as u32 * 8 * 2
    }

    /// A run of this one alone.
    fn alone(scenario: &Scenario, at_most: Duration) -> Scenario {
        run_to_fit(std::slice::from_ref(scenario), at_most).remove(0)
    }

    #[test]
    fn a_comparison_of_the_default_scenario_takes_six_minutes_at_most() {
        let at_most = Duration::from_secs(360);
        let scenario = default_scenario();
        let trials = compared(&scenario);
        let fitted = trials_to_fit(&scenario, trials, at_most);
        let length = planned_length(&fitted).1 * trials;
        assert!(length <= at_most, "{length:?}");
        assert!(length > at_most.mul_f64(0.95), "no shorter than it must be: {length:?}");
        assert!(fitted.workload.duration < scenario.workload.duration);
        assert!(fitted.deliveries() >= samples_for(0.99));
    }

    #[test]
    fn what_is_gated_is_measured() {
        let mut scenario = default_scenario();
        let trials = compared(&scenario);
        let idle = |scenario| trials_to_fit(scenario, trials, Duration::MAX).workload.idle;
        assert_eq!(idle(&scenario), Duration::ZERO);
        let metric = Metric::IdleServerCpu;
        scenario.gates.push(Gate { metric, share: 0.1, floor: 0.0 });
        assert_eq!(trials_to_fit(&scenario, trials, Duration::MAX), scenario);
        assert_eq!(alone(&scenario, Duration::ZERO).workload.idle, LEAST_IDLE);
    }

    #[test]
    fn who_has_time_measures_all() {
        let scenarios = [default_scenario(), default_scenario()];
        let fitted = run_to_fit(&scenarios, length(&scenarios));
        assert_eq!(fitted, scenarios);
        assert_eq!(shortenings(&scenarios[0], &fitted[0]), []);
    }

    #[test]
    fn blocks_go_first_and_alike() {
        let long = default_scenario();
        let once = Scenario { blocks: 1, ..default_scenario() };
        let scenarios = [long.clone(), once.clone(), long.clone()];
        // Five blocks, one and five: room for three, one and three.
        let three = Scenario { blocks: 3, ..long.clone() };
        let room = length(&[three.clone(), once.clone(), three.clone()]);
        assert_eq!(run_to_fit(&scenarios, room), [three.clone(), once, three.clone()]);
        let expected = Shortening {
            part: Part::Blocks,
            asked: "5".to_owned(),
            measured: Some("3".to_owned()),
        };
        assert_eq!(shortenings(&long, &three), [expected]);
    }

    #[test]
    fn then_trials_get_shorter_but_keep_their_percentile_as_long_as_they_can() {
        let scenario = default_scenario();
        let once = Scenario { blocks: 1, ..scenario.clone() };
        let room = length(&[once]).mul_f64(0.8);
        let fitted = alone(&scenario, room);
        assert_eq!(fitted.blocks, 1);
        assert!(fitted.deliveries() >= samples_for(0.99));
        let taken = length(&[fitted]);
        assert!(taken <= room && taken > room.mul_f64(0.9), "{taken:?} of {room:?}");

        let least = alone(&scenario, Duration::ZERO);
        let Workload { duration, warm_up, idle, .. } = least.workload;
        let interval = scenario.longest_polling_interval().unwrap();
        assert!(duration >= interval && duration <= interval + Duration::from_millis(200));
        assert_eq!((warm_up, idle), (interval, Duration::ZERO));
        let parts: Vec<_> = shortenings(&scenario, &least).into_iter().map(|of| of.part).collect();
        assert_eq!(parts, [Part::Blocks, Part::Idle, Part::Duration], "the warm-up is the least");
    }

    /// What waiting costs is what tells contenders apart then.
    #[test]
    fn the_idle_phase_is_kept_where_events_are_rare() {
        let mut scenario = default_scenario();
        scenario.workload.events_per_second = 0.5;
        scenario.workload.set_duration(Duration::from_secs(10));
        assert_eq!(alone(&scenario, Duration::ZERO).workload.idle, LEAST_IDLE);
    }

    #[test]
    fn what_a_threshold_takes_is_kept() {
        let mut scenario = default_scenario();
        let least = |scenario: &Scenario| alone(scenario, Duration::ZERO).deliveries();
        assert!(least(&scenario) < samples_for(0.99));
        scenario.gates.push(Gate::P99);
        assert!(least(&scenario) >= samples_for(0.99));
    }

    proptest! {
        #[test]
        fn what_is_shortened_stays_a_scenario(
            subscribers in 1..2_000_u32,
            events_per_second in 0.05..500.0,
            duration_ms in 1_000..60_000_u64,
            blocks in 5..=10_u32,
            at_most_s in 1..600_u64,
        ) {
            let mut scenario = default_scenario();
            scenario.workload.subscribers = subscribers;
            scenario.workload.events_per_second = events_per_second;
            scenario.workload.duration = Duration::from_millis(duration_ms);
            scenario.blocks = blocks;
            let at_most = Duration::from_secs(at_most_s);
            let compared = trials_to_fit(&scenario, compared(&scenario), at_most);
            let run = alone(&scenario, at_most);
            for fitted in [&compared, &run] {
                let (before, after) = (&scenario.workload, &fitted.workload);
                prop_assert!(after.duration <= before.duration && after.warm_up <= before.warm_up);
                prop_assert!(after.duration >= scenario.longest_polling_interval().unwrap());
                prop_assert!(after.warm_up >= scenario.longest_polling_interval().unwrap());
                prop_assert!(after.idle <= before.idle && after.events_per_channel() >= 1);
                let Workload { duration, warm_up, idle, .. } = *before;
                let same = Workload { duration, warm_up, idle, ..after.clone() };
                prop_assert_eq!(&same, before, "nothing else of it changes");
            }
            let needed = samples_for(0.99).min(scenario.deliveries());
            prop_assert!(compared.deliveries() >= needed);
            prop_assert!((1..=blocks).contains(&run.blocks));
            let all_measured = run == scenario;
            prop_assert!(all_measured || length(std::slice::from_ref(&scenario)) > at_most);
        }
    }
}
