//! `pushbench guide`: which contenders meet what is asked, what each costs, and what would change that.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;

use super::run::{RunOptions, run};
use super::screen::{Screen, Stdout};
use super::{ExitStatus, Unusable, told};
use crate::analysis::analyse;
use crate::analysis::guide::{Guide, Refusal, Verdict, guide as decide};
use crate::campaign::Invocation;
use crate::document;
use crate::render::{guides, write_guide};
use crate::results::store::load_run;
use crate::results::{Run, Stored};
use crate::scenario::{AtMost, Needs, Scenario};
use crate::text::say;

/// What `pushbench guide` was asked.
#[derive(Clone, Debug)]
pub struct GuideOptions {
    /// Folders of runs, folders that hold such, or scenario files, which are run first.
    pub sources: Vec<PathBuf>,
    /// Whether clients send as well.
    pub two_way: bool,
    /// Whether events are bytes that are no text.
    pub binary: bool,
    /// Proxies that it must pass, `NAME` or `NAME:PROFILE`.
    pub proxies: Vec<String>,
    /// How far clients are from the server.
    pub round_trip: Option<String>,
    /// What it may cost at most, `METRIC=AMOUNT` each.
    pub max: Vec<String>,
    /// Whether to print JSON instead.
    pub json: bool,
    /// How long a run may take.
    pub max_time: Option<Duration>,
    /// How it was called.
    pub invocation: Invocation,
}

/// Says of each run who meets what is asked, and writes it as `guide.md` beside the run's reports. Of several,
/// the worst status is that of all.
///
/// # Errors
/// Needs that are no such, a folder that holds no run, or files that cannot be written. A run that cannot be
/// trusted is no error, but a status.
pub fn guide(options: &GuideOptions, verbose: bool) -> anyhow::Result<ExitStatus> {
    let needs = needs(options)?;
    let mut worst = ExitStatus::Complete;
    let mut dirs = Vec::new();
    for source in &options.sources {
        if source.is_dir() {
            dirs.extend(runs_in(source)?);
        } else {
            let (dir, status) = measured(source, options, verbose)?;
            worst = worst.max(status);
            if status == ExitStatus::Interrupted {
                return Ok(status);
            }
            dirs.push(dir);
        }
    }
    let mut decided = Vec::new();
    let mut refused_for = Vec::new();
    for dir in &dirs {
        let (run, log) = told(load_run(dir)?);
        let analysis = analyse(&run, &log);
        match decide(&run, &analysis, &needs) {
            Ok(guide) => {
                worst = worst.max(status(&guide));
                let document = document::guide(&run, &analysis, &guide);
                let files = write_guide(dir, &document)?;
                if !options.json {
                    let open = dir.join("guide.md");
                    Screen::stdout(true).show_files(&document, &files, &open)?;
                }
                decided.push((run, guide));
            }
            Err(refusal) => {
                worst = worst.max(refused(&refusal));
                refused_for.push(format!("{}: {}", dir.display(), document::refusal(&refusal)));
            }
        }
    }
    if options.json {
        let mut out = Stdout::new();
        write!(out, "{}", guides(&decided)?)?;
        out.end()?;
    }
    refused_for.iter().for_each(|line| say(line));
    Ok(worst)
}

fn status(guide: &Guide) -> ExitStatus {
    match guide.verdict() {
        Verdict::Meets => ExitStatus::Complete,
        Verdict::Unknown => ExitStatus::Untrusted,
        Verdict::Misses => ExitStatus::Exceeded,
    }
}

fn refused(refusal: &Refusal) -> ExitStatus {
    match refusal {
        Refusal::NothingAsked => ExitStatus::WrongUsage,
        Refusal::Unreadable(_)
        | Refusal::Interrupted { .. }
        | Refusal::Empty
        | Refusal::Untrusted { .. } => ExitStatus::Untrusted,
    }
}

fn needs(options: &GuideOptions) -> Result<Needs, Unusable> {
    let flag = |name: &'static str| move |message: String| Unusable(format!("--{name}: {message}"));
    let proxies = options.proxies.iter().map(|named| Needs::proxy(named));
    let proxies = proxies.collect::<Result<_, _>>().map_err(flag("needs-proxy"))?;
    let round_trip = options.round_trip.as_deref().map(Needs::time).transpose();
    let round_trip =
        round_trip.map_err(|expected| Unusable(format!("--round-trip must be {expected}")))?;
    let limit = |text: &String| match text.split_once('=') {
        Some((metric, amount)) => AtMost::read(metric.trim(), amount),
        None => Err(format!("`{text}` is no METRIC=AMOUNT, such as `latency_p99=500ms`")),
    };
    let mut needs = Needs {
        two_way: options.two_way,
        binary: options.binary,
        proxies,
        round_trip,
        ..Needs::default()
    };
    for text in &options.max {
        let limit = limit(text).map_err(flag("max"))?;
        // Of two limits of one metric the later counts.
        needs = needs.and(Needs { budget: vec![limit], ..Needs::default() });
    }
    Ok(needs)
}

/// The run in a folder, or those in the folders of it, by name.
pub(super) fn runs_in(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if dir.join(Run::FILE).exists() {
        return Ok(vec![dir.to_owned()]);
    }
    let unreadable = || format!("cannot read {}", dir.display());
    let entries = fs::read_dir(dir).with_context(unreadable)?;
    let entries = entries.collect::<Result<Vec<_>, _>>().with_context(unreadable)?;
    let mut below: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    below.retain(|path| path.join(Run::FILE).exists());
    below.sort();
    if below.is_empty() {
        let message = format!(
            "{} holds no run: name a folder that `pushbench run` has written, or a scenario, which is run \
             first",
            dir.display()
        );
        return Err(Unusable(message).into());
    }
    Ok(below)
}

/// Runs a scenario, and gives its results folder.
fn measured(
    path: &Path,
    options: &GuideOptions,
    verbose: bool,
) -> anyhow::Result<(PathBuf, ExitStatus)> {
    if options.json {
        let message =
            "--json is for results that are there: run the scenario first, and name its folder";
        return Err(Unusable(message.to_owned()).into());
    }
    if options.sources.len() > 1 && options.invocation.out.is_some() {
        let message = "--out is the folder of one run: name one scenario";
        return Err(Unusable(message.to_owned()).into());
    }
    let (scenario, _) = Scenario::load(path)?;
    let dir = options.invocation.folder(&scenario.name, Timestamp::now())?;
    let invocation = Invocation { out: Some(dir.clone()), ..options.invocation.clone() };
    let run_options = RunOptions {
        scenarios: vec![path.to_owned()],
        max_time: options.max_time,
        max_repeats: None,
        dry_run: false,
        invocation,
    };
    let status = run(&run_options, verbose)?;
    Ok((dir, status))
}
