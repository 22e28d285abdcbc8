//! The files of the journal: what they are called, and that nobody else has them. It knows no record.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

/// What the file is called that is locked.
const LOCK: &str = "lock";

/// How the name of a file with events ends.
const SUFFIX: &str = ".log";

/// What is behind that where it is damaged: nobody reads it but who repairs it.
const DAMAGED: &str = ".damaged";

/// What is behind that as long as the beginning of a file is not written.
const NEW: &str = ".new";

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

    fn new_path_of(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:020}{SUFFIX}{NEW}"))
    }

    /// A new file, which is one of them when it is [shown](Self::show): nobody reads half a beginning.
    pub(super) fn create(&self, number: u64) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).open(self.new_path_of(number))
    }

    /// Makes a new file one of them.
    pub(super) fn show(&self, number: u64) -> io::Result<()> {
        fs::rename(self.new_path_of(number), self.path_of(number))
    }

    /// Forgets a new file that was not shown.
    pub(super) fn drop_new(&self, number: u64) {
        // Otherwise the next one with its number, or the next server, does it.
        let _ = fs::remove_file(self.new_path_of(number));
    }

    /// Forgets what another server was about to begin.
    pub(super) fn drop_all_new(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            if path.to_str().is_some_and(|name| name.ends_with(&format!("{SUFFIX}{NEW}"))) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Cuts off what is in a file from that byte on, and keeps it beside it.
    pub(super) fn set_aside(&self, number: u64, from: u64) -> io::Result<()> {
        let path = self.path_of(number);
        let aside = self.path.join(format!("{number:020}{SUFFIX}{DAMAGED}"));
        if from == 0 {
            return fs::rename(path, aside);
        }
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        file.seek(SeekFrom::Start(from))?;
        let mut copy = File::create(aside)?;
        io::copy(&mut file, &mut copy)?;
        copy.sync_all()?;
        file.set_len(from)?;
        file.sync_all()
    }

    /// Makes sure that the names of all files are on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.itself.sync_all()
    }

    /// Removes a file, if it is there.
    pub(super) fn remove(&self, number: u64) -> io::Result<()> {
        match fs::remove_file(self.path_of(number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
