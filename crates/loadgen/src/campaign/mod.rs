//! The one loop that measures: a plan says what comes next, given what has been measured; a runner
//! measures one trial; a store appends it. Run, comparison, search for capacity and self-test are
//! plans. It must not know how results are shown: what it needs in words, it is given.

mod capacity;
mod comparison;
mod fit;
mod manifest;
mod progress;
mod random_order;
pub(crate) mod remote;
mod run;
mod runner;
#[cfg(test)]
pub(crate) mod scripted;
pub(crate) mod selftest;
mod source;
mod table;

use std::collections::HashSet;
use std::path::Path;

use anyhow::Context as _;
use pushbench_wire::clock;

pub(crate) use capacity::{CapacityPlan, LoadWords, Space};
pub(crate) use comparison::{Builds, ComparisonPlan};
pub(crate) use fit::{run_to_fit, samples_of, shortenings, trials_to_fit};
pub use manifest::Invocation;
pub(crate) use progress::{Detail, Progress, ToCome, roughly};
pub(crate) use random_order::first_stage_trials;
pub(crate) use run::RunPlan;
pub(crate) use runner::{Interrupted, LocalRunner, Setup, TrialOutput, TrialRunner, own_server};
pub use source::Unusable;
pub(crate) use source::{Source, scenarios_at};
pub(crate) use table::{is_measured, table_runs};

use crate::results::{Interval, LatencyLog, Outcome, Record, Store, Stored, Trial};
use crate::scenario::Contender;

/// A machine of which others use more than this is not left alone.
const BUSY_PERCENT: f64 = 20.0;

/// Decides what is measured.
pub(crate) trait Plan {
    /// What it is measured for.
    type Record: Record;

    /// What is said when the user stops it.
    const INTERRUPTED: &'static str = "Interrupted: the trials that have ended are kept.";

    /// What to measure next, given all that has been; nothing when no more is needed. What users are
    /// to know, such as why the plan has grown, goes to `say`.
    ///
    /// # Errors
    /// When it cannot go on.
    fn next(
        &mut self,
        so_far: &Self::Record,
        say: &mut dyn FnMut(&str),
    ) -> anyhow::Result<Option<Step<<Self::Record as Record>::Row>>>;
}

/// A trial that a plan wants.
pub(crate) struct Step<Row> {
    /// What is measured.
    pub(crate) setup: Setup,
    /// How people call it.
    pub(crate) name: String,
    /// It, and what is expected to follow.
    pub(crate) to_come: ToCome,
    /// What is kept of the trial and its latencies: the plan knows where they belong.
    pub(crate) row: MakeRow<Row>,
}

/// Makes a row of what was found.
pub(crate) type MakeRow<Row> = Box<dyn FnOnce(Trial, &[Interval]) -> Row>;

/// Measures what `plan` wants, and keeps it in `dir`: the head before the first trial, so that a folder
/// which cannot be written costs none, and each trial before the next begins. Gives what was measured
/// and its latencies.
///
/// # Errors
/// As for [`execute`], or a folder that cannot be written.
pub(crate) fn measure<P: Plan<Record: Stored>>(
    dir: &Path,
    runner: &mut impl TrialRunner,
    plan: &mut P,
    mut record: P::Record,
    progress: &mut Progress,
) -> anyhow::Result<(P::Record, LatencyLog)> {
    let mut store = Store::begin(dir, &record)?;
    execute(runner, plan, &mut record, progress, |row, intervals| store.append(row, intervals))?;
    let log = store.end(&record)?;
    Ok((record, log))
}

/// Measures what `plan` wants, until it wants no more, the user stops it, or no server of a scenario can
/// even be started: other trials would end the same way. Each row goes to `keep` before the next trial begins.
///
/// # Errors
/// A plan that cannot go on, or a trial that cannot be kept. One that fails is a row.
pub(crate) fn execute<P: Plan>(
    runner: &mut impl TrialRunner,
    plan: &mut P,
    record: &mut P::Record,
    progress: &mut Progress,
    mut keep: impl FnMut(&<P::Record as Record>::Row, &[Interval]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if let Some(percent) = runner.busy_percent().filter(|percent| *percent > BUSY_PERCENT) {
        progress.line(&format!(
            "Other processes use {percent:.0} % of this machine's CPU time: what they spoil will not be \
             trusted, so better stop them first."
        ));
    }
    let started_ns = clock::now_ns();
    // Servers that have been started before: should they fail to once, others go on.
    let mut have_started = HashSet::new();
    let mut hopeless_servers = HashSet::new();
    while let Some(step) = plan.next(record, &mut |line| progress.line(line))? {
        let Step { setup, name, to_come, row } = step;
        progress.begin(name, &setup.scenario, to_come);
        let output = runner.trial(&setup, started_ns, &mut |phase| progress.step(phase));
        let Ok(TrialOutput { trial, intervals, server_started }) = output else {
            *record.interrupted() = true;
            progress.line(P::INTERRUPTED);
            break;
        };
        progress.end(&trial);
        let server_of = |contender: Option<&Contender>| {
            let server = match contender.and_then(|contender| contender.server.as_ref()) {
                Some(server) => server.name.clone(),
                None => shell_words::join(setup.server.iter()),
            };
            let server = match contender.and_then(|contender| contender.road.proxy.as_ref()) {
                Some(proxy) => format!("{server}` through `{}", proxy.label),
                None => server,
            };
            // A browser that is missing keeps nobody else from it.
            match contender.and_then(|contender| contender.id.client().browser()) {
                Some(browser) => format!("{server}` and the browser `{}", browser.label()),
                None => server,
            }
        };
        let server = server_of(setup.scenario.contender(&setup.contender));
        if server_started {
            have_started.insert(server.clone());
        }
        let hopeless = match &trial.outcome {
            Outcome::Failed { reason } if !have_started.contains(&server) => Some(reason.clone()),
            _ => None,
        };
        let row = row(trial, &intervals);
        keep(&row, &intervals).context("the trial that has just ended is lost")?;
        record.enter(row);
        if let Some(reason) = hopeless {
            progress.line(&format!("Nothing can be measured with the server `{server}`: {reason}"));
            hopeless_servers.insert(server);
            let mut servers = setup.scenario.contenders.iter().map(|of| server_of(Some(of)));
            if servers.all(|server| hopeless_servers.contains(&server)) {
                break;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
