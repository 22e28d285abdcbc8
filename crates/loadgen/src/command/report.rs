//! `pushbench report DIR`: renders a run, a comparison or a search for capacity again from its source
//! files.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::screen::Screen;
use super::{ExitStatus, Unusable, told};
use crate::analysis::analyse;
use crate::document;
use crate::render::{write_capacity, write_comparison, write_run};
use crate::results::store::{load, load_run};
use crate::results::{Capacity, Comparison, LatencyLog, Run, Stored};

/// Renders the run, the comparison or the search in `dir` again, and prints what it says and the
/// files that were written; all of it if `verbose`, else what fits a small terminal.
///
/// # Errors
/// Source files that are missing or damaged, or a file that cannot be written.
pub fn report(dir: &Path, verbose: bool) -> anyhow::Result<ExitStatus> {
    if dir.is_file() {
        let folder = match dir.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let [file, folder] = [dir, folder].map(Path::display);
        let message =
            format!("{file} is a file: name its folder, as in `pushbench report {folder}`");
        return Err(Unusable(message).into());
    }
    let screen = &mut Screen::stdout(verbose);
    if dir.join(Comparison::FILE).exists() {
        show_comparison(dir, &told(load(dir)?), screen)?;
    } else if dir.join(Capacity::FILE).exists() {
        show_capacity(dir, &told(load(dir)?), screen)?;
    } else {
        let (run, log) = told(load_run(dir)?);
        let files = write_run(dir, &run, &log)?;
        show_run(dir, &run, &log, &files, screen)?;
    }
    Ok(ExitStatus::Complete)
}

/// Renders a comparison into `dir`, and prints what it says and what was written.
pub(super) fn show_comparison(
    dir: &Path,
    comparison: &Comparison,
    screen: &mut Screen<impl Write>,
) -> anyhow::Result<()> {
    let files = write_comparison(dir, comparison)?;
    screen.show_files(&document::comparison(comparison), &files, &dir.join("comparison.html"))
}

/// Renders a search for capacity into `dir`, and prints what was found and what was written.
pub(super) fn show_capacity(
    dir: &Path,
    search: &Capacity,
    screen: &mut Screen<impl Write>,
) -> anyhow::Result<()> {
    let files = write_capacity(dir, search)?;
    screen.show_files(&document::capacity(search), &files, &dir.join("capacity.html"))
}

/// Prints what the run in `dir` says, and the files into which it was rendered.
pub(super) fn show_run(
    dir: &Path,
    run: &Run,
    log: &LatencyLog,
    files: &[PathBuf],
    screen: &mut Screen<impl Write>,
) -> anyhow::Result<()> {
    screen.show_files(&document::run(run, &analyse(run, log)), files, &dir.join("report.html"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::fixture;

    #[test]
    fn a_saved_run_is_rendered() {
        let dir = tempfile::tempdir().unwrap();
        let (run, log) = fixture::run();
        fixture::save_run(dir.path(), &run, &log);
        report(dir.path(), false).unwrap();
        assert!(dir.path().join("report.html").is_file());
    }

    #[test]
    fn a_saved_comparison_is_rendered() {
        let dir = tempfile::tempdir().unwrap();
        fixture::save_comparison(dir.path(), &fixture::comparison());
        report(dir.path(), false).unwrap();
        assert!(dir.path().join("comparison.md").is_file());
    }

    #[test]
    fn a_saved_search_is_rendered() {
        let dir = tempfile::tempdir().unwrap();
        fixture::save_capacity(dir.path(), &fixture::capacity());
        report(dir.path(), false).unwrap();
        assert!(dir.path().join("capacity.md").is_file());
    }

    #[test]
    fn a_folder_that_holds_no_run_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let error = report(dir.path(), false).unwrap_err().to_string();
        assert!(error.contains("run.json is missing"), "{error}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
