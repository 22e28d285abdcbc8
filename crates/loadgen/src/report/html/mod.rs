//! `report.html`: one offline page that needs nothing but itself.

mod tables;
mod trials;

use anyhow::Context as _;
use askama::Template;

use super::charts::{Figure, Trials, svg};
use super::{published, quantity, sweep, thresholds, words};
use crate::analysis::{Analysis, Cell, Sweep};
use crate::results::Run;
use tables::{SweepTable, TableView, sweep_tables, tables};
use trials::{TRIAL_COLUMNS, TrialView, trial_view};

/// The most that is embedded of `run.json` and of the trials, so that the page stays a page: a run
/// of that many trials is read with other tools.
const DATA_LIMIT: usize = 60_000;
const TRIALS_LIMIT: usize = 50;
const CONCERNS_LIMIT: usize = 30;
const THRESHOLDS_LIMIT: usize = 60;
const FINDINGS_LIMIT: usize = 60;
/// The longest text from outside, in characters.
const NOTE_LIMIT: usize = 300;
const TEXT_LIMIT: usize = 20_000;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    run: &'a Run,
    /// Of the table of trials.
    columns: Vec<&'static str>,
    /// None of a sweep.
    cells: Vec<CellView<'a>>,
    sweep: Option<SweepView>,
    /// Whether there are several cells.
    several: bool,
    description: String,
    command: String,
    scenario: String,
    thresholds: Vec<thresholds::Line>,
    thresholds_left_out: usize,
    published: Vec<published::Row>,
    published_left_out: usize,
    published_title: &'static str,
    published_note: &'static str,
    concerns: Vec<String>,
    concerns_left_out: usize,
    trials: Vec<TrialView>,
    trials_left_out: usize,
    environment: Vec<(&'static str, String)>,
    data: Option<String>,
}

struct SweepView {
    headline: String,
    findings: Vec<String>,
    findings_left_out: usize,
    metrics: Vec<MetricView>,
}

/// A metric over all cells.
struct MetricView {
    table: SweepTable,
    figure: Option<FigureView>,
}

struct CellView<'a> {
    /// Empty when the scenario has only one.
    name: &'a str,
    headline: String,
    findings: Vec<String>,
    tables: Vec<TableView>,
    figures: Vec<FigureView>,
}

struct FigureView {
    id: String,
    title: &'static str,
    caption: &'static str,
    alternative: String,
    svg: String,
}

/// The page's text.
pub(super) fn page(run: &Run, analysis: &Analysis) -> anyhow::Result<String> {
    let several = analysis.cells.len() > 1;
    let mut cells = Vec::new();
    let shown = if analysis.sweep.is_some() { &[][..] } else { &analysis.cells[..] };
    for (index, cell) in shown.iter().enumerate() {
        cells.push(cell_view(run, cell, several, index)?);
    }
    let concerns = words::concerns(run, analysis);
    let mut thresholds = thresholds::lines(&analysis.thresholds);
    let thresholds_left_out = thresholds.len().saturating_sub(THRESHOLDS_LIMIT);
    thresholds.truncate(THRESHOLDS_LIMIT);
    let (published, published_left_out) = published::rows(analysis, published::LIMIT);
    let page = Page {
        run,
        description: shortened(&run.manifest.scenario.description, TEXT_LIMIT / 10),
        command: shortened(&run.manifest.command, TEXT_LIMIT / 10),
        scenario: shortened(&run.manifest.scenario.text, TEXT_LIMIT),
        columns: TRIAL_COLUMNS.iter().map(|(heading, _)| *heading).collect(),
        cells,
        sweep: analysis.sweep.as_ref().map(|found| sweep_view(analysis, found)).transpose()?,
        several,
        thresholds,
        thresholds_left_out,
        published,
        published_left_out,
        published_title: published::TITLE,
        published_note: published::NOTE,
        concerns_left_out: concerns.len().saturating_sub(CONCERNS_LIMIT),
        concerns: concerns
            .iter()
            .take(CONCERNS_LIMIT)
            .map(|text| shortened(text, NOTE_LIMIT))
            .collect(),
        trials: run.trials.iter().take(TRIALS_LIMIT).map(trial_view).collect(),
        trials_left_out: run.trials.len().saturating_sub(TRIALS_LIMIT),
        environment: environment(run),
        data: Some(embeddable(run)?).filter(|data| data.len() <= DATA_LIMIT),
    };
    page.render().context("cannot render report.html")
}

