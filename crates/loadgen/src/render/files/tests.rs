//! What every artefact leaves in its folder.

use super::*;
use crate::document::comparison::judged::tests::with_thresholds;
use crate::results::model::{SweptCell, SweptValue};
use crate::results::{Outcome, fixture, store};

/// The fixture, in which whatever may come from outside is this.
pub(in crate::render) fn hostile(text: &str) -> Comparison {
    let mut comparison = fixture::comparison();
    for manifest in &mut comparison.manifests {
        let scenario = &mut manifest.scenario;
        for of in [
            &mut scenario.name,
            &mut scenario.description,
            &mut scenario.path,
            &mut scenario.text,
            &mut manifest.command,
            &mut manifest.run,
            &mut manifest.started_at,
            &mut manifest.version,
            &mut manifest.machine.kernel,
        ] {
            *of = text.to_owned();
        }
        manifest.revision = Some(text.to_owned());
        manifest.machine.cpu_model = Some(text.to_owned());
    }
    for build in [&mut comparison.baseline, &mut comparison.candidate] {
        build.name = text.to_owned();
        build.command = text.to_owned();
    }
    for of in &mut comparison.trials {
        if let Outcome::Failed { reason } = &mut of.trial.outcome {
            *reason = text.to_owned();
        }
    }
    comparison
}

/// The largest there is any sense in: every scenario has every contender and gate, and all of
/// them failed and regressed.
pub(in crate::render) fn huge() -> Comparison {
    let mut comparison = hostile(&"<|`*_".repeat(2_000));
    let trials = comparison.trials.clone();
    for scenario in 2..60 {
        comparison.manifests.push(comparison.manifests[1].clone());
        comparison.gates.push(comparison.gates[0].clone());
        comparison.trials.extend(trials.iter().cloned().map(|mut of| {
            of.scenario = scenario;
            of
        }));
    }
    comparison
}

/// The names and bytes of files, in a folder that this fills.
fn written(fill: impl Fn(&Path) -> anyhow::Result<Vec<PathBuf>>) -> Vec<(String, Vec<u8>)> {
    let dir = tempfile::tempdir().unwrap();
    let files = fill(dir.path()).unwrap();
    let of = |path: &PathBuf| {
        let name = path.strip_prefix(dir.path()).unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read(path).unwrap())
    };
    files.iter().map(of).collect()
}

fn names(files: &[(String, Vec<u8>)]) -> Vec<&str> {
    files.iter().map(|(name, _)| name.as_str()).collect()
}

fn text<'a>(files: &'a [(String, Vec<u8>)], name: &str) -> &'a str {
    let (_, bytes) = files.iter().find(|(other, _)| other == name).unwrap();
    std::str::from_utf8(bytes).unwrap()
}

fn of_run(run: &Run) -> Vec<(String, Vec<u8>)> {
    written(|dir| write_run(dir, run, &fixture::run().1))
}

#[test]
fn rendering_again_from_the_files_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (run, log) = fixture::run();
    fixture::save_run(dir.path(), &run, &log);
    let first = written(|dir| write_run(dir, &run, &log));
    let (run, log) = store::load_run(dir.path()).unwrap().content;
    assert!(written(|dir| write_run(dir, &run, &log)) == first);
    assert_eq!(
        names(&first),
        [
            "charts/latency-spectrum.png",
            "charts/latency-over-time.png",
            "charts/cpu-per-delivery.png",
            "charts/bytes-per-delivery.png",
            "charts/memory-per-subscriber.png",
            "trials.csv",
            "estimates.csv",
            "ratios.csv",
            "report.html",
            "summary.md",
        ]
    );

    let dir = tempfile::tempdir().unwrap();
    let comparison = fixture::comparison();
    fixture::save_comparison(dir.path(), &comparison);
    let compared = written(|dir| write_comparison(dir, &comparison));
    let comparison = store::load(dir.path()).unwrap().content;
    assert!(written(|dir| write_comparison(dir, &comparison)) == compared);
    assert_eq!(
        names(&compared),
        [
            "comparison.md",
            "comparison.html",
            "comparison.png",
            "junit.xml",
            "github-action-benchmark.json",
            "bencher.json",
        ]
    );

    let capacity = fixture::capacity();
    let dir = tempfile::tempdir().unwrap();
    fixture::save_capacity(dir.path(), &capacity);
    let searched = written(|dir| write_capacity(dir, &capacity));
    let capacity = store::load(dir.path()).unwrap().content;
    assert!(written(|dir| write_capacity(dir, &capacity)) == searched);
    assert_eq!(
        names(&searched),
        ["charts/capacity-latency.png", "capacity.csv", "capacity.html", "capacity.md"]
    );
}

