//! The files of the journal: what they are called, and that nobody else has them. It knows no record.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

/// What the file is called that is locked.
const LOCK: &str = "lock";

/// How the name of a file with events ends.
const SUFFIX: &str = ".log";

/// The folder, which nobody else has as long as this is kept.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Written to, so that names of files are on the disk, too.
    itself: File,
    _lock: Flock<File>,
}

impl Folder {
    /// Makes it if it is not there.
    ///
    /// # Errors
    /// What the system reports; [`io::ErrorKind::ResourceBusy`] when another server has it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        let lock =
            OpenOptions::new().write(true).create(true).truncate(false).open(path.join(LOCK))?;
        let lock =
            Flock::lock(lock, FlockArg::LockExclusiveNonblock).map_err(
                |(_, error)| match error {
                    nix::errno::Errno::EWOULDBLOCK => {
                        io::Error::new(io::ErrorKind::ResourceBusy, "another server uses it")
                    }
                    error => error.into(),
                },
            )?;
        Ok(Self { path: path.to_owned(), itself: File::open(path)?, _lock: lock })
    }

    /// The numbers of all files, smallest first.
    pub(super) fn numbers(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let digits = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            numbers.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    pub(super) fn path_of(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:020}{SUFFIX}"))
    }

    /// A new file, which is there after the end of the machine too if it `is_synced`.
    pub(super) fn create(&self, number: u64, is_synced: bool) -> io::Result<File> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(self.path_of(number))?;
        if is_synced {
            self.itself.sync_all()?;
        }
        Ok(file)
    }

    /// Removes a file. What cannot be removed now is read again after a restart, which harms nobody.
    pub(super) fn remove(&self, number: u64) {
        let _ = fs::remove_file(self.path_of(number));
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
