//! What became of the time of both sides' cores: who used it, who waited for it, and who took it away.

use super::measurement::Measurement;
use super::snapshot::Usage;
use crate::results::{Side, Warning};

/// A generator busier than this is worth a warning: queueing grows steeply from here on.
const GENERATOR_BUSY_PERCENT: f64 = 80.0;

/// A server busier than this has no room left.
const SERVER_BUSY_PERCENT: f64 = 90.0;

/// Other processes that use more than this of a side's cores are worth a warning. A quiet machine
/// stays below 5 %; a busy loop beside a generator of eight cores is 12.5 %.
const OTHER_LOAD_PERCENT: f64 = 10.0;

/// Stolen time above this is worth a warning.
const STOLEN_PERCENT: f64 = 1.0;

/// A limit that stops a container for longer than this is worth a warning.
const THROTTLED_PERCENT: f64 = 0.1;

/// What became of the cores of one side.
#[derive(Clone, Copy, Debug)]
struct Load {
    /// What all its cores had to give.
    offered_ns: u64,
    own_ns: Option<u64>,
    /// What other processes used.
    others_ns: Option<u64>,
    /// How long its threads were ready to run while others did: they wait for others no longer than
    /// those run. The rest of what they waited is for each other.
    waited_ns: Option<u64>,
}

impl Load {
    fn percent(&self, ns: u64) -> f64 {
        ns as f64 / self.offered_ns as f64 * 100.0
    }

    /// What it used and what it would have used.
    fn busy_percent(&self) -> Option<f64> {
        Some(self.percent(self.own_ns? + self.waited_ns.unwrap_or(0)).min(100.0))
    }

    fn other_load(&self, side: Side) -> Option<Warning> {
        let percent = self.percent(self.others_ns?);
        let waited_percent = self.waited_ns.zip(self.own_ns).map(|(waited, own)| {
            let wanted = waited + own;
            if wanted == 0 { 0.0 } else { waited as f64 / wanted as f64 * 100.0 }
        });
        let warning = Warning::OtherLoad { side, percent, waited_percent };
        (percent > OTHER_LOAD_PERCENT).then_some(warning)
    }
}

impl Measurement {
    /// What speaks against the trial. What cannot be found out is added to `unchecked`, in words.
    pub(super) fn of_the_cores(&self, unchecked: &mut Vec<&'static str>) -> Vec<Warning> {
        let window = self.after.since(&self.before);
        let [generator, server] = self.loads(&window);
        let shared = self.cores.are_shared();
        let mut warnings = Vec::new();
        warnings.extend(shared.then_some(Warning::SharedCore));
        match generator.busy_percent() {
            Some(busy_percent) if busy_percent > GENERATOR_BUSY_PERCENT => {
                warnings.push(Warning::GeneratorSaturated { busy_percent });
            }
            Some(_) => {}
            None => unchecked.push("whether the generator was saturated"),
        }
        match server.busy_percent() {
            Some(busy_percent) if busy_percent > SERVER_BUSY_PERCENT => {
                warnings.push(Warning::ServerSaturated { busy_percent });
            }
            Some(_) => {}
            // Of one that runs already, the report says that nobody sees it.
            None if self.is_described && self.after.of_servers(|_| Some(1)).is_none() => {}
            None => unchecked.push("whether the server was saturated"),
        }
        let machine = self.after.machine.as_ref().zip(self.before.machine.as_ref());
        match machine.and_then(|(after, before)| after.stolen_percent_since(before)) {
            Some(percent) if percent > STOLEN_PERCENT => {
                warnings.push(Warning::CpuStolen { percent });
            }
            Some(_) => {}
            None => unchecked.push("whether other machines on this host took CPU time"),
        }
        if let Some((after, before)) = self.after.cpu_limit.zip(self.before.cpu_limit) {
            let throttled_ns = after.throttled_ns.saturating_sub(before.throttled_ns);
            let percent = throttled_ns as f64 / window.length_ns as f64 * 100.0;
            if percent > THROTTLED_PERCENT {
                warnings.push(Warning::CpuLimited { cores: after.cores, percent });
            }
        }
        if generator.others_ns.is_none() {
            unchecked.push("whether other processes used the cores");
        } else if generator.waited_ns.is_none() {
            unchecked.push("whether the generator waited for its cores");
        }
        warnings.extend(generator.other_load(Side::Generator));
        warnings.extend(server.other_load(Side::Server).filter(|_| !shared));
        warnings
    }

