//! What reports say: for each artefact a builder, which makes a [`Document`] of what `analysis` has
//! found. It decides nothing about figures and knows nothing about outputs: widths, colours, markup and
//! what is left out for lack of room are `render`'s.
//!
//! Modules in here import each other downwards only, and nothing from this file.

mod advice;
mod block;
mod browsers;
mod capacity;
mod caveats;
mod charts;
mod claims;
pub(crate) mod comparison;
mod contender;
pub(crate) mod deliveries;
mod described;
mod drawing;
mod folklore;
pub(crate) mod format;
mod guide;
mod history;
mod index;
mod limits;
mod literature;
mod notices;
mod origin;
pub(crate) mod prose;
mod proxies;
mod run;
mod shown;
mod sweep;
mod table;
mod tables;
mod trials;
mod verdict;

pub use advice::advice;
pub use block::{
    Block, Code, Column, Depth, Document, Entry, Figure, Fold, Item, List, Row, Section, Shown,
    Table,
};
pub use capacity::{attempt_line, capacity, load};
pub use claims::{Claim, Outcome, claims};
pub use comparison::comparison;
pub use drawing::{
    Axis, Bar, BarRow, Bars, Content, Dots, Drawing, Field, Grid, Interval, Line, Mark, Plot, Rule,
    Series, Tone, Weight,
};
pub use folklore::folklore;
pub use guide::{guide, refusal};
pub use history::history;
pub use index::{IndexRow, index};
pub use limits::threshold;
pub use run::run;
pub use table::{table, table_lack, table_picture, table_summary};
pub use trials::trial_line;

#[cfg(test)]
pub(crate) use sweep::tests::swept_run;
