//! `comparison.html`: one offline page that needs nothing but itself, with every block as a dot; and
//! the same dots as a picture of its own.

use anyhow::Context as _;
use askama::Template;

use super::{Report, sheet, words};
use crate::analysis::regression::{Evidence, GatedCell};
use crate::report::charts::{self, Blocks, Dots};
use crate::report::html::{shortened, unbroken};
use crate::report::quantity;
use crate::report::sheet::Sheet;
use crate::results::Manifest;

/// The most that is shown of each, so that the page stays a page.
const FINDINGS: usize = 40;
/// Of all tables together.
const ROWS: usize = 120;
/// Of all pictures on the page together, and of the one beside it.
const DRAWN: usize = 60;
/// The longest text from outside, in characters.
const TEXT: usize = 300;
const COMMAND: usize = 2_000;
/// Of all scenarios together.
const SCENARIO_TEXT: usize = 20_000;

#[derive(Template)]
#[template(path = "comparison.html")]
struct Page {
    headline: String,
    findings: Vec<String>,
    findings_left_out: usize,
    guarantee: String,
    scenarios: Vec<ScenarioView>,
    scenarios_left_out: usize,
    command: String,
    environment: Vec<(&'static str, String)>,
}

struct ScenarioView {
    /// Empty when there is only one.
    name: String,
    table: TableView,
    /// Empty where there is no room for more.
    picture: String,
    /// What the picture says to who cannot see it.
    alternative: String,
    blocks: Vec<(String, String)>,
    /// The scenario's file.
    text: String,
}

struct TableView {
    sheet: Sheet,
    /// The colour of each row.
    places: Vec<String>,
}

/// The page's text.
pub(super) fn page(report: &Report<'_>) -> anyhow::Result<String> {
    let findings = words::findings(report);
    let all = report.comparison.gates.len();
    let (mut rows, mut room) = (0, DRAWN);
    let mut scenarios = Vec::new();
    for scenario in 0..all {
        rows += report.cells_of(scenario).count();
        if rows > ROWS {
            break;
        }
        scenarios.push(scenario_view(report, scenario, &mut room)?);
    }
    let first = report.comparison.manifests.first();
    let page = Page {
        headline: unbroken(&words::headline(report)),
        findings_left_out: findings.len().saturating_sub(FINDINGS),
        findings: findings
            .iter()
            .take(FINDINGS)
            .map(|text| unbroken(&shortened(text, TEXT)))
            .collect(),
        guarantee: words::guarantee(report),
        scenarios_left_out: all - scenarios.len(),
        scenarios,
        command: first.map_or_else(String::new, |of| shortened(&of.command, COMMAND)),
        environment: environment(report, first),
    };
    page.render().context("cannot render comparison.html")
}

fn scenario_view(
    report: &Report<'_>,
    scenario: usize,
    room: &mut usize,
) -> anyhow::Result<ScenarioView> {
    let cells: Vec<_> = report.cells_of(scenario).collect();
    let rows: Vec<_> = cells.iter().flat_map(|cell| dots(cell)).collect();
    let alternative = cells.iter().map(|cell| {
        format!(
            "{}: {}",
            words::subject(cell),
            words::shown(cell).ratio.map_or(quantity::MISSING.to_owned(), words::signed)
        )
    });
    let alternative = format!("{}. {}.", Blocks::TITLE, alternative.collect::<Vec<_>>().join("; "));
    let picture = match room.checked_sub(rows.len()).filter(|_| !rows.is_empty()) {
        Some(rest) => {
            *room = rest;
            charts::svg(&Blocks { rows, mark: words::signed })?
        }
        None => String::new(),
    };
    let text = report.comparison.manifests.get(scenario).map_or("", |of| &of.scenario.text);
    let share = SCENARIO_TEXT / report.comparison.gates.len().max(1);
    let sheet = sheet::sheet(cells.iter().copied(), false);
    Ok(ScenarioView {
        name: match report.has_several_scenarios() {
            true => shortened(report.scenario(scenario), TEXT),
            false => String::new(),
        },
        table: TableView {
            places: sheet
                .rows
                .iter()
                .filter_map(|row| Some(charts::place(row.contender.as_ref()?)))
                .collect(),
            sheet,
        },
        picture,
        alternative,
        blocks: cells.iter().flat_map(|cell| listed(cell)).collect(),
        text: shortened(text, share),
    })
}

/// Every block, for those who cannot see dots.
fn listed(cell: &GatedCell) -> Vec<(String, String)> {
    let list = |(name, evidence): (String, &Evidence)| {
        let ratios: Vec<_> = ratios(evidence).into_iter().map(words::signed).collect();
        (name, ratios.join(", "))
    };
    stages(cell).into_iter().map(list).collect()
}

/// The picture of all scenarios, of which `comparison.png` is made. What does not fit is on the page.
pub(super) fn picture(report: &Report<'_>) -> Blocks {
    let mut rows = Vec::new();
    for scenario in 0..report.comparison.gates.len() {
        let own: Vec<_> = report.cells_of(scenario).flat_map(dots).collect();
        let headings = usize::from(report.has_several_scenarios());
        if own.is_empty() || rows.len() + own.len() + headings > DRAWN {
            continue;
        }
        if report.has_several_scenarios() {
            rows.push(heading(shortened(report.scenario(scenario), 80)));
        }
        rows.extend(own);
    }
    Blocks { rows, mark: words::signed }
}

fn heading(name: String) -> Dots {
    let (ratios, text) = (Vec::new(), String::new());
    Dots { contender: None, name, ratios, estimate: None, upper: None, limit: 1.0, text }
}

/// The dots of both stages.
fn dots(cell: &GatedCell) -> Vec<Dots> {
    let row = |(name, evidence): (String, &Evidence)| {
        let change = evidence.ratio.map_or_else(|| quantity::MISSING.to_owned(), words::signed);
        let bound =
            evidence.upper.map_or_else(String::new, |of| format!(" [≤ {}]", words::signed(of)));
        Dots {
            contender: Some(cell.contender.clone()),
            name,
            ratios: ratios(evidence),
            estimate: evidence.ratio,
            upper: evidence.upper,
            limit: evidence.limit,
            text: format!("{change}{bound}"),
        }
    };
    stages(cell).into_iter().map(row).collect()
}

fn stages(cell: &GatedCell) -> Vec<(String, &Evidence)> {
    let name = words::short_subject(cell);
    let confirm = cell.confirm.iter().map(|of| ("on fresh blocks".to_owned(), of));
    std::iter::once((name, &cell.first)).chain(confirm).collect()
}

fn ratios(evidence: &Evidence) -> Vec<f64> {
    evidence.blocks.iter().map(|(baseline, candidate)| candidate / baseline).collect()
}

/// What the figures hold for, as rows of a table.
fn environment(report: &Report<'_>, manifest: Option<&Manifest>) -> Vec<(&'static str, String)> {
    let comparison = report.comparison;
    let [first, confirm] = comparison.blocks;
    let mut rows: Vec<_> = words::builds(report).into();
    rows.push(("Baseline's command", comparison.baseline.command.clone()));
    rows.push(("Candidate's command", comparison.candidate.command.clone()));
    rows.push(("Blocks", format!("{first}, and {confirm} to confirm")));
    rows.push(("Trials", comparison.trials.len().to_string()));
    if let Some(of) = manifest {
        let unknown = || "unknown".to_owned();
        rows.extend([
            ("Started", of.started_at.clone()),
            ("pushbench", of.version.clone()),
            ("Seed", of.seed.to_string()),
            ("CPU", of.machine.cpu_model.clone().unwrap_or_else(unknown)),
            ("Cores", of.machine.cores.to_string()),
            ("Kernel", of.machine.kernel.clone()),
        ]);
    }
    rows.into_iter().map(|(name, value)| (name, shortened(&value, TEXT))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::comparison::tests::{hostile, huge};
    use crate::results::{Comparison, fixture};

    fn rendered(comparison: &Comparison) -> String {
        page(&Report::of(comparison)).unwrap()
    }

    #[test]
    fn it_stands_alone_and_is_small() {
        for comparison in [fixture::comparison(), huge()] {
            let html = rendered(&comparison);
            assert!(html.len() < 250_000, "{} bytes", html.len());
            for outside in ["http:", "https:", "src=", "@import", "url(", "<link", "//cdn"] {
                assert!(!html.contains(outside), "{outside} refers to something outside");
            }
        }
    }

    #[test]
    fn it_says_what_the_comparison_says() {
        let html = rendered(&fixture::comparison());
        for text in [
            "Regression: 1 of 18 figures got worse",
            "12\u{a0}% more [at most +13 %]",
            "in at most 0.25 % of such comparisons",
            "the server was killed by signal 11",
            "<h2>notifications</h2>",
            "<span class=\"value bad\">regressed</span>",
            "wake-ups",
        ] {
            assert!(html.contains(text), "{text} is missing");
        }
        assert_eq!(html.matches("<svg ").count(), 2, "one for each scenario");
    }

    #[test]
    fn what_comes_from_outside_is_escaped() {
        let html = rendered(&hostile("</script></pre><script>alert(1)</script>\"'&"));
        assert!(!html.contains("<script>alert") && !html.contains("</pre><script"));
        assert_eq!(html.matches("</script>").count(), 1, "the code");
    }

    #[test]
    fn the_picture_has_every_block_and_both_stages() {
        let comparison = fixture::comparison();
        let picture = picture(&Report::of(&comparison));
        let row = |name: &str| picture.rows.iter().position(|row| row.name == name).unwrap();
        let sse = row("SSE server CPU/delivery");
        assert_eq!(picture.rows[sse].ratios.len(), 8);
        assert_eq!(picture.rows[sse + 1].name, "on fresh blocks");
        assert_eq!(picture.rows[row("notifications")].contender, None);
        assert!(charts::png(&picture).unwrap().starts_with(b"\x89PNG"));
    }
}
