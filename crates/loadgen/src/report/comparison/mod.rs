//! What a comparison of two builds leaves: text for a terminal, and files for people and for CI.
//! What it says was decided in `analysis::regression`; where its trials come from it does not know.

mod annotations;
mod exporters;
mod html;
mod junit;
mod markdown;
mod sheet;
mod text;
mod words;

use std::path::{Path, PathBuf};

use super::charts;
use crate::analysis::Checked;
use crate::analysis::regression::{Decision, Failure, GatedCell, Verdict, decide};
use crate::analysis::thresholds::{Judgement, of_comparison};
use crate::results::Comparison;
use crate::results::folder::write_all;

pub use annotations::announce;

/// A comparison and what follows from it.
struct Report<'a> {
    comparison: &'a Comparison,
    decision: Decision,
    /// By the index of the scenario.
    thresholds: Vec<(usize, Checked)>,
}

impl<'a> Report<'a> {
    fn of(comparison: &'a Comparison) -> Self {
        Self { comparison, decision: decide(comparison), thresholds: of_comparison(comparison) }
    }

    /// The name of a scenario.
    fn scenario(&self, index: usize) -> &'a str {
        self.comparison.manifests.get(index).map_or("", |of| &of.scenario.name)
    }

    fn has_several_scenarios(&self) -> bool {
        self.comparison.gates.len() > 1
    }

    /// The cells of one scenario.
    fn cells_of(&self, scenario: usize) -> impl Iterator<Item = &GatedCell> {
        self.decision.cells.iter().filter(move |cell| cell.scenario == scenario)
    }

    fn with_verdict(&self, verdict: Verdict) -> impl Iterator<Item = &GatedCell> {
        self.decision.cells.iter().filter(move |cell| cell.verdict == verdict)
    }

    /// The thresholds that are crossed, or that cannot be judged.
    fn with_judgement(
        &self,
        is_meant: fn(Judgement) -> bool,
    ) -> impl Iterator<Item = (usize, &Checked)> {
        let meant = self.thresholds.iter().filter(move |(_, of)| is_meant(of.judgement));
        meant.map(|(scenario, checked)| (*scenario, checked))
    }

    /// What is the candidate's fault, whatever the gates say.
    fn faults(&self) -> impl Iterator<Item = &Failure> {
        self.decision.failures.iter().filter(|failure| !words::is_baselines(failure))
    }
}

/// The tables, the verdict and what it rests on, for a terminal. `colour` is for terminals whose
/// owner did not set `NO_COLOR`.
#[must_use]
pub fn text(comparison: &Comparison, colour: bool) -> String {
    text::text(&Report::of(comparison), colour)
}

