//! `pushbench table`: the table that courses repeat about these transports, filled from measurements.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;

use super::run::{Job, RunOptions, Session, jobs};
use super::screen::Screen;
use super::{ExitStatus, Unusable, told};
use crate::analysis::analyse;
use crate::analysis::table::{Row, Runs, fill, has_failed_whole, is_spoilt, rows};
use crate::campaign::{Detail, Invocation, LocalRunner, Progress, is_measured, remote, table_runs};
use crate::document;
use crate::document::trial_line;
use crate::render::{write_run, write_table};
use crate::results::store::{ROWS_FILE, load, load_run};
use crate::results::{Run, Stored};
use crate::scenario::Scenario;
use crate::text::say;

/// How many trials of a run that the machine spoils are measured once more: more would take too long.
const MAX_REPEATS: u32 = 4;

/// What `pushbench table` was asked.
#[derive(Clone, Debug)]
pub struct TableOptions {
    /// The workload; the default one if it is not said.
    pub scenario: Option<PathBuf>,
    /// The keys of the rows to fill; all of them if there are none.
    pub only: Vec<String>,
    /// A folder of an earlier table, which is rendered again without measuring.
    pub results: Option<PathBuf>,
    /// How long the runs may take, those together that are there already.
    pub max_time: Duration,
    /// How it was called.
    pub invocation: Invocation,
}

/// The keys of all rows, for the command line.
pub fn table_rows() -> impl Iterator<Item = &'static str> {
    rows().iter().map(|row| &row.key[..])
}

/// Makes the runs that are not in the folder yet, fills the table from all of them, and writes it there. A cell
/// that cannot be filled says why.
///
/// # Errors
/// A bad scenario, a folder that holds no such run, a machine that cannot run any of them, or files that cannot be
/// written.
pub fn table(options: &TableOptions, verbose: bool) -> anyhow::Result<ExitStatus> {
    let only = |row: &&Row| options.only.is_empty() || options.only.contains(&row.key);
    let rows: Vec<Row> = rows().iter().filter(only).cloned().collect();
    if let Some(dir) = &options.results {
        let runs = runs_in(dir, &rows, &LeftOut::new())?;
        if !runs.values().any(Result::is_ok) && rows.iter().any(|row| row.runs().next().is_some()) {
            let message = format!(
                "{} holds no run of a table: name a folder that it was written to",
                dir.display()
            );
            return Err(Unusable(message).into());
        }
        return show(dir, &rows, &runs, verbose);
    }
    let top = options.invocation.folder("table", Timestamp::now())?;
    let (status, left_out) = measured(options, &rows, &top)?;
    let shown = show(&top, &rows, &runs_in(&top, &rows, &left_out)?, verbose)?;
    if status == ExitStatus::Interrupted {
        say(&format!("The same command with --out {} goes on.", top.display()));
        return Ok(status);
    }
    Ok(shown)
}

/// Runs that were left out, and why.
type LeftOut = BTreeMap<String, String>;

/// Makes the runs that are not there yet. A network is all that a machine may lack for some of them.
fn measured(
    options: &TableOptions,
    rows: &[Row],
    top: &Path,
) -> anyhow::Result<(ExitStatus, LeftOut)> {
    let Pending { mut jobs, mut said } = pending(options, rows, top)?;
    let mut left_out = LeftOut::new();
    let mut runner = runner(&jobs);
    if let Err(error) = &runner {
        let why = format!("{error:#}");
        let without = |job: &Job| job.source.scenario.networks().next().is_none();
        let (kept, lost): (Vec<_>, Vec<_>) = jobs.into_iter().partition(without);
        for job in &lost {
            said.push(format!("{} is left out: {why}", name_of(job)));
            left_out.insert(name_of(job), why.clone());
        }
        if !lost.is_empty() {
            runner = self::runner(&kept);
        }
        jobs = kept;
    }
    // Nothing may have started a thread before the runner was made.
    let mut progress = Progress::new(Detail::Trials, trial_line);
    said.iter().for_each(|line| progress.line(line));
    let mut runner = runner?;
    if jobs.is_empty() {
        return Ok((ExitStatus::Complete, left_out));
    }
    let options = run_options(options, top);
    let session = Session::of_jobs(&options, jobs, ("table", top), write_run);
    session.announce(&mut progress);
    let status = session.each(&mut runner, &mut progress, |_, _| Ok(()))?;
    Ok((status, left_out))
}

