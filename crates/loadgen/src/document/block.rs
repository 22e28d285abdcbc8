//! What documents are made of. All text in here is plain: nothing in it is markup, whoever wrote it,
//! because each renderer escapes every string at one place. It does not know how anything looks.

use super::drawing::{Drawing, Series};
use crate::analysis::Estimate;
use crate::results::Metric;

/// A report, whatever it is about and wherever it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// What kind of report it is, such as "capacity"; empty for that of a run.
    pub kind: &'static str,
    /// What it is about, mostly the name of a scenario.
    pub title: String,
    /// What came out, in a sentence.
    pub headline: String,
    /// All else, in the order of reading.
    pub blocks: Vec<Block>,
    /// The files that hold what an output leaves out: first the page, then the data.
    pub files: [&'static str; 2],
}

/// How closely somebody looks who needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Everybody: it stands at the end of a command.
    Essential,
    /// Who asks for more: it stands in a comment on a pull request.
    Detail,
    /// Who wants all of it: it stands on the page alone.
    Full,
}

/// A part of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// A paragraph.
    Prose(String),
    /// Points.
    List(List),
    /// What limits the trust in all else.
    Caveats(List),
    /// Rows and columns.
    Table(Table),
    /// A picture.
    Figure(Figure),
    /// Text as it is typed or stands in a file.
    Code(Code),
    /// Blocks that belong together.
    Section(Section),
    /// Sections of one kind, of which a small output shows the first: what they are, such as "cells".
    Each(&'static str, Vec<Section>),
}

/// Blocks that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Who needs it; what is in it is no less deep.
    pub depth: Depth,
    /// Its heading; empty for none.
    pub heading: String,
    /// Whether it is folded up where that is possible.
    pub fold: Fold,
    /// What is in it.
    pub blocks: Vec<Block>,
}

/// Whether a section is folded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// It is not.
    Open,
    /// It is in a comment; on a page it can be, but is open at first.
    Quiet,
    /// It is.
    Closed,
}

impl Block {
    /// An open section.
    pub(crate) fn section(depth: Depth, heading: impl Into<String>, blocks: Vec<Self>) -> Self {
        Self::Section(Section::new(depth, heading, blocks))
    }

    /// A block without a heading for those who look closer.
    pub(crate) fn detail(self) -> Self {
        Self::section(Depth::Detail, "", vec![self])
    }
}

impl Section {
    /// An open section.
    pub(crate) fn new(depth: Depth, heading: impl Into<String>, blocks: Vec<Block>) -> Self {
        Self { depth, heading: heading.into(), fold: Fold::Open, blocks }
    }

    /// The same, folded.
    pub(crate) fn folded(self, fold: Fold) -> Self {
        Self { fold, ..self }
    }
}

impl From<Section> for Block {
    fn from(section: Section) -> Self {
        Self::Section(section)
    }
}

/// Points of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct List {
    /// What they are, such as "thresholds", for the count of those that are left out.
    pub what: &'static str,
    /// The most important first.
    pub items: Vec<Item>,
}

/// A point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// What stands before it, such as `✓`; mostly nothing.
    pub mark: &'static str,
    /// What it is about; mostly nothing.
    pub term: &'static str,
    /// What is said.
    pub text: String,
    /// Whether something is wrong.
    pub alarming: bool,
}

impl List {
    /// What terms mean, or what is so called.
    pub(crate) fn terms(terms: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let item = |(term, text)| Item { term, text, ..Item::default() };
        Self { what: "terms", items: terms.into_iter().map(item).collect() }
    }

    /// A list of sentences; none when there are no sentences.
    pub(crate) fn of(
        what: &'static str,
        sentences: impl IntoIterator<Item = String>,
    ) -> Option<Self> {
        let item = |text| Item { text, ..Item::default() };
        let items: Vec<_> = sentences.into_iter().map(item).collect();
        (!items.is_empty()).then_some(Self { what, items })
    }
}

/// Rows below headings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// How to read it.
    pub note: String,
    /// The heading of the first column: what each row is about.
    pub subject: &'static str,
    /// The columns behind it, the most important first: a narrow output leaves out the last.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Row>,
    /// The file that holds all rows, where it is not that of the document.
    pub file: Option<&'static str>,
}

impl Table {
    /// A table without a note.
    pub(crate) fn new(subject: &'static str, columns: Vec<Column>, rows: Vec<Row>) -> Self {
        Self { subject, columns, rows, ..Self::default() }
    }

