//! How much an output may hold, and the walk through a document that all outputs have in common.
//! Whatever a document holds, an output keeps within its budget and says what it left out.

use crate::document::{
    Block, Code, Depth, Document, Figure, Item, List, Section, Table, prose::shortened,
};

/// What an output has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// The deepest that is shown.
    pub(super) depth: Depth,
    /// Of the whole output, in its own measure: bytes or lines.
    size: usize,
    /// Rows of a table.
    rows: usize,
    /// Points of a list, and twice the sections of one kind.
    items: usize,
    /// Figures of the document.
    figures: usize,
    /// Characters of a field; a paragraph has four times as many, and code forty times.
    text: usize,
}

impl Budget {
    const fn new(depth: Depth, size: usize, most: [usize; 3], text: usize) -> Self {
        let [rows, items, figures] = most;
        Self { depth, size, rows, items, figures, text }
    }

    /// A comment on GitHub takes 65,536 characters; the rest is for what is put around it.
    pub(super) const COMMENT: Self = Self::new(Depth::Detail, 60 * 1024, [60, 25, 12], 250);

    /// A page that opens at once, from a disk or a mail.
    pub(super) const PAGE: Self = Self::new(Depth::Full, 249_000, [120, 60, 12], 400);

    /// The end of a command on a terminal of 24 lines: one of them says what was written, and two are
    /// for prompts.
    pub(super) const SCREEN: Self = Self::new(Depth::Essential, 21, [60, 8, 0], 250);

    /// A terminal whose owner asked for all that has room there.
    pub(super) const SCROLL: Self = Self::new(Depth::Detail, usize::MAX, [500, 500, 0], 1_000);

    /// The output of `render` with as much of this budget as fits its size.
    pub(super) fn fit(self, size_of: fn(&str) -> usize, render: impl Fn(Self) -> String) -> String {
        let mut budget = self;
        loop {
            let text = render(budget);
            let less = budget.smaller();
            if size_of(&text) <= self.size || less == budget {
                return text;
            }
            budget = less;
        }
    }

    /// The same for an output that scrolls: as many points as fit its size, but at least one.
    pub(super) fn fit_points(
        self,
        size_of: fn(&str) -> usize,
        render: impl Fn(Self) -> String,
    ) -> String {
        let mut fewer = (1..=self.items).rev().map(|items| render(Self { items, ..self }));
        let fitting = fewer.find(|text| size_of(text) <= self.size);
        fitting.unwrap_or_else(|| render(Self { items: 1, ..self }))
    }

    /// Half as many of what there are most of, then shorter texts, then fewer figures; the same when
    /// nothing is left to save.
    fn smaller(self) -> Self {
        let half = |number: usize, least: usize| number.min(least.max(number / 2));
        let fewer = Self { rows: half(self.rows, 12), items: half(self.items, 2), ..self };
        let shorter = Self { text: half(self.text, 40), ..self };
        match () {
            () if fewer != self => fewer,
            () if shorter != self => shorter,
            () => Self { figures: half(self.figures, 0), ..self },
        }
    }

    /// The text of a field, as far as there is room for it.
    pub(super) fn field(self, text: &str) -> String {
        shortened(text, self.text)
    }

    /// A file that something leads to; none where there is no room for its name, which must be whole.
    pub(super) fn link(self, file: &Option<String>) -> Option<&str> {
        file.as_deref().filter(|file| file.len() <= self.text)
    }

    /// The text of a paragraph, likewise.
    pub(super) fn paragraph(self, text: &str) -> String {
        shortened(text, 4 * self.text)
    }

    /// Code, likewise.
    pub(super) fn code(self, text: &str) -> String {
        shortened(text, 40 * self.text)
    }
}

/// An output in the making.
pub(super) trait Output {
    /// What there is room for.
    fn budget(&self) -> Budget;
    /// How much there is already.
    fn text(&self) -> &str;
    /// A paragraph.
    fn prose(&mut self, text: &str);
    /// The points that there is room for, and what is said of the others.
    fn list(&mut self, items: &[Item], left_out: Option<String>, are_caveats: bool);
    /// So many rows of a table.
    fn table(&mut self, table: &Table, rows: usize);
    /// The figure of this number; nothing when there is no room for it.
    fn figure(&mut self, figure: &Figure, number: usize, has_room: bool);
    /// Text as it is typed.
    fn code(&mut self, code: &Code);
    /// What comes before the blocks of a section, which may be one of several of a kind.
    fn begin(&mut self, section: &Section, is_one_of_several: bool);
    /// What comes behind them.
    fn end(&mut self, section: &Section);
    /// What was left out here.
    fn left_out(&mut self, text: &str);
}

