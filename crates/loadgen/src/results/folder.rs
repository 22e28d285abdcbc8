//! How a file gets into a folder whole or not at all. It must not know what the file holds.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::{NamedTempFile, PersistError};

/// Writes a file so that `path` holds either what it held before or all of `bytes`, whatever
/// happens meanwhile. Its folder is made if it does not exist.
///
/// # Errors
/// What the operating system reports, with the path.
pub fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write(path, bytes, |file| file.persist(path)).map(drop)
}

/// Writes files into `dir`, by their names there, and says where they are.
///
/// # Errors
/// As [`write_whole`]; then those before are written.
pub fn write_all(
    dir: &Path,
    files: impl IntoIterator<Item = (impl AsRef<Path>, Vec<u8>)>,
) -> anyhow::Result<Vec<PathBuf>> {
    let write = |(name, bytes): (_, Vec<u8>)| {
        let path = dir.join(name);
        write_whole(&path, &bytes)?;
        Ok(path)
    };
    files.into_iter().map(write).collect()
}

/// The same, but an existing file stays as it is: says whether `bytes` were written.
///
/// # Errors
/// What the operating system reports, with the path.
pub fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<bool> {
    write(path, bytes, |file| file.persist_noclobber(path))
}

/// Says whether the file got its place; `place` gives it that, and is refused when it is taken.
fn write(
    path: &Path,
    bytes: &[u8],
    place: impl FnOnce(NamedTempFile) -> Result<File, PersistError>,
) -> anyhow::Result<bool> {
    let failed = || format!("cannot write {}", path.display());
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder).with_context(failed)?;
    // In the same folder, because a rename is atomic only within one file system.
    let mut file = tempfile::Builder::new()
        .prefix(".pushbench-")
        .permissions(readable_by_all())
        .tempfile_in(folder)
        .with_context(failed)?;
    file.write_all(bytes).with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    match place(file) {
        Err(taken) if taken.error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        placed => placed.with_context(failed)?,
    };
    // The rename itself is durable only once the folder is.
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(failed)?;
    Ok(true)
}

/// What a run leaves at least, reports and charts included.
const ROOM_BYTES: usize = 4 << 20;

/// Makes sure that `dir`, which exists, has room for results.
///
/// # Errors
/// A full disk, or whatever else keeps files from it.
pub(super) fn ensure_room(dir: &Path) -> anyhow::Result<()> {
    let mut file = tempfile::tempfile_in(dir)
        .with_context(|| format!("cannot write into {}", dir.display()))?;
    file.write_all(&vec![0; ROOM_BYTES]).with_context(|| {
        format!("{} has no room for {} MiB of results", dir.display(), ROOM_BYTES >> 20)
    })
}

/// Temporary files are private by default; results are as readable as the umask lets them be.
fn readable_by_all() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::Permissions::from_mode(0o666)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_never_takes_the_place_of_another() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new");
        assert!(write_new(&path, b"first").unwrap());
        assert!(!write_new(&path, b"second").unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing temporary is left");

        let plain = dir.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&plain), "what the umask allows");

        let error = write_new(&path.join("below"), b"").unwrap_err().to_string();
        assert!(error.ends_with("new/below"), "{error}: a file is no folder");
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        std::fs::create_dir(&path).unwrap();
        assert!(write_whole(&path, b"new").unwrap_err().to_string().contains("taken"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
