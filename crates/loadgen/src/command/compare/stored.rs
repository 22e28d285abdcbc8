//! `pushbench compare A/ B/`: two results folders of `run`, held against each other. Nothing is
//! measured, and what it says is advice.

use std::path::Path;

use crate::analysis::advisory::advise;
use crate::command::screen::Screen;
use crate::command::{ExitStatus, Unusable, told};
use crate::document;
use crate::results::{Run, store};

/// Compares two stored runs and prints what can be said: of bytes, losses and instructions.
///
/// # Errors
/// [`Unusable`] folders: those that hold no run that this program reads, and those of different
/// scenarios or machines.
pub fn compare_stored(
    baseline: &Path,
    candidate: &Path,
    verbose: bool,
) -> anyhow::Result<ExitStatus> {
    let [old, new] = [load(baseline)?, load(candidate)?];
    for (dir, run) in [(baseline, &old), (candidate, &new)] {
        if !run.manifest.cells.is_empty() {
            let dir = dir.display();
            let message = format!(
                "{dir}: this is a run of a sweep, and only runs of one cell can be compared"
            );
            return Err(Unusable(message).into());
        }
    }
    let advice = advise(&old, &new).map_err(|error| {
        let hint = "measure both builds in one go with --baseline and --candidate";
        Unusable(format!("{} and {}: {error}; {hint}", baseline.display(), candidate.display()))
    })?;
    Screen::stdout(verbose).show(&document::advice(&advice))?;
    let has = |is_worse| advice.iter().any(|of| of.is_worse == is_worse);
    Ok(if has(Some(true)) {
        ExitStatus::Exceeded
    } else if has(None) || advice.is_empty() {
        ExitStatus::Untrusted
    } else {
        ExitStatus::Complete
    })
}

fn load(dir: &Path) -> Result<Run, Unusable> {
    store::load(dir).map(told).map_err(|error| Unusable(format!("{error:#}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::fixture::save_run;
    use crate::results::model::SweptCell;
    use crate::results::{Metric, fixture};

    #[test]
    fn stored_runs_pass_regress_or_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| dir.path().join(name));
        let (run, log) = fixture::run();
        save_run(&a, &run, &log);
        assert_eq!(compare_stored(&a, &a, false).unwrap(), ExitStatus::Complete);

        let mut worse = run.clone();
        worse.trials[0].values.insert(Metric::Lost, 1.0);
        save_run(&b, &worse, &log);
        assert_eq!(compare_stored(&a, &b, false).unwrap(), ExitStatus::Exceeded);

        let mut other = run;
        other.manifest.machine.cores = 64;
        save_run(&c, &other, &log);
        let (mut swept, log) = fixture::run();
        let name = "subscribers=50".to_owned();
        swept.manifest.cells.push(SweptCell { name, settings: Vec::new() });
        save_run(&d, &swept, &log);
        for refused in [&c, &d, &dir.path().join("nowhere")] {
            let error = compare_stored(&a, refused, false).unwrap_err();
            assert!(error.is::<Unusable>(), "{error}");
        }
    }
}
