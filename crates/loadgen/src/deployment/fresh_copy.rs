//! A copy of a program that lives as long as one trial. It must not know what the program does.
//!
//! Where the pages of a program's file lie in memory decides which of them share a cache set and a TLB
//! entry, and lasts for as long as they are cached. Two files with the same bytes have been seen to
//! differ by 20 % in CPU time and by 10 % in memory, in every trial alike, which no repetition evens
//! out. A new copy for each trial draws the places again. (Mytkowicz et al., "Producing Wrong Data
//! Without Doing Anything Obviously Wrong!", ASPLOS 2009; Curtsinger and Berger, "Stabilizer",
//! ASPLOS 2013.)

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use nix::unistd::{AccessFlags, access};
use tempfile::TempDir;

/// Where it is if programs may not be run where temporary files are. Every system has it (FHS 3.0 §5.15).
const ELSEWHERE: &str = "/var/tmp";

/// Removed when it is dropped; a process that runs it goes on.
#[derive(Debug)]
pub(crate) struct FreshCopy {
    folder: TempDir,
}

impl FreshCopy {
    /// Copies `program` into the folder for temporary files, or into another one if that is mounted `noexec`.
    ///
    /// # Errors
    /// When it cannot be read, there is no room for it, or it may not run anywhere.
    pub(crate) fn of(program: &Path) -> anyhow::Result<Self> {
        Self::within(&[&std::env::temp_dir(), Path::new(ELSEWHERE)], program)
    }

    fn within(folders: &[&Path], program: &Path) -> anyhow::Result<Self> {
        for (tried, folder) in folders.iter().enumerate() {
            match Self::at(folder, program) {
                Ok(copy) if copy.may_run() => return Ok(copy),
                Err(error) if tried == 0 => return Err(error),
                _ => {}
            }
        }
        let folders: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
        bail!(
            "a trial starts a copy of {}, and programs may not be run in {}: they are mounted `noexec`. Name a \
             folder where they may, as in `TMPDIR=$HOME pushbench …`",
            program.display(),
            folders.join(" or in ")
        );
    }

    /// Whether the folder lets programs run.
    fn may_run(&self) -> bool {
        access(&self.path(), AccessFlags::X_OK).is_ok()
    }

    fn at(folder: &Path, program: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("pushbench-").tempdir_in(folder);
        let folder = folder.context("cannot make a folder for temporary files")?;
        let copy = Self { folder };
        fs::copy(program, copy.path()).with_context(|| {
            format!("cannot copy {} to {}", program.display(), copy.path().display())
        })?;
        Ok(copy)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("pushbench")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn each_copy_is_a_file_of_its_own_and_goes() {
        let program = Path::new("/bin/sh");
        let copies = [(); 2].map(|()| FreshCopy::of(program).unwrap());
        let paths = copies.each_ref().map(FreshCopy::path);
        let inode = |path: &Path| fs::metadata(path).unwrap().ino();
        assert_ne!(inode(&paths[0]), inode(&paths[1]));
        for path in &paths {
            assert_eq!(fs::read(path).unwrap(), fs::read(program).unwrap());
            assert_ne!(fs::metadata(path).unwrap().mode() & 0o100, 0, "it may run");
        }
        drop(copies);
        for path in &paths {
            assert!(!path.parent().unwrap().exists(), "{}", path.display());
        }
    }

    #[test]
    fn what_cannot_be_copied_is_named() {
        let error = FreshCopy::of(Path::new("/no/such/program")).unwrap_err();
        assert!(error.to_string().contains("/no/such/program"), "{error}");
    }
}
