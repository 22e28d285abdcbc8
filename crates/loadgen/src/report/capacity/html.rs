//! `capacity.html`: one offline page that needs nothing but itself.

use anyhow::Context as _;
use askama::Template;

use super::{Report, sheet, words};
use crate::report::charts::{self, LatencyByLoad};
use crate::report::html::{shortened, unbroken};
use crate::report::sheet::Sheet;

/// The most trials of one contender that are listed, so that the page stays a page.
const TRIALS: usize = 80;
/// The longest text from outside, in characters.
const TEXT: usize = 300;
const COMMAND: usize = 2_000;
const SCENARIO_TEXT: usize = 20_000;

#[derive(Template)]
#[template(path = "capacity.html")]
struct Page {
    name: String,
    headline: String,
    description: String,
    concerns: Vec<String>,
    found: Sheet,
    alternative: String,
    picture: String,
    trials: Vec<Sheet>,
    command: String,
    environment: Vec<(&'static str, String)>,
    scenario: String,
}

/// The page's text.
pub(super) fn page(report: &Report<'_>) -> anyhow::Result<String> {
    let manifest = &report.capacity.manifest;
    let machine = &manifest.machine;
    let searches = 0..report.conclusions.len();
    let environment = [
        ("Run", manifest.run.clone()),
        ("Started", manifest.started_at.clone()),
        ("pushbench", manifest.version.clone()),
        ("Server", manifest.server.clone()),
        ("Seed", manifest.seed.to_string()),
        ("CPU", machine.cpu_model.clone().unwrap_or_else(|| "unknown".to_owned())),
        ("Cores", machine.cores.to_string()),
        ("Kernel", machine.kernel.clone()),
    ];
    let shown = |(name, value): (&'static str, String)| (name, shortened(&value, TEXT));
    let headline = words::headline(report);
    let page = Page {
        name: shortened(&manifest.scenario.name, TEXT),
        description: shortened(&manifest.scenario.description, COMMAND),
        concerns: words::concerns(report).iter().map(|text| shortened(text, TEXT)).collect(),
        found: sheet::found(report),
        alternative: format!("{}. {headline}", LatencyByLoad::TITLE),
        headline: unbroken(&headline),
        picture: charts::svg(&report.picture())?,
        trials: searches.map(|index| sheet::trials(report, index, TRIALS)).collect(),
        command: shortened(&manifest.command, COMMAND),
        environment: environment.into_iter().map(shown).collect(),
        scenario: shortened(&manifest.scenario.text, SCENARIO_TEXT),
    };
    page.render().context("cannot render capacity.html")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Capacity, fixture};

    fn rendered(capacity: &Capacity) -> String {
        page(&Report::of(capacity)).unwrap()
    }

    #[test]
    fn it_stands_alone_and_says_what_was_found() {
        let html = rendered(&fixture::capacity());
        for outside in ["http:", "https:", "src=", "@import", "url(", "<link"] {
            assert!(!html.contains(outside), "{outside} refers to something outside");
        }
        for text in
            ["191 subscribers", "latency p(99)&#60;100ms", "at least 200 subscribers", "<svg "]
        {
            assert!(html.contains(text), "{text} is missing");
        }
        assert!(html.len() < 250_000, "{} bytes", html.len());
    }

    #[test]
    fn what_comes_from_outside_is_escaped() {
        let mut capacity = fixture::capacity();
        let hostile = "</script><script>alert(1)</script>";
        capacity.manifest.scenario.name = hostile.to_owned();
        capacity.manifest.scenario.description = hostile.to_owned();
        capacity.manifest.command = hostile.to_owned();
        capacity.searches.iter_mut().for_each(|search| search.least.why = hostile.to_owned());
        assert!(!rendered(&capacity).contains("<script>alert"));
    }
}
