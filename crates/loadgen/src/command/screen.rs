//! Where a command shows a document: its output, and what can be seen there.

use std::io::{IsTerminal as _, StdoutLock, Write};
use std::path::{Path, PathBuf};

use crate::document::Document;
use crate::render::{Terminal, terminal, written};

/// An output, and how to render for it.
pub(super) struct Screen<W> {
    pub(super) out: W,
    terminal: Terminal,
}

impl Screen<StdoutLock<'static>> {
    /// The standard output. Without `verbose`, what is shown fits a small terminal.
    pub(super) fn stdout(verbose: bool) -> Self {
        let size = terminal_size::terminal_size_of(std::io::stdout());
        let columns = size.map_or(Terminal::WIDTH, |(width, _)| usize::from(width.0));
        let terminal = Terminal { columns, colour: colour_on_stdout(), verbose };
        Self { out: std::io::stdout().lock(), terminal }
    }
}

impl<W: Write> Screen<W> {
    /// Shows a document.
    pub(super) fn show(&mut self, document: &Document) -> anyhow::Result<()> {
        write!(self.out, "{}", terminal(document, self.terminal))?;
        Ok(())
    }

    /// Shows a document that was rendered into `files`, of which people `open` one.
    pub(super) fn show_files(
        &mut self,
        document: &Document,
        files: &[PathBuf],
        open: &Path,
    ) -> anyhow::Result<()> {
        self.show(document)?;
        writeln!(self.out, "{}", written(files, open))?;
        Ok(())
    }
}

/// Whether output may be coloured: on a terminal, unless `NO_COLOR` says otherwise
/// (<https://no-color.org>).
fn colour_on_stdout() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !refused
}

#[cfg(test)]
impl Screen<&mut Vec<u8>> {
    /// One of 100 columns that keeps what is written.
    pub(super) const fn kept(out: &mut Vec<u8>) -> Screen<&mut Vec<u8>> {
        Screen { out, terminal: Terminal { columns: 100, colour: false, verbose: false } }
    }
}
