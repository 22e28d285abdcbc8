//! Sweeps: `[sweep]` gives keys of the file the values that each of them takes. Every combination
//! is a cell: the same file with these values in it, which passes the same checks as any other.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::checked;
use super::duration;
use super::error::{Problem, Problems};
use super::model::{Cell, Scenario, SweptValue};

/// The only cell of a scenario without a sweep.
pub const BASE_CELL: &str = "base";

/// More would take a day, and nobody reads so many.
const MAX_CELLS: usize = 100;

/// What is the same for every cell: it says what is measured and how often, or judges it.
const FIXED: [&str; 13] = [
    "name",
    "description",
    "compare",
    "contender",
    "proxy",
    "blocks",
    "seed",
    "sweep",
    "objectives",
    "thresholds",
    "gates",
    "published",
    "preset_files",
];

/// A value that has a place on an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// A number.
    Number(f64),
    /// A duration, in seconds.
    Seconds(f64),
}

impl SweptValue {
    /// Its place on an axis; none if it is a word or a table.
    #[must_use]
    pub fn amount(&self) -> Option<Amount> {
        amount(&self.value)
    }
}

fn amount(value: &str) -> Option<Amount> {
    match value.parse::<f64>() {
        Ok(number) => Some(Amount::Number(number)).filter(|_| number.is_finite()),
        Err(_) => duration::parse(value).ok().map(|of| Amount::Seconds(of.as_secs_f64())),
    }
}

impl Scenario {
    /// Every cell by its name, in the order of the file, the values of the last key changing
    /// fastest. Without a sweep it is this scenario, as [`BASE_CELL`].
    #[must_use]
    pub fn cells(&self) -> Vec<(&str, &Self)> {
        if self.sweep.is_empty() {
            return vec![(BASE_CELL, self)];
        }
        self.sweep.iter().map(|cell| (&*cell.name, &cell.scenario)).collect()
    }

    /// The scenario of the cell that has this name. Without a sweep every name is that of the only
    /// one.
    #[must_use]
    pub fn cell(&self, name: &str) -> Option<&Self> {
        if self.sweep.is_empty() {
            return Some(self);
        }
        self.sweep.iter().find(|cell| cell.name == name).map(|cell| &cell.scenario)
    }
}

/// What to call the keys of a sweep: the last segment of the path of each, or all of it where another
/// key ends alike.
#[must_use]
pub fn labels_of<'a>(paths: &[&'a str]) -> Vec<&'a str> {
    let last = |path: &'a str| path.rsplit('.').next().unwrap_or(path);
    let is_alone = |path| paths.iter().filter(|other| last(other) == last(path)).count() == 1;
    paths.iter().map(|&path| if is_alone(path) { last(path) } else { path }).collect()
}

/// A key that is swept.
struct Axis<'a, 'i> {
    key: &'a Spanned<Cow<'i, str>>,
    /// Each with its text.
    values: Vec<(String, &'a Spanned<DeValue<'i>>)>,
}

impl<'a> Axis<'a, '_> {
    fn path(&self) -> &'a str {
        self.key.get_ref()
    }
}

/// The cells of the file that `text` holds and `table` reads. None, when it sweeps nothing.
pub(super) fn cells(
    text: &str,
    mut table: Spanned<DeTable<'_>>,
    schema: &Value,
    problems: &mut Problems<'_>,
) -> Result<Vec<Cell>, Vec<Problem>> {
    let sweep = table.get_mut().remove("sweep").map(Spanned::into_inner);
    let Some(DeValue::Table(sweep)) = sweep else { return Ok(Vec::new()) };
    let axes = axes(text, &sweep, problems);
    problems.none_so_far()?;
    let Some(last) = axes.last() else { return Ok(Vec::new()) };
    let counts: Vec<usize> = axes.iter().map(|axis| axis.values.len()).collect();
    let count = counts.iter().fold(1_usize, |product, count| product.saturating_mul(*count));
    if count > MAX_CELLS {
        let counts: Vec<_> = counts.iter().map(ToString::to_string).collect();
        problems.at(
            last.key.span(),
            format!(
                "[sweep] has {count} cells ({}), and at most {MAX_CELLS} are measured: leave out \
                 values",
                counts.join(" x ")
            ),
        );
    }
    problems.none_so_far()?;

    let labels = labels(&axes);
    let mut cells = Vec::new();
    let mut seen: Vec<Problem> = Vec::new();
    for index in 0..count {
        match cell(text, &table, schema, &axes, &labels, index) {
            Ok(cell) => cells.push(cell),
            Err((name, found)) => {
                for problem in found {
                    // The other keys may have nothing to do with it, and then every one of their
                    // values meets it again.
                    if !seen.contains(&problem) {
                        problems
                            .again(&problem, format!("in the cell {name}: {}", problem.message));
                        seen.push(problem);
                    }
                }
            }
        }
    }
    problems.none_so_far()?;
    Ok(cells)
}

/// The cell with this index, or its name and what is wrong with it.
fn cell<'i>(
    text: &str,
    table: &Spanned<DeTable<'i>>,
    schema: &Value,
    axes: &[Axis<'_, 'i>],
    labels: &[String],
    index: usize,
) -> Result<Cell, (String, Vec<Problem>)> {
    let mut table = table.clone();
    let mut settings = Vec::new();
    let mut places = Vec::new();
    for (axis, index) in axes.iter().zip(indices(axes, index)) {
        let (shown, value) = &axis.values[index];
        put(table.get_mut(), axis.path(), &axis.key.span(), (*value).clone());
        places.push(value.span());
        settings.push(SweptValue { key: axis.path().to_owned(), value: shown.clone() });
    }
    places.extend(axes.iter().map(|axis| axis.key.span()));
    let names = labels.iter().zip(&settings).map(|(label, of)| format!("{label}={}", of.value));
    let name = names.collect::<Vec<_>>().join(", ");
    match checked(table, schema, &mut Problems::of_cell(text, places)) {
        Ok(scenario) => Ok(Cell { name, settings, scenario }),
        Err(found) => Err((name, found)),
    }
}

