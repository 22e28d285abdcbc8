//! `pushbench init`: a commented scenario to start from.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::NamedTempFile;

use crate::scenario::template::TEMPLATE;

/// There is a file already, and nobody said that it may go.
#[derive(Debug, thiserror::Error)]
#[error("{} exists already: name another file, or overwrite it with --force", .0.display())]
pub struct AlreadyExists(pub PathBuf);

/// Writes the commented scenario to `path`, whole or not at all; an existing file only gives way
/// if `force` says so.
///
/// # Errors
/// [`AlreadyExists`], or when the file cannot be written.
pub fn init(path: &Path, force: bool) -> anyhow::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let write = || -> io::Result<()> {
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(TEMPLATE.as_bytes())?;
        file.as_file().sync_all()?;
        if force {
            file.persist(path)?
        } else {
            file.persist_noclobber(path)?
        };
        Ok(())
    };
    match write() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(AlreadyExists(path.to_owned()).into())
        }
        result => result.with_context(|| format!("cannot write {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn writes_a_scenario_that_loads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        init(&path, false).unwrap();
        assert_eq!(Scenario::load(&path).unwrap().1, TEMPLATE);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "leaves nothing else behind");
    }

    #[test]
    fn overwrites_only_when_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        fs::write(&path, "precious").unwrap();

        let error = init(&path, false).unwrap_err();
        assert!(error.downcast_ref::<AlreadyExists>().is_some(), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "leaves nothing else behind");

        init(&path, true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), TEMPLATE);
    }

    #[test]
    fn names_the_file_that_cannot_be_written() {
        let error = init(Path::new("/nowhere/at/all.toml"), false).unwrap_err();
        assert!(
            format!("{error:#}").starts_with("cannot write /nowhere/at/all.toml: No such file")
        );
    }
}
