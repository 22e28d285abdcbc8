//! What was found, on a terminal.

use super::{Report, sheet, words};
use crate::report::table::{printable, table, wrapped};

/// The table first, so that what speaks for it is what stays on the screen.
pub(super) fn text(report: &Report<'_>, colour: bool) -> String {
    let sheet = sheet::found(report);
    let mut text = format!("{}\n", table(&sheet, colour).trim_fmt());
    text += &wrapped("  ", &sheet.note);
    text += &wrapped("  ", &words::headline(report));
    text += &wrapped("  ", words::METHOD);
    for concern in words::concerns(report) {
        text += &wrapped("  ! ", &printable(&concern));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::fixture;

    #[test]
    fn it_says_what_each_transport_can_do_within_a_hundred_columns() {
        let capacity = fixture::capacity();
        let text = text(&Report::of(&capacity), false);
        let row = |name: &str| {
            text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{text}"))
        };
        assert!(row("SSE").contains("191 subscribers"), "{text}");
        assert!(row("SSE").contains("latency p(99)<100ms"), "{text}");
        assert!(text.contains("131 ms at 200 subscribers"), "{text}");
        assert!(row("WebSocket").contains("at least 200 subscribers"), "{text}");
        assert!(row("WebSocket").contains("the generator"), "{text}");
        assert!(row("Polling").contains("less than 50 subscribers"), "{text}");
        assert!(row("Long polling").contains("interrupted"), "{text}");
        assert!(text.contains("met at 100 subscribers"), "{text}");
        assert!(text.contains("  ! WebSocket can do at least 200 subscribers"), "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{} columns: {line}", line.chars().count());
        }
    }

    #[test]
    fn what_comes_from_outside_cannot_drive_the_terminal() {
        let mut capacity = fixture::capacity();
        for search in &mut capacity.searches {
            search.most.why = "\u{1b}[2Jgone".to_owned();
            search.least.why = "\u{1b}[2Jgone".to_owned();
        }
        assert!(!text(&Report::of(&capacity), false).contains('\u{1b}'));
    }
}
