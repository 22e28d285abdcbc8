//! `pushbench check`: whether scenarios can be run, and what a run of each will do.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::path::PathBuf;

use nix::sys::resource::{Resource, getrlimit};

use super::ExitStatus;
use super::screen::Stdout;
use crate::campaign::{samples_of, scenarios_at};
use crate::engine::machine::{OTHER_FILES, local_ports};
use crate::engine::{planned_length, samples_for};
use crate::scenario::schedule::{Planned, Schedule, trials};
use crate::scenario::{Gate, Scenario};
use crate::text::plain;

/// Prints for each scenario what a run of it will do, or what is wrong with it. A folder stands
/// for all `*.toml` in it. Says whether all of them can be run.
///
/// # Errors
/// When standard output cannot be written.
pub fn check(paths: &[PathBuf]) -> anyhow::Result<ExitStatus> {
    let mut out = Stdout::new();
    let all_right = check_to(paths, &mut out)?;
    out.end()?;
    Ok(if all_right { ExitStatus::Complete } else { ExitStatus::WrongUsage })
}

fn check_to(paths: &[PathBuf], out: &mut impl Write) -> io::Result<bool> {
    let mut line = |text: fmt::Arguments<'_>| writeln!(out, "{}", plain(&text.to_string()));
    let mut all_right = true;
    for path in paths {
        let files = match scenarios_at(path) {
            Ok(files) => files,
            Err(error) => {
                all_right = false;
                line(format_args!("{}: {error}", path.display()))?;
                continue;
            }
        };
        for file in files {
            match Scenario::load(&file) {
                Ok((scenario, _)) => {
                    line(format_args!("{}: ok: {}", file.display(), plan(&scenario)))?;
                    for limit in limits(&scenario) {
                        line(format_args!("  {limit}"))?;
                    }
                }
                Err(error) => {
                    all_right = false;
                    line(format_args!("{error}"))?;
                }
            }
        }
    }
    Ok(all_right)
}

/// What a run will do, in a line, and in one more for each cell of a sweep.
fn plan(scenario: &Scenario) -> String {
    let cells = scenario.cells();
    let trials = trials(scenario).len();
    let length = |cell: &Scenario| planned_length(cell).1.as_secs_f64();
    let a_trial_of_each: f64 = cells.iter().map(|(_, cell)| length(cell)).sum();
    let seconds = a_trial_of_each * (trials / cells.len()) as f64;
    let (minutes, seconds) = ((seconds / 60.0) as u64, (seconds % 60.0) as u64);
    let noun = if trials == 1 { "trial" } else { "trials" };
    let all = format!("{trials} {noun} in about {minutes}:{seconds:02}");
    if scenario.sweep.is_empty() {
        return format!("{all}, each with {}", load(scenario));
    }
    let mut lines = format!("{all}, in {} cells, each with", cells.len());
    for (name, cell) in cells {
        let _ = write!(lines, "\n  {name}: {}", load(cell));
    }
    lines
}

/// What a trial of one cell holds.
fn load(scenario: &Scenario) -> String {
    let workload = &scenario.workload;
    let Planned { events, deliveries } = Schedule::new(workload, scenario.seed).planned();
    let sockets = u64::from(scenario.sockets());
    let mut line =
        format!("{events} events and {deliveries} deliveries over {sockets} connections");
    let needed = samples_for(0.99);
    if deliveries < needed {
        let _ = write!(line, "; a p99 needs {needed} deliveries");
    }
    if let Some(limit) = open_file_limit().filter(|&limit| sockets + OTHER_FILES > limit) {
        let _ = write!(
            line,
            "; a run needs more open files than the {limit} that `ulimit -Hn` allows each process"
        );
    }
    if let Some(ports) = local_ports().filter(|&ports| sockets > ports) {
        let _ = write!(
            line,
            "; a run needs more local ports than the {ports} of `net.ipv4.ip_local_port_range`"
        );
    }
    line
}

/// What figures must keep to: a line for every threshold and objective, and one for gates that are
/// not the usual ones.
fn limits(scenario: &Scenario) -> Vec<String> {
    let cells = scenario.cells();
    let deliveries = cells.iter().map(|(_, cell)| cell.deliveries()).min().unwrap_or(0);
    let thresholds = scenario.thresholds.iter().map(|limit| ("threshold", limit));
    let objectives = scenario.objectives.iter().map(|limit| ("objective", limit));
    let mut lines: Vec<_> = thresholds
        .chain(objectives)
        .map(|(what, limit)| match samples_of(limit.metric) {
            needed if deliveries < needed => format!(
                "{what} {limit}: cannot be judged, because it needs {needed} deliveries; lengthen \
                 `duration`"
            ),
            _ => format!("{what} {limit}"),
        })
        .collect();
    if scenario.gates != Gate::DEFAULTS {
        let gates: Vec<_> = scenario.gates.iter().map(Gate::to_string).collect();
        let gates = if gates.is_empty() { "none".to_owned() } else { gates.join(", ") };
        lines.push(format!("gates: {gates}"));
    }
    lines
}