    /// Of the generator and of the server. On a core that is shared, both have all of it.
    fn loads(&self, window: &Usage) -> [Load; 2] {
        let machine = self.after.machine.as_ref().zip(self.before.machine.as_ref());
        let load = |cores: &[usize], own_ns: Option<u64>, wait_ns: Option<u64>| {
            let used_ns = machine.and_then(|(after, before)| after.task_ns_since(before, cores));
            let others_ns = used_ns.zip(own_ns).map(|(used, own)| used.saturating_sub(own));
            Load {
                offered_ns: window.length_ns * cores.len() as u64,
                own_ns,
                others_ns,
                waited_ns: wait_ns.zip(others_ns).map(|(wait, others)| wait.min(others)),
            }
        };
        let both = |one: Option<u64>, other: Option<u64>| Some(one? + other?);
        let Usage { server_side: server, generator, own_cpu_ns, .. } = window;
        match self.cores.are_shared() {
            true => {
                let own_ns = both(*own_cpu_ns, server.cpu_ns);
                let wait_ns = both(generator.cpu_wait_ns, server.cpu_wait_ns);
                [load(&self.cores.generator, own_ns, wait_ns); 2]
            }
            false => [
                load(&self.cores.generator, *own_cpu_ns, generator.cpu_wait_ns),
                load(&self.cores.server, server.cpu_ns, server.cpu_wait_ns),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::{Cores, CpuLimit};
    use crate::engine::fixture::{after, machine, only, parts, waiting_parts};
    use crate::engine::machine::MachineTime;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_saturated_side_is_named() {
        let (warning, used) = only(|trial| {
            trial.after.parts = parts(2 * SECOND, 97 * SECOND / 10);
            trial.after.machine = machine([205, 970]);
        });
        let text = warning.to_string();
        assert!(text.starts_with("the generator was saturated: using its CPU"), "{text}");
        assert!(!used);

        let (warning, used) = only(|trial| {
            trial.after.parts = parts(2 * SECOND, 85 * SECOND / 10);
            trial.after.machine = machine([205, 850]);
        });
        assert!(warning.to_string().starts_with("the generator was nearly saturated"), "{warning}");
        assert!(used);

        let (warning, used) = only(|trial| {
            trial.after.parts = parts(99 * SECOND / 10, 3 * SECOND);
            trial.after.machine = machine([990, 295]);
        });
        assert!(warning.to_string().starts_with("the server was saturated"), "{warning}");
        assert!(used, "that is what was asked: how the server behaves");
    }

    /// A side that would have used the whole core is saturated, whoever had the rest of it.
    #[test]
    fn what_waits_for_its_core_is_saturated_too() {
        let waits = |wait_ns| {
            after(move |trial| {
                trial.after.parts =
                    waiting_parts([2 * SECOND, 91 * SECOND / 10], [Some(0), wait_ns]);
                trial.after.machine = machine([205, 1_000]);
            })
        };
        let [Warning::GeneratorSaturated { busy_percent }] = &waits(Some(5 * SECOND))[..] else {
            panic!("others had 9 % of the core, so it waited for them no longer")
        };
        assert!((busy_percent - 100.0).abs() < 1e-9, "{busy_percent}");
        let [Warning::GeneratorSaturated { busy_percent }] = &waits(Some(0))[..] else { panic!() };
        assert!((busy_percent - 91.0).abs() < 1e-9, "others cost it nothing");
    }

    #[test]
    fn others_matter_by_the_wait_that_they_cause() {
        let others = |ticks: [u64; 2], wait_ns: [Option<u64>; 2]| {
            move |trial: &mut Measurement| {
                trial.after.machine = machine(ticks);
                trial.after.parts = waiting_parts([2 * SECOND, 3 * SECOND], wait_ns);
                trial.before.parts = waiting_parts([0; 2], wait_ns.map(|wait| wait.map(|_| 0)));
            }
        };
        assert_eq!(after(others([290, 390], [Some(9 * SECOND); 2])), [], "9 % of each");
        let other_load =
            |side, percent, waited_percent| Warning::OtherLoad { side, percent, waited_percent };
        let harmless = only(others([205, 1_000], [Some(0); 2]));
        assert_eq!(harmless, (other_load(Side::Generator, 70.0, Some(0.0)), true));
        let (warning, used) = only(others([205, 600], [Some(0), Some(SECOND)]));
        assert_eq!(warning, other_load(Side::Generator, 30.0, Some(25.0)));
        assert!(!used);
        let text = warning.to_string();
        assert!(text.contains("it waited for them in 25 % of the time (limit 20 %)"), "{text}");
        let (warning, used) = only(others([400, 295], [Some(SECOND), Some(0)]));
        assert_eq!(warning, other_load(Side::Server, 20.0, Some(1.0 / 3.0 * 100.0)));
        assert!(!used);
    }

    #[test]
    fn what_the_system_does_not_say_is_said() {
        let unchecked = |spoil: fn(&mut Measurement)| match only(spoil) {
            (Warning::Unchecked { checks }, true) => checks,
            other => panic!("{other:?}"),
        };
        let nothing_moves = unchecked(|trial| trial.after.machine = trial.before.machine.clone());
        let (others, stolen) = (
            "whether other processes used the cores".to_owned(),
            "whether other machines on this host took CPU time".to_owned(),
        );
        assert_eq!(nothing_moves, [stolen.clone(), others.clone()]);
        assert_eq!(unchecked(|trial| trial.after.machine = None), [stolen, others]);
        let no_wait = unchecked(|trial| {
            trial.after.parts = waiting_parts([2 * SECOND, 3 * SECOND], [None; 2]);
        });
        assert_eq!(no_wait, ["whether the generator waited for its cores"]);
        let nobody = unchecked(|trial| trial.server_deliveries = None);
        assert_eq!(nobody, ["whether the server counts as many deliveries as its subscribers"]);
        let (text, _) = only(|trial| trial.traffic.at_end = None);
        assert!(text.to_string().starts_with("not checked, because this system does not say: "));
        let more = after(|trial| {
            trial.after.machine = machine([205, 600]);
            trial.after.parts = waiting_parts([2 * SECOND, 3 * SECOND], [None; 2]);
        });
        assert!(
            more.iter().any(Warning::invalidates),
            "30 % of others, whatever that costs: {more:?}"
        );
    }

    #[test]
    fn a_limit_that_stops_a_container_is_named() {
        let stopped = |ns: u64| {
            move |trial: &mut Measurement| {
                let limit = |throttled_ns| Some(CpuLimit { cores: 1.5, throttled_ns });
                (trial.before.cpu_limit, trial.after.cpu_limit) = (limit(7), limit(7 + ns));
            }
        };
        assert_eq!(after(stopped(SECOND / 200)), []);
        let (warning, used) = only(stopped(SECOND / 20));
        assert_eq!(warning, Warning::CpuLimited { cores: 1.5, percent: 0.5 });
        assert!(used);
        let (warning, used) = only(stopped(SECOND / 5));
        assert!(
            warning.to_string().starts_with("the limit of 1.5 cores on this container stopped it")
        );
        assert!(!used);
    }

    #[test]
    fn a_core_that_is_shared_has_one_account() {
        let warnings = after(|trial| {
            trial.cores = Cores { server: vec![1], generator: vec![1] };
            trial.after.machine = machine([0, 700]);
        });
        let (percent, waited_percent) = (20.0, Some(0.0));
        let side = Side::Generator;
        assert_eq!(
            warnings,
            [Warning::SharedCore, Warning::OtherLoad { side, percent, waited_percent }]
        );
    }

    #[test]
    fn stolen_time() {
        let stolen = |ticks: u64| {
            move |trial: &mut Measurement| {
                let stat = |all: u64, stolen: u64| {
                    let cores = "cpu0 0 0 0 0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0\n";
                    MachineTime::parse(&format!("cpu  0 0 0 {all} 0 0 0 {stolen}\n{cores}"))
                };
                trial.before.machine = stat(0, 0);
                trial.after.machine = stat(2_000 - ticks, ticks);
            }
        };
        assert_eq!(after(stolen(20)), []);
        assert_eq!(only(stolen(100)), (Warning::CpuStolen { percent: 5.0 }, true));
        assert!(!only(stolen(220)).1);
    }
}
