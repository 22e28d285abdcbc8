//! Unsafe code is in one file only: this reads every source file of the workspace.

use std::fs;
use std::path::Path;

use crate::files::{crates, rust_files};

/// The one file that may, relative to `crates/`.
const AUDITED: &str = "loadgen/src/client/tcp_info.rs";

#[test]
fn unsafe_code_is_in_one_file() {
    let crates = crates();
    let files = rust_files(&crates);
    let unsafe_files: Vec<_> = files
        .iter()
        .map(|path| path.strip_prefix(&crates).unwrap())
        // These files have to name what is looked for.
        .filter(|path| !path.starts_with("loadgen/tests/structure"))
        .filter(|path| fs::read_to_string(crates.join(path)).unwrap().contains("unsafe"))
        .collect();
    assert_eq!(unsafe_files, [Path::new(AUDITED)], "write it without, or audit it there");
}
