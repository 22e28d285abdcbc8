//! The index of several scenarios that one command has run: a row for each.

use super::{markdown, quantity, table, words};
use crate::analysis::thresholds::Judgement;
use crate::analysis::{Accounts, Analysis};
use crate::results::{Run, Trial};

/// What became of one scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexRow {
    /// Its name, which is that of its folder as well.
    scenario: String,
    /// The verdict's first sentence; empty if it has not run.
    verdict: String,
    /// How many of its trials can be trusted, and what went wrong.
    validity: String,
}

impl IndexRow {
    /// A scenario that has not been run yet.
    #[must_use]
    pub fn not_run(scenario: &str) -> Self {
        Self {
            scenario: scenario.to_owned(),
            verdict: quantity::MISSING.to_owned(),
            validity: "not run".to_owned(),
        }
    }

    /// What a run came to.
    #[must_use]
    pub fn of(run: &Run, analysis: &Analysis) -> Self {
        let verdict = match &analysis.cells[..] {
            [] => quantity::MISSING.to_owned(),
            [only] => words::verdict(only).into_iter().next().unwrap_or_default(),
            cells => format!("{} cells: see its report.", cells.len()),
        };
        let scenario = run.manifest.scenario.name.clone();
        Self { scenario, verdict, validity: validity(run, analysis) }
    }
}

/// In words, what is amiss behind how many trials can be trusted.
fn validity(run: &Run, analysis: &Analysis) -> String {
    let planned = run.manifest.planned_trials as usize;
    let count = |of: fn(&Trial) -> bool| run.trials.iter().filter(|trial| of(trial)).count();
    let valid = count(Trial::is_valid);
    let mut parts = vec![format!("{valid} of {planned} trials valid")];
    let mut some = |count: usize, what: &str| {
        if count > 0 {
            parts.push(format!("{what}: {count}"));
        }
    };
    some(count(Trial::has_failed), "failed");
    some(planned.saturating_sub(run.trials.len()), "not run");
    let crossed = |judgement: &Judgement| *judgement == Judgement::Crossed;
    some(
        analysis.thresholds.iter().filter(|of| crossed(&of.judgement)).count(),
        "thresholds crossed",
    );
    let ran: Vec<&Trial> = run.trials.iter().filter(|trial| !trial.has_failed()).collect();
    let accounts = Accounts::of(&ran);
    if !ran.is_empty() && !accounts.is_complete() {
        parts.push(format!("delivered {}", words::shortfall(accounts)));
    }
    parts.join("; ")
}

/// The text of the index's `summary.md`. `name` is what the scenarios are called together, `command`
/// what was run.
#[must_use]
pub fn index(name: &str, command: &str, rows: &[IndexRow]) -> String {
    let mut text = format!("# {}\n\n", markdown::escaped(name));
    text += "| scenario | verdict | trials |\n|---|---|---|\n";
    for IndexRow { scenario, verdict, validity } in rows {
        let verdict = markdown::escaped(verdict);
        text += &match validity.as_str() {
            "not run" => format!("| {scenario} | {verdict} | {validity} |\n"),
            _ => format!("| [{scenario}]({scenario}/report.html) | {verdict} | {validity} |\n"),
        };
    }
    text += "\nEvery scenario has a folder of its own, with its page (`report.html`), its `summary.md` \
             and all of its figures.\n\n";
    text + &markdown::code(command)
}

/// The index on a terminal.
#[must_use]
pub fn index_text(rows: &[IndexRow]) -> String {
    let rows = rows.iter().map(|row| {
        let IndexRow { scenario, verdict, validity } = row.clone();
        [scenario, verdict, validity]
    });
    let text = table::aligned_within(table::TEXT_WIDTH, ["scenario", "verdict", "trials"], rows);
    format!("{text}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::report::thresholds;
    use crate::results::{LatencyLog, Metric, Outcome, fixture};

    fn row(run: &Run) -> IndexRow {
        IndexRow::of(run, &analyse(run, &LatencyLog::default()))
    }

    #[test]
    fn a_row_says_who_is_ahead_and_what_can_be_trusted() {
        let (mut run, _) = fixture::run();
        let of = row(&run);
        assert_eq!(of.scenario, "stock-ticker");
        assert!(of.verdict.starts_with("WebSocket and SSE deliver in 400–416 µs"), "{of:?}");
        assert_eq!(of.validity, "6 of 8 trials valid; failed: 1");
        run.trials.iter_mut().for_each(|trial| trial.outcome = Outcome::Valid);
        run.trials[7] = run.trials[6].clone();
        assert_eq!(row(&run).validity, "8 of 8 trials valid");
        run.trials.truncate(3);
        assert_eq!(row(&run).validity, "3 of 8 trials valid; not run: 5");
        run.trials.clear();
        assert_eq!(row(&run).verdict, "–");
    }

    #[test]
    fn losses_and_thresholds_are_named() {
        let mut run = thresholds::tests::run();
        run.trials[2].values.insert(Metric::Lost, 3.0);
        run.trials[2].values.insert(Metric::Delivered, 23_997.0);
        let validity = row(&run).validity;
        assert!(validity.contains("; thresholds crossed: 2; delivered "), "{validity}");
        assert!(validity.ends_with(", 3 lost"), "{validity}");
    }

    #[test]
    fn the_index_links_what_has_run() {
        let rows = [row(&fixture::run().0), IndexRow::not_run("chat")];
        let text = index("my|folder", "pushbench run `x`", &rows);
        assert!(text.starts_with("# my\\|folder\n\n| scenario |"), "{text}");
        let line = "\n| [stock-ticker](stock-ticker/report.html) | WebSocket and SSE deliver";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("\n| chat | – | not run |\n"), "{text}");
        assert!(text.ends_with("\n```sh\npushbench run `x`\n```\n"), "{text}");
    }

    #[test]
    fn a_terminal_shows_it_within_its_width() {
        let text = index_text(&[row(&fixture::run().0), IndexRow::not_run("chat")]);
        assert!(text.contains("stock-ticker") && text.contains("6 of 8"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
}