/// Which value of each axis the cell with this index has.
fn indices(axes: &[Axis<'_, '_>], mut index: usize) -> Vec<usize> {
    let mut indices: Vec<usize> = axes
        .iter()
        .rev()
        .map(|axis| {
            let own = index % axis.values.len();
            index /= axis.values.len();
            own
        })
        .collect();
    indices.reverse();
    indices
}

/// The keys that are swept, in the order of the file, each with two values or more.
fn axes<'a, 'i>(
    text: &str,
    sweep: &'a DeTable<'i>,
    problems: &mut Problems<'_>,
) -> Vec<Axis<'a, 'i>> {
    let mut entries: Vec<_> = sweep.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut axes: Vec<Axis<'a, 'i>> = Vec::new();
    for (key, values) in entries {
        // The shape has been checked before.
        let DeValue::Array(values) = values.get_ref() else { continue };
        let path: &str = key.get_ref();
        let overlaps =
            |other: &&Axis<'_, '_>| is_within(path, other.path()) || is_within(other.path(), path);
        if let Some(message) = refusal(path) {
            problems.at(key.span(), message);
        } else if let Some(other) = axes.iter().find(overlaps) {
            let (path, other) = (path.escape_debug(), other.path().escape_debug());
            problems.at(
                key.span(),
                format!("`{path}` and `{other}` set the same value: sweep one of them"),
            );
        } else {
            let values = distinct(text, key, values, problems);
            axes.push(Axis { key, values });
        }
    }
    axes
}

/// The values of a key with their texts.
fn distinct<'a, 'i>(
    text: &str,
    key: &Spanned<Cow<'_, str>>,
    values: &'a [Spanned<DeValue<'i>>],
    problems: &mut Problems<'_>,
) -> Vec<(String, &'a Spanned<DeValue<'i>>)> {
    let path = key.get_ref().escape_debug();
    if values.len() < 2 {
        problems.at(
            key.span(),
            format!(
                "`{path}` must have at least two values, found {}: a single one belongs where the \
                 key stands",
                values.len()
            ),
        );
    }
    let mut named: Vec<(String, &Spanned<DeValue<'i>>)> = Vec::new();
    for value in values {
        let shown = shown(text, value);
        let is_same = |(other, _): &(String, _)| {
            *other == shown || amount(other).is_some_and(|other| Some(other) == amount(&shown))
        };
        if named.iter().any(is_same) {
            problems.at(value.span(), format!("`{path}` has {shown} twice: remove one"));
        }
        named.push((shown, value));
    }
    named
}

/// Why a path cannot be swept; none if it may.
fn refusal(path: &str) -> Option<String> {
    let shown = path.escape_debug();
    let first = path.split('.').next().unwrap_or_default();
    if FIXED.contains(&first) {
        return Some(format!(
            "`{shown}` cannot be swept: cells differ in the workload and in how transports are used"
        ));
    }
    let is_path = path.contains('.') && path.split('.').all(|segment| !segment.is_empty());
    (!is_path).then(|| {
        format!(
            "`{shown}` must be the path of a key, its table first, such as \"workload.subscribers\""
        )
    })
}

/// Whether the key at `path` is a part of what stands at `whole`.
fn is_within(path: &str, whole: &str) -> bool {
    path.strip_prefix(whole).is_some_and(|rest| rest.starts_with('.'))
}

/// What names of cells call each key.
fn labels(axes: &[Axis<'_, '_>]) -> Vec<String> {
    let paths: Vec<&str> = axes.iter().map(Axis::path).collect();
    labels_of(&paths).into_iter().map(|label| label.escape_debug().to_string()).collect()
}

/// A value as a name shows it: text without quotes, numbers as they are written most plainly, and
/// all else as it stands in the file.
fn shown(text: &str, value: &Spanned<DeValue<'_>>) -> String {
    let as_written = || {
        let written = text.get(value.span()).unwrap_or_default();
        written.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    match value.get_ref() {
        DeValue::String(text) => text.escape_debug().to_string(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| as_written(), |number| number.to_string()),
        DeValue::Float(number) => number
            .as_str()
            .parse::<f64>()
            .map_or_else(|_| as_written(), |number| number.to_string()),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => as_written(),
    }
}

/// Sets the key at `path`. Its tables are made where the file has none; they and the key stand `at`
/// the key of the sweep.
fn put<'i>(table: &mut DeTable<'i>, path: &str, at: &Range<usize>, value: Spanned<DeValue<'i>>) {
    let key = |name: &str| Spanned::new(at.clone(), Cow::Owned(name.to_owned()));
    let Some((first, rest)) = path.split_once('.') else {
        table.insert(key(path), value);
        return;
    };
    if !matches!(table.get(first).map(Spanned::get_ref), Some(DeValue::Table(_))) {
        let empty = DeValue::Table(DeTable::new());
        table.insert(key(first), Spanned::new(at.clone(), empty));
    }
    if let Some(DeValue::Table(inner)) = table.get_mut(first).map(Spanned::get_mut) {
        put(inner, rest, at, value);
    }
}

#[cfg(test)]
mod tests;
