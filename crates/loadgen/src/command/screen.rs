//! Where a command shows a document: its output, and what can be seen there.

use std::io::{self, ErrorKind, StdoutLock, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::document::Document;
use crate::render::{Terminal, terminal, written};
use crate::text::{obeys_escapes, say};

/// The standard output. Writing never fails: who reads it may leave, and what has been measured stays
/// what it is. What was left unwritten for another reason is said at the end.
pub(super) struct Stdout {
    lock: StdoutLock<'static>,
    failed: Option<io::Error>,
}

impl Stdout {
    pub(super) fn new() -> Self {
        Self { lock: io::stdout().lock(), failed: None }
    }

    /// Ends what has nothing but its output to give.
    ///
    /// # Errors
    /// Why it was not written, unless nobody is left who reads it.
    pub(super) fn end(mut self) -> anyhow::Result<()> {
        self.finished().context(UNWRITTEN)
    }

    fn finished(&mut self) -> io::Result<()> {
        self.note(Write::flush);
        match self.failed.take() {
            Some(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }

    fn note(&mut self, write: impl FnOnce(&mut StdoutLock<'static>) -> io::Result<()>) {
        if self.failed.is_none() {
            self.failed = write(&mut self.lock).err();
        }
    }
}

const UNWRITTEN: &str = "cannot write to the standard output";

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.note(|lock| lock.write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.note(Write::flush);
        Ok(())
    }
}

impl Drop for Stdout {
    fn drop(&mut self) {
        if let Err(error) = self.finished() {
            say(&format!("{UNWRITTEN}: {error}"));
        }
    }
}

/// An output, and how to render for it.
pub(super) struct Screen<W> {
    pub(super) out: W,
    terminal: Terminal,
}

impl Screen<Stdout> {
    /// The standard output. Without `verbose`, what is shown fits a small terminal.
    pub(super) fn stdout(verbose: bool) -> Self {
        let size = terminal_size::terminal_size_of(io::stdout());
        let columns = size.map_or(Terminal::WIDTH, |(width, _)| usize::from(width.0));
        let terminal = Terminal { columns, colour: colour_on_stdout(), verbose };
        Self { out: Stdout::new(), terminal }
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

/// Whether output may be coloured: on a terminal that can, unless `NO_COLOR` says otherwise
/// (<https://no-color.org>).
fn colour_on_stdout() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    obeys_escapes(&io::stdout()) && !refused
}

#[cfg(test)]
impl Screen<&mut Vec<u8>> {
    /// One of 100 columns that keeps what is written.
    pub(super) const fn kept(out: &mut Vec<u8>) -> Screen<&mut Vec<u8>> {
        Screen { out, terminal: Terminal { columns: 100, colour: false, verbose: false } }
    }
}
