//! Scenarios and the files that they are from.

use std::io;
use std::path::{Path, PathBuf};

use crate::scenario::{Scenario, ScenarioError};

/// Something that a command cannot work with, and what to name instead.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);

/// A scenario and the file that it is from.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) scenario: Scenario,
    pub(crate) text: String,
}

impl Source {
    /// Every scenario of `paths`, files or folders of them, of different names.
    ///
    /// # Errors
    /// A bad scenario ([`ScenarioError`]), or [`Unusable`] ones of the same name.
    pub(crate) fn load_all(paths: &[PathBuf]) -> anyhow::Result<Vec<Self>> {
        let mut sources: Vec<Self> = Vec::new();
        for path in paths {
            let unreadable = |reason| ScenarioError::Unreadable { path: path.clone(), reason };
            for file in scenarios_at(path).map_err(unreadable)? {
                let source = Self::load(&file)?;
                let name = &source.scenario.name;
                if let Some(other) = sources.iter().find(|other| other.scenario.name == *name) {
                    let [one, two] = [&other.path, &file].map(|path| path.display());
                    let message =
                        format!("{one} and {two} have the same name `{name}`: rename one");
                    return Err(Unusable(message).into());
                }
                sources.push(source);
            }
        }
        Ok(sources)
    }

    pub(crate) fn load(path: &Path) -> Result<Self, ScenarioError> {
        let (scenario, text) = Scenario::load(path)?;
        Ok(Self { path: path.to_owned(), scenario, text })
    }
}

/// The file, or all `*.toml` directly in the folder, sorted.
pub(crate) fn scenarios_at(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in path.read_dir()? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "toml") && file.is_file() {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(io::Error::other("the folder contains no scenario (*.toml)"));
    }
    files.sort_unstable();
    Ok(files)
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
        assert!(error.to_string().contains("b.toml have the same name `"), "{error}");
        assert!(Source::load_all(&[path("c.toml")]).unwrap_err().is::<ScenarioError>());
    }
}
