//! Whether the values of a file make a scenario, each alone and all together. What passes is
//! valid by construction: nobody checks it again.

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, Deserializer};

use super::client_check::check_browsers;
use super::error::{Problem, Problems};
use super::file::ScenarioFile;
use super::limits::MAX_BLOCKS;
use super::values::Values;
use super::workload::check_together;
use super::{ContenderId, Scenario, gates, lineup, literature, needs, server, shape, thresholds};

/// The scenario that `table` holds, apart from its sweep.
pub(super) fn checked(
    table: Spanned<DeTable<'_>>,
    schema: &serde_json::Value,
    problems: &mut Problems<'_>,
) -> Result<Scenario, Vec<Problem>> {
    shape::check(&table, schema, problems);
    problems.none_so_far()?;
    let file = ScenarioFile::deserialize(Deserializer::from(table))
        .map_err(|error| problems.only(&error))?;
    let scenario = scenario(&file, schema, problems);
    problems.none_so_far()?;
    check_together(&file.workload, &scenario, problems);
    check_browsers(&file, &scenario, problems);
    server::check_together(file.server_spans(), &scenario, problems);
    problems.none_so_far()?;
    Ok(scenario)
}

/// The scenario of a file whose values are all right alone. Where one is not, that is noted, and
/// the scenario must not be used.
fn scenario(
    file: &ScenarioFile,
    schema: &serde_json::Value,
    problems: &mut Problems<'_>,
) -> Scenario {
    let mut values = Values { problems };
    let presets = server::Presets { files: &file.preset_files, schema };
    let servers = server::servers(&file.server, &presets, &mut values);
    let contenders = lineup::contenders(file, &servers, &mut values);
    // One that is misspelt where it is named is said there.
    if values.problems.count() == 0 {
        let named = file.servers.as_ref().map(|named| &named.get_ref()[..]);
        server::check_used(file.server_spans(), &servers, named, &contenders, values.problems);
    }
    let ids: Vec<ContenderId> = contenders.iter().map(|contender| contender.id.clone()).collect();
    Scenario {
        name: values.name(&file.name, "it names the results folder"),
        description: values.description(&file.description),
        blocks: values.count("blocks", &file.blocks, 1..=MAX_BLOCKS, ""),
        seed: values.seed(&file.seed),
        workload: values.workload(&file.workload),
        thresholds: thresholds::parse(&file.thresholds, &ids, values.problems),
        objectives: thresholds::parse(&file.objectives, &ids, values.problems),
        needs: needs::parse(&file.needs, values.problems),
        gates: gates::parse(&file.gates, values.problems),
        sweep: Vec::new(),
        published: literature::parse(&file.published, &ids, values.problems),
        contenders,
    }
}
