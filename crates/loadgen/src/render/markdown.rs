//! A document as GitHub Flavored Markdown, which is read as text as well. All text is escaped here.

use super::budget::{Budget, Output, Walk};
use super::markup::escaped as in_markup;
use crate::document::{Code, Column, Document, Entry, Figure, Fold, Item, Section, Table};
use crate::text::shown;

/// The document as the text of a file, which begins with its title.
pub(super) fn file(document: &Document) -> String {
    render(document, true)
}

/// The document as a comment, which has no large headings.
pub(super) fn comment(document: &Document) -> String {
    render(document, false)
}

fn render(document: &Document, is_file: bool) -> String {
    Budget::COMMENT.fit(str::len, |budget| {
        let level = if is_file { 2 } else { 3 };
        let mut output = Markdown { budget, text: String::new(), level };
        if is_file {
            output.block(&format!("# {}", output.field(&document.heading())));
        }
        if !document.headline.is_empty() {
            output.block(&strong(&output.paragraph(&document.headline)));
        }
        let text = Walk::new(output, document, 0).through().text;
        format!("{}\n", text.trim_end())
    })
}

struct Markdown {
    budget: Budget,
    text: String,
    /// That of the next heading.
    level: usize,
}

impl Markdown {
    fn block(&mut self, text: &str) {
        self.text += text;
        self.text += "\n\n";
    }

    fn field(&self, text: &str) -> String {
        escaped(&self.budget.field(text))
    }

    fn paragraph(&self, text: &str) -> String {
        at_line_start(escaped(self.budget.paragraph(text).trim_start()))
    }

    /// A field that leads to a file beside this one, if it does.
    fn linked(&self, text: &str, link: &Option<String>) -> String {
        let text = self.field(text);
        match self.budget.link(link) {
            Some(link) => format!("[{text}]({})", address(link)),
            None => text,
        }
    }

    fn entry(&self, entry: &Entry) -> String {
        let text = self.linked(&entry.text, &entry.link);
        let text = if entry.alarming { strong(&text) } else { text };
        format!(" {text}{} |", self.detail(&entry.detail))
    }

    fn detail(&self, detail: &str) -> String {
        match detail {
            "" => String::new(),
            detail => format!("<br><sub>{}</sub>", self.field(detail)),
        }
    }
}

impl Output for Markdown {
    fn budget(&self) -> Budget {
        self.budget
    }

    fn text(&self) -> &str {
        &self.text
    }

    fn prose(&mut self, text: &str) {
        self.block(&self.paragraph(text));
    }

    fn list(&mut self, items: &[Item], left_out: Option<String>, _: bool) {
        for item in items {
            let text = self.paragraph(&item.text);
            let text = if item.alarming { strong(&text) } else { text };
            let term = if item.term.is_empty() { "" } else { &(strong(item.term) + ": ") };
            let line = format!("{} {term}{text}", item.mark);
            self.text += &format!("- {}\n", line.trim_start());
        }
        self.text += &left_out.map_or_else(String::new, |text| format!("- {text}\n"));
        self.text.push('\n');
    }

    /// GitHub Flavored Markdown §4.10.
    fn table(&mut self, table: &Table, rows: usize) {
        let heading = |column: &Column| format!(" {} |", self.field(&column.heading));
        let headings: String = table.columns.iter().map(heading).collect();
        let side = |column: &Column| if column.is_text { "---|" } else { "---:|" };
        let sides: String = table.columns.iter().map(side).collect();
        let mut text = format!("| {} |{headings}\n|---|{sides}\n", self.field(table.subject));
        for row in &table.rows[..rows] {
            let name = self.linked(&row.name, &row.link);
            let entries: String = row.entries.iter().map(|entry| self.entry(entry)).collect();
            text += &format!("| {name}{} |{entries}\n", self.detail(&row.detail));
        }
        self.block(text.trim_end());
        if !table.note.is_empty() {
            self.prose(&table.note);
        }
    }

    fn figure(&mut self, figure: &Figure, _: usize, has_room: bool) {
        if let Some(file) = self.budget.link(&figure.file).filter(|_| has_room) {
            let alternative = self.paragraph(&figure.alternative);
            self.block(&format!("![{alternative}]({})", address(file)));
        }
    }

    /// A code block that its text cannot end: its fence is longer than any run of backticks within.
    fn code(&mut self, code: &Code) {
        let text = self.budget.code(&code.text);
        let longest = text.split(|char| char != '`').map(str::len).max().unwrap_or(0);
        let fence = "`".repeat(3.max(longest + 1));
        self.block(&format!("{fence}{}\n{}\n{fence}", code.language, text.trim_end()));
    }

    fn begin(&mut self, section: &Section, _: bool) {
        if section.fold != Fold::Open {
            // Markdown is not read here, but mentions are.
            let summary = in_markup(&self.budget.field(&section.heading));
            let summary = summary.replace('@', "@\u{200b}");
            self.block(&format!("<details><summary>{summary}</summary>"));
        } else if !section.heading.is_empty() {
            let heading = self.field(&section.heading);
            self.block(&format!("{} {heading}", "#".repeat(self.level.min(6))));
        }
        self.level += 1;
    }

    fn end(&mut self, section: &Section) {
        self.level -= 1;
        if section.fold != Fold::Open {
            self.block("</details>");
        }
    }

    fn left_out(&mut self, text: &str) {
        self.block(text);
    }
}

/// Escaped text that stands out. Spaces at its ends would end the markup (CommonMark §6.2).
fn strong(text: &str) -> String {
    match text.trim() {
        "" => String::new(),
        text => format!("**{text}**"),
    }
}

/// Text as Markdown that shows it: nothing in it is markup, and it stays on its line.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let next = chars.peek().copied().unwrap_or(' ');
        match char {
            // GitHub looks for mentions, addresses and issues in what is rendered, where an escape
            // has gone. A space without a width stays.
            '@' if !next.is_whitespace() => escaped.push_str("@\u{200b}"),
            '#' if next.is_ascii_digit() => escaped.push_str("\\#\u{200b}"),
            // Links that need no markup are stopped by an entity.
            ':' if next == '/' => escaped.push_str("&#58;"),
            '.' if escaped.ends_with("www") => escaped.push_str("&#46;"),
            // A backslash escapes any ASCII punctuation (CommonMark §2.4). A circumflex would make a
            // footnote of the brackets around it.
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '!' | '&' | '$'
            | '^' => {
                escaped.push('\\');
                escaped.push(char);
            }
            char => escaped.push(shown(char)),
        }
    }
    escaped
}

/// Escaped text that makes no list or rule of the line that it begins.
fn at_line_start(mut text: String) -> String {
    let digits = text.len() - text.trim_start_matches(|char: char| char.is_ascii_digit()).len();
    let is_marker = match text[digits..].chars().next() {
        Some('-' | '+' | '=') => digits == 0,
        Some('.' | ')') => digits > 0,
        _ => false,
    };
    if is_marker {
        text.insert(digits, '\\');
    }
    text
}

/// A file beside this one, as the target of a link.
fn address(file: &str) -> String {
    let byte = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() || b"-_./".contains(&byte) => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    file.bytes().map(byte).collect()
}
