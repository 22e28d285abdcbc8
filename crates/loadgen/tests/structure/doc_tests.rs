//! Documentation holds no code that would have to be tested: `cargo test` does not look for any.

use std::fs;

use crate::files::{crates, rust_files};

/// The lines of `source` that begin a block of Rust in a doc comment.
fn rust_blocks(source: &str) -> Vec<usize> {
    let mut is_within = false;
    let mut found = Vec::new();
    for (index, line) in source.lines().enumerate() {
        let line = line.trim_start();
        let Some(text) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) else {
            continue;
        };
        if let Some(language) = text.trim_start().strip_prefix("```") {
            if !is_within && !["text", "toml", "sh", "json"].contains(&language.trim()) {
                found.push(index + 1);
            }
            is_within = !is_within;
        }
    }
    found
}

#[test]
fn there_are_none_that_nobody_runs() {
    let crates = crates();
    for file in rust_files(&crates) {
        let found = rust_blocks(&fs::read_to_string(&file).unwrap());
        let name = file.strip_prefix(&crates).unwrap().display();
        assert!(found.is_empty(), "{name}:{found:?}: make it a test, or say which language it is");
    }
}

#[test]
fn a_block_of_rust_is_found() {
    let source = "/// ```text\n/// a\n/// ```\nfn f() {}\n    //! ```\n    //! f();\n    //! ```\n";
    assert_eq!(rust_blocks(source), [5]);
    assert_eq!(rust_blocks("/// ```rust\n/// f();\n/// ```\n"), [1]);
}
