//! The comparison on a terminal.

use super::{Report, sheet, words};
use crate::report::table::{printable, table, wrapped};
use crate::report::thresholds::lines;

/// Tables first, so that the verdict is what stays on the screen.
pub(super) fn text(report: &Report<'_>, colour: bool) -> String {
    let mut text = String::new();
    let sheets = sheet::sheets(report, false, |_| true);
    for (scenario, sheet) in &sheets {
        if report.has_several_scenarios() {
            text += &format!("{}\n", printable(scenario));
        }
        text += &format!("{}\n\n", table(sheet, colour).trim_fmt());
    }
    if let Some((_, sheet)) = sheets.first() {
        text += &wrapped("  ", &sheet.note);
    }
    for (role, build) in words::builds(report) {
        text += &wrapped("  ", &format!("{role}: {}", printable(&build)));
    }
    let checked: Vec<_> = report.thresholds.iter().map(|(_, of)| of.clone()).collect();
    for line in lines(&checked) {
        text += &wrapped(&format!("{} ", line.mark), &printable(&line.text));
    }
    text += &format!("\n{}\n", words::headline(report));
    for finding in words::findings(report) {
        text += &wrapped("  ! ", &printable(&finding));
    }
    text + &wrapped("  ", &words::guarantee(report))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::comparison::tests::hostile;
    use crate::results::fixture;

    #[test]
    fn it_ends_with_the_verdict_within_a_hundred_columns() {
        let comparison = fixture::comparison();
        let text = text(&Report::of(&comparison), false);
        let (tables, verdict) = text.split_once("\nRegression: 1 of 18").unwrap();
        let row = tables.lines().find(|line| line.contains("SSE server CPU/delivery")).unwrap();
        assert!(row.contains("+12 %") && row.ends_with("regressed"), "{row}");
        assert!(
            tables.contains("notifications\n") && tables.contains("Baseline: main\n"),
            "{text}"
        );
        assert!(verdict.contains("confirmed on 8 fresh blocks"), "{verdict}");
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{} columns: {line}", line.chars().count());
        }
    }

    #[test]
    fn what_comes_from_outside_cannot_drive_the_terminal() {
        let comparison = hostile("\u{1b}[2Jgone\nnext");
        let plain = text(&Report::of(&comparison), false);
        assert!(!plain.contains('\u{1b}') && plain.contains("[2Jgone next"), "{plain}");
        assert!(text(&Report::of(&comparison), true).contains('\u{1b}'), "only its own colours");
    }
}
