//! Reading files that users name. It owns what no file may be, whatever it holds: endless, or a device;
//! it must not know what is in one.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// The bytes of a file, which has no more than `max_bytes`.
///
/// # Errors
/// What the operating system reports; what is no regular file, because a pipe without a writer and a
/// device would never end; what is larger.
pub(crate) fn bytes(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let is = fs::metadata(path)?;
    if is.is_dir() {
        return Err(io::Error::other("is a folder, not a file"));
    }
    if !is.is_file() {
        return Err(io::Error::other("is a pipe or a device, not a file: save what it gives"));
    }
    let mut bytes = Vec::new();
    // `take`, because the file may grow.
    File::open(path)?.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(io::Error::other(format!("is larger than {} MiB", max_bytes >> 20)));
    }
    Ok(bytes)
}

/// The text of a file, which has no more than `max_bytes`.
///
/// # Errors
/// As for [`bytes`], or what is not UTF-8.
pub(crate) fn text(path: &Path, max_bytes: u64) -> io::Result<String> {
    String::from_utf8(bytes(path, max_bytes)?).map_err(|error| {
        let is_utf16 = matches!(error.as_bytes(), [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        io::Error::other(match is_utf16 {
            true => "is UTF-16: save it as UTF-8".to_owned(),
            false => format!("line {line} is not UTF-8: save it as UTF-8"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_a_size_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "12345").unwrap();
        assert_eq!(bytes(&file, 5).unwrap(), b"12345");
        let refused = |path: &Path, max| bytes(path, max).unwrap_err().to_string();
        assert_eq!(refused(&file, 4), "is larger than 0 MiB");
        assert_eq!(refused(dir.path(), 4), "is a folder, not a file");
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        for endless in [&pipe, Path::new("/dev/zero")] {
            assert!(refused(endless, 4).starts_with("is a pipe or a device"));
        }
    }

    #[test]
    fn other_encodings_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        let refused = |held: &[u8]| {
            fs::write(&file, held).unwrap();
            text(&file, 100).unwrap_err().to_string()
        };
        assert_eq!(refused(b"\xff\xfea\0"), "is UTF-16: save it as UTF-8");
        assert_eq!(refused(b"a\nb\xe9"), "line 2 is not UTF-8: save it as UTF-8");
    }
}
