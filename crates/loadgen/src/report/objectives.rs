//! The scenario's objectives: who meets all of them and who does not, as a table and in sentences.
//! They mark every contender, and choose none.

use crate::results::ContenderId;

use super::sheet::{Entry, Row, Sheet, missing};
use super::{quantity, thresholds, words};
use crate::analysis::thresholds::{Judgement, standing};
use crate::analysis::{Cell, Checked};

/// What was asked for, without the contender: "latency p(99)<100ms".
pub(crate) fn name(checked: &Checked) -> String {
    checked.threshold.text.replacen(": ", " ", 1)
}

/// The objective and the figure that missed it: "latency p(99)<100ms: 131 ms".
pub(crate) fn miss(checked: &Checked) -> String {
    format!("{}: {}", name(checked), quantity::of(checked.threshold.metric, checked.value))
}

/// One row for each contender and one column for each objective; none when the scenario has none.
pub(crate) fn sheet(cell: &Cell) -> Option<Sheet> {
    let mut texts: Vec<&str> = Vec::new();
    for checked in &cell.objectives {
        if !texts.contains(&checked.threshold.text.as_str()) {
            texts.push(&checked.threshold.text);
        }
    }
    let row = |contender: &ContenderId| Row {
        name: contender.label().to_owned(),
        contender: Some(contender.clone()),
        entries: std::iter::once(verdict(standing(&cell.objectives, contender)))
            .chain(texts.iter().map(|text| {
                let is_this = |of: &&Checked| {
                    (&of.threshold.contender, of.threshold.text.as_str()) == (contender, text)
                };
                cell.objectives.iter().find(is_this).map_or_else(missing, entry)
            }))
            .collect(),
    };
    (!texts.is_empty()).then(|| Sheet {
        title: "Objectives".to_owned(),
        note: "✓ meets the objective, ✗ misses it, ? cannot be judged, – has no such objective. \
               Medians over blocks; counts are of all trials."
            .to_owned(),
        subject: "contender",
        columns: std::iter::once("all of them".to_owned())
            .chain(texts.iter().map(|text| heading(text)))
            .collect(),
        rows: cell.contenders.iter().map(|of| row(&of.contender)).collect(),
    })
}

/// In two lines: "latency", "p(99)<100ms".
fn heading(text: &str) -> String {
    match text.find([':', '<', '>', '=', '!']) {
        Some(at) if text[at..].starts_with(": ") => text.replacen(": ", "\n", 1),
        Some(at) => format!("{}\n{}", &text[..at], &text[at..]),
        None => text.to_owned(),
    }
}

fn verdict(standing: Option<Judgement>) -> Entry {
    let (text, alarming) = match standing {
        Some(Judgement::Kept) => ("✓ met", false),
        Some(Judgement::Crossed) => ("✗ missed", true),
        Some(Judgement::Unknown(_)) => ("? not judged", true),
        None => return missing(),
    };
    Entry { text: text.to_owned(), sort: text.to_owned(), alarming, ..Entry::default() }
}

fn entry(checked: &Checked) -> Entry {
    let figure = quantity::of(checked.threshold.metric, checked.value);
    let (mark, alarming) = match checked.judgement {
        Judgement::Kept => ("✓", false),
        Judgement::Crossed => ("✗", true),
        Judgement::Unknown(_) => ("?", true),
    };
    Entry {
        text: format!("{mark} {figure}"),
        sort: checked.value.map_or_else(String::new, |value| value.to_string()),
        alarming,
        ..Entry::default()
    }
}

/// Who meets all objectives; then, for each of the others, what it misses. The yardstick is marked
/// as well, as what it is.
pub(crate) fn sentences(cell: &Cell) -> Vec<String> {
    let contenders = || cell.contenders.iter().map(|figures| &figures.contender);
    let meets = |of: &&ContenderId| standing(&cell.objectives, of) == Some(Judgement::Kept);
    let met: Vec<ContenderId> =
        contenders().filter(|of| !of.is_reference()).filter(meets).cloned().collect();
    let mut sentences = Vec::new();
    if !met.is_empty() {
        let verb = if met.len() == 1 { "meets" } else { "meet" };
        sentences.push(words::sentence(&format!("{} {verb} all objectives", words::list(&met))));
    }
    sentences.extend(contenders().filter_map(|contender| one(cell, contender)));
    sentences
}

/// What one contender misses, or why nobody knows.
fn one(cell: &Cell, contender: &ContenderId) -> Option<String> {
    let own = || cell.objectives.iter().filter(|of| of.threshold.contender == *contender);
    let subject = match contender.is_reference() {
        true => format!("{}, the yardstick,", words::inline(contender)),
        false => words::inline(contender),
    };
    let text = match standing(&cell.objectives, contender)? {
        Judgement::Kept if contender.is_reference() => format!("{subject} meets all objectives"),
        Judgement::Kept => return None,
        Judgement::Crossed => {
            let missed = own().filter(|of| of.judgement == Judgement::Crossed).map(miss);
            format!("{subject} misses {}", missed.collect::<Vec<_>>().join("; "))
        }
        Judgement::Unknown(_) => {
            let open = own().filter_map(|of| match of.judgement {
                Judgement::Unknown(doubt) => {
                    Some(format!("{}: {}", name(of), thresholds::reason(of, doubt)))
                }
                Judgement::Kept | Judgement::Crossed => None,
            });
            let open = open.collect::<Vec<_>>().join("; ");
            format!("{subject} is not judged by {open}")
        }
    };
    Some(words::sentence(&text))
}

