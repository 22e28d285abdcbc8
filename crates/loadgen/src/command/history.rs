//! `pushbench history`: keeps the estimates of runs in one file, and shows how they went on.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use super::screen::{Screen, Stdout};
use super::{ExitStatus, told};
use crate::analysis::{analyse, history};
use crate::document;
use crate::render::write_history;
use crate::results::Manifest;
use crate::results::history::{load, save};
use crate::results::store::load_run;
use crate::text::plain;

/// Adds the runs in `dirs` to the history in `file`, which is made if it does not exist: all of them
/// or none. A run that is there already is left as it is. `revision` names what was measured; without
/// it, that is the revision of pushbench, if it measured its own server.
///
/// # Errors
/// A folder that holds no run, or none with a valid trial; a history that is damaged or cannot be
/// written.
pub fn history_add(
    dirs: &[PathBuf],
    file: &Path,
    revision: Option<&str>,
) -> anyhow::Result<ExitStatus> {
    let mut rows = load(file)?.unwrap_or_default();
    let mut lines = Vec::new();
    for dir in dirs {
        let (run, log) = told(load_run(dir)?);
        let revision = revision.or_else(|| own_revision(&run.manifest));
        let added = history::rows(&run, &analyse(&run, &log), revision);
        let first = added.first().with_context(|| {
            format!("{} has nothing to add: none of its trials is valid", dir.display())
        })?;
        if rows.iter().any(|row| row.run_id() == first.run_id()) {
            lines.push(format!("{} is already in it", first.run));
        } else {
            lines.push(format!("added {}: {} estimates", first.run, added.len()));
            rows.extend(added);
        }
    }
    save(file, &rows)?;
    let runs: HashSet<_> = rows.iter().map(|row| row.run_id()).collect();
    lines.push(format!("{} holds {} runs", file.display(), runs.len()));
    writeln!(Stdout::new(), "{}", plain(&lines.join("\n")))?;
    Ok(ExitStatus::Complete)
}

/// What pushbench was built from says nothing about another server.
fn own_revision(manifest: &Manifest) -> Option<&str> {
    let is_own = manifest.server == "pushbench serve";
    manifest.revision.as_deref().filter(|_| is_own)
}

/// Renders the history in `file` into `out`, or else beside it into a folder of its name, and prints
/// the changes that were found; all of them if `verbose`, else what fits a small terminal.
///
/// # Errors
/// A history that is missing or damaged, or a file that cannot be written.
pub fn history_show(file: &Path, out: Option<&Path>, verbose: bool) -> anyhow::Result<ExitStatus> {
    let rows = load(file)?.with_context(|| {
        format!("{0} is missing: `pushbench history add DIR --file {0}` creates it", file.display())
    })?;
    let dir = out.map_or_else(|| file.with_extension(""), Path::to_owned);
    ensure!(dir != file, "{} has no extension: name a folder with --out", file.display());
    let histories = history::histories(&rows);
    let files = write_history(&dir, &histories)?;
    Screen::stdout(verbose).show_files(
        &document::history(&histories),
        &files,
        &dir.join("history.md"),
    )?;
    Ok(ExitStatus::Complete)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::fixture;

    #[test]
    fn a_run_is_added_once() {
        let dir = tempfile::tempdir().unwrap();
        let (run, log) = fixture::run();
        let (one, other) = (dir.path().join("one"), dir.path().join("other"));
        fixture::save_run(&one, &run, &log);
        let mut later = run.clone();
        later.manifest.run = "stock-ticker-20250103T030405Z".to_owned();
        fixture::save_run(&other, &later, &log);

        let file = dir.path().join("history.csv");
        history_add(std::slice::from_ref(&one), &file, None).unwrap();
        let first = load(&file).unwrap().unwrap();
        assert_eq!(first[0].revision, None, "the server was not pushbench's own");
        history_add(&[one.clone(), one.clone()], &file, Some("v2")).unwrap();
        assert_eq!(load(&file).unwrap().unwrap(), first);
        history_add(&[one, other], &file, Some("v2")).unwrap();
        let both = load(&file).unwrap().unwrap();
        assert_eq!(both[..first.len()], first);
        assert_eq!(both.len(), 2 * first.len());
        assert_eq!(both[first.len()].revision.as_deref(), Some("v2"));
    }

    #[test]
    fn the_revision_is_that_of_the_server() {
        let mut manifest = fixture::run().0.manifest;
        assert_eq!(own_revision(&manifest), None);
        manifest.server = "pushbench serve".to_owned();
        assert_eq!(own_revision(&manifest), Some("0123abc"));
    }

    #[test]
    fn all_are_added_or_none() {
        let dir = tempfile::tempdir().unwrap();
        let (mut run, log) = fixture::run();
        let (good, bad) = (dir.path().join("good"), dir.path().join("bad"));
        fixture::save_run(&good, &run, &log);
        run.trials.clear();
        fixture::save_run(&bad, &run, &log);
        let file = dir.path().join("history.csv");
        let error = history_add(&[good, bad], &file, None).unwrap_err().to_string();
        assert!(error.ends_with("bad has nothing to add: none of its trials is valid"), "{error}");
        assert!(!file.exists());
    }
}
