//! `junit.xml`, in the dialect of `junit-10.xsd` that Jenkins and GitLab read. One test suite for each
//! scenario, one test case for each gate and threshold: a regression is a failure, what could not be told is
//! skipped, what cannot be trusted an error.
//!
//! Every contender also has the test cases `trials` and `deliveries`, so that the list of test cases
//! does not depend on how they end.

use crate::results::ContenderId;
use anyhow::Context as _;
use askama::Template;

use super::{Report, words};
use crate::analysis::regression::{Failure, GatedCell, Verdict};
use crate::analysis::thresholds::Judgement;
use crate::report::html::shortened;
use crate::report::thresholds;

/// The longest text from outside, in characters.
const TEXT: usize = 2_000;

#[derive(Template)]
#[template(path = "junit.xml")]
struct Document {
    suites: Vec<Suite>,
}

struct Suite {
    name: String,
    timestamp: String,
    properties: Vec<(&'static str, String)>,
    cases: Vec<Case>,
}

struct Case {
    class: String,
    name: String,
    outcome: Outcome,
    /// What was found.
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failure,
    Skipped,
    Error,
}

impl Outcome {
    /// The element that says so.
    const fn element(self) -> &'static str {
        match self {
            Self::Passed => "",
            Self::Failure => "failure",
            Self::Skipped => "skipped",
            Self::Error => "error",
        }
    }
}

impl Suite {
    fn count(&self, element: &str) -> usize {
        self.cases.iter().filter(|case| case.outcome.element() == element).count()
    }
}

impl Document {
    fn count(&self, element: &str) -> usize {
        self.suites.iter().map(|suite| suite.count(element)).sum()
    }

    fn tests(&self) -> usize {
        self.suites.iter().map(|suite| suite.cases.len()).sum()
    }
}

/// The file's text.
pub(super) fn document(report: &Report<'_>) -> anyhow::Result<String> {
    let suites = (0..report.comparison.gates.len()).map(|scenario| suite(report, scenario));
    Document { suites: suites.collect() }.render().context("cannot render junit.xml")
}

fn suite(report: &Report<'_>, scenario: usize) -> Suite {
    let name = xml(report.scenario(scenario));
    let manifest = report.comparison.manifests.get(scenario);
    let own = report.comparison.trials.iter().filter(|compared| compared.scenario == scenario);
    let contenders = ContenderId::distinct(own.map(|compared| &compared.trial.contender));
    let cases = contenders.iter().flat_map(|contender| {
        let class = format!("{name}.{contender}");
        let own = report.cells_of(scenario).filter(move |cell| cell.contender == *contender);
        let gates: Vec<_> = own.map(|cell| case_of_gate(report, &class, cell)).collect();
        let thresholds = cases_of_thresholds(report, scenario, contender, &class);
        cases_of_failures(report, scenario, contender, &class)
            .into_iter()
            .chain(gates)
            .chain(thresholds)
    });
    let mut properties: Vec<_> = words::builds(report).into();
    properties.extend(manifest.map(|of| ("Seed", of.seed.to_string())));
    properties.push(("False alarms", words::guarantee(report)));
    Suite {
        cases: cases.collect(),
        timestamp: manifest.map_or_else(String::new, |of| xml(&of.started_at)),
        properties: properties.into_iter().map(|(name, value)| (name, xml(&value))).collect(),
        name,
    }
}

fn case_of_gate(report: &Report<'_>, class: &str, cell: &GatedCell) -> Case {
    let outcome = match cell.verdict {
        Verdict::Pass | Verdict::Improved => Outcome::Passed,
        Verdict::Inconclusive => Outcome::Skipped,
        Verdict::Invalid => Outcome::Error,
        Verdict::Regressed => Outcome::Failure,
    };
    let (class, name) = (class.to_owned(), cell.gate.metric.name().to_owned());
    Case { class, name, outcome, text: words::finding(report, cell) }
}

