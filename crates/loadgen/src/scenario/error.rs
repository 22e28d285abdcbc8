//! Why a scenario is refused: every problem of a file at once, each with its line.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

/// A scenario that cannot be run. Its text has one line per problem, each starting with
/// `file:line: `.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        reason: io::Error,
    },
    /// The file does not describe a scenario.
    #[error("{}", Lines(path, problems))]
    Invalid {
        /// The file, as messages name it.
        path: PathBuf,
        /// In the order of their lines; never empty.
        problems: Vec<Problem>,
    },
}

/// One thing that is wrong in a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, counted from 1; none when something is missing from the file as a whole.
    pub line: Option<usize>,
    /// What is wrong and what would be right.
    pub message: String,
}

struct Lines<'a>(&'a PathBuf, &'a [Problem]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Problem { line, message }) in self.1.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{}:", self.0.display())?;
            if let Some(line) = line {
                write!(f, "{line}:")?;
            }
            write!(f, " {message}")?;
        }
        Ok(())
    }
}

/// Nobody reads more at once.
const MAX_PROBLEMS: usize = 100;

/// Problems as they are found, by their place in the text.
pub(super) struct Problems<'a> {
    text: &'a str,
    /// What is behind the text.
    preset: Option<PresetText>,
    /// Where alone a problem may be noted; anywhere, if empty.
    places: Vec<Range<usize>>,
    found: Vec<Problem>,
    /// How many more there were.
    more: usize,
}

/// A preset that is read as if it stood behind the text.
pub(super) struct PresetText {
    /// Where it is named.
    pub(super) named: Range<usize>,
    /// Its file; none that is built in.
    pub(super) file: Option<String>,
    /// What it says.
    pub(super) text: String,
}

impl<'a> Problems<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, preset: None, places: Vec::new(), found: Vec::new(), more: 0 }
    }

    /// Of a text in which some values are replaced by those at `places`: what is wrong elsewhere is
    /// noted at the first of them, as it is right without them.
    pub(super) fn of_cell(text: &'a str, places: Vec<Range<usize>>) -> Self {
        Self { text, preset: None, places, found: Vec::new(), more: 0 }
    }

    /// Puts a preset behind the text, or takes it away. Gives what all of its places are behind.
    pub(super) fn behind(&mut self, preset: Option<PresetText>) -> usize {
        self.preset = preset;
        self.text.len()
    }

    /// Notes a problem at a place of the text, or of the preset behind it: then where that is named.
    pub(super) fn at(&mut self, span: Range<usize>, message: String) {
        let (span, message) = match &self.preset {
            Some(preset) if span.start >= self.text.len() => {
                let message = match &preset.file {
                    Some(file) => {
                        let line = line_of(&preset.text, span.start - self.text.len());
                        format!("{}:{line}: {message}", file.escape_debug())
                    }
                    None => message,
                };
                (preset.named.clone(), message)
            }
            _ => (span, message),
        };
        let span = match self.places.first() {
            Some(first) if !self.places.iter().any(|place| place.contains(&span.start)) => {
                first.clone()
            }
            _ => span,
        };
        if self.found.len() >= MAX_PROBLEMS {
            self.more += 1;
            return;
        }
        let line = Some(line_of(self.text, span.start));
        self.found.push(Problem { line, message });
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.found.len() + self.more
    }

    /// Notes a problem of the file as a whole.
    pub(super) fn in_file(&mut self, message: String) {
        if let Some(first) = self.places.first() {
            return self.at(first.clone(), message);
        }
        self.found.push(Problem { line: None, message });
    }

    /// Notes what was found elsewhere, in other words.
    pub(super) fn again(&mut self, problem: &Problem, message: String) {
        self.found.push(Problem { line: problem.line, message });
    }

    /// The problem that the TOML reader met, after which nothing more can be found.
    pub(super) fn only(&mut self, error: &toml::de::Error) -> Vec<Problem> {
        let message = error.message().trim_end().replace('\n', "; ");
        match error.span() {
            Some(span) => match self.text.get(span.clone()) {
                Some(place) if !place.trim().is_empty() => {
                    self.at(span, format!("{message}, at {}", quoted(place)));
                }
                _ => self.at(span, message),
            },
            None => self.in_file(message),
        }
        std::mem::take(&mut self.found)
    }

    /// Ends a stage of checks: the next one may rely on this one.
    pub(super) fn none_so_far(&mut self) -> Result<(), Vec<Problem>> {
        if self.found.is_empty() {
            return Ok(());
        }
        let mut problems = std::mem::take(&mut self.found);
        problems.sort_by_key(|problem| problem.line);
        if self.more > 0 {
            problems.push(Problem { line: None, message: format!("{} more problems", self.more) });
        }
        Err(problems)
    }
}

/// The line of a place, counted from 1.
fn line_of(text: &str, place: usize) -> usize {
    let before = &text.as_bytes()[..place.min(text.len())];
    1 + before.iter().filter(|&&byte| byte == b'\n').count()
}

/// Text from a file as a message shows it: in quotes, escaped, and no more than begins it.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN_CHARS: usize = 40;
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