/// The hard limit: a run raises the soft one by itself.
fn open_file_limit() -> Option<u64> {
    getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(_soft, hard)| hard)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::scenario::template::TEMPLATE;

    fn checked(paths: &[&Path]) -> (bool, String) {
        let paths: Vec<_> = paths.iter().map(|&path| path.to_owned()).collect();
        let mut out = Vec::new();
        let all_right = check_to(&paths, &mut out).unwrap();
        (all_right, String::from_utf8(out).unwrap())
    }

    #[test]
    fn says_what_a_run_will_do() {
        let text = TEMPLATE.replace("blocks = 5", "blocks = 2");
        let scenario = Scenario::parse(&text, "").unwrap();
        assert_eq!(
            plan(&scenario),
            "10 trials in about 2:29, each with 100 events and 20000 deliveries over 200 connections"
        );
    }

    #[test]
    fn says_what_each_cell_of_a_sweep_is() {
        let sweep = "[sweep]\n\"workload.events_per_second\" = [2, 20]\n";
        let text = TEMPLATE.replace("blocks = 5", "blocks = 2").replace("[sweep]\n", sweep);
        assert_eq!(
            plan(&Scenario::parse(&text, "").unwrap()),
            "20 trials in about 4:58, in 2 cells, each with\n  events_per_second=2: 20 events and 4000 \
             deliveries over 200 connections; a p99 needs 5000 deliveries\n  events_per_second=20: 200 \
             events and 40000 deliveries over 200 connections"
        );
    }

    #[test]
    fn hints_at_what_will_be_missing() {
        let text = TEMPLATE
            .replace("subscribers = 200", "subscribers = 2")
            .replace("blocks = 5", "blocks = 1")
            .replace("idle = \"2s\"", "idle = \"0s\"")
            .replace("compare = [", "compare = [\"sse\"] # ");
        let line = plan(&Scenario::parse(&text, "").unwrap());
        assert!(line.starts_with("1 trial in about 0:12, each with 100 events and 200 deliveries"));
        assert!(line.ends_with("; a p99 needs 5000 deliveries"), "{line}");
    }

    #[test]
    fn says_which_thresholds_and_gates_there_are_and_which_cannot_be_judged() {
        let text = TEMPLATE
            .replace(
                "[thresholds]\n",
                "[thresholds]\n\"sse.latency\" = [\"p(99)<2s\", \"p(99.9)<2s\"]\n",
            )
            .replace("[objectives]\n", "[objectives]\n\"sse.lost\" = [\"count==0\"]\n")
            .replace("latency_p99 = false", "latency_p99 = true")
            .replace("server_memory_peak = {", "server_memory_peak = false # {");
        let scenario = Scenario::parse(&text, "").unwrap();
        assert_eq!(
            limits(&scenario),
            [
                "threshold sse.latency: p(99)<2s",
                "threshold sse.latency: p(99.9)<2s: cannot be judged, because it needs 50000 deliveries; \
                 lengthen `duration`",
                "objective sse.lost: count==0",
                "gates: server_cpu_per_delivery 5 %, bytes_per_delivery 0.5 %, latency_p50 10 %, \
                 server_instructions_per_delivery 2 %, latency_p99 25 %",
            ]
        );
        assert_eq!(limits(&Scenario::parse(TEMPLATE, "").unwrap()), [""; 0]);
    }

    #[test]
    fn one_bad_file_fails_the_folder_and_does_not_hide_the_others() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.toml"), "name = 1").unwrap();
        fs::write(folder.path().join("b.toml"), TEMPLATE).unwrap();
        fs::write(folder.path().join("notes.txt"), "not a scenario").unwrap();

        let (all_right, out) = checked(&[folder.path()]);
        assert!(!all_right);
        assert!(out.contains("a.toml:1: `name` must be text in quotes, found 1\n"), "{out}");
        assert!(out.lines().last().unwrap().contains("b.toml: ok: 25 trials"), "{out}");
        assert!(!out.contains("notes.txt"), "{out}");

        assert!(checked(&[&folder.path().join("b.toml")]).0);
    }

    #[test]
    fn what_is_not_there_is_not_right() {
        let folder = tempfile::tempdir().unwrap();
        let (all_right, out) = checked(&[folder.path(), Path::new("/nowhere.toml")]);
        assert!(!all_right);
        let (first, second) = out.split_once('\n').unwrap();
        assert!(first.ends_with(": the folder contains no scenario (*.toml)"), "{out}");
        assert!(second.starts_with("/nowhere.toml: No such file or directory"), "{out}");
    }
}