/// Each threshold once, however often the scenario has it.
fn cases_of_thresholds(
    report: &Report<'_>,
    scenario: usize,
    contender: &ContenderId,
    class: &str,
) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (of, checked) in &report.thresholds {
        let name = xml(&checked.threshold.text);
        let is_own = (*of, &checked.threshold.contender) == (scenario, contender);
        if !is_own || cases.iter().any(|case| case.name == name) {
            continue;
        }
        let outcome = match checked.judgement {
            Judgement::Kept => Outcome::Passed,
            Judgement::Crossed => Outcome::Failure,
            Judgement::Unknown(_) => Outcome::Error,
        };
        let text = xml(&thresholds::sentence(checked));
        cases.push(Case { class: class.to_owned(), name, outcome, text });
    }
    cases
}

fn cases_of_failures(
    report: &Report<'_>,
    scenario: usize,
    contender: &ContenderId,
    class: &str,
) -> [Case; 2] {
    let case = |name: &str, is_about: fn(&Failure) -> bool| {
        let own = report.decision.failures.iter().filter(|failure| {
            words::place_of(failure) == (scenario, contender) && is_about(failure)
        });
        let own: Vec<_> = own.collect();
        let outcome = match own.iter().all(|failure| words::is_baselines(failure)) {
            _ if own.is_empty() => Outcome::Passed,
            true => Outcome::Error,
            false => Outcome::Failure,
        };
        let texts: Vec<_> = own.iter().map(|failure| words::failure(failure)).collect();
        Case {
            class: class.to_owned(),
            name: name.to_owned(),
            outcome,
            text: xml(&texts.join("; ")),
        }
    };
    [
        case("trials", |failure| matches!(failure, Failure::Failed { .. })),
        case("deliveries", |failure| matches!(failure, Failure::DeliveryErrors { .. })),
    ]
}

/// Text from outside without the characters that XML cannot hold, escaped or not (XML 1.0 §2.2).
fn xml(text: &str) -> String {
    let is_known = |char: char| !char.is_control() && !matches!(char, '\u{fffe}' | '\u{ffff}');
    let text: String = text.chars().map(|char| if is_known(char) { char } else { ' ' }).collect();
    shortened(&text, TEXT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::comparison::tests::hostile;
    use crate::results::fixture;

    #[test]
    fn every_gate_is_a_test_case() {
        let comparison = fixture::comparison();
        let xml = document(&Report::of(&comparison)).unwrap();
        for text in [
            "<testsuites name=\"pushbench compare\" tests=\"30\"",
            "<testsuite name=\"stock-ticker\" tests=\"15\"",
            "<testcase classname=\"stock-ticker.sse\" name=\"server_cpu_per_delivery\">\n<failure message=\"12 % more [at most +13 %]",
            "<testcase classname=\"stock-ticker.websocket\" name=\"latency_p50\">\n<skipped message=\"",
            "<testcase classname=\"notifications.polling\" name=\"latency_p50\">\n<error message=\"only 3 of 8 blocks can be trusted",
            "<testcase classname=\"stock-ticker.long-polling\" name=\"deliveries\">\n<failure message=\"",
            "<testcase classname=\"notifications.tcp\" name=\"trials\">\n<failure message=\"",
            "<property name=\"Candidate\" value=\"wake-ups\"/>",
        ] {
            assert!(xml.contains(text), "{text} is missing in {xml}");
        }
        assert_eq!(xml.matches("<testcase ").count(), 30);
        assert_eq!(xml.matches("<failure ").count(), 3);
    }

    #[test]
    fn what_comes_from_outside_is_text() {
        let comparison = hostile("]]></testcase>\"'&\u{0}\u{1b}\u{ffff}\n<b>");
        let xml = document(&Report::of(&comparison)).unwrap();
        assert_eq!(xml.matches("</testcase>").count(), 30);
        assert!(!xml.contains("<b>"), "{xml}");
        let is_legal = |char: char| char == '\n' || !char.is_control() && char != '\u{ffff}';
        assert!(xml.chars().all(is_legal), "{xml:?}");
    }
}