/// A walk through a document.
pub(super) struct Walk<'a, O> {
    pub(super) output: O,
    document: &'a Document,
    /// The file that has what this output leaves out.
    file: &'static str,
    /// How many figures there have been.
    figures: usize,
}

impl<'a, O: Output> Walk<'a, O> {
    /// `file` is the first or the second of the document's that hold more.
    pub(super) fn new(output: O, document: &'a Document, file: usize) -> Self {
        Self { output, document, file: document.files[file], figures: 0 }
    }

    /// Everything in the document but its heading and its headline.
    pub(super) fn through(mut self) -> O {
        self.blocks(&self.document.blocks, Depth::Essential);
        self.output
    }

    /// Blocks that are this deep.
    pub(super) fn blocks(&mut self, blocks: &[Block], depth: Depth) {
        let budget = self.output.budget();
        for block in blocks {
            // It will be made again with less.
            if self.output.text().len() > budget.size {
                return;
            }
            match block {
                Block::Prose(text) => self.output.prose(text),
                Block::List(list) => self.list(list, false),
                Block::Caveats(list) => self.list(list, true),
                Block::Table(table) => {
                    let (shown, more) = split(table.rows.len(), budget.rows);
                    self.output.table(table, shown);
                    self.left_out(more, "rows", table.file.unwrap_or(self.file));
                }
                Block::Figure(figure) => {
                    self.output.figure(figure, self.figures, self.figures < budget.figures);
                    self.figures += 1;
                }
                Block::Code(code) => self.output.code(code),
                Block::Section(section) => self.section(section, depth, false),
                Block::Each(what, sections) => {
                    let (shown, more) = split(sections.len(), budget.items.div_ceil(2));
                    for section in &sections[..shown] {
                        self.section(section, depth, sections.len() > 1);
                    }
                    self.left_out(more, what, self.file);
                }
            }
        }
    }

    fn section(&mut self, section: &Section, depth: Depth, is_one_of_several: bool) {
        let depth = depth.max(section.depth);
        if depth <= self.output.budget().depth {
            self.output.begin(section, is_one_of_several);
            self.blocks(&section.blocks, depth);
            self.output.end(section);
        }
    }

    fn list(&mut self, list: &List, are_caveats: bool) {
        let (shown, more) = split(list.items.len(), self.output.budget().items);
        let left_out = (more > 0).then(|| said(more, list.what, self.file));
        self.output.list(&list.items[..shown], left_out, are_caveats);
    }

    fn left_out(&mut self, count: usize, what: &str, file: &str) {
        if count > 0 {
            self.output.left_out(&said(count, what, file));
        }
    }
}

/// How many of so many are shown, and how many are not.
fn split(all: usize, most: usize) -> (usize, usize) {
    // One line that says that one is missing takes the room of that one.
    let shown = if all == most + 1 { all } else { all.min(most) };
    (shown, all - shown)
}

fn said(count: usize, what: &str, file: &str) -> String {
    format!("… and {count} more {what} in {file}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_with_the_least_when_nothing_fits() {
        let seen = std::cell::RefCell::new(Vec::new());
        let text = Budget::PAGE.fit(str::len, |budget| {
            seen.borrow_mut().push(budget);
            "x".repeat(1_000_000)
        });
        assert_eq!(text.len(), 1_000_000);
        let last = *seen.borrow().last().unwrap();
        assert_eq!((last.rows, last.items, last.figures, last.text), (12, 2, 0, 40));
        assert!(seen.borrow().len() < 40);
    }

    #[test]
    fn as_much_is_kept_as_fits() {
        let budget = Budget { size: 100, ..Budget::PAGE };
        let text = budget.fit(str::len, |budget| "x".repeat(budget.rows * 3));
        assert_eq!(text.len(), 90, "30 rows");
    }

    #[test]
    fn a_single_one_is_not_replaced_by_a_line_about_it() {
        assert_eq!([split(5, 5), split(6, 5), split(7, 5)], [(5, 0), (6, 0), (5, 2)]);
    }
}
