//! A document on a terminal: no line is wider than the terminal, and nothing in it drives the terminal.

mod lines;
mod table;

use super::budget::{Budget, Output, Walk};
use crate::document::{Code, Document, Figure, Item, Section, Table};
use crate::text::one_line;
use lines::{Ink, wrapped};

/// The terminal that something is shown on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// How wide it is.
    pub columns: usize,
    /// Whether its owner wants colours.
    pub colour: bool,
    /// Whether all that has room there is shown, not only what everybody needs.
    pub verbose: bool,
}

impl Terminal {
    /// The width of output that goes to no terminal.
    pub const WIDTH: usize = 100;

    /// Below this no table can be read, so lines are longer than the terminal.
    const NARROWEST: usize = 32;

    fn ink(self) -> Ink {
        Ink { colour: self.colour }
    }
}

/// The document as text that ends with a line break. Unless all is asked for, that is its headline,
/// what limits the trust in it and its first table, which fit a screen.
pub(super) fn render(document: &Document, terminal: Terminal) -> String {
    let terminal = Terminal { columns: terminal.columns.max(Terminal::NARROWEST), ..terminal };
    let budget = if terminal.verbose { Budget::SCROLL } else { Budget::SCREEN };
    budget.fit_points(
        |text| text.lines().count(),
        |budget| {
            let mut screen = Screen { budget, terminal, text: String::new(), heading: None };
            if !document.headline.is_empty() {
                screen.bold(&document.headline);
            }
            Walk::new(screen, document, 0).through().text
        },
    )
}

struct Screen {
    budget: Budget,
    terminal: Terminal,
    text: String,
    /// Where the heading begins below which nothing stands yet.
    heading: Option<usize>,
}

impl Screen {
    fn line(&mut self, line: &str) {
        self.text += line.trim_end();
        self.text.push('\n');
        self.heading = None;
    }

    fn wrapped(&mut self, bullet: &str, text: &str) {
        for line in wrapped(bullet, text, self.terminal.columns) {
            self.line(&line);
        }
    }

    fn bold(&mut self, text: &str) {
        for line in wrapped("", &self.budget.paragraph(text), self.terminal.columns) {
            self.line(&self.terminal.ink().bold(&line));
        }
    }

    /// An empty line between blocks, where there is room for one.
    fn gap(&mut self) {
        let is_needed = !self.text.is_empty() && !self.text.ends_with("\n\n");
        if self.terminal.verbose && is_needed && self.heading.is_none() {
            self.text.push('\n');
        }
    }
}

impl Output for Screen {
    fn budget(&self) -> Budget {
        self.budget
    }

    fn text(&self) -> &str {
        // A screen is full by its lines, and no text is too long to count them.
        ""
    }

    fn prose(&mut self, text: &str) {
        self.wrapped("  ", &self.budget.paragraph(text));
    }

    fn list(&mut self, items: &[Item], left_out: Option<String>, are_caveats: bool) {
        for item in items {
            let bullet = match item.mark {
                "" if are_caveats => "!",
                "" => "-",
                mark => mark,
            };
            let text = self.budget.paragraph(&item.text);
            let text = if item.term.is_empty() { text } else { format!("{}: {text}", item.term) };
            for line in wrapped(&format!("  {bullet} "), &text, self.terminal.columns) {
                let ink = self.terminal.ink();
                self.line(&if item.alarming { ink.red(&line) } else { line });
            }
        }
        left_out.iter().for_each(|text| self.left_out(text));
    }

    fn table(&mut self, table: &Table, rows: usize) {
        self.gap();
        let mut from = 0;
        loop {
            let layout = table::Layout::of(table, rows, from, self.terminal.columns);
            for line in layout.lines(table, self.terminal.ink()) {
                self.line(&line);
            }
            from = layout.end();
            match table.columns.get(from..) {
                None | Some([]) => break,
                Some(_) if self.terminal.verbose => self.gap(),
                Some(rest) => {
                    let rest: Vec<_> = rest.iter().map(|column| &*column.heading).collect();
                    let text = format!("No room for {} (--verbose).", rest.join(", "));
                    self.wrapped("  ", &text);
                    break;
                }
            }
        }
        if !table.note.is_empty() {
            self.prose(&table.note);
        }
    }

    /// What a picture shows stands in tables as well.
    fn figure(&mut self, _: &Figure, _: usize, _: bool) {}

    fn code(&mut self, code: &Code) {
        let code = self.budget.code(&code.text);
        code.lines().for_each(|line| self.wrapped("    ", line));
    }

    /// What is essential needs no heading, but to tell several apart.
    fn begin(&mut self, section: &Section, is_one_of_several: bool) {
        self.gap();
        if !section.heading.is_empty() && (self.terminal.verbose || is_one_of_several) {
            let begin = self.text.len();
            self.bold(&section.heading);
            self.heading = Some(begin);
        }
    }

    /// A heading of nothing goes.
    fn end(&mut self, _: &Section) {
        if let Some(begin) = self.heading.take() {
            self.text.truncate(begin);
        }
    }

    fn left_out(&mut self, text: &str) {
        let hint = if self.terminal.verbose { "" } else { ", or with --verbose" };
        self.wrapped("  ", &format!("{text}{hint}"));
    }
}

/// What was written, in one line: how many files, and the one to open.
#[must_use]
pub fn written(files: &[std::path::PathBuf], open: &std::path::Path) -> String {
    let files = crate::document::prose::count(files.len(), "file");
    one_line(&format!("Wrote {files}; open {}", open.display()))
}
