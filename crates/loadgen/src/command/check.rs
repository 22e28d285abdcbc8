//! `pushbench check`: whether scenarios can be run, and what a run of each will do.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit};

use crate::engine::probe::OTHER_FILES;
use crate::engine::{planned_length, samples_for};
use crate::scenario::Scenario;
use crate::scenario::schedule::trials;

/// Prints for each scenario what a run of it will do, or what is wrong with it. A folder stands
/// for all `*.toml` in it. Says whether all of them can be run.
///
/// # Errors
/// When standard output cannot be written.
pub fn check(paths: &[PathBuf]) -> anyhow::Result<bool> {
    Ok(check_to(paths, &mut io::stdout().lock())?)
}

fn check_to(paths: &[PathBuf], out: &mut impl Write) -> io::Result<bool> {
    let mut all_right = true;
    for path in paths {
        let files = match scenarios_at(path) {
            Ok(files) => files,
            Err(error) => {
                all_right = false;
                writeln!(out, "{}: {error}", path.display())?;
                continue;
            }
        };
        for file in files {
            match Scenario::load(&file) {
                Ok((scenario, _)) => writeln!(out, "{}: ok: {}", file.display(), plan(&scenario))?,
                Err(error) => {
                    all_right = false;
                    writeln!(out, "{error}")?;
                }
            }
        }
    }
    Ok(all_right)
}

/// The file, or all `*.toml` of the folder.
pub(super) fn scenarios_at(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in path.read_dir()? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "toml") {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(io::Error::other("the folder holds no scenario (*.toml)"));
    }
    files.sort_unstable();
    Ok(files)
}

/// What a run will do, in a line.
fn plan(scenario: &Scenario) -> String {
    let workload = &scenario.workload;
    let trials = trials(scenario).len();
    let (_, trial) = planned_length(workload);
    let seconds = trial.as_secs_f64() * trials as f64;
    let (minutes, seconds) = ((seconds / 60.0) as u64, (seconds % 60.0) as u64);
    let events = u64::from(workload.events_per_channel()) * u64::from(workload.channels);
    let deliveries = workload.deliveries();
    let sockets = u64::from(workload.subscribers);
    let mut line = format!(
        "{trials} {} in about {minutes}:{seconds:02}, each with {events} events and {deliveries} \
         deliveries over {sockets} connections",
        if trials == 1 { "trial" } else { "trials" },
    );
    let needed = samples_for(0.99);
    if deliveries < needed {
        let _ = write!(line, "; a p99 needs {needed} deliveries");
    }
    if let Some(limit) = open_file_limit().filter(|&limit| sockets + OTHER_FILES > limit) {
        let _ = write!(
            line,
            "; a run here needs more open files than the {limit} that `ulimit -Hn` allows each \
             process"
        );
    }
    line
}

/// The hard limit: a run raises the soft one by itself.
fn open_file_limit() -> Option<u64> {
    getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(_soft, hard)| hard)
}

#[cfg(test)]
mod tests {
    use std::fs;

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
        assert!(first.ends_with(": the folder holds no scenario (*.toml)"), "{out}");
        assert!(second.starts_with("/nowhere.toml: No such file or directory"), "{out}");
    }
}
