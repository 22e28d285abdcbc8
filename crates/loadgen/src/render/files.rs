//! The files that results become. Each is written whole or not at all, and none before all could be
//! rendered; the same input gives the same bytes.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

use super::{charts, csv, exporters, html, junit, markdown, table_json};
use crate::analysis::analyse;
use crate::analysis::history::History;
use crate::analysis::table::FilledRow;
use crate::document::comparison::comparison_picture;
use crate::document::comparison::judged::Judged;
use crate::document::{self, Document};
use crate::results::folder::write_all;
use crate::results::{Capacity, Comparison, LatencyLog, Run};

/// By this line a comment is found again, so that it is replaced and not added to.
const MARKER: &str = "<!-- pushbench -->";

/// Writes everything that follows from `run` and `log` into `dir`, and says which files that makes.
///
/// # Errors
/// A file that cannot be written, by its path.
pub fn write_run(dir: &Path, run: &Run, log: &LatencyLog) -> anyhow::Result<Vec<PathBuf>> {
    let analysis = analyse(run, log);
    let document = document::run(run, &analysis);
    let mut files = pictures(&document)?;
    files.push(named("trials.csv", csv::trials(run)?));
    files.push(named("estimates.csv", csv::estimates(run, &analysis)?));
    files.push(named("ratios.csv", csv::ratios(run, &analysis)?));
    if let Some(found) = &analysis.sweep {
        files.push(named("crossovers.csv", csv::crossovers(run, found)?));
    }
    files.push(named("report.html", html::page(&document, Some(&json(run)?))?));
    files.push(named("summary.md", markdown::file(&document)));
    write_all(dir, files)
}

/// Writes everything that follows from `comparison` into `dir`, and says which files that makes.
///
/// # Errors
/// A file that cannot be written, by its path.
pub fn write_comparison(dir: &Path, comparison: &Comparison) -> anyhow::Result<Vec<PathBuf>> {
    let judged = Judged::of(comparison);
    let page = html::page(&document::comparison(comparison), None)?;
    let files = [
        named("comparison.md", comment(comparison)),
        named("comparison.html", page),
        named("comparison.png", charts::png(&comparison_picture(comparison))?),
        named("junit.xml", junit::document(&judged)),
        named("github-action-benchmark.json", exporters::github_action_benchmark(&judged)?),
        named("bencher.json", exporters::bencher(&judged)?),
    ];
    write_all(dir, files)
}

/// A comparison as a comment on a pull request, or as the summary of a step.
pub(super) fn comment(comparison: &Comparison) -> String {
    format!("{MARKER}\n{}", markdown::comment(&document::comparison(comparison)))
}

/// Writes everything that follows from `capacity` into `dir`, and says which files that makes.
///
/// # Errors
/// A file that cannot be written, by its path.
pub fn write_capacity(dir: &Path, capacity: &Capacity) -> anyhow::Result<Vec<PathBuf>> {
    let document = document::capacity(capacity);
    let mut files = pictures(&document)?;
    files.push(named("capacity.csv", csv::capacities(capacity)?));
    files.push(named("capacity.html", html::page(&document, None)?));
    files.push(named("capacity.md", markdown::file(&document)));
    write_all(dir, files)
}

/// Writes everything that follows from `histories` into `dir`, and says which files that makes.
///
/// # Errors
/// A file that cannot be written, by its path.
pub fn write_history(dir: &Path, histories: &[History]) -> anyhow::Result<Vec<PathBuf>> {
    let document = document::history(histories);
    let mut files = pictures(&document)?;
    files.push(named("history.md", markdown::file(&document)));
    write_all(dir, files)
}

/// Writes what a guide says into `dir`, and says which files that makes.
///
/// # Errors
/// A file that cannot be written, by its path.
pub fn write_guide(dir: &Path, document: &Document) -> anyhow::Result<Vec<PathBuf>> {
    write_all(dir, vec![named("guide.md", markdown::file(document))])
}

/// Writes the usual table, filled, into `dir`, and says which files that makes.
///
/// # Errors
/// A file that cannot be written, by its path.
pub fn write_table(
    dir: &Path,
    filled: &[FilledRow],
    document: &Document,
) -> anyhow::Result<Vec<PathBuf>> {
    let picture = document::table_picture(filled, &document.title);
    let files = [
        named("table.html", html::page(document, None)?),
        named("table.md", markdown::file(document)),
        named("table.png", charts::png(&picture)?),
        named("table.json", table_json::table(filled)?),
    ];
    write_all(dir, files)
}

type File = (String, Vec<u8>);

fn named(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> File {
    (name.into(), bytes.into())
}

/// The pictures of a document that have files of their own.
fn pictures(document: &Document) -> anyhow::Result<Vec<File>> {
    let figures = document.figures().into_iter();
    let pictures = figures.filter_map(|figure| Some((figure.file.as_ref()?, &figure.drawing)));
    pictures.map(|(file, drawing)| Ok(named(file, charts::png(drawing)?))).collect()
}

fn json(run: &impl Serialize) -> anyhow::Result<String> {
    serde_json::to_string(run).context("cannot write the run as JSON")
}

#[cfg(test)]
pub(super) mod tests;
