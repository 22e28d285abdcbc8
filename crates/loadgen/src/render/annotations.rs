//! What GitHub Actions shows beside a pull request: annotations by workflow commands on the standard
//! output, and a step summary
//! (<https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>).

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use anyhow::Context as _;

use crate::document::comparison::judged::Judged;
use crate::document::comparison::points::{Level, Point, worst_first};
use crate::document::prose::shortened;
use crate::results::Comparison;

/// GitHub shows no more of a kind in one step.
const LIMIT: usize = 10;
/// The longest message, in characters.
const TEXT: usize = 1_000;

/// Tells GitHub Actions what came out, where `variable`, which reads the environment, says that this
/// runs there: annotations go to `out`, worst first and ten at most, and `comparison.md` to the step
/// summary. Elsewhere it does nothing.
///
/// # Errors
/// An output or a summary that cannot be written.
pub fn announce(
    comparison: &Comparison,
    variable: impl Fn(&str) -> Option<OsString>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let variable = |name| variable(name).filter(|value| !value.is_empty());
    let judged = Judged::of(comparison);
    if variable("GITHUB_ACTIONS").is_some() {
        for command in commands(&judged) {
            writeln!(out, "{command}")
                .context("cannot write annotations to the standard output")?;
        }
    }
    if let Some(path) = variable("GITHUB_STEP_SUMMARY") {
        let path = Path::new(&path);
        let file = OpenOptions::new().append(true).create(true).open(path);
        file.and_then(|mut file| file.write_all(super::files::comment(comparison).as_bytes()))
            .with_context(|| format!("cannot write the step summary {}", path.display()))?;
    }
    Ok(())
}

/// The workflow commands, worst first.
fn commands(judged: &Judged<'_>) -> Vec<String> {
    let annotation = |point: Point<'_>| {
        let level = match point.level {
            Level::Bad => "error",
            Level::Doubtful => "warning",
            Level::Open => "notice",
            Level::Better | Level::Good => return None,
        };
        Some(Annotation { level, title: point.subject, message: point.text })
    };
    let mut all: Vec<_> = worst_first(judged).into_iter().filter_map(annotation).collect();
    if all.len() > LIMIT {
        let rest = all.split_off(LIMIT - 1);
        all.push(Annotation {
            level: rest[0].level,
            title: "pushbench".to_owned(),
            message: format!("… and {} more in comparison.md", rest.len()),
        });
    }
    all.iter().map(Annotation::command).collect()
}

struct Annotation {
    /// `error`, `warning` or `notice`.
    level: &'static str,
    title: String,
    message: String,
}

impl Annotation {
    /// Escaped as the runner decodes it: neither a value nor a property may end its line or itself.
    fn command(&self) -> String {
        let data = |text: &str| {
            let text = shortened(text, TEXT);
            text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
        };
        let title = data(&self.title).replace(':', "%3A").replace(',', "%2C");
        format!("::{} title={title}::{}", self.level, data(&self.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::comparison::judged::tests::with_thresholds;
    use crate::render::files::tests::{hostile, huge};
    use crate::results::fixture;

    fn announced(comparison: &Comparison, variables: &[(&str, &str)]) -> String {
        let mut out = Vec::new();
        let variable = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        };
        announce(comparison, variable, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_github_gets_annotations_and_the_worst_is_first() {
        let comparison = fixture::comparison();
        assert_eq!(announced(&comparison, &[]), "");
        let text = announced(&comparison, &[("GITHUB_ACTIONS", "true")]);
        let lines: Vec<_> = text.lines().collect();
        assert!(
            lines[0].starts_with(
                "::error title=stock-ticker%3A Long polling::3 lost with the candidate, none"
            ),
            "{text}"
        );
        assert!(lines[2].contains("SSE server CPU per delivery::12 %25 more"), "{text}");
        assert!(lines.last().unwrap().starts_with("::notice "), "{text}");
    }

    #[test]
    fn there_are_never_more_than_ten_whatever_comes_from_outside() {
        for comparison in [huge(), hostile("a\n::error::injected\r\n::set-output name=x::y, 100%")]
        {
            let text = announced(&comparison, &[("GITHUB_ACTIONS", "true")]);
            assert!(text.lines().count() <= LIMIT, "{text}");
            for line in text.lines() {
                let (head, _) = line.split_at(line.find(" title=").unwrap());
                assert!(["::error", "::warning", "::notice"].contains(&head), "{line}");
            }
            assert!(!text.contains('\r'));
        }
        let text = announced(&huge(), &[("GITHUB_ACTIONS", "true")]);
        assert!(text.lines().last().unwrap().contains("… and "), "{text}");
    }

    #[test]
    fn a_crossed_threshold_is_an_error() {
        let text = announced(&with_thresholds(), &[("GITHUB_ACTIONS", "true")]);
        assert!(
            text.contains("::error title=SSE::sse.latency: max<1ms is crossed (4.40 ms)"),
            "{text}"
        );
        assert!(
            text.contains("::warning title=SSE::sse.latency: p(99.9)<2s cannot be judged"),
            "{text}"
        );
    }

    #[test]
    fn the_step_summary_is_appended_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("summary");
        std::fs::write(&path, "before\n").unwrap();
        let comparison = fixture::comparison();
        let name = path.to_str().unwrap();
        assert_eq!(announced(&comparison, &[("GITHUB_STEP_SUMMARY", name)]), "");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("before\n<!-- pushbench -->\n"), "{text}");
    }
}
