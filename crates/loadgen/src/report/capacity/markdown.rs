//! `capacity.md`: what was found first, then every trial.

use super::{Report, sheet, words};
use crate::report::markdown::{code, escaped, table};

/// The most trials of one contender that are listed, so that the file fits a comment.
const TRIALS: usize = 80;

/// The file's text.
pub(super) fn page(report: &Report<'_>) -> String {
    let manifest = &report.capacity.manifest;
    let mut text = format!("# Capacity: {}\n\n", escaped(&manifest.scenario.name));
    text += &format!("**{}**\n\n{}\n", words::headline(report), table(&sheet::found(report)));
    text += &format!("{}\n\n", words::METHOD);
    text += "![Latency by load, and the largest load that meets the objectives](charts/capacity-latency.png)\n\n";
    let concerns = words::concerns(report);
    if !concerns.is_empty() {
        text += "## Before you rely on it\n\n";
        for concern in concerns {
            text += &format!("- {}\n", escaped(&concern));
        }
        text.push('\n');
    }
    for index in 0..report.conclusions.len() {
        let sheet = sheet::trials(report, index, TRIALS);
        text += &format!("## {}\n\n{}\n", sheet.title, table(&sheet));
    }
    text += &format!(
        "{}\n\nMeasured at {} with pushbench {} on {}, {} cores, seed {}:\n\n{}",
        escaped(&manifest.scenario.description),
        escaped(&manifest.started_at),
        escaped(&manifest.version),
        escaped(manifest.machine.cpu_model.as_deref().unwrap_or("an unknown CPU")),
        manifest.machine.cores,
        manifest.seed,
        code(&manifest.command),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::fixture;

    #[test]
    fn what_was_found_comes_first_and_every_trial_follows() {
        let capacity = fixture::capacity();
        let text = page(&Report::of(&capacity));
        let mut lines = text.lines().filter(|line| !line.is_empty());
        assert_eq!(lines.next(), Some("# Capacity: stock-ticker"));
        assert!(lines.next().unwrap().starts_with("**Largest load"), "{text}");
        assert!(text.contains("| SSE | 191 subscribers | latency p(99)<100ms<br><sub>"), "{text}");
        let trials = capacity.searches.iter().map(|of| of.attempts.len()).sum::<usize>();
        let rows =
            text.lines().filter(|line| line.contains(" search |") || line.contains(" confirm |"));
        assert_eq!(rows.count(), trials);
        assert!(text.contains("✗ misses latency p(99)<100ms: 131 ms"), "{text}");
        assert!(text.len() < 64 * 1024);
    }

    #[test]
    fn what_comes_from_outside_is_no_markup() {
        let mut capacity = fixture::capacity();
        capacity.manifest.scenario.name = "a|b <img src=x>".to_owned();
        capacity.manifest.scenario.description = "[x](http://evil.example)".to_owned();
        for search in &mut capacity.searches {
            search.least.why = "<b>`x`".to_owned();
        }
        let text = page(&Report::of(&capacity));
        assert!(text.starts_with("# Capacity: a\\|b \\<img src=x\\>\n"), "{text}");
        assert!(text.contains("\\[x\\](http&#58;//evil.example)"), "{text}");
        assert!(text.contains("less was not tried: \\<b\\>\\`x"), "{text}");
    }
}
