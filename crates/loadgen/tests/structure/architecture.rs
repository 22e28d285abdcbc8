//! ARCHITECTURE.md says what is so: its table of layers is the one that is checked, and its paths lead somewhere.

use std::collections::BTreeSet;
use std::fs;

use crate::files::{crates, src};
use crate::layers::LAYERS;

fn text() -> String {
    fs::read_to_string(crates().join("../ARCHITECTURE.md")).unwrap()
}

/// Which layers `layer` may use, as the last cell of its row says.
fn uses<'a>(layer: &'a str, cell: &'a str) -> BTreeSet<&'a str> {
    let listed = |list: &'a str| list.split(", ").filter(|name| *name != "–");
    match cell.strip_prefix("all but ") {
        None => listed(cell).collect(),
        Some(others) => {
            let not: BTreeSet<_> = listed(others).chain([layer]).collect();
            LAYERS.iter().map(|(name, _)| *name).filter(|name| !not.contains(name)).collect()
        }
    }
}

#[test]
fn its_layers_are_those_that_are_checked() {
    let text = text();
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let layer = cells.get(1)?.strip_prefix('`')?.strip_suffix("/`")?;
        Some((layer, uses(layer, cells.get(4)?)))
    });
    let checked =
        LAYERS.iter().map(|(layer, uses)| (*layer, uses.iter().copied().collect::<BTreeSet<_>>()));
    assert_eq!(rows.collect::<Vec<_>>(), checked.collect::<Vec<_>>());
}

#[test]
fn its_paths_lead_somewhere() {
    let text = text();
    let quoted = text.split('`').skip(1).step_by(2);
    let paths = quoted.filter(|path| path.contains('/') && !path.contains(' '));
    // A pattern stands for its folder.
    let paths = paths.map(|path| path.split('*').next().unwrap_or_default());
    let paths: BTreeSet<_> = paths.collect();
    assert!(paths.len() > 100, "the check sees the paths");
    let places = [src(), crates().join("..")];
    let is_lost = |path: &&&str| !places.iter().any(|place| place.join(path).exists());
    let lost: Vec<_> = paths.iter().filter(is_lost).collect();
    assert!(lost.is_empty(), "there is none: {lost:?}");
}
