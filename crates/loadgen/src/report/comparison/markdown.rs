//! `comparison.md`: the comment on a pull request, and the summary of a step. The verdict comes
//! first; what needs no attention is folded.

use super::{Report, sheet, words};
use crate::analysis::regression::{GatedCell, Verdict};
use crate::report::markdown::{code, escaped, table};
use crate::report::sheet::Sheet;

/// By this line a comment is found again, so that it is replaced and not added to.
const MARKER: &str = "<!-- pushbench -->";

/// GitHub takes 65,536 characters in a comment; what is left is for the end, which has its own
/// limits.
const LIMIT: usize = 52 * 1024;

/// The file's text.
pub(super) fn comment(report: &Report<'_>) -> String {
    let mut text = format!("{MARKER}\n**{}**\n\n", escaped(&words::headline(report)));
    let findings = words::findings(report);
    let left_out = append(
        &mut text,
        findings.iter().map(|of| format!("- {}\n", escaped(of.trim_start()))),
        LIMIT / 4,
    );
    text += &more(left_out, "findings");
    text.push('\n');
    let stands_out = |cell: &GatedCell| {
        matches!(cell.verdict, Verdict::Regressed | Verdict::Invalid | Verdict::Improved)
    };
    let is_quiet = |cell: &GatedCell| !stands_out(cell);
    let left_out = append(&mut text, tables(report, stands_out), LIMIT / 2);
    text += &more(left_out, "tables");
    let (passed, open) = (
        report.with_verdict(Verdict::Pass).count(),
        report.with_verdict(Verdict::Inconclusive).count(),
    );
    if passed + open > 0 {
        text += &format!(
            "<details><summary>{passed} within their gates, {open} inconclusive</summary>\n\n"
        );
        let left_out = append(&mut text, tables(report, is_quiet), LIMIT);
        text += &more(left_out, "tables");
        text += "</details>\n\n";
    }
    text + &ending(report)
}

/// Appends what fits below `limit` bytes, and says how many did not.
fn append(text: &mut String, parts: impl Iterator<Item = String>, limit: usize) -> usize {
    let mut left_out = 0;
    for part in parts {
        if text.len() + part.len() <= limit {
            text.push_str(&part);
        } else {
            left_out += 1;
        }
    }
    left_out
}

fn more(left_out: usize, what: &str) -> String {
    match left_out {
        0 => String::new(),
        left_out => format!("\n… and {left_out} more {what} in comparison.html\n\n"),
    }
}

fn tables(
    report: &Report<'_>,
    is_shown: impl Fn(&GatedCell) -> bool,
) -> impl Iterator<Item = String> {
    let several = report.has_several_scenarios();
    sheet::sheets(report, true, is_shown).into_iter().map(move |(scenario, sheet)| {
        // Once, at the end, is enough.
        let sheet = Sheet { note: String::new(), ..sheet };
        let heading =
            if several { format!("### {}\n\n", escaped(scenario)) } else { String::new() };
        format!("{heading}{}", table(&sheet))
    })
}

