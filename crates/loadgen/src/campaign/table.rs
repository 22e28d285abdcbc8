//! The runs that the usual table is filled from: the user's workload, and scenarios that come with the program.

use std::path::Path;

use super::{Invocation, Source, Unusable};
use crate::analysis::table::{Row, WORKLOAD};
use crate::results::Run;
use crate::results::shortening::Shortening;
use crate::scenario::{Scenario, ScenarioError};

macro_rules! shipped {
    ($name:literal, $path:literal) => {
        ($name, $path, include_str!(concat!("../../../../", $path)))
    };
}

/// The name in the plan, the path in the repository, and the text.
const SHIPPED: [(&str, &str, &str); 13] = [
    shipped!("workload", "scenarios/default.toml"),
    shipped!("distance", "scenarios/table/distance.toml"),
    shipped!("rare-events", "scenarios/table/rare-events.toml"),
    shipped!("reconnect", "scenarios/table/reconnect.toml"),
    shipped!("binary", "scenarios/table/binary.toml"),
    shipped!("two-way", "scenarios/table/two-way.toml"),
    shipped!("protocol", "scenarios/table/protocol.toml"),
    shipped!("browsers", "scenarios/table/browsers.toml"),
    shipped!("proxies", "scenarios/table/proxies.toml"),
    shipped!("live-feed", "scenarios/table/live-feed.toml"),
    shipped!("notifications", "scenarios/table/notifications.toml"),
    shipped!("chat", "scenarios/table/chat.toml"),
    shipped!("game", "scenarios/table/game.toml"),
];

/// A run of the plan: its name, and what is run.
pub(crate) type Planned = (&'static str, Source);

/// The runs that `rows` take, with the user's workload if there is one.
///
/// # Errors
/// A bad scenario, or one that the table cannot be filled for.
pub(crate) fn table_runs(rows: &[Row], workload: Option<&Path>) -> anyhow::Result<Vec<Planned>> {
    let mut planned = Vec::new();
    let is_needed = |name: &str| rows.iter().any(|row| row.runs().any(|run| run == name));
    for (name, path, text) in SHIPPED.into_iter().filter(|(name, ..)| is_needed(name)) {
        let source = match workload.filter(|_| name == WORKLOAD) {
            Some(path) => users(path)?,
            None => embedded(path, text)?,
        };
        planned.push((name, source));
    }
    Ok(planned)
}

fn embedded(path: &str, text: &str) -> Result<Source, ScenarioError> {
    let path = Path::new(path);
    let (scenario, text) = Scenario::in_folder(text.to_owned(), path, Path::new(""))?;
    Ok(Source { path: path.to_owned(), scenario, text })
}

fn users(path: &Path) -> anyhow::Result<Source> {
    let source = Source::load(path)?;
    if !source.scenario.sweep.is_empty() {
        let message =
            format!("{}: the table is filled for one workload: leave out [sweep]", path.display());
        return Err(Unusable(message).into());
    }
    Ok(source)
}

/// Whether `run` is that of this scenario, shortened alike and by this very program, and whole.
pub(crate) fn is_measured(
    run: &Run,
    source: &Source,
    shortenings: &[Shortening],
    invocation: &Invocation,
) -> bool {
    let manifest = &run.manifest;
    !manifest.interrupted
        && run.measured() == manifest.planned_trials as usize
        && manifest.scenario.text == source.text
        && manifest.shortenings == shortenings
        && manifest.version == invocation.version
        && manifest.revision.as_deref() == invocation.revision
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::analysis::table::{columns, rows};
    use crate::campaign::fit::length;

    fn is_planned(name: &str) -> bool {
        SHIPPED.iter().any(|(known, ..)| *known == name)
    }

    #[test]
    fn every_run_that_a_cell_names_is_planned_and_compares_all_columns() {
        let named: BTreeSet<&str> = rows().iter().flat_map(Row::runs).collect();
        let unplanned: Vec<_> = named.iter().filter(|name| !is_planned(name)).collect();
        assert!(unplanned.is_empty(), "{unplanned:?}");
        assert!(SHIPPED.iter().all(|(name, ..)| named.contains(name)), "no run is for nothing");
        for (name, source) in table_runs(rows(), None).unwrap() {
            let scenario = &source.scenario;
            assert!(scenario.sweep.is_empty(), "{name}");
            assert!(scenario.blocks >= 2, "{name}: a single block has no interval");
            for column in columns() {
                assert!(scenario.contender_ids().any(|id| id.transport() == column), "{name}");
            }
            if name != WORKLOAD {
                assert_eq!(scenario.name, format!("table-{name}"));
                let shown = format!("scenarios/table/{name}.toml");
                assert_eq!(source.path, Path::new(&shown));
            }
        }
    }

    #[test]
    fn every_file_of_the_folder_is_in_the_plan_and_names_its_schema() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios/table");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(is_planned(name), "{name}");
            let (_, text) = Scenario::load(&path).unwrap_or_else(|error| panic!("{error}"));
            assert!(text.starts_with("#:schema ../scenario.schema.json\n"), "{name}");
        }
    }

    #[test]
    fn all_of_it_fits_twenty_minutes_with_some_to_spare() {
        let planned = table_runs(rows(), None).unwrap();
        let scenarios: Vec<_> = planned.into_iter().map(|(_, source)| source.scenario).collect();
        let minutes = length(&scenarios).as_secs_f64() / 60.0;
        assert!(minutes < 18.0, "{minutes} minutes: nothing is shortened by default");
    }

    #[test]
    fn a_row_takes_its_own_runs_alone() {
        let of = |key: &str| {
            let own: Vec<_> = rows().iter().filter(|row| row.key == key).cloned().collect();
            let planned = table_runs(&own, None).unwrap();
            planned.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(of("binary"), ["binary"]);
        assert_eq!(of("latency"), ["workload", "distance"]);
        assert_eq!(of("browsers"), ["browsers"]);
    }
}
