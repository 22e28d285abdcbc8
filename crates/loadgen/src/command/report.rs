//! `pushbench report DIR`: renders a run, a comparison or a search for capacity again from its source
//! files.

use std::io::{IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use super::{ExitStatus, told};
use crate::analysis::analyse;
use crate::document::{self, Document};
use crate::render::{Terminal, terminal, write_capacity, write_comparison, write_run, written};
use crate::results::store::{load, load_run};
use crate::results::{Capacity, Comparison, LatencyLog, Run, Stored};

/// Renders the run, the comparison or the search in `dir` again, and prints what it says and the
/// files that were written.
///
/// # Errors
/// Source files that are missing or damaged, or a file that cannot be written.
pub fn report(dir: &Path) -> anyhow::Result<ExitStatus> {
    let out = &mut std::io::stdout().lock();
    if dir.join(Comparison::FILE).exists() {
        show_comparison(dir, &told(load(dir)?), out)?;
    } else if dir.join(Capacity::FILE).exists() {
        show_capacity(dir, &told(load(dir)?), out)?;
    } else {
        let (run, log) = told(load_run(dir)?);
        let files = write_run(dir, &run, &log)?;
        show_run(dir, &run, &log, &files, out)?;
    }
    Ok(ExitStatus::Complete)
}

/// Renders a comparison into `dir`, and prints what it says and what was written.
pub(super) fn show_comparison(
    dir: &Path,
    comparison: &Comparison,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let files = write_comparison(dir, comparison)?;
    show(&document::comparison(comparison), &files, &dir.join("comparison.html"), out)
}

/// Renders a search for capacity into `dir`, and prints what was found and what was written.
pub(super) fn show_capacity(
    dir: &Path,
    search: &Capacity,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let files = write_capacity(dir, search)?;
    show(&document::capacity(search), &files, &dir.join("capacity.html"), out)
}

/// Prints what the run in `dir` says, and the files into which it was rendered.
pub(super) fn show_run(
    dir: &Path,
    run: &Run,
    log: &LatencyLog,
    files: &[PathBuf],
    out: &mut impl Write,
) -> anyhow::Result<()> {
    show(&document::run(run, &analyse(run, log)), files, &dir.join("report.html"), out)
}

fn show(
    document: &Document,
    files: &[PathBuf],
    open: &Path,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let shown = terminal(document, terminal_on_stdout());
    writeln!(out, "{shown}{}", written(files, open))?;
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
        fixture::save_run(dir.path(), &run, &log);
        report(dir.path()).unwrap();
        assert!(dir.path().join("report.html").is_file());
    }

    #[test]
    fn a_saved_comparison_is_rendered() {
        let dir = tempfile::tempdir().unwrap();
        fixture::save_comparison(dir.path(), &fixture::comparison());
        report(dir.path()).unwrap();
        assert!(dir.path().join("comparison.md").is_file());
    }

    #[test]
    fn a_saved_search_is_rendered() {
        let dir = tempfile::tempdir().unwrap();
        fixture::save_capacity(dir.path(), &fixture::capacity());
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
