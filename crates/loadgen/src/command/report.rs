//! `pushbench report DIR`: renders a run, a comparison or a search for capacity again from its source
//! files.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use crate::analysis::analyse;
use crate::report::{capacity, comparison, render_all, run_text};
use crate::results::{Capacity, Comparison, LatencyLog, Run, folder};

/// Renders the run, the comparison or the search in `dir` again, and prints what it says and the
/// files that were written.
///
/// # Errors
/// Source files that are missing or damaged, or a file that cannot be written.
pub fn report(dir: &Path) -> anyhow::Result<()> {
    if dir.join(folder::COMPARISON_FILE).exists() {
        let comparison = folder::load_comparison(dir)?;
        return print(dir, &comparison);
    }
    if dir.join(folder::CAPACITY_FILE).exists() {
        let capacity = folder::load_capacity(dir)?;
        return print_capacity(dir, &capacity);
    }
    let (run, log) = folder::load(dir)?;
    show(dir, &run, &log)
}

/// Renders a comparison into `dir` and prints it and the files that were written.
pub(super) fn print(dir: &Path, comparison: &Comparison) -> anyhow::Result<()> {
    let files = comparison::render_all(dir, comparison)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", comparison::text(comparison, colour_on_stdout()))?;
    for file in files {
        writeln!(out, "{}", file.display())?;
    }
    Ok(())
}

/// Renders a search for capacity into `dir` and prints what was found and the files that were written.
pub(super) fn print_capacity(dir: &Path, of: &Capacity) -> anyhow::Result<()> {
    let files = capacity::render_all(dir, of)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", capacity::text(of, colour_on_stdout()))?;
    for file in files {
        writeln!(out, "{}", file.display())?;
    }
    Ok(())
}

/// Renders a run into `dir` and prints its comparison and the files that were written.
pub(super) fn show(dir: &Path, run: &Run, log: &LatencyLog) -> anyhow::Result<()> {
    let files = render_all(dir, run, log)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", run_text(run, &analyse(run, log), colour_on_stdout()))?;
    for file in files {
        writeln!(out, "{}", file.display())?;
    }
    writeln!(out, "\nOpen {}", dir.join("report.html").display())?;
    Ok(())
}

/// Whether output may be coloured: on a terminal, unless `NO_COLOR` says otherwise
/// (<https://no-color.org>).
pub(super) fn colour_on_stdout() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !refused
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::fixture;

    #[test]
    fn a_saved_run_is_rendered() {
        let dir = tempfile::tempdir().unwrap();
        let (run, log) = fixture::run();
        folder::save(dir.path(), &run, &log).unwrap();
        report(dir.path()).unwrap();
        assert!(dir.path().join("report.html").is_file());
    }

    #[test]
    fn a_saved_comparison_is_rendered() {
        let dir = tempfile::tempdir().unwrap();
        folder::save_comparison(dir.path(), &fixture::comparison()).unwrap();
        assert_eq!(folder::load_comparison(dir.path()).unwrap(), fixture::comparison());
        report(dir.path()).unwrap();
        assert!(dir.path().join("comparison.md").is_file());
    }

    #[test]
    fn a_saved_search_is_rendered() {
        let dir = tempfile::tempdir().unwrap();
        folder::save_capacity(dir.path(), &fixture::capacity()).unwrap();
        assert_eq!(folder::load_capacity(dir.path()).unwrap(), fixture::capacity());
        report(dir.path()).unwrap();
        assert!(dir.path().join("capacity.md").is_file());
    }

    #[test]
    fn a_folder_that_holds_no_run_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let error = report(dir.path()).unwrap_err().to_string();
        assert!(error.contains("run.json is missing"), "{error}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
