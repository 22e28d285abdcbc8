//! The folder of a browser.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// The folder of a browser, which goes with it. What was killed a moment ago may still write there.
pub(super) struct Profile(PathBuf);

impl Profile {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        const ATTEMPTS: u32 = 200;
        const BETWEEN: Duration = Duration::from_millis(10);
        for _ in 0..ATTEMPTS {
            if fs::remove_dir_all(&self.0).is_ok() || !self.0.exists() {
                return;
            }
            #[expect(clippy::disallowed_methods, reason = "nothing is measured any more")]
            std::thread::sleep(BETWEEN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_although_somebody_still_writes_there() {
        let folder = tempfile::tempdir().unwrap().keep();
        let file = folder.join("late");
        let writing = std::thread::spawn(move || {
            (0..2_000).for_each(|_| drop(fs::write(&file, "still there")));
        });
        let path = folder.clone();
        drop(Profile::new(folder));
        writing.join().unwrap();
        assert!(!path.exists());
    }
}
