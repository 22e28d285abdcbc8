//! Turns a document into text for a terminal, Markdown or a page, and results into files for other
//! programs. It decides nothing: what is claimed was decided in `analysis` and is said in `document`.
//! Only what an output has no room for is its own choice, and it says what it left out.

mod annotations;
mod budget;
mod charts;
mod csv;
mod exporters;
mod files;
mod folklore_csv;
mod guide_json;
mod html;
mod junit;
mod markdown;
mod markup;
mod palette;
mod table_json;
mod terminal;
#[cfg(test)]
mod tests;

use crate::document::Document;
pub use annotations::announce;
pub use files::{
    write_capacity, write_comparison, write_guide, write_history, write_run, write_table,
};
pub use folklore_csv::folklore_csv;
pub use guide_json::guides;
pub use terminal::{Terminal, written};

/// A document for a terminal: its verdict and its first table, or all that has room there.
#[must_use]
pub fn terminal(document: &Document, terminal: Terminal) -> String {
    terminal::render(document, terminal)
}

/// A document as a Markdown file, small enough for a comment on a pull request.
#[must_use]
pub fn markdown(document: &Document) -> String {
    markdown::file(document)
}

/// A document as one offline page. `data` is JSON that it carries along, if it is not too much.
///
/// # Errors
/// A figure that cannot be drawn.
pub fn html(document: &Document, data: Option<&str>) -> anyhow::Result<String> {
    html::page(document, data)
}
