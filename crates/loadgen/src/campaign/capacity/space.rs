//! The loads that may be tried: the scenario at each of them, and where they end.

use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};

use crate::campaign::{Source, samples_of};
use crate::engine::machine::{OTHER_FILES, local_ports};
use crate::metric::Metric;
use crate::results::ContenderId;
use crate::results::capacity::Bound;
use crate::scenario::{LoadAxis, Scenario, ScenarioError, Threshold};

/// A trial is lengthened up to this when its objectives take more deliveries. A scenario may itself
/// ask for longer ones.
const LONGEST: Duration = Duration::from_secs(60);

/// More than any scenario may ask, and less.
const BEYOND: f64 = 4e6;
const BELOW: f64 = 1e-6;

/// One contender under any load.
pub(crate) struct Space<'a> {
    source: &'a Source,
    varied: LoadAxis,
    objectives: Vec<Threshold>,
}

/// Why a load cannot be tried.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The scenario does not pass its checks with it.
    Scenario(String),
    /// A trial would be too long.
    TooLong {
        /// How many deliveries the objectives take.
        deliveries: u64,
        /// How long it would be.
        duration: Duration,
    },
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Scenario(why) => f.write_str(why),
            Self::TooLong { deliveries, duration } => write!(
                f,
                "the objectives need {deliveries} deliveries, for which a trial would have to last \
                 {} s (limit {} s)",
                duration.as_secs(),
                LONGEST.as_secs()
            ),
        }
    }
}

impl<'a> Space<'a> {
    pub(crate) fn new(source: &'a Source, contender: &ContenderId, varied: LoadAxis) -> Self {
        let objectives = source.scenario.objectives.iter();
        let own = objectives.filter(|objective| objective.contender == *contender);
        Self { source, varied, objectives: own.cloned().collect() }
    }

    /// The objectives of the contender.
    pub(crate) fn objectives(&self) -> &[Threshold] {
        &self.objectives
    }

    /// The scenario under `load`: long enough for its objectives, and without the idle phase if none
    /// is about it.
    pub(crate) fn at(&self, load: f64) -> Result<Scenario, Refused> {
        let under = |duration| {
            Scenario::under(&self.source.text, self.varied, load, duration).map_err(|error| {
                Refused::Scenario(match error {
                    ScenarioError::Invalid { problems, .. } => {
                        let messages = problems.into_iter().map(|problem| problem.message);
                        messages.collect::<Vec<_>>().join("; ")
                    }
                    error @ ScenarioError::Unreadable { .. } => error.to_string(),
                })
            })
        };
        let mut scenario = under(None)?;
        let needed = self.objectives.iter().map(|of| samples_of(of.metric)).max().unwrap_or(0);
        // Windows hold whole gaps between events, so the first guess may be a little short.
        while scenario.deliveries() < needed {
            let workload = &scenario.workload;
            let ratio = (needed as f64 / scenario.deliveries().max(1) as f64).max(1.02);
            let duration = Duration::try_from_secs_f64(workload.duration.as_secs_f64() * ratio)
                .unwrap_or(Duration::MAX)
                .saturating_add(Duration::from_millis(1));
            if duration > LONGEST.max(self.source.scenario.workload.duration) {
                return Err(Refused::TooLong { deliveries: needed, duration });
            }
            scenario = under(Some(duration))?;
        }
        if !self.objectives.iter().any(|of| Metric::takes_idle_phase(of.metric)) {
            scenario.workload.idle = Duration::ZERO;
        }
        Ok(scenario)
    }

    /// Where to start, and the least and the greatest load that may be tried.
    ///
    /// # Errors
    /// In words, when no load can be tried.
    pub(crate) fn bounds(&self, max: Option<f64>) -> Result<(f64, [Bound; 2]), String> {
        let (cap, why_capped) = self.cap(max);
        let asked = self.varied.of(&self.source.scenario.workload).min(cap);
        let start = self.first(asked, cap)?;
        let most = match self.at(cap) {
            Ok(_) => Bound { load: cap, why: why_capped },
            Err(refused) => {
                let (load, why) = self.edge(start, cap, refused);
                Bound { load, why }
            }
        };
        let floor = match self.varied {
            LoadAxis::Subscribers => 1.0,
            LoadAxis::Rate => BELOW,
        };
        let least = match self.at(floor) {
            Ok(_) => Bound { load: floor, why: "there is no smaller load".to_owned() },
            Err(refused) => {
                let (load, why) = self.edge(start, floor, refused);
                Bound { load, why }
            }
        };
        Ok((start, [least, most]))
    }

