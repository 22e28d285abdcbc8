//! No source file is too long to be read in one go.

use std::fs;

use crate::files::{crates, rust_files};

/// Tests included: whoever changes a file reads all of it.
const MAX_LINES: usize = 400;

#[test]
fn no_file_is_too_long() {
    let crates = crates();
    let files = rust_files(&crates);
    assert!(files.len() > 100, "the check sees the files");
    let too_long: Vec<_> = files
        .iter()
        .map(|file| (file, fs::read_to_string(file).unwrap().lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(file, lines)| format!("{lines} {}", file.strip_prefix(&crates).unwrap().display()))
        .collect();
    assert!(
        too_long.is_empty(),
        "{} files have more than {MAX_LINES} lines; split them by what they are about:\n{}",
        too_long.len(),
        too_long.join("\n")
    );
}
