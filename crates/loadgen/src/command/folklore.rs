//! `pushbench folklore`: published claims, held against runs.

use std::io::Write as _;
use std::path::PathBuf;

use super::guide::runs_in;
use super::screen::{Screen, Stdout};
use super::{ExitStatus, told};
use crate::analysis::analyse;
use crate::analysis::folklore::hold;
use crate::analysis::guide::{Refusal, refusal};
use crate::document;
use crate::render::{folklore_csv, markdown};
use crate::results::store::load_run;
use crate::text::{plain, say};

/// What `pushbench folklore` was asked.
#[derive(Clone, Debug)]
pub struct FolkloreOptions {
    /// Folders of runs, or folders that hold such; may be none.
    pub dirs: Vec<PathBuf>,
    /// How to print it.
    pub table: Table,
}

/// How a table is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// For a terminal.
    Text,
    /// As Markdown.
    Markdown,
    /// For other programs.
    Csv,
}

/// Holds every published claim against what can be trusted of the runs, and prints what came of it.
///
/// # Errors
/// A folder that holds no run. That something is left out is no error, but a status.
pub fn folklore(options: &FolkloreOptions) -> anyhow::Result<ExitStatus> {
    let mut runs = Vec::new();
    let mut left_out = Vec::new();
    for source in &options.dirs {
        for dir in runs_in(source)? {
            let (run, log) = told(load_run(&dir)?);
            let analysis = analyse(&run, &log);
            let refusal = refusal(&run, &analysis);
            // Bytes and counts do not depend on what else a machine does: what can be trusted is used.
            let is_used = matches!(refusal, None | Some(Refusal::Untrusted { .. }));
            if let Some(reason) = refusal {
                let (dir, reason) = (dir.display(), document::refusal(&reason));
                let which = if is_used { "figures that this touches" } else { "its figures" };
                left_out.push(format!("{dir}: {reason}; {which} are left out"));
            }
            if is_used {
                runs.push((run, analysis));
            }
        }
    }
    let held = hold(&runs);
    match options.table {
        Table::Text => Screen::stdout(true).show(&document::folklore(&held))?,
        Table::Markdown => print(&markdown(&document::folklore(&held)))?,
        Table::Csv => print(&folklore_csv(&held)?)?,
    }
    left_out.iter().for_each(|line| say(line));
    Ok(if left_out.is_empty() { ExitStatus::Complete } else { ExitStatus::Untrusted })
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = Stdout::new();
    write!(out, "{}", plain(text))?;
    out.end()
}
