//! Imports between the layers of this crate run downwards only: this reads every source file.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;

/// Each layer, and the layers that it may use.
const LAYERS: &[(&str, &[&str])] = &[
    ("metric", &[]),
    ("scenario", &["metric"]),
    ("client", &["metric", "scenario"]),
    ("deployment", &["scenario"]),
    ("results", &["metric", "scenario"]),
    ("engine", &["metric", "scenario", "client", "deployment", "results"]),
    ("analysis", &["metric", "scenario", "results"]),
    ("report", &["metric", "results", "analysis"]),
    ("campaign", &["metric", "scenario", "results", "engine", "analysis"]),
    (
        "command",
        &["metric", "scenario", "client", "results", "engine", "analysis", "report", "campaign"],
    ),
];

fn visit(path: &Path, check: &mut impl FnMut(&Path, &str)) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            visit(&entry.unwrap().path(), check);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        check(path, &fs::read_to_string(path).unwrap());
    }
}

/// Ways to another layer that the check below does not see. None is needed, so none may be used.
const HIDDEN: &[&str] = &["crate::{", "crate::*", "crate as ", "super::super", "{super::"];

#[test]
fn imports_run_downwards() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut uses = 0;
    for (layer, allowed) in LAYERS {
        let root = src.join(layer).join("mod.rs");
        assert!(root.is_file(), "layer {layer} has gone: mend LAYERS");
        visit(&src.join(layer), &mut |path, text| {
            let file = path.strip_prefix(&src).unwrap().display();
            for hidden in HIDDEN {
                assert!(!text.contains(hidden), "{file}: write `crate::LAYER::…`, not `{hidden}`");
            }
            // Above the root of a layer is the crate; what is indented is in a module of its own.
            let above = path == root && text.lines().any(|line| line.starts_with("use super::"));
            assert!(!above, "{file}: write `crate::LAYER::…`, not `super::`");
            for (other, _) in LAYERS.iter().filter(|(other, _)| other != layer) {
                if text.contains(&format!("crate::{other}")) {
                    uses += 1;
                    assert!(allowed.contains(other), "{file} uses {other}: {layer} must not");
                }
            }
        });
    }
    assert!(uses > 10, "the check sees imports");
}