#[test]
fn a_page_says_what_the_run_says() {
    let files = of_run(&fixture::run().0);
    let html = text(&files, "report.html");
    assert!(html.len() < 250_000, "{} bytes", html.len());
    for said in [
        "WebSocket and SSE deliver in 400–416\u{a0}µs (p50, about the same)",
        "the server was killed by signal 9",
        "14.2\u{a0}% of the CPU time was stolen",
        "Example CPU @ 2.60GHz",
        "pushbench run scenarios/stock-ticker.toml --blocks 2",
        "subscribers = 100",
        "data-contender=\"sse\" data-metric=\"latency_p50\" data-estimate=\"",
        "2.96×",
        "<th scope=\"col\">uncorrected p50</th>",
        "<td data-sort=\"400000\">",
    ] {
        assert!(html.contains(said), "{said} is missing");
    }
    assert_eq!(html.matches("<svg ").count(), 5);
    assert_eq!(html.matches("role=\"img\" aria-label=\"").count(), 5);
    let (_, data) = html.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    let (data, _) = data.split_once("</script>").unwrap();
    assert_eq!(serde_json::from_str::<Run>(data).unwrap(), fixture::run().0);
}

#[test]
fn a_sweep_has_a_chart_of_each_metric_and_none_of_cells() {
    let run = crate::document::swept_run();
    let files = written(|dir| write_run(dir, &run, &LatencyLog::default()));
    let charts: Vec<_> = names(&files).into_iter().filter(|name| name.ends_with(".png")).collect();
    assert_eq!(
        charts,
        [
            "charts/sweep-latency_p50.png",
            "charts/sweep-server_cpu_per_second.png",
            "charts/sweep-server_cpu_per_delivery.png",
            "charts/sweep-bytes_per_delivery.png",
        ]
    );
    let row = ",events_per_second=0.2,sse,latency_p50,ns,";
    assert!(text(&files, "estimates.csv").contains(row));
    let html = text(&files, "report.html");
    for said in [
        "<p class=\"headline\">A sweep of events_per_second (0.2, 1, 5, 20).</p>",
        "data-cell=\"events_per_second=5\" data-contender=\"sse\" data-metric=\"latency_p50\"",
        "aria-label=\"Server CPU per second by events_per_second. Polling: ",
        "<th scope=\"col\" class=\"text\">cell</th>",
    ] {
        assert!(html.contains(said), "{said} is missing: {html}");
    }
    assert_eq!(html.matches("<svg ").count(), 4, "one for each metric that was measured");
    assert!(!html.contains("No trial ran") && !html.contains("lowest for"));
    assert!(html.len() < 250_000, "{} bytes", html.len());
    let summary = text(&files, "summary.md");
    let start =
        "# stock-ticker\n\n**A sweep of events\\_per\\_second (0.2, 1, 5, 20).**\n\n- With ";
    assert!(summary.starts_with(start), "{summary}");
    assert!(summary.contains("\n| events\\_per\\_second=5 | 500 ms<br><sub>"), "{summary}");
}

#[test]
fn a_long_run_fits_a_page_and_a_comment() {
    let (mut run, _) = fixture::run();
    let some = run.trials.clone();
    run.trials = some.into_iter().cycle().take(800).collect();
    for (index, trial) in run.trials.iter_mut().enumerate() {
        trial.outcome = Outcome::Failed { reason: format!("{index}{}", "<".repeat(5_000)) };
    }
    run.trials[0].outcome = Outcome::Valid;
    run.manifest.scenario.text = "# a long comment\n".repeat(10_000);
    run.manifest.command = "`".repeat(100_000);
    let files = of_run(&run);
    let html = text(&files, "report.html");
    assert!(html.len() < 250_000, "{} bytes", html.len());
    assert!(html.contains("more rows in trials.csv."), "it says what it left out");
    assert!(html.contains("it is in <code>run.json</code>"));
    let summary = text(&files, "summary.md");
    assert!(summary.len() < 64 * 1024, "{} bytes", summary.len());
    assert!(summary.contains("more caveats in report.html"), "{summary}");
}