fn runner(jobs: &[Job]) -> anyhow::Result<LocalRunner> {
    let scenarios = || jobs.iter().map(|job| &job.source.scenario);
    let sockets = scenarios().map(Scenario::sockets).max().unwrap_or_default();
    LocalRunner::new(sockets, scenarios())
}

fn run_options(options: &TableOptions, top: &Path) -> RunOptions {
    RunOptions {
        scenarios: Vec::new(),
        max_time: Some(options.max_time),
        max_repeats: Some(MAX_REPEATS),
        dry_run: false,
        invocation: Invocation { out: Some(top.to_owned()), ..options.invocation.clone() },
    }
}

/// The runs that are to be made, and what is said of the others.
struct Pending {
    jobs: Vec<Job>,
    said: Vec<String>,
}

/// The runs of the plan that are not in `top` yet. What is there of others stays, under another name.
fn pending(options: &TableOptions, rows: &[Row], top: &Path) -> anyhow::Result<Pending> {
    let planned = table_runs(rows, options.scenario.as_deref())?;
    for (_, source) in &planned {
        remote::check(&source.scenario, &options.invocation.allow_remote)?;
    }
    let (names, sources): (Vec<_>, Vec<_>) = planned.into_iter().unzip();
    // All of them share the time, whatever is there: so those that are there were shortened alike.
    let all = jobs(sources, true, top, Some(options.max_time));
    let mut pending = Pending { jobs: Vec::new(), said: Vec::new() };
    for (name, job) in names.into_iter().zip(all) {
        let job = Job { dir: top.join(name), ..job };
        let is_there = job.dir.join(Run::FILE).exists();
        let earlier = if is_there { load::<Run>(&job.dir).ok() } else { None };
        let is_done = earlier.is_some_and(|of| {
            is_measured(&of.content, &job.source, &job.shortenings, &options.invocation)
        });
        if is_done {
            pending.said.push(format!("{name}: it is there already"));
            continue;
        }
        if is_there || job.dir.join(ROWS_FILE).exists() {
            pending.said.push(put_aside(&job.dir)?);
        }
        pending.jobs.push(job);
    }
    Ok(pending)
}

/// Gives an earlier run another name, so that nothing is lost, and says so.
fn put_aside(dir: &Path) -> anyhow::Result<String> {
    let other = |number: u32| {
        let mut name = dir.as_os_str().to_owned();
        name.push(format!("-earlier-{number}"));
        PathBuf::from(name)
    };
    let free = (1..).map(other).find(|path| !path.exists()).unwrap_or_default();
    let [from, to] = [dir, &free].map(Path::display);
    std::fs::rename(dir, &free).with_context(|| format!("cannot rename {from} to {to}"))?;
    Ok(format!("{from} holds a run that was interrupted, or another one: it is {to} from now on"))
}

fn name_of(job: &Job) -> String {
    job.dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The runs that `rows` take, as far as they are in `dir`.
fn runs_in(dir: &Path, rows: &[Row], left_out: &LeftOut) -> anyhow::Result<Runs> {
    let mut runs = Runs::new();
    for name in rows.iter().flat_map(Row::runs) {
        if runs.contains_key(name) {
            continue;
        }
        let folder = dir.join(name);
        let run = if folder.join(Run::FILE).exists() {
            // One folder that cannot be read leaves its own cells empty.
            load_run(&folder).map_err(|error| format!("{error:#}")).map(|loaded| {
                let (run, log) = told(loaded);
                let analysis = analyse(&run, &log);
                (run, analysis)
            })
        } else if let Some(why) = left_out.get(name) {
            Err(why.clone())
        } else {
            Err("its run was not made".to_owned())
        };
        runs.insert(name.to_owned(), run);
    }
    Ok(runs)
}

/// Fills the table, writes it into `dir` and shows it: all of it if `verbose`, else what fits a small terminal.
fn show(dir: &Path, rows: &[Row], runs: &Runs, verbose: bool) -> anyhow::Result<ExitStatus> {
    let filled = fill(rows, runs);
    let document = document::table(&filled, runs);
    let files = write_table(dir, &filled, &document)?;
    let summary = document::table_summary(&filled, &document.title);
    let shown = if verbose { &document } else { &summary };
    Screen::stdout(verbose).show_files(shown, &files, &dir.join("table.html"))?;
    Ok(match (has_failed_whole(runs), is_spoilt(&filled)) {
        (true, _) => ExitStatus::Failed,
        (false, true) => ExitStatus::Untrusted,
        (false, false) => ExitStatus::Complete,
    })
}

#[cfg(test)]
mod tests;
