//! The checks: what each is called, the workload that it runs, what the server is told to do wrong,
//! and how many trials that takes. It runs none of them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use pushbench_wire::Transport;

use super::truth::Disorder;
use crate::campaign::{ToCome, own_server};
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

            /// The check of that name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|check| check.name() == name)
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
    pub(super) scenario: Arc<Scenario>,
    /// What is measured.
    pub(super) contenders: Vec<Transport>,
    /// How often.
    pub(super) blocks: u32,
    /// One side, or two of which the second is held against the first: the fault that the server of
    /// each is told to have, if any.
    pub(super) faults: Vec<Option<String>>,
}

/// The trials of an experiment that belong together: one of each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// What is measured.
    pub(super) contender: Transport,
    /// Which of several comparisons it is part of, from 0.
    pub(super) comparison: u32,
    /// The block within that, from 1.
    pub(super) block: u32,
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
        let (load, contenders, blocks, faults) = match check {
            Check::Faithful | Check::Drop | Check::Duplicate | Check::Reorder => {
                // These checks have the names of the faults.
                let fault = disorder(check).map(|(_, every)| format!("{check}=1/{every}"));
                (counted, all, 1, vec![fault])
            }
            Check::Delay => (paired, all, 3, vec![None, Some(format!("delay={}", text(DELAY)))]),
            Check::Cpu => {
                let load = Load { subscribers: 20, ..paired };
                let burn = |time| Some(format!("cpu={}", text(time)));
                (load, all, 5, vec![burn(BURN_OF_BOTH), burn(BURN_OF_BOTH + BURN)])
            }
            Check::Stall => {
                let load = Load {
                    subscribers: 10,
                    events_per_second: 499,
                    duration: STALL_PERIOD * 4,
                    ..paired
                };
                let fault = format!("stall={}/{}", text(STALL), text(STALL_PERIOD));
                (load, vec![push], 1, vec![Some(fault)])
            }
            Check::Uniform => {
                let load = Load {
                    subscribers: 100,
                    events_per_second: 47,
                    duration: ms(2_000),
                    polling_interval: ms(250),
                    ..paired
                };
                (load, vec![Transport::Polling], 1, vec![None])
            }
            Check::Recording => {
                let load = Load { subscribers: 200, duration: ms(1_000), ..paired };
                (load, vec![push], 9, vec![None, None])
            }
            Check::Alike => {
                let load = Load { duration: ms(400), ..paired };
                (load, vec![push], comparisons * BLOCKS_ALIKE, vec![None, None])
            }
        };
        Ok(Self { check, scenario: Arc::new(load.scenario(check)?), contenders, blocks, faults })
    }

    /// All that is measured, in order. Contenders take turns, so that a machine that gets slower does
    /// so for all of them.
    pub(super) fn units(&self) -> Vec<Unit> {
        let each = match self.check {
            Check::Alike => BLOCKS_ALIKE,
            _ => self.blocks,
        };
        let of_block = |index| {
            let (comparison, block) = (index / each, index % each + 1);
            self.contenders.iter().map(move |&contender| Unit { contender, comparison, block })
        };
        (0..self.blocks).flat_map(of_block).collect()
    }

    /// How many trials it takes and how long, if none is repeated.
    pub(super) fn to_come(&self) -> ToCome {
        let trials = self.blocks as usize * self.contenders.len() * self.faults.len();
        ToCome::of(&self.scenario, trials as u32)
    }

    /// What the server of a side is started with.
    pub(super) fn server(&self, side: usize) -> Arc<[String]> {
        let mut server = own_server();
        let fault = self.faults[side].iter().cloned();
        server.extend(fault.flat_map(|fault| ["--inject".to_owned(), fault]));
        server.into()
    }

    /// Whether deliveries of a side are recorded: what recording costs is what the first side of its
    /// check goes without.
    pub(super) fn records(&self, side: usize) -> bool {
        self.check != Check::Recording || side == 1
    }

    /// Whether a trial has to be valid. What is counted is exact however busy the machine is.
    pub(super) fn needs_valid_trials(&self) -> bool {
        !matches!(self.check, Check::Faithful | Check::Drop | Check::Duplicate | Check::Reorder)
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
            assert_eq!(Check::named(check.name()), Some(check));
        }
        assert_eq!(Check::named("luck"), None);
    }

    #[test]
    fn every_check_has_a_workload() {
        for &check in Check::ALL {
            let experiment = Experiment::of(check, 10).unwrap();
            let trials = experiment.units().len() * experiment.faults.len();
            assert!(trials > 0 && experiment.to_come().trials == trials as u32, "{check}");
        }
        let trials = |check| Experiment::of(check, 10).unwrap().to_come().trials;
        assert_eq!(trials(Check::Alike), 100);
        assert_eq!(trials(Check::Drop) as usize, Transport::ALL.len());
        let alike = Experiment::of(Check::Alike, 2).unwrap().units();
        let of = alike.iter().map(|unit| (unit.comparison, unit.block)).collect::<Vec<_>>();
        let expected = (0..2).flat_map(|comparison| (1..=5).map(move |block| (comparison, block)));
        assert_eq!(of, expected.collect::<Vec<_>>());
    }

    #[test]
    fn all_of_it_takes_less_than_five_minutes() {
        let lengths =
            Check::ALL.iter().map(|check| Experiment::of(*check, 10).unwrap().to_come().time);
        let all: Duration = lengths.sum();
        assert!(all < Duration::from_secs(300), "{all:?}");
    }

    #[test]
    fn counts_can_be_exact() {
        let workload = &Experiment::of(Check::Reorder, 1).unwrap().scenario.workload;
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
