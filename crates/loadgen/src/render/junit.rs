//! `junit.xml`, in the dialect of `junit-10.xsd` that Jenkins and GitLab read. One test suite for each
//! scenario, one test case for each gate and threshold: a regression is a failure, what could not be told is
//! skipped, what is invalid an error.
//!
//! Every contender also has the test cases `trials` and `deliveries`, so that the list of test cases
//! does not depend on how they end.

use super::markup::escaped;
use crate::document::comparison::judged::Judged;
use crate::document::comparison::points::{Level, Point, points};
use crate::document::comparison::prose::{builds, guarantee};
use crate::document::prose::shortened;
use crate::results::ContenderId;

/// The longest text from outside, in characters.
const TEXT: usize = 2_000;

struct Case {
    class: String,
    name: String,
    level: Level,
    /// What was found.
    text: String,
}

/// The file's text.
pub(super) fn document(judged: &Judged<'_>) -> String {
    let points = points(judged);
    let suites: Vec<_> =
        (0..judged.scenarios()).map(|scenario| cases(judged, &points, scenario)).collect();
    let all: Vec<_> = suites.iter().flatten().collect();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"pushbench compare\" tests=\"{}\" failures=\"{}\" errors=\"{}\">\n",
        all.len(),
        count(&all, Level::Bad),
        count(&all, Level::Doubtful),
    );
    for (scenario, cases) in suites.iter().enumerate() {
        text += &suite(judged, scenario, cases);
    }
    text + "</testsuites>\n"
}

fn count(cases: &[&Case], level: Level) -> usize {
    cases.iter().filter(|case| case.level == level).count()
}

fn suite(judged: &Judged<'_>, scenario: usize, cases: &[Case]) -> String {
    let manifest = judged.comparison.manifests.get(scenario);
    let all: Vec<_> = cases.iter().collect();
    let mut text = format!(
        "<testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" \
         timestamp=\"{}\">\n<properties>\n",
        xml(judged.scenario(scenario)),
        cases.len(),
        count(&all, Level::Bad),
        count(&all, Level::Doubtful),
        count(&all, Level::Open),
        manifest.map_or_else(String::new, |of| xml(&of.started_at)),
    );
    let seed = manifest.map(|of| ("Seed", of.seed.to_string()));
    let bound = ("False alarms", guarantee(judged));
    for (property, value) in builds(judged).into_iter().chain(seed).chain([bound]) {
        text += &format!("<property name=\"{property}\" value=\"{}\"/>\n", xml(&value));
    }
    text += "</properties>\n";
    for Case { class, name, level, text: said } in cases {
        let inner = match (level, xml(said)) {
            (Level::Good | Level::Better, said) if said.is_empty() => String::new(),
            (Level::Good | Level::Better, said) => format!("<system-out>{said}</system-out>\n"),
            (Level::Bad, said) => format!("<failure message=\"{said}\"/>\n"),
            (Level::Open, said) => format!("<skipped message=\"{said}\"/>\n"),
            (Level::Doubtful, said) => format!("<error message=\"{said}\"/>\n"),
        };
        let (class, name) = (xml(class), xml(name));
        text += &format!("<testcase classname=\"{class}\" name=\"{name}\">\n{inner}</testcase>\n");
    }
    text + "</testsuite>\n"
}

/// Every test case of a scenario, contender by contender.
fn cases(judged: &Judged<'_>, points: &[Point<'_>], scenario: usize) -> Vec<Case> {
    let trials = judged.comparison.trials.iter().filter(|of| of.scenario == scenario);
    let contenders = ContenderId::distinct(trials.map(|of| &of.trial.contender));
    let mut cases: Vec<Case> = Vec::new();
    for contender in contenders {
        let class = format!("{}.{}", judged.scenario(scenario), contender.name());
        let always = ["trials", "deliveries"].map(|name| Case {
            class: class.clone(),
            name: name.to_owned(),
            level: Level::Good,
            text: String::new(),
        });
        let first = cases.len();
        cases.extend(always);
        let own = points.iter().filter(|of| of.scenario == scenario && *of.contender == contender);
        for Point { about, level, text, .. } in own {
            // What is said of the same thing stands together, and the worst decides.
            match cases[first..].iter_mut().find(|case| case.name == *about) {
                Some(case) => {
                    case.level = case.level.max(*level);
                    if !case.text.contains(text) {
                        let join = if case.text.is_empty() { "" } else { "; " };
                        case.text += &format!("{join}{text}");
                    }
                }
                None => cases.push(Case {
                    class: class.clone(),
                    name: about.clone(),
                    level: *level,
                    text: text.clone(),
                }),
            }
        }
    }
    cases
}

/// Text without the characters that XML cannot hold, escaped or not (XML 1.0 §2.2).
fn xml(text: &str) -> String {
    let is_known = |char: char| !char.is_control() && !matches!(char, '\u{fffe}' | '\u{ffff}');
    let text: String = text.chars().map(|char| if is_known(char) { char } else { ' ' }).collect();
    escaped(&shortened(&text, TEXT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::comparison::judged::tests::with_thresholds;
    use crate::render::files::tests::hostile;
    use crate::results::{Comparison, fixture};

    fn rendered(comparison: &Comparison) -> String {
        document(&Judged::of(comparison))
    }

    #[test]
    fn every_gate_is_a_test_case() {
        let xml = rendered(&fixture::comparison());
        for text in [
            "<testsuites name=\"pushbench compare\" tests=\"30\"",
            "<testsuite name=\"stock-ticker\" tests=\"15\"",
            "<testcase classname=\"stock-ticker.sse\" name=\"server_cpu_per_delivery\">\n<failure message=\"12 % more [at most +13 %]",
            "<testcase classname=\"stock-ticker.websocket\" name=\"latency_p50\">\n<skipped message=\"",
            "<testcase classname=\"notifications.polling\" name=\"latency_p50\">\n<error message=\"only 3 of 8 blocks are valid",
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
    fn every_threshold_is_a_test_case() {
        let xml = rendered(&with_thresholds());
        for text in [
            "name=\"latency: max&lt;1ms\">\n<failure message=\"",
            "name=\"latency: p(99.9)&lt;2s\">\n<error message=\"",
            "name=\"latency: p(50)&lt;25ms\">\n<system-out>",
        ] {
            assert!(xml.contains(text), "{text} is missing in {xml}");
        }
    }

    #[test]
    fn what_comes_from_outside_is_text() {
        let xml = rendered(&hostile("]]></testcase>\"'&\u{0}\u{1b}\u{ffff}\n<b>"));
        assert_eq!(xml.matches("</testcase>").count(), 30);
        assert!(!xml.contains("<b>"), "{xml}");
        let is_legal = |char: char| char == '\n' || !char.is_control() && char != '\u{ffff}';
        assert!(xml.chars().all(is_legal), "{xml:?}");
    }
}