/// Keeps numbers and their units on one line.
pub(crate) fn unbroken(text: &str) -> String {
    const UNITS: [&str; 9] = ["ns", "µs", "ms", "s", "B", "kB", "MB", "%", "times"];
    let mut kept = String::with_capacity(text.len());
    for word in text.split(' ') {
        let is_unit = UNITS.contains(&word.trim_end_matches([',', '.', ';', ')']));
        if is_unit && kept.ends_with(|last: char| last.is_ascii_digit()) {
            kept.push('\u{a0}');
        } else if !kept.is_empty() {
            kept.push(' ');
        }
        kept.push_str(word);
    }
    kept
}

/// Text of at most so many characters.
pub(crate) fn shortened(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// JSON that cannot end the script element it stands in.
fn embeddable(run: &Run) -> anyhow::Result<String> {
    let json = serde_json::to_string(run).context("cannot write the run as JSON")?;
    Ok(json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"))
}

fn sweep_view(analysis: &Analysis, found: &Sweep) -> anyhow::Result<SweepView> {
    let findings: Vec<_> =
        sweep::findings(analysis, found).iter().map(|text| unbroken(text)).collect();
    let mut charts = sweep::charts(analysis, found).into_iter();
    let mut metrics = Vec::new();
    for (metric, table) in sweep_tables(analysis) {
        let figure = match charts.next() {
            Some((_, curves)) => Some(FigureView {
                id: format!("sweep-{}", metric.name()),
                title: words::title(metric),
                caption: "Lower is better. A bar is the interval of the median, where blocks are \
                          enough for one; an axis is logarithmic where values span tenfold or more.",
                alternative: curves.alternative(),
                svg: svg(&curves)?,
            }),
            None => None,
        };
        metrics.push(MetricView { table, figure });
    }
    Ok(SweepView {
        headline: sweep::headline(found),
        findings_left_out: findings.len().saturating_sub(FINDINGS_LIMIT),
        findings: findings.into_iter().take(FINDINGS_LIMIT).collect(),
        metrics,
    })
}

fn cell_view<'a>(
    run: &Run,
    cell: &'a Cell,
    several: bool,
    index: usize,
) -> anyhow::Result<CellView<'a>> {
    let mut figures = Vec::new();
    for figure in Figure::ALL {
        figures.push(FigureView {
            id: format!("{}-{index}", figure.name()),
            title: figure.title(),
            caption: figure.caption(),
            alternative: figure.alternative(cell),
            svg: figure.svg(cell, &Trials(&run.trials))?,
        });
    }
    let mut sentences: Vec<_> =
        words::verdict(cell).iter().map(|sentence| unbroken(sentence)).collect();
    Ok(CellView {
        name: if several { &cell.name } else { "" },
        headline: sentences.remove(0),
        findings: sentences,
        tables: tables(cell),
        figures,
    })
}