#[test]
fn the_largest_sweep_fits_a_page_and_a_comment() {
    let value = |index: usize| format!("{{ mix = [{}[{index}, 1]] }}", "[128, 9], ".repeat(40));
    let values: Vec<String> = (0..100).map(value).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let keys = [("workload.payload_bytes", &values[..])];
    let run = crate::analysis::sweep::tests::run(&keys, 1, |_, _| {
        crate::analysis::sweep::SWEPT.map(|metric| (metric, 123_456.0)).to_vec()
    });
    let files = written(|dir| write_run(dir, &run, &LatencyLog::default()));
    let summary = text(&files, "summary.md");
    assert!(summary.len() < 64 * 1024, "{} bytes", summary.len());
    assert!(summary.contains(" more rows in report.html"), "{summary}");
    let html = text(&files, "report.html");
    assert!(html.len() < 250_000, "{} bytes", html.len());
}

#[test]
fn names_of_cells_are_text_everywhere() {
    let (mut run, _) = fixture::run();
    let hostile = "</script></pre><script>alert(1)</script>\"'&";
    run.trials.iter_mut().for_each(|trial| trial.cell = hostile.to_owned());
    let own = SweptValue { key: hostile.to_owned(), value: hostile.to_owned() };
    for settings in [Vec::new(), vec![own]] {
        run.manifest.cells = vec![SweptCell { name: hostile.to_owned(), settings }];
        let files = of_run(&run);
        let html = text(&files, "report.html");
        assert!(!html.contains("<script>alert") && !html.contains("</pre><script"), "{html}");
        assert_eq!(html.matches("</script>").count(), 2, "the data and the code");
    }
}

#[test]
fn a_run_without_trials_is_a_page() {
    let (mut run, _) = fixture::run();
    run.trials.clear();
    let files = of_run(&run);
    assert!(text(&files, "report.html").contains("ended after 0 of 8 trials"));
    assert!(text(&files, "summary.md").starts_with("# stock-ticker\n\n**No trial ran.**\n"));
}

#[test]
fn a_comment_has_the_verdict_first_and_folds_the_rest() {
    let text = comment(&fixture::comparison());
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(MARKER));
    let headline = "**Regression: 1 of 18 figures got worse, and the candidate failed or lost events on 2 \
                    contenders.**";
    assert_eq!(lines.next(), Some(headline));
    let (open, folded) = text.split_once("<details>").unwrap();
    assert!(
        open.contains("| SSE server CPU/delivery | **regressed** | +12 %<br><sub>≤ +13 %</sub> |"),
        "{text}"
    );
    assert!(open.contains("| 8/8<br><sub>+ 8/8</sub> |"), "{text}");
    assert!(open.contains("in at most 0.25 % of such comparisons"), "{text}");
    assert!(!open.contains("| SSE latency p50 |"), "{text}");
    assert!(folded.contains("| SSE latency p50 |"), "{text}");
    assert!(!text.contains("\n# ") && !text.contains("\n## "), "no large headings: {text}");
}

#[test]
fn the_largest_comparison_fits_a_page_and_a_comment() {
    let comparison = huge();
    let comment = comment(&comparison);
    assert!(comment.len() < 64 * 1024, "{} bytes", comment.len());
    for what in ["findings", "scenarios"] {
        assert!(comment.contains(&format!("more {what} in comparison.html")), "{comment}");
    }
    let html = html::page(&document::comparison(&comparison), None).unwrap();
    assert!(html.len() < 250_000, "{} bytes", html.len());
    assert!(html.contains(" more scenarios in comparison.json."));
}

