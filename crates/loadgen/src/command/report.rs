//! `pushbench report DIR`: renders a run, a comparison or a search for capacity again from its source
//! files.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use crate::analysis::analyse;
use crate::document::{self, Document};
use crate::render::{Terminal, terminal, write_capacity, write_comparison, write_run, written};
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

/// Renders a comparison into `dir`, and prints what it says and what was written.
pub(super) fn print(dir: &Path, comparison: &Comparison) -> anyhow::Result<()> {
    let files = write_comparison(dir, comparison)?;
    say(&document::comparison(comparison), &files, &dir.join("comparison.html"))
}

/// Renders a search for capacity into `dir`, and prints what was found and what was written.
pub(super) fn print_capacity(dir: &Path, capacity: &Capacity) -> anyhow::Result<()> {
    let files = write_capacity(dir, capacity)?;
    say(&document::capacity(capacity), &files, &dir.join("capacity.html"))
}

/// Renders a run into `dir`, and prints what it says and what was written.
pub(super) fn show(dir: &Path, run: &Run, log: &LatencyLog) -> anyhow::Result<()> {
    let files = write_run(dir, run, log)?;
    say(&document::run(run, &analyse(run, log)), &files, &dir.join("report.html"))
}

fn say(document: &Document, files: &[PathBuf], open: &Path) -> anyhow::Result<()> {
    let shown = terminal(document, terminal_on_stdout());
    writeln!(std::io::stdout().lock(), "{shown}{}", written(files, open))?;
    Ok(())
}

/// The terminal that the standard output is, or what stands for it.
pub(super) fn terminal_on_stdout() -> Terminal {
    let size = terminal_size::terminal_size_of(std::io::stdout());
    let columns = size.map_or(Terminal::WIDTH, |(width, _)| usize::from(width.0));
    Terminal { columns, colour: colour_on_stdout(), verbose: false }
}

/// Whether output may be coloured: on a terminal, unless `NO_COLOR` says otherwise
/// (<https://no-color.org>).
fn colour_on_stdout() -> bool {
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
