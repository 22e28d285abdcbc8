//! How a measurement came about, as its results say it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::run::Build;
use crate::engine::fairness;
use crate::engine::probe::{self, Cores};
use crate::results::Manifest;
use crate::results::model::ScenarioText;
use crate::scenario::{Scenario, ScenarioError};

/// A scenario and the file that it is from.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) scenario: Scenario,
    pub(super) text: String,
}

impl Source {
    pub(super) fn load(path: &Path) -> Result<Self, ScenarioError> {
        let (scenario, text) = Scenario::load(path)?;
        Ok(Self { path: path.to_owned(), scenario, text })
    }
}

/// What all manifests of one invocation have in common.
pub(super) struct Invocation<'a> {
    /// The command line.
    pub(super) command_line: &'a [String],
    /// What is running.
    pub(super) build: &'a Build,
    /// When it started.
    pub(super) started: Timestamp,
    /// Who runs where.
    pub(super) cores: &'a Cores,
}

impl Invocation<'_> {
    /// The manifest of a scenario whose trials `server` serves; by default this program.
    pub(super) fn manifest(
        &self,
        source: &Source,
        planned_trials: u32,
        server: Option<&[String]>,
    ) -> Manifest {
        let Self { command_line, build, started, cores } = *self;
        let Source { path, scenario, text } = source;
        Manifest {
            run: run_name(&scenario.name, started),
            command: shell_words::join(command_line),
            seed: scenario.seed,
            started_at: started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            started_unix_s: started.as_duration().as_secs_f64(),
            planned_trials,
            interrupted: false,
            version: build.version.to_owned(),
            revision: build.revision.map(str::to_owned),
            server: server.map_or("pushbench serve".to_owned(), shell_words::join),
            machine: probe::machine(cores),
            settings: fairness::settings(cores, server.is_none()),
            scenario: ScenarioText {
                name: scenario.name.clone(),
                description: scenario.description.clone(),
                path: path.display().to_string(),
                text: text.clone(),
                sha256: Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect(),
            },
        }
    }
}

/// What a run is called, and its folder if none is named.
pub(super) fn run_name(scenario: &str, started: Timestamp) -> String {
    format!("{scenario}-{}", started.strftime("%Y%m%d-%H%M%S"))
}

/// The folder for results when none is named: two may start within a second.
pub(super) fn free_folder(name: &str) -> PathBuf {
    let names = (2..).map(|number| format!("{name}-{number}"));
    let mut folders =
        std::iter::once(name.to_owned()).chain(names).map(|name| Path::new("results").join(name));
    folders.find(|folder| !folder.exists()).unwrap_or_default()
}
