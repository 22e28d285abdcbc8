//! What a comparison of two builds says, for people and, in the same words, for other programs.

mod document;
pub(crate) mod judged;
pub(crate) mod points;
pub(crate) mod prose;
mod tables;

pub use document::comparison;
pub(crate) use document::comparison_picture;
