//! `pushbench init`: a commented scenario to start from.

use std::io::Write as _;
use std::path::Path;

use super::screen::Stdout;
use super::{AlreadyExists, ExitStatus};
use crate::results::folder::{write_new, write_whole};
use crate::scenario::template::TEMPLATE;

/// Writes the commented scenario to `path`, whole or not at all; an existing file only gives way
/// if `force` says so.
///
/// # Errors
/// [`AlreadyExists`], or when the file cannot be written.
pub fn init(path: &Path, force: bool) -> anyhow::Result<ExitStatus> {
    if force {
        write_whole(path, TEMPLATE.as_bytes())?;
    } else if !write_new(path, TEMPLATE.as_bytes())? {
        return Err(AlreadyExists(path.to_owned()).into());
    }
    writeln!(Stdout::new(), "wrote {0}; next: pushbench check {0}", path.display())?;
    Ok(ExitStatus::Complete)
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
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let path = folder.path().join("file/mine.toml");
        for force in [false, true] {
            let error = init(&path, force).unwrap_err().to_string();
            assert_eq!(error, format!("cannot write {}", path.display()));
        }
    }
}