fn ending(report: &Report<'_>) -> String {
    let comparison = report.comparison;
    let [(_, baseline), (_, candidate)] = words::builds(report);
    let mut text = format!(
        "Candidate {} against baseline {}. {}\n\n",
        escaped(&candidate),
        escaped(&baseline),
        words::guarantee(report)
    );
    if let Some(manifest) = comparison.manifests.first() {
        let machine = &manifest.machine;
        let cpu = machine.cpu_model.as_deref().unwrap_or("an unknown CPU");
        text += &format!(
            "<details><summary>How it was measured</summary>\n\n{} {}\n\n\
             Measured at {} with pushbench {} on {}, {} cores, seed {}:\n\n{}\n</details>\n",
            sheet::NOTE,
            sheet::BARS,
            escaped(&manifest.started_at),
            escaped(&manifest.version),
            escaped(cpu),
            machine.cores,
            manifest.seed,
            code(&manifest.command),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use comrak::nodes::NodeValue;
    use comrak::{Arena, Options, parse_document};
    use proptest::prelude::*;

    use super::*;
    use crate::report::comparison::tests::{hostile, huge};
    use crate::results::{Comparison, fixture};

    fn rendered(comparison: &Comparison) -> String {
        comment(&Report::of(comparison))
    }

    /// What GitHub makes of a comment: the names of its elements, and all its text.
    fn as_github_reads_it(markdown: &str) -> (Vec<&'static str>, String) {
        let mut options = Options::default();
        options.extension.table = true;
        options.extension.autolink = true;
        options.extension.strikethrough = true;
        options.extension.tasklist = true;
        let arena = Arena::new();
        let (mut kinds, mut text) = (Vec::new(), String::new());
        for node in parse_document(&arena, markdown, &options).descendants() {
            match &node.data.borrow().value {
                NodeValue::Text(of) => text += of,
                NodeValue::Link(_) | NodeValue::Image(_) => kinds.push("link"),
                NodeValue::HtmlInline(of) => kinds.push(match of.as_str() {
                    "<br>" | "<sub>" | "</sub>" => "layout",
                    _ => "html",
                }),
                NodeValue::HtmlBlock(of) => kinds.push(match of.literal.trim() {
                    MARKER | "</details>" => "layout",
                    of if of.starts_with("<details><summary>") && of.ends_with("</summary>") => {
                        "layout"
                    }
                    _ => "html",
                }),
                NodeValue::Heading(of) if of.level < 3 => kinds.push("large heading"),
                NodeValue::Table(of) if of.num_columns == 8 => kinds.push("table"),
                NodeValue::Table(_) => kinds.push("odd table"),
                NodeValue::TableRow(_) => kinds.push("row"),
                NodeValue::CodeBlock(_) => kinds.push("code"),
                _ => {}
            }
        }
        (kinds, text)
    }

    #[test]
    fn the_verdict_comes_first_and_the_rest_is_folded() {
        let text = rendered(&fixture::comparison());
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(MARKER));
        assert_eq!(
            lines.next(),
            Some(
                "**Regression: 1 of 18 figures got worse, and the candidate failed or lost events on 2 contenders.**"
            )
        );
        let (open, folded) = text.split_once("<details>").unwrap();
        assert!(
            open.contains("| SSE server CPU/delivery | +12 %<br><sub>≤ +13 %</sub> | █"),
            "{text}"
        );
        assert!(open.contains("| 8/8<br><sub>+ 8/8</sub> |"), "{text}");
        assert!(
            !open.contains("| SSE latency p50 |") && folded.contains("| SSE latency p50 |"),
            "{text}"
        );
        assert!(folded.contains("in at most 0.25 % of such comparisons"), "{text}");
    }

    #[test]
    fn github_renders_it() {
        let comparison = fixture::comparison();
        let (kinds, _) = as_github_reads_it(&rendered(&comparison));
        let count = |kind| kinds.iter().filter(|of| **of == kind).count();
        let figures = Report::of(&comparison).decision.cells.len();
        assert_eq!(
            (count("table"), count("odd table")),
            (4, 0),
            "two scenarios, each with folded rows"
        );
        assert_eq!(count("row"), figures + 4, "each has a heading");
        assert_eq!((count("html"), count("link"), count("large heading")), (0, 0, 0));
        assert_eq!(count("code"), 1);
    }

    #[test]
    fn what_comes_from_outside_is_text() {
        let outside = "</details><img src=x> |a| ![i](u) [l](v) <b>B</b> `c` https://evil.example www.evil.example @team *s*\n# heading\n- item\n```\n~~~\n<script>";
        let comparison = hostile(outside);
        let (kinds, text) = as_github_reads_it(&rendered(&comparison));
        let (known, _) = as_github_reads_it(&rendered(&fixture::comparison()));
        assert_eq!(kinds, known, "the same elements as with harmless text");
        assert!(text.contains("![i](u) [l](v) <b>B</b>"), "it is shown as it is: {text}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn any_text_from_outside_is_text(
            outside in r"([ -~]{1,6}|https?://a\.b|www\.a\.b|a@b\.cd|<[a-z/!?-]{1,4}>?|[*_`~]{1,4}|\PC){1,8}",
        ) {
            let (kinds, _) = as_github_reads_it(&rendered(&hostile(&outside)));
            let (known, _) = as_github_reads_it(&rendered(&hostile("harmless")));
            prop_assert_eq!(kinds, known, "{}", outside);
        }
    }

    #[test]
    fn it_fits_into_a_comment_whatever_happened() {
        let text = rendered(&huge());
        assert!(text.len() < 64 * 1024, "{} bytes", text.len());
        assert!(text.contains("more findings in comparison.html"), "{text}");
        assert!(text.contains("more tables in comparison.html"));
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
    }
}
