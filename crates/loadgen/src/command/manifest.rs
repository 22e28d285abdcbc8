//! How a measurement came about, as its results say it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::Unusable;
use super::check::scenarios_at;
use super::run::Build;
use crate::engine::{Cores, fairness, machine};
use crate::results::Manifest;
use crate::results::model::{ScenarioText, SweptCell};
use crate::scenario::{Scenario, ScenarioError, hex};

/// A scenario and the file that it is from.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) scenario: Scenario,
    pub(super) text: String,
}

impl Source {
    /// Every scenario of `paths`, files or folders of them, of different names.
    ///
    /// # Errors
    /// A bad scenario ([`ScenarioError`]), or [`Unusable`] ones of the same name.
    pub(super) fn load_all(paths: &[PathBuf]) -> anyhow::Result<Vec<Self>> {
        let mut sources: Vec<Self> = Vec::new();
        for path in paths {
            let unreadable = |reason| ScenarioError::Unreadable { path: path.clone(), reason };
            for file in scenarios_at(path).map_err(unreadable)? {
                let source = Self::load(&file)?;
                let name = &source.scenario.name;
                if let Some(other) = sources.iter().find(|other| other.scenario.name == *name) {
                    let [one, two] = [&other.path, &file].map(|path| path.display());
                    let message = format!("{one} and {two} are both called `{name}`: rename one");
                    return Err(Unusable(message).into());
                }
                sources.push(source);
            }
        }
        Ok(sources)
    }

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
            machine: machine::machine(cores),
            contenders: scenario.contender_ids().cloned().collect(),
            settings: fairness::settings(cores, server.is_none()),
            shortenings: Vec::new(),
            scenario: ScenarioText {
                name: scenario.name.clone(),
                description: scenario.description.clone(),
                path: path.display().to_string(),
                text: text.clone(),
                sha256: hex(&Sha256::digest(text)),
            },
            cells: scenario
                .sweep
                .iter()
                .map(|cell| SweptCell { name: cell.name.clone(), settings: cell.settings.clone() })
                .collect(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_of_one_name_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let text = crate::scenario::template::TEMPLATE;
        for name in ["a.toml", "b.toml"] {
            std::fs::write(path(name), text).unwrap();
        }
        assert_eq!(Source::load_all(&[path("a.toml")]).unwrap().len(), 1);
        let error = Source::load_all(&[dir.path().to_owned()]).unwrap_err();
        assert!(error.is::<Unusable>(), "{error}");
        assert!(error.to_string().contains("b.toml are both called"), "{error}");
        assert!(Source::load_all(&[path("c.toml")]).unwrap_err().is::<ScenarioError>());
    }
}
