//! The checks: what each is called, the workload that it runs, what the server is told to do wrong,
//! and how many trials that takes. It runs none of them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use pushbench_wire::Transport;

use super::truth::Disorder;
use crate::engine::planned_length;
use crate::scenario::Scenario;

macro_rules! checks {
    ($($name:literal $variant:ident $description:literal)+) => {
        /// One thing that the self-test shows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Check {
            $(#[doc = $description] $variant,)+
        }

        impl Check {
            /// Every check, in the order in which they run.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What it shows, in a sentence.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $description),+ }
            }
        }
    };
}

checks! {
    "faithful" Faithful "A server without a fault: every event is delivered once and in order."
    "drop" Drop "Events that the server leaves out are counted as lost, exactly."
    "duplicate" Duplicate "Events that the server sends twice are counted as duplicated, exactly."
    "reorder" Reorder "Events that the server swaps are counted as reordered, exactly."
    "delay" Delay "A delay that the server adds to every event is found in the median latency."
    "stall" Stall "A server that stands still makes every event late that was due meanwhile."
    "uniform" Uniform "Latencies of polling follow the uniform law: their distance to it (Kolmogorov–Smirnov)."
    "cpu" Cpu "CPU time that the server burns for every delivery is found in its CPU per delivery."
    "recording" Recording "Recording costs little of the generator's CPU per delivery."
    "alike" Alike "Intervals of a server compared with itself leave out 1 as rarely as their level says."
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name is that of no check.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` is no check; there are {known}")]
pub struct UnknownCheck {
    name: String,
    known: String,
}

impl FromStr for Check {
    type Err = UnknownCheck;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = || Self::ALL.iter().map(|check| check.name()).collect::<Vec<_>>().join(", ");
        Self::ALL
            .iter()
            .copied()
            .find(|check| check.name() == name)
            .ok_or_else(|| UnknownCheck { name: name.to_owned(), known: known() })
    }
}

/// What the server adds to every latency.
pub(super) const DELAY: Duration = Duration::from_millis(5);

/// What the server burns for every delivery, on top of what both sides burn: far more than what
/// waking a subscriber on another virtual core costs from one trial to the next.
pub(super) const BURN: Duration = Duration::from_micros(200);

/// What both sides burn: it keeps deliveries apart. If it was nothing, the burn would also give
/// subscribers time to fall asleep between two deliveries, and waking them is the server's cost.
const BURN_OF_BOTH: Duration = Duration::from_micros(50);

/// Every period of so long…
pub(super) const STALL_PERIOD: Duration = Duration::from_secs(1);

/// …ends with a standstill of so long.
pub(super) const STALL: Duration = Duration::from_millis(100);

/// One of so many events of a channel is dropped, duplicated or swapped. It does not divide the
/// number of all events, so that the last one is not to change places with what never comes.
const EVERY: u32 = 7;

/// Blocks of each A/A comparison: as many as a run has by default.
pub(super) const BLOCKS_ALIKE: u32 = 5;

/// A workload, and the sides that are measured under it.
#[derive(Clone, Debug)]
pub(super) struct Experiment {
    /// What it is for.
    pub(super) check: Check,
    /// The workload.
    pub(super) scenario: Scenario,
    /// What is measured.
    pub(super) contenders: Vec<Transport>,
    /// How often.
    pub(super) blocks: u32,
    /// What that takes.
    pub(super) sides: Sides,
}

/// What is measured in a block of one contender, and what its servers are told to do wrong, if
/// anything.
#[derive(Clone, Debug)]
pub(super) enum Sides {
    /// One trial.
    One(Option<String>),
    /// Two trials, of which the second is held against the first.
    Two(Option<String>, Option<String>),
}

/// What the workloads differ in. Each is small: what is looked for is far above its noise, and two
/// cores are enough.
struct Load {
    subscribers: u32,
    channels: u32,
    events_per_second: u32,
    duration: Duration,
    polling_interval: Duration,
}

impl Experiment {
    /// That of `check`, with so many A/A comparisons.
    ///
    /// # Errors
    /// When its workload is no scenario, which is a mistake in this file.
    pub(super) fn of(check: Check, comparisons: u32) -> anyhow::Result<Self> {
        let ms = Duration::from_millis;
        // Rates are primes, so that events do not keep step with polls or timers.
        let counted = Load {
            subscribers: 20,
            channels: 2,
            events_per_second: 199,
            duration: ms(500),
            polling_interval: ms(20),
        };
        let paired = Load {
            subscribers: 50,
            channels: 1,
            events_per_second: 101,
            duration: ms(700),
            polling_interval: ms(40),
        };
        let push = Transport::WebSocket;
        let all = Transport::ALL.to_vec();
        let (load, contenders, blocks, sides) = match check {
            Check::Faithful | Check::Drop | Check::Duplicate | Check::Reorder => {
                // These checks have the names of the faults.
                let fault = disorder(check).map(|(_, every)| format!("{check}=1/{every}"));
                (counted, all, 1, Sides::One(fault))
            }
            Check::Delay => {
                (paired, all, 3, Sides::Two(None, Some(format!("delay={}", text(DELAY)))))
            }
            Check::Cpu => {
                let load = Load { subscribers: 20, ..paired };
                let burn = |time| Some(format!("cpu={}", text(time)));
                (load, all, 5, Sides::Two(burn(BURN_OF_BOTH), burn(BURN_OF_BOTH + BURN)))
            }
            Check::Stall => {
                let load = Load {
                    subscribers: 10,
                    events_per_second: 499,
                    duration: STALL_PERIOD * 4,
                    ..paired
                };
                let fault = format!("stall={}/{}", text(STALL), text(STALL_PERIOD));
                (load, vec![push], 1, Sides::One(Some(fault)))
            }
            Check::Uniform => {
                let load = Load {
                    subscribers: 100,
                    events_per_second: 47,
                    duration: ms(2_000),
                    polling_interval: ms(250),
                    ..paired
                };
                (load, vec![Transport::Polling], 1, Sides::One(None))
            }
            Check::Recording => {
                let load = Load { subscribers: 200, duration: ms(1_000), ..paired };
                (load, vec![push], 9, Sides::Two(None, None))
            }
            Check::Alike => {
                let load = Load { duration: ms(400), ..paired };
                (load, vec![push], comparisons * BLOCKS_ALIKE, Sides::Two(None, None))
            }
        };
        Ok(Self { check, scenario: load.scenario(check)?, contenders, blocks, sides })
    }

    /// How many trials it takes, if none is repeated.
    pub(super) fn trials(&self) -> u32 {
        let sides = match self.sides {
            Sides::One(_) => 1,
            Sides::Two(..) => 2,
        };
        self.blocks * self.contenders.len() as u32 * sides
    }

    /// How long they take.
    pub(super) fn planned_length(&self) -> Duration {
        let (_, trial) = planned_length(&self.scenario.workload);
        trial * self.trials()
    }
}

/// The disorder that `check` is about, and at which events.
pub(super) fn disorder(check: Check) -> Option<(Disorder, u32)> {
    let kind = match check {
        Check::Drop => Disorder::Drop,
        Check::Duplicate => Disorder::Duplicate,
        Check::Reorder => Disorder::Reorder,
        _ => return None,
    };
    Some((kind, EVERY))
}

fn text(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

impl Load {
    /// Through the text of a scenario, so that a workload that cannot be measured is refused.
    fn scenario(&self, check: Check) -> anyhow::Result<Scenario> {
        let Self { subscribers, channels, events_per_second, duration, polling_interval } = self;
        let text = format!(
            "name = \"{check}\"\n\
             description = \"{}\"\n\
             [workload]\n\
             subscribers = {subscribers}\n\
             channels = {channels}\n\
             events_per_second = {events_per_second}\n\
             payload_bytes = 128\n\
             idle = \"0s\"\n\
             warm_up = \"{interval}\"\n\
             duration = \"{duration}\"\n\
             [polling]\n\
             interval = \"{interval}\"\n",
            check.description(),
            interval = text(*polling_interval),
            duration = text(*duration),
        );
        Scenario::parse(&text, "selftest").with_context(|| format!("the check `{check}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for &check in Check::ALL {
            assert_eq!(check.name().parse::<Check>().unwrap(), check);
        }
        let error = "luck".parse::<Check>().unwrap_err().to_string();
        assert!(error.starts_with("`luck` is no check; there are faithful, drop,"), "{error}");
    }

    #[test]
    fn every_check_has_a_workload() {
        for &check in Check::ALL {
            let experiment = Experiment::of(check, 10).unwrap();
            assert!(experiment.trials() > 0 && !experiment.contenders.is_empty());
        }
        assert_eq!(Experiment::of(Check::Alike, 10).unwrap().trials(), 100);
        assert_eq!(
            Experiment::of(Check::Drop, 10).unwrap().trials() as usize,
            Transport::ALL.len()
        );
    }

    #[test]
    fn all_of_it_takes_less_than_five_minutes() {
        let lengths =
            Check::ALL.iter().map(|check| Experiment::of(*check, 10).unwrap().planned_length());
        let all: Duration = lengths.sum();
        assert!(all < Duration::from_secs(300), "{all:?}");
    }

    #[test]
    fn counts_can_be_exact() {
        let workload = Experiment::of(Check::Reorder, 1).unwrap().scenario.workload;
        let end = workload.warm_up_events_per_channel() + workload.events_per_channel();
        assert!(!end.is_multiple_of(EVERY), "the last event would wait for ever");
        assert_eq!(workload.subscribers % workload.channels, 0);
    }

    #[test]
    fn the_laws_have_enough_events() {
        let deliveries = |check| Experiment::of(check, 1).unwrap().scenario.deliveries();
        assert!(deliveries(Check::Uniform) >= 5_000);
        assert!(deliveries(Check::Stall) >= 5_000);
        let window = Experiment::of(Check::Stall, 1).unwrap().scenario.workload.duration;
        assert_eq!(window.as_nanos() % STALL_PERIOD.as_nanos(), 0, "whole periods");
    }
}