    /// The same with a note on how to read it.
    pub(crate) fn noted(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its heading, which may break at its spaces.
    pub heading: String,
    /// Whether its entries are prose, which may break, or figures, which may not.
    pub is_text: bool,
    /// Whose it is, if it is one contender's.
    pub series: Option<Series>,
}

impl Column {
    /// A column of figures.
    pub(crate) fn figures(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), is_text: false, series: None }
    }

    /// A column of prose.
    pub(crate) fn text(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), is_text: true, series: None }
    }
}

/// A row of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// What it is about.
    pub name: String,
    /// What stands below that, smaller; often nothing.
    pub detail: String,
    /// A file beside the document that its name leads to.
    pub link: Option<String>,
    /// Whose it is, if it is one contender's.
    pub series: Option<Series>,
    /// Whether something is wrong with all of it.
    pub alarming: bool,
    /// One for each column.
    pub entries: Vec<Entry>,
}

/// What stands in one field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// The text.
    pub text: String,
    /// What stands below it, smaller; often nothing.
    pub detail: String,
    /// A file beside the document that it leads to.
    pub link: Option<String>,
    /// What the field is sorted by; nothing where a value is missing.
    pub sort: String,
    /// Whether something is wrong.
    pub alarming: bool,
    /// The estimate that it shows, if it is one.
    pub figure: Option<Box<Shown>>,
}

/// An estimate as it was computed, for those who check it.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The cell of the scenario.
    pub cell: String,
    /// The contender's name.
    pub contender: String,
    /// What was measured.
    pub metric: Metric,
    /// The estimate.
    pub estimate: Estimate,
}

impl Row {
    /// A row that is about no contender.
    pub(crate) fn new(name: impl Into<String>, entries: Vec<Entry>) -> Self {
        Self { name: name.into(), entries, ..Self::default() }
    }

    /// The same of a contender.
    pub(crate) fn of(series: Series, name: impl Into<String>, entries: Vec<Entry>) -> Self {
        Self { series: Some(series), ..Self::new(name, entries) }
    }
}

impl Entry {
    /// A field of prose.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { sort: text.clone(), text, ..Self::default() }
    }

    /// A field of a figure; `value` is what it is sorted by.
    pub(crate) fn number(text: impl Into<String>, value: Option<f64>) -> Self {
        let sort = value.map_or_else(String::new, |value| value.to_string());
        Self { text: text.into(), sort, ..Self::default() }
    }

    /// A field whose value is missing.
    pub(crate) fn missing() -> Self {
        Self { text: super::format::MISSING.to_owned(), ..Self::default() }
    }

    /// The same with something below it.
    pub(crate) fn with_detail(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    /// The same, marked when something is wrong.
    pub(crate) fn alarming(self, alarming: bool) -> Self {
        Self { alarming, ..self }
    }
}

/// A picture, and what it says to those who cannot see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Its name, unlike that of any other figure of the document.
    pub name: String,
    /// The file that it is drawn into as well, if any: "charts/NAME.png".
    pub file: Option<String>,
    /// How to read it.
    pub caption: String,
    /// What it shows, in words.
    pub alternative: String,
    /// The picture.
    pub drawing: Drawing,
}

/// Text as it is typed or stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// The language, as Markdown calls it.
    pub language: &'static str,
    /// The text.
    pub text: String,
    /// Whether people want to copy it.
    pub is_command: bool,
}

impl Document {
    /// An empty one, and the files that hold more: first the page, then the data.
    pub(crate) fn new(
        kind: &'static str,
        title: impl Into<String>,
        files: [&'static str; 2],
    ) -> Self {
        let (title, headline, blocks) = (title.into(), String::new(), Vec::new());
        Self { kind, title, headline, blocks, files }
    }

    /// Its heading: "Capacity: stock-ticker".
    #[must_use]
    pub fn heading(&self) -> String {
        let kind = super::prose::capitalised(self.kind);
        match (self.kind, self.title.as_str()) {
            ("", title) => title.to_owned(),
            (_, "") => kind,
            (_, title) => format!("{kind}: {title}"),
        }
    }

    /// Every figure, in order.
    pub(crate) fn figures(&self) -> Vec<&Figure> {
        fn collect<'a>(blocks: &'a [Block], figures: &mut Vec<&'a Figure>) {
            for block in blocks {
                match block {
                    Block::Figure(figure) => figures.push(figure),
                    Block::Section(section) => collect(&section.blocks, figures),
                    Block::Each(_, sections) => {
                        sections.iter().for_each(|section| collect(&section.blocks, figures));
                    }
                    _ => {}
                }
            }
        }
        let mut figures = Vec::new();
        collect(&self.blocks, &mut figures);
        figures
    }
}
