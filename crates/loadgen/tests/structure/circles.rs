//! No file of a layer uses another that uses it in turn, be it by way of others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::files::src;
use crate::modules::{Uses, uses};

/// The shortest circle through each file that is in one. Each begins at its first file by name.
fn circles(uses: &Uses) -> BTreeSet<Vec<&PathBuf>> {
    let shortest = uses.keys().filter_map(|start| {
        let mut reached_from = BTreeMap::new();
        let mut next = VecDeque::from([start]);
        while let Some(file) = next.pop_front() {
            for used in uses.get(file).into_iter().flat_map(BTreeMap::keys) {
                if used == start {
                    let before = |file: &&PathBuf| reached_from.get(*file).copied();
                    let mut circle: Vec<_> = std::iter::successors(Some(file), before).collect();
                    circle.reverse();
                    let first = (0..circle.len()).min_by_key(|&index| circle[index])?;
                    circle.rotate_left(first);
                    return Some(circle);
                }
                if !reached_from.contains_key(used) {
                    reached_from.insert(used, file);
                    next.push_back(used);
                }
            }
        }
        None
    });
    shortest.collect()
}

fn describe(circle: &[&PathBuf], uses: &Uses) -> String {
    let names: Vec<_> = circle.iter().map(|file| file.display().to_string()).collect();
    let mut text = format!("{} → {}\n", names.join(" → "), names[0]);
    for (index, file) in circle.iter().enumerate() {
        let used = circle[(index + 1) % circle.len()];
        let how = &uses[*file][used];
        writeln!(text, "    {}:{}: {}", file.display(), how.line, how.path).unwrap();
    }
    text
}

fn all_circles(uses: &Uses) -> Vec<String> {
    circles(uses).iter().map(|circle| describe(circle, uses)).collect()
}

#[test]
fn no_files_use_each_other() {
    let uses = uses(&|file| fs::read_to_string(src().join(file)).ok());
    let count: usize = uses.values().map(BTreeMap::len).sum();
    assert!(uses.len() > 50 && count > 200, "the check sees what files use: {count}");
    let found = all_circles(&uses);
    assert!(
        found.is_empty(),
        "{} circles; move what both sides need into a file below them:\n{}",
        found.len(),
        found.join("")
    );
}

/// The circles of a crate with these files.
fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
    let files: BTreeMap<_, _> =
        files.iter().map(|(file, text)| (PathBuf::from(file), (*text).to_owned())).collect();
    all_circles(&uses(&|file: &Path| files.get(file).cloned()))
}

const LIB: (&str, &str) = ("lib.rs", "mod a;");

#[test]
fn a_circle_is_found_with_the_lines_that_make_it() {
    let found = circles_of(&[
        LIB,
        ("a/mod.rs", "mod x;\nmod y;\nmod z;\npub(crate) use x::X;\n"),
        ("a/x.rs", "use std::fmt;\nuse super::{y::{self, Other}, z::Z as Renamed};\nstruct X;"),
        ("a/y.rs", "struct Other;\nuse crate::a::z;\nfn f() { z::make() }"),
        ("a/z.rs", "use super::X;\nstruct Z; fn make() {}"),
    ]);
    assert_eq!(
        found,
        [
            "a/x.rs → a/y.rs → a/z.rs → a/x.rs\n    a/x.rs:2: super::y::Other\n    \
             a/y.rs:3: z::make\n    a/z.rs:1: super::X\n",
            "a/x.rs → a/z.rs → a/x.rs\n    a/x.rs:2: super::z::Z\n    a/z.rs:1: super::X\n",
        ]
    );
}

#[test]
fn what_a_parent_passes_on_makes_no_circle_and_what_it_uses_does() {
    let child = ("a/x.rs", "use super::Own;\npub(crate) struct X;");
    let passes_on = "mod x;\npub(crate) use x::X;\npub(crate) struct Own;\n";
    let none: [String; 0] = [];
    assert_eq!(circles_of(&[LIB, ("a/mod.rs", passes_on), child]), none);
    for uses in ["fn f(x: X) {}", "fn f() { x::g() }", "fn f() { crate::a::X::new() }"] {
        let found = circles_of(&[LIB, ("a/mod.rs", &format!("{passes_on}{uses}")), child]);
        assert_eq!(found.len(), 1, "{uses}: {found:?}");
        assert!(found[0].starts_with("a/mod.rs → a/x.rs → a/mod.rs\n"), "{uses}: {found:?}");
    }
}

#[test]
fn what_is_passed_on_counts_for_the_file_that_defines_it() {
    // `x` uses `y` by way of two re-exports, one of them under another name.
    let found = circles_of(&[
        ("lib.rs", "mod a; mod b; pub use a::Shown as Outer;"),
        ("a/mod.rs", "pub mod y; pub use self::y::Y as Shown;"),
        ("a/y.rs", "use crate::b::X; pub struct Y;"),
        ("b.rs", "pub struct X; fn f() -> crate::Outer {}"),
    ]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("a/y.rs → b.rs → a/y.rs\n"), "{found:?}");
}

#[test]
fn tests_and_other_crates_make_no_circle() {
    let found = circles_of(&[
        ("lib.rs", "mod a; mod b; #[cfg(test)] mod fixture;"),
        (
            "a.rs",
            "use anyhow::anyhow; pub use std::time::Duration; pub struct A;
             fn f() { anyhow!() } #[cfg(test)] mod tests { use super::*; use crate::b::B; }",
        ),
        ("b.rs", "use crate::a::A; use crate::a::Duration; pub struct B;"),
    ]);
    assert!(found.is_empty(), "{found:?}");
}