#[test]
fn thresholds_are_in_every_report_of_a_comparison() {
    let files = written(|dir| write_comparison(dir, &with_thresholds()));
    assert!(text(&files, "comparison.md").contains("max\\<1ms is crossed (4.40 ms)"));
    assert!(text(&files, "comparison.html").contains("max&lt;1ms is crossed (4.40\u{a0}ms)"));
}

#[test]
fn a_comparison_without_anything_in_it_is_rendered() {
    let mut comparison = fixture::comparison();
    comparison.trials.clear();
    written(|dir| write_comparison(dir, &comparison));
    comparison.manifests.clear();
    let files = written(|dir| write_comparison(dir, &comparison));
    assert!(text(&files, "comparison.md").contains("Nothing was measured"));
}

#[test]
fn a_search_shows_its_picture_and_every_trial() {
    let files = written(|dir| write_capacity(dir, &fixture::capacity()));
    let summary = text(&files, "capacity.md");
    assert!(summary.starts_with("# Capacity: stock-ticker\n\n**Largest load"), "{summary}");
    assert!(summary.contains("](charts/capacity-latency.png)"), "{summary}");
    assert!(summary.contains("✗ misses latency p(99)\\<100ms (131 ms)"), "{summary}");
    assert!(summary.len() < 64 * 1024);
    let html = text(&files, "capacity.html");
    for said in ["191 subscribers", "latency p(99)&lt;100ms", "at least 200 subscribers", "<svg "] {
        assert!(html.contains(said), "{said} is missing");
    }
    assert!(html.len() < 250_000, "{} bytes", html.len());
}

#[test]
fn a_history_shows_its_charts() {
    use crate::analysis::history::{histories, tests::days};
    let files = written(|dir| write_history(dir, &histories(&days())));
    assert_eq!(
        names(&files),
        ["charts/latency_p50.png", "charts/server_cpu_per_delivery.png", "history.md"]
    );
    let text = text(&files, "history.md");
    let row = "| Server CPU per delivery of SSE | +10 % | 3.16 µs | 3.48 µs | 000000d | 2025-01-13T03:04:05Z |";
    assert!(text.contains(row), "{text}");
    assert!(text.contains("](charts/latency_p50.png)"), "{text}");
}

/// For looking at: `PUSHBENCH_SAMPLE=DIR cargo test -p pushbench-loadgen sample -- --ignored`.
#[test]
#[ignore = "writes a sample for people to look at"]
fn sample() {
    let dir = PathBuf::from(std::env::var_os("PUSHBENCH_SAMPLE").expect("a folder"));
    let (run, log) = fixture::run();
    write_run(&dir.join("run"), &run, &log).unwrap();
    let swept = crate::document::swept_run();
    write_run(&dir.join("sweep"), &swept, &LatencyLog::default()).unwrap();
    write_capacity(&dir.join("capacity"), &fixture::capacity()).unwrap();
    use crate::analysis::history::{histories, tests::days};
    write_history(&dir.join("history"), &histories(&days())).unwrap();
    let show = |document: &Document, columns, verbose| {
        let terminal = crate::render::Terminal { columns, colour: false, verbose };
        println!("--- {columns} columns\n{}", crate::render::terminal(document, terminal));
    };
    for columns in [80, 100, 160] {
        show(&document::run(&run, &analyse(&run, &log)), columns, false);
    }
    show(&document::run(&run, &analyse(&run, &log)), 80, true);
    show(&document::run(&swept, &analyse(&swept, &LatencyLog::default())), 80, false);
    show(&document::comparison(&fixture::comparison()), 80, false);
    show(&document::capacity(&fixture::capacity()), 80, false);
    show(&document::history(&histories(&days())), 80, false);
}

/// For looking at: `PUSHBENCH_SAMPLE=DIR cargo test -p pushbench-loadgen compared -- --ignored`.
#[test]
#[ignore = "writes a sample for people and other programs to look at"]
fn compared_sample() {
    let dir = PathBuf::from(std::env::var_os("PUSHBENCH_SAMPLE").expect("a folder"));
    write_comparison(&dir, &fixture::comparison()).unwrap();
    write_comparison(&dir.join("thresholds"), &with_thresholds()).unwrap();
}
