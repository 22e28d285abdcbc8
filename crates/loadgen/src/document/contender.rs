//! How contenders are named in sentences and told apart in pictures.

use super::block::{Entry, Row};
use super::drawing::Series;
use super::prose;
use crate::results::ContenderId;

/// Its look.
pub(super) fn series(contender: &ContenderId) -> Series {
    match contender.is_reference() {
        true => Series::Reference(contender.position()),
        false => Series::Contender(contender.position()),
    }
}

/// A row about it alone.
pub(super) fn row(contender: &ContenderId, entries: Vec<Entry>) -> Row {
    Row::of(series(contender), contender.label(), entries)
}

/// Its label as it stands within a sentence.
pub(super) fn inline(contender: &ContenderId) -> String {
    let label = contender.label();
    // What a user wrote stays as it is.
    match label == contender.transport().label() {
        true => prose::in_sentence(label),
        false => label.to_owned(),
    }
}

/// The same, and what it is if it is a reference.
pub(super) fn with_role(contender: &ContenderId) -> String {
    match contender.is_reference() {
        true => format!("{}, the reference,", inline(contender)),
        false => inline(contender),
    }
}

/// Several within a sentence: "SSE, WebSocket and long polling".
pub(super) fn list<'a>(contenders: impl IntoIterator<Item = &'a ContenderId>) -> String {
    let names: Vec<_> = contenders.into_iter().map(inline).collect();
    prose::list(&names)
}