#[cfg(test)]
pub(super) mod tests {
    use pushbench_wire::Transport;

    use super::*;
    use crate::analysis::analyse;
    use crate::report::thresholds::tests::SCENARIO;
    use crate::results::{LatencyLog, Metric, Run, fixture};

    /// The fixture's run with these objectives.
    pub(in crate::report) fn run(objectives: &str) -> Run {
        let (mut run, _) = fixture::run();
        let (without, _) = SCENARIO.split_once("[thresholds]").unwrap();
        run.manifest.scenario.text = format!("{without}\n[objectives]\n{objectives}\n");
        run
    }

    fn cell(run: &Run) -> Cell {
        analyse(run, &LatencyLog::default()).cells.remove(0)
    }

    const LATENCY: &str = "\"latency\" = [\"p(99)<1.5ms\"]";

    #[test]
    fn everyone_is_marked_with_the_figure_that_missed() {
        let cell = cell(&run(&format!("{LATENCY}\n\"sse.lost\" = [\"count==0\"]")));
        let sheet = sheet(&cell).unwrap();
        assert_eq!(sheet.columns, ["all of them", "latency\np(99)<1.5ms", "lost\ncount==0"]);
        let rows: Vec<Vec<_>> = sheet
            .rows
            .iter()
            .map(|row| row.entries.iter().map(|entry| entry.text.as_str()).collect())
            .collect();
        assert_eq!(
            rows,
            [
                ["✗ missed", "✗ 1.00 s", "–"],
                ["✗ missed", "✗ 1.90 ms", "–"],
                ["✓ met", "✓ 1.22 ms", "✓ 0"],
                ["✓ met", "✓ 1.10 ms", "–"],
            ]
        );
        assert_eq!(
            sentences(&cell),
            [
                "SSE and WebSocket meet all objectives.",
                "Polling misses latency p(99)<1.5ms: 1.00 s.",
                "Long polling misses latency p(99)<1.5ms: 1.90 ms.",
            ]
        );
    }

    #[test]
    fn what_could_not_be_measured_is_not_judged() {
        let cell = cell(&run("\"sse.latency\" = [\"p(99.9)<2s\"]"));
        let [sentence] = &sentences(&cell)[..] else { panic!("one") };
        assert!(
            sentence.starts_with("SSE is not judged by latency p(99.9)<2s: 0 of 2 trials have"),
            "{sentence}"
        );
        let sheet = sheet(&cell).unwrap();
        assert_eq!(sheet.rows[2].entries[0].text, "? not judged");
        assert_eq!(sheet.rows[0].entries[0].text, "–", "polling has no objective");
    }

    #[test]
    fn the_yardstick_is_marked_as_what_it_is() {
        let mut run = run("\"*.latency\" = [\"p(99)<1.5ms\"]");
        run.trials.retain(|trial| trial.contender == Transport::Sse);
        run.trials.iter_mut().for_each(|trial| trial.contender = Transport::Tcp.into());
        assert_eq!(sentences(&cell(&run)), ["Raw TCP, the yardstick, meets all objectives."]);
    }

    #[test]
    fn without_objectives_nobody_is_marked() {
        let cell = cell(&fixture::run().0);
        assert!(sheet(&cell).is_none());
        assert_eq!(sentences(&cell), [""; 0]);
    }

    #[test]
    fn a_value_that_is_one_figure_breaks_before_its_comparison() {
        assert_eq!(heading("server_cpu_per_delivery<20us"), "server_cpu_per_delivery\n<20us");
        assert_eq!(heading("lost: count==0"), "lost\ncount==0");
    }

    #[test]
    fn every_report_shows_them() {
        let run = run(LATENCY);
        let analysis = analyse(&run, &LatencyLog::default());
        let text = crate::report::run_text(&run, &analysis, false);
        assert!(text.contains("✗ 1.90 ms") && text.contains("  Long polling misses"), "{text}");
        let summary = crate::report::markdown::summary(&run, &analysis);
        assert!(
            summary.contains("### Objectives") && summary.contains("**✗ 1.90 ms**"),
            "{summary}"
        );
        assert!(summary.contains("- SSE and WebSocket meet all objectives."), "{summary}");
        let page = crate::report::html::page(&run, &analysis).unwrap();
        assert!(page.contains("<span class=\"value bad\">✗ 1.90 ms</span>"), "{page}");
        assert!(page.contains("<th scope=\"col\">latency\np(99)&#60;1.5ms</th>"), "{page}");
        let mut lost = run;
        lost.trials[2].values.insert(Metric::Lost, 1.0);
        let cell = cell(&lost);
        assert!(sentences(&cell)[0].starts_with("WebSocket meets"), "{:?}", sentences(&cell));
    }
}