/// What the figures hold for, as rows of a table.
fn environment(run: &Run) -> Vec<(&'static str, String)> {
    let (manifest, machine) = (&run.manifest, &run.manifest.machine);
    let or_unknown = |value: Option<String>| value.unwrap_or_else(|| "unknown".to_owned());
    let cores = |cores: &[u32]| match cores {
        [] => "not pinned".to_owned(),
        cores => cores.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    vec![
        ("Run", manifest.run.clone()),
        ("Started", manifest.started_at.clone()),
        ("pushbench", manifest.version.clone()),
        ("Revision", or_unknown(manifest.revision.clone())),
        ("Server", manifest.server.clone()),
        ("Seed", manifest.seed.to_string()),
        ("Trials", format!("{} of {} planned", run.trials.len(), manifest.planned_trials)),
        ("CPU", or_unknown(machine.cpu_model.clone())),
        ("Frequency governor", or_unknown(machine.cpu_governor.clone())),
        ("Cores", machine.cores.to_string()),
        ("Server's cores", cores(&machine.server_cores)),
        ("Generator's cores", cores(&machine.generator_cores)),
        ("Memory", or_unknown(machine.memory_bytes.map(|bytes| quantity::bytes(bytes as f64)))),
        ("Kernel", machine.kernel.clone()),
        ("Congestion control", or_unknown(machine.congestion_control.clone())),
        ("Scenario", format!("{} ({})", manifest.scenario.name, manifest.scenario.path)),
        ("Scenario's SHA-256", manifest.scenario.sha256.clone()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::results::model::{SweptCell, SweptValue};
    use crate::results::{LatencyLog, Metric, Outcome, fixture};

    fn rendered(run: &Run) -> String {
        page(run, &analyse(run, &fixture::run().1)).unwrap()
    }

    #[test]
    fn it_stands_alone_and_is_small() {
        let html = rendered(&fixture::run().0);
        assert!(html.len() < 250_000, "{} bytes", html.len());
        for outside in ["http:", "https:", "src=", "@import", "url(", "<link", "//cdn"] {
            assert!(!html.contains(outside), "{outside} refers to something outside");
        }
    }

    #[test]
    fn every_contender_has_its_colour() {
        let html = rendered(&fixture::run().0);
        for contender in crate::results::ContenderId::all_transports() {
            let place = crate::report::charts::place(&contender);
            assert!(html.contains(&format!(" --place-{place}: #")), "{contender}");
            assert!(html.contains(&format!("{{ --own: var(--place-{place}); }}")), "{contender}");
        }
    }

    #[test]
    fn it_says_what_the_run_says() {
        let (mut run, _) = fixture::run();
        run.trials[0].values.insert(Metric::PublisherLatenessP99, 1.3e6);
        let html = rendered(&run);
        for text in [
            "WebSocket and SSE deliver in 400–416\u{a0}µs (p50, about the same)",
            "the server was killed by signal 9",
            "14.2 % of the CPU time was stolen",
            "Example CPU @ 2.60GHz",
            "pushbench run scenarios/stock-ticker.toml --blocks 2",
            "subscribers = 100",
            "<th scope=\"row\"",
            "2.96×",
            "<th scope=\"col\">Uncorrected p50</th>",
            "<td data-sort=\"1300000\">1.30 ms</td>",
        ] {
            assert!(html.contains(text), "{text} is missing");
        }
        assert_eq!(html.matches("<svg ").count(), Figure::ALL.len());
        assert_eq!(html.matches("role=\"img\" aria-label=\"").count(), Figure::ALL.len());
    }

    #[test]
    fn a_sweep_shows_each_metric_over_its_cells() {
        let run = sweep::tests::swept_run();
        let html = page(&run, &analyse(&run, &LatencyLog::default())).unwrap();
        for text in [
            "<p class=\"headline\">A sweep of events_per_second (0.2, 1, 5, 20).</p>",
            "takes more server CPU per delivery than SSE; below, it is the other way round.</li>",
            "data-cell=\"events_per_second=5\" data-contender=\"sse\" data-metric=\"latency_p50\"",
            "aria-label=\"Server CPU per second by events_per_second. Polling: ",
            "<th scope=\"col\">Cell</th>",
        ] {
            assert!(html.contains(text), "{text} is missing: {html}");
        }
        assert_eq!(html.matches("<svg ").count(), 4, "one for each metric that was measured");
        assert!(!html.contains("No trial ran") && !html.contains("least with"));
        assert!(html.len() < 250_000, "{} bytes", html.len());
    }

    #[test]
    fn thresholds_stand_before_the_comparison() {
        let html = rendered(&thresholds::tests::run());
        let place = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text} is missing"));
        let crossed =
            "<li><span class=\"bad\">✗ sse.latency: max&#60;1ms is crossed: 4.47 ms</span>";
        assert!(place(crossed) < place("<h2>Comparison"));
        assert!(place(crossed) < place("<li><span>✓ sse.lost: count==0 is kept: 0</span>"));
        assert!(!rendered(&fixture::run().0).contains("id=\"thresholds\""), "none were asked for");
    }

    #[test]
    fn published_figures_stand_beside_ours_and_are_escaped() {
        let html = rendered(&published::tests::run("<script>alert(1)</script>\"|&"));
        assert!(html.contains("<h2 id=\"published\">Published and measured</h2>"), "{html}");
        assert!(html.contains("orders of magnitude"), "{html}");
        let row = "<th scope=\"row\">SSE</th><td class=\"text\">Latency p50</td><td>22.3 ms</td><td>416 µs\
                   <small>410–422</small></td><td class=\"text\">&#60;script&#62;alert(1)";
        assert!(html.contains(row), "{html}");
        assert!(!html.contains("<script>alert"), "nothing breaks out");
        assert!(!rendered(&fixture::run().0).contains("id=\"published\""), "none are known");
    }

    #[test]
    fn what_comes_from_outside_is_escaped() {
        let (mut run, _) = fixture::run();
        let hostile = "</script></pre><script>alert(1)</script>\"'&";
        let scenario = &mut run.manifest.scenario;
        for text in [
            &mut scenario.name,
            &mut scenario.description,
            &mut scenario.path,
            &mut scenario.text,
            &mut run.manifest.command,
            &mut run.manifest.run,
            &mut run.manifest.machine.kernel,
        ] {
            *text = hostile.to_owned();
        }
        run.trials.iter_mut().for_each(|trial| trial.cell = hostile.to_owned());
        let own = SweptValue { key: hostile.to_owned(), value: hostile.to_owned() };
        for settings in [Vec::new(), vec![own]] {
            run.manifest.cells = vec![SweptCell { name: hostile.to_owned(), settings }];
            assert_no_markup(&run);
        }
        run.manifest.cells.clear();
        run.trials[0].outcome = Outcome::Failed { reason: hostile.to_owned() };
        assert_no_markup(&run);
    }

    fn assert_no_markup(run: &Run) {
        let html = rendered(run);
        assert!(
            !html.contains("<script>alert") && !html.contains("</pre><script"),
            "nothing breaks out"
        );
        assert_eq!(html.matches("</script>").count(), 2, "the data and the code");
    }

    #[test]
    fn the_embedded_data_is_the_run() {
        let (run, _) = fixture::run();
        let html = rendered(&run);
        let (_, data) = html.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
        let (data, _) = data.split_once("</script>").unwrap();
        assert_eq!(serde_json::from_str::<Run>(data).unwrap(), run);
    }

    #[test]
    fn a_long_run_is_still_a_page() {
        let (mut run, log) = fixture::run();
        let some = run.trials.clone();
        run.trials = some.into_iter().cycle().take(800).collect();
        for trial in &mut run.trials {
            trial.outcome = Outcome::Failed { reason: "<".repeat(5_000) };
        }
        run.trials[0].outcome = Outcome::Valid;
        run.manifest.scenario.text = "# a long comment\n".repeat(10_000);
        let html = page(&run, &analyse(&run, &log)).unwrap();
        assert!(html.len() < 250_000, "{} bytes", html.len());
        assert!(html.contains("750 more"), "it says what it left out");
    }

    #[test]
    fn a_run_without_trials_is_a_page() {
        let (mut run, _) = fixture::run();
        run.trials.clear();
        let html = page(&run, &analyse(&run, &LatencyLog::default())).unwrap();
        assert!(html.contains("0 of 8 trials ran"), "{html}");
    }
}
