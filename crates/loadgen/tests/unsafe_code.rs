//! Unsafe code is in one file only: this reads every source file of the workspace.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};

/// The one file that may, relative to `crates/`.
const AUDITED: &str = "loadgen/src/client/tcp_info.rs";

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn unsafe_code_is_in_one_file() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    sources(crates, &mut found);
    let unsafe_files: Vec<_> = found
        .iter()
        .map(|path| path.strip_prefix(crates).unwrap())
        // This file has to name what it looks for.
        .filter(|path| !path.ends_with("tests/unsafe_code.rs"))
        .filter(|path| fs::read_to_string(crates.join(path)).unwrap().contains("unsafe"))
        .collect();
    assert_eq!(unsafe_files, [Path::new(AUDITED)], "write it without, or audit it there");
}