/// Renders everything that can be rendered from `comparison` into `dir`, and says which files that
/// makes. Each is written whole or not at all, and none before all could be rendered. The same input
/// gives the same bytes.
///
/// # Errors
/// A file that cannot be written, by its path.
pub fn render_all(dir: &Path, comparison: &Comparison) -> anyhow::Result<Vec<PathBuf>> {
    let report = &Report::of(comparison);
    let files = [
        ("comparison.md", markdown::comment(report).into_bytes()),
        ("comparison.html", html::page(report)?.into_bytes()),
        ("comparison.png", charts::png(&html::picture(report))?),
        ("junit.xml", junit::document(report)?.into_bytes()),
        ("github-action-benchmark.json", exporters::github_action_benchmark(report)?),
        ("bencher.json", exporters::bencher(report)?),
    ];
    write_all(dir, files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::thresholds::tests::SCENARIO;
    use crate::results::{Outcome, fixture};

    /// The fixture, in which whatever may come from outside is this.
    pub(super) fn hostile(text: &str) -> Comparison {
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
    pub(super) fn huge() -> Comparison {
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

    #[test]
    fn the_fixture_has_one_of_everything() {
        let comparison = fixture::comparison();
        let report = Report::of(&comparison);
        for verdict in [
            Verdict::Pass,
            Verdict::Improved,
            Verdict::Inconclusive,
            Verdict::Invalid,
            Verdict::Regressed,
        ] {
            assert!(report.with_verdict(verdict).count() > 0, "{verdict:?} is missing");
        }
        assert_eq!(report.decision.failures.len(), 2, "{:?}", report.decision.failures);
    }

    /// The fixture without failures, and with a threshold of each judgement.
    pub(super) fn with_thresholds() -> Comparison {
        let mut comparison = fixture::comparison();
        comparison.manifests.truncate(1);
        comparison.gates.truncate(1);
        comparison.trials.retain(|of| of.scenario == 0);
        comparison.manifests[0].scenario.text = SCENARIO.to_owned();
        comparison
    }

    #[test]
    fn thresholds_are_in_every_report() {
        let comparison = with_thresholds();
        let report = Report::of(&comparison);
        assert_eq!(report.thresholds.len(), 3, "{:?}", report.thresholds);
        let crossed = "sse.latency: max<1ms is crossed: 4.40 ms";
        let junit = junit::document(&report).unwrap();
        assert!(junit.contains("name=\"latency: max&#60;1ms\">\n<failure message=\""), "{junit}");
        assert!(junit.contains("name=\"latency: p(99.9)&#60;2s\">\n<error message=\""), "{junit}");
        assert!(junit.contains("name=\"latency: p(50)&#60;25ms\">\n<system-out>"), "{junit}");
        let terminal = text(&comparison, false);
        assert!(terminal.contains(&format!("✗ {crossed}")), "{terminal}");
        let markdown = markdown::comment(&report);
        assert!(markdown.contains("max\\<1ms is crossed: 4.40 ms"), "{markdown}");
        let html = html::page(&report).unwrap();
        assert!(html.contains("max&#60;1ms is crossed"), "{html}");
        let headline = words::headline(&report);
        assert!(headline.starts_with("1 of 3 thresholds is crossed. Regression: "), "{headline}");
    }

    #[test]
    fn rendering_again_gives_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let json = serde_json::to_vec(&fixture::comparison()).unwrap();
        let render = || {
            let files = render_all(dir.path(), &serde_json::from_slice(&json).unwrap()).unwrap();
            let of = |path: PathBuf| {
                (path.file_name().unwrap().to_owned(), std::fs::read(path).unwrap())
            };
            files.into_iter().map(of).collect::<Vec<_>>()
        };
        let first = render();
        assert!(first == render(), "the same comparison gives the same files");
        let names: Vec<_> = first.iter().map(|(name, _)| name.to_str().unwrap()).collect();
        assert_eq!(
            names,
            [
                "comparison.md",
                "comparison.html",
                "comparison.png",
                "junit.xml",
                "github-action-benchmark.json",
                "bencher.json",
            ]
        );
    }

    #[test]
    fn a_comparison_without_anything_in_it_is_rendered() {
        let dir = tempfile::tempdir().unwrap();
        let mut comparison = fixture::comparison();
        comparison.trials.clear();
        render_all(dir.path(), &comparison).unwrap();
        comparison.manifests.clear();
        render_all(dir.path(), &comparison).unwrap();
        assert!(text(&comparison, false).contains("Nothing was measured"));
    }

    /// For looking at: `PUSHBENCH_SAMPLE=DIR cargo test -p pushbench-loadgen compared -- --ignored`.
    #[test]
    #[ignore = "writes a sample for people and other programs to look at"]
    fn compared_sample() {
        let dir = PathBuf::from(std::env::var_os("PUSHBENCH_SAMPLE").expect("a folder"));
        render_all(&dir, &fixture::comparison()).unwrap();
        render_all(&dir.join("thresholds"), &with_thresholds()).unwrap();
        println!("{}", text(&fixture::comparison(), false));
    }
}
