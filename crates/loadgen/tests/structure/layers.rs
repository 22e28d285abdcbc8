//! Imports between the layers of this crate run downwards only: this reads every source file.

use std::fs;

use crate::files::{rust_files, src};

/// Each layer, and the layers that it may use.
pub(crate) const LAYERS: &[(&str, &[&str])] = &[
    ("metric", &[]),
    ("text", &[]),
    ("input", &[]),
    ("scenario", &["metric", "input"]),
    ("client", &["metric", "scenario"]),
    ("deployment", &["input", "scenario"]),
    ("results", &["metric", "input", "scenario"]),
    ("engine", &["metric", "scenario", "client", "deployment", "results"]),
    ("analysis", &["metric", "scenario", "results"]),
    ("document", &["metric", "results", "analysis"]),
    ("render", &["metric", "text", "results", "analysis", "document"]),
    ("campaign", &["metric", "text", "scenario", "results", "engine", "analysis"]),
    (
        "command",
        &[
            "metric", "text", "scenario", "client", "results", "engine", "analysis", "document",
            "render", "campaign",
        ],
    ),
];

/// Ways to another layer that the check below does not see. None is needed, so none may be used.
const HIDDEN: &[&str] = &["crate::{", "crate::*", "crate as ", "super::super", "{super::"];

#[test]
fn imports_run_downwards() {
    let src = src();
    let mut uses = 0;
    for (layer, allowed) in LAYERS {
        let root = src.join(layer).join("mod.rs");
        assert!(root.is_file(), "layer {layer} has gone: mend LAYERS");
        for path in rust_files(&src.join(layer)) {
            let text = fs::read_to_string(&path).unwrap();
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
        }
    }
    assert!(uses > 10, "the check sees imports");
}

#[test]
fn every_module_is_in_a_layer() {
    for entry in fs::read_dir(src()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_known = name == "lib.rs" || LAYERS.iter().any(|(layer, _)| *layer == name);
        assert!(is_known, "src/{name} is in no layer: add it to LAYERS, or move it into one");
    }
}
