//! What was to be delivered, and what was.

use super::block::Entry;
use super::format;
use crate::analysis::Accounts;

/// What came of what was expected: "all 48,000", or what is wrong.
pub(super) fn entry(accounts: Option<Accounts>) -> Entry {
    let Some(accounts) = accounts else { return Entry::missing() };
    let Some(expected) = accounts.expected else { return Entry::missing() };
    let complete = accounts.is_complete();
    let text = match complete {
        true => format!("all {}", format::count(expected)),
        false => shortfall(accounts),
    };
    Entry::number(text, accounts.delivered).alarming(!complete)
}

/// What is wrong with the deliveries: "3 of 48,000, 3 lost, 1 duplicated".
pub(crate) fn shortfall(accounts: Accounts) -> String {
    let counted = [
        (accounts.lost, "lost"),
        (accounts.duplicated, "duplicated"),
        (accounts.reordered, "reordered"),
        (accounts.lagged, "fell behind"),
    ];
    let some = counted.iter().filter_map(|(count, what)| {
        let count = count.filter(|count| *count != 0.0)?;
        Some(format!("{} {what}", format::count(count)))
    });
    match (accounts.expected, accounts.delivered) {
        (Some(expected), Some(delivered)) => {
            let share = format!("{} of {}", format::count(delivered), format::count(expected));
            std::iter::once(share).chain(some).collect::<Vec<_>>().join(", ")
        }
        _ => "deliveries were not counted".to_owned(),
    }
}