    /// What is tried at most, whatever the scenario allows, and why.
    fn cap(&self, max: Option<f64>) -> (f64, String) {
        let mut caps = vec![(BEYOND, String::new())];
        if let Some(max) = max {
            let max = self.varied.round(max);
            caps.push((max, "--max is reached".to_owned()));
        }
        if self.varied == LoadAxis::Subscribers {
            let sockets = f64::from(self.source.scenario.sockets_per_subscriber());
            if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
                let files = hard.saturating_sub(OTHER_FILES) as f64 / sockets;
                let why = format!("`ulimit -Hn` allows each process only {hard} open files");
                caps.push((files, why));
            }
            if let Some(ports) = local_ports() {
                let why = format!(
                    "each connection needs a port, and `net.ipv4.ip_local_port_range` has only {ports}"
                );
                // Some are in use.
                caps.push((ports.saturating_sub(OTHER_FILES) as f64 / sockets, why));
            }
        }
        let least = caps.into_iter().min_by(|(one, _), (other, _)| one.total_cmp(other));
        let (cap, why) = least.unwrap_or((BEYOND, String::new()));
        (cap.max(1e-3), why)
    }

    /// The first load from `asked` on, doubling, that may be tried.
    fn first(&self, asked: f64, cap: f64) -> Result<f64, String> {
        let mut load = asked;
        loop {
            match self.at(load) {
                Ok(_) => return Ok(load),
                Err(refused) if load >= cap => {
                    return Err(format!("{}: {refused}", self.source.path.display()));
                }
                Err(Refused::TooLong { .. }) => load = self.varied.round(load * 2.0).min(cap),
                Err(refused) => return Err(format!("{}: {refused}", self.source.path.display())),
            }
        }
    }

    /// The load nearest to `refused` that may be tried, when `allowed` may, and why not beyond.
    fn edge(&self, allowed: f64, refused: f64, why: Refused) -> (f64, String) {
        let (mut allowed, mut refused, mut why) = (allowed, refused, why);
        loop {
            let middle = self.varied.round((allowed * refused).sqrt());
            if middle == allowed || middle == refused {
                return (allowed, why.to_string());
            }
            match self.at(middle) {
                Ok(_) => allowed = middle,
                Err(reason) => (refused, why) = (middle, reason),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pushbench_wire::Transport;

    use super::*;
    use crate::scenario::template::TEMPLATE;

    fn source(changes: &[(&str, &str)]) -> Source {
        let mut text = TEMPLATE
            .replace("[objectives]\n", "[objectives]\n\"sse.latency\" = [\"p(99)<100ms\"]\n");
        for (from, to) in changes {
            assert!(text.contains(from), "{from}");
            text = text.replacen(from, to, 1);
        }
        let scenario = Scenario::parse(&text, "").unwrap_or_else(|error| panic!("{error}"));
        Source { path: "mine.toml".into(), scenario, text }
    }

    fn bounds(source: &Source, varied: LoadAxis, max: Option<f64>) -> (f64, [Bound; 2]) {
        Space::new(source, &Transport::Sse.into(), varied).bounds(max).unwrap()
    }

    #[test]
    fn a_trial_is_as_long_as_its_percentile_needs() {
        let source = source(&[]);
        let space = Space::new(&source, &Transport::Sse.into(), LoadAxis::Subscribers);
        let enough = space.at(50.0).unwrap().workload;
        assert_eq!(enough.duration, Duration::from_secs(10));
        assert_eq!(enough.idle, Duration::ZERO, "no objective is about it");
        let few = space.at(20.0).unwrap();
        assert_eq!(few.workload.duration, Duration::from_millis(25_001));
        assert!(few.deliveries() >= 5_000);
        let refused = space.at(5.0).unwrap_err().to_string();
        assert!(refused.starts_with("the objectives need 5000 deliveries, for which"), "{refused}");
    }

    #[test]
    fn an_objective_about_idling_keeps_the_idle_phase() {
        let idle = source(&[("p(99)<100ms\"]", "p(50)<1s\"]\n\"sse.idle_bytes\" = [\"<1MB\"]")]);
        let space = Space::new(&idle, &Transport::Sse.into(), LoadAxis::Subscribers);
        assert_eq!(space.at(1.0).unwrap().workload.idle, Duration::from_secs(2));
    }

    #[test]
    fn it_starts_with_the_scenario_and_ends_where_its_checks_do() {
        let many = source(&[("channels = 1 ", "channels = 60 ")]);
        let (start, [least, most]) = bounds(&many, LoadAxis::Subscribers, Some(1_000.0));
        assert_eq!((start, least.load, most.load), (200.0, 60.0, 1_000.0));
        assert!(
            least.why.contains("`channels` must be at most `subscribers` (59)"),
            "{}",
            least.why
        );
        assert_eq!(most.why, "--max is reached");

        let (_, [least, most]) = bounds(&many, LoadAxis::Rate, None);
        assert!((16_600.0..16_700.0).contains(&most.load), "{}", most.load);
        assert!(most.why.contains("one publisher"), "{}", most.why);
        assert!(least.why.contains("deliveries"), "{}", least.why);
    }

    #[test]
    fn samples_end_it_below() {
        let (start, [least, _]) = bounds(&source(&[]), LoadAxis::Subscribers, Some(1_000.0));
        assert_eq!((start, least.load), (200.0, 9.0));
        // 10 a second for a minute: nine subscribers have 5,400 deliveries, eight have 4,800.
        let few = source(&[("subscribers = 200 ", "subscribers = 2 ")]);
        let (start, [least, _]) = bounds(&few, LoadAxis::Subscribers, Some(1_000.0));
        assert_eq!((start, least.load), (16.0, 9.0), "it starts where a trial can be judged");
    }

    #[test]
    fn a_maximum_below_the_scenario_is_where_it_starts() {
        let (start, [_, most]) = bounds(&source(&[]), LoadAxis::Subscribers, Some(100.0));
        assert_eq!((start, most.load), (100.0, 100.0));
        let source = source(&[]);
        let space = Space::new(&source, &Transport::Sse.into(), LoadAxis::Subscribers);
        let error = space.bounds(Some(2.0)).unwrap_err();
        assert!(error.starts_with("mine.toml: the objectives need"), "{error}");
    }
}
