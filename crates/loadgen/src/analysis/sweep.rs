//! What a sweep says: from where on one contender costs more than another, and who costs less all
//! along.
//!
//! A claim is about two contenders, never a reference, along one key while the others stay fixed.
//! Within a cell two contenders are **apart** when the ratio within blocks differs from 1 by more
//! than the noise ([`Ratio::is_difference`]) in five blocks or more. Where they are not, because
//! they are alike or because trials cannot be trusted, the cell speaks for neither.

use crate::results::ContenderId;

use super::cell::{Cell, RANKED};
use super::estimate::FEW;
use super::interval::Ratio;
use crate::results::model::SweptCell;
use crate::results::{Metric, Run};
use crate::scenario::{Amount, SweptValue, labels_of};

/// What a report shows of a sweep, in its order. Less is better for each of them.
pub const SWEPT: [Metric; 7] = [
    Metric::LatencyP50,
    Metric::LatencyP99,
    Metric::ServerCpuPerSecond,
    Metric::ServerCpuPerDelivery,
    Metric::GeneratorCpuPerDelivery,
    Metric::BytesPerDelivery,
    Metric::ServerMemoryPerSubscriber,
];

/// What the cells of a run say together.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// What is varied, in the order of the scenario.
    pub keys: Vec<SweptKey>,
    /// Every row of cells along a key whose values are amounts, with all others held fixed.
    pub slices: Vec<Slice>,
    /// What can be claimed, slice by slice and metric by metric.
    pub findings: Vec<Finding>,
    /// Whether any two contenders have enough blocks in any cell for a claim.
    pub has_enough_blocks: bool,
}

/// A key that is varied.
#[derive(Clone, Debug, PartialEq)]
pub struct SweptKey {
    /// Its path.
    pub path: String,
    /// What names of cells call it.
    pub label: String,
    /// Its values, in the order of the scenario.
    pub values: Vec<String>,
    /// Where these stand on an axis, durations in seconds; none if one of them is no amount.
    pub places: Option<Vec<f64>>,
    /// Whether they are durations.
    pub is_time: bool,
}

impl SweptKey {
    /// The value that stands at `place`, as the scenario has it.
    #[must_use]
    pub fn value_at(&self, place: f64) -> &str {
        let index = self.places.iter().flatten().position(|other| *other == place);
        index.and_then(|index| self.values.get(index)).map_or("", |value| value)
    }
}

/// Cells that differ in one key alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// That key, as an index into [`Sweep::keys`].
    pub key: usize,
    /// What the others are fixed to, such as `interval=1s`; empty when there are none.
    pub fixed: String,
    /// Where each cell stands and its index in [`super::Analysis::cells`], two or more, ascending.
    pub points: Vec<(f64, usize)>,
}

/// Something that a slice shows about a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// As an index into [`Sweep::slices`].
    pub slice: usize,
    /// What is compared.
    pub metric: Metric,
    /// What is claimed.
    pub claim: Claim,
}

/// What can be claimed. Places are those of the key.
#[derive(Clone, Debug, PartialEq)]
pub enum Claim {
    /// The contenders change sides.
    Crossover {
        /// The one that has less below the crossover, and more above.
        below: ContenderId,
        /// The one that has less above it.
        above: ContenderId,
        /// Where both would have the same, if curves were straight on logarithmic axes between
        /// cells; on linear ones where a place is not above 0.
        at: f64,
        /// The nearest cell before it in which the two are apart.
        low: f64,
        /// The nearest one after it.
        high: f64,
    },
    /// Some have less than others in every cell of a range.
    Lower(Lower),
}

/// Who has less than whom in every cell of a range.
#[derive(Clone, Debug, PartialEq)]
pub struct Lower {
    /// Each of them has less.
    pub less: Vec<ContenderId>,
    /// Than each of these.
    pub more: Vec<ContenderId>,
    /// Where the range begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
}

/// What the cells of `run` say together; none if it is no sweep.
pub(super) fn of(run: &Run, cells: &[Cell]) -> Option<Sweep> {
    let swept = &run.manifest.cells;
    let keys = keys(swept)?;
    let slices = slices(&keys, swept, cells);
    let mut findings = Vec::new();
    for (index, slice) in slices.iter().enumerate() {
        for metric in RANKED {
            let claims = claims(slice, cells, metric);
            // Of many slices only what changes is worth a sentence.
            let is_told =
                |claim: &Claim| keys.len() == 1 || matches!(claim, Claim::Crossover { .. });
            let told = claims.into_iter().filter(is_told);
            findings.extend(told.map(|claim| Finding { slice: index, metric, claim }));
        }
    }
    let has_enough = |cell: &Cell| cell.ratios.iter().any(|pair| pair.ratio.blocks >= FEW);
    let has_enough_blocks = cells.iter().any(has_enough);
    Some(Sweep { keys, slices, findings, has_enough_blocks })
}

fn keys(swept: &[SweptCell]) -> Option<Vec<SweptKey>> {
    let paths: Vec<&str> = swept.first()?.settings.iter().map(|of| of.key.as_str()).collect();
    let labels = labels_of(&paths);
    let key = |(path, label): (&&str, &str)| {
        let mut own: Vec<&SweptValue> = Vec::new();
        for of in swept.iter().flat_map(|cell| &cell.settings).filter(|of| of.key == **path) {
            if !own.contains(&of) {
                own.push(of);
            }
        }
        let amounts: Option<Vec<Amount>> = own.iter().map(|of| of.amount()).collect();
        let time = |of: &Amount| matches!(of, Amount::Seconds(_));
        let of_one_kind = amounts.filter(|of| of.iter().all(time) || !of.iter().any(time));
        SweptKey {
            path: (*path).to_owned(),
            label: label.to_owned(),
            values: own.iter().map(|of| of.value.clone()).collect(),
            is_time: of_one_kind.iter().flatten().any(time),
            places: of_one_kind.map(|amounts| {
                let place = |amount| match amount {
                    Amount::Number(place) | Amount::Seconds(place) => place,
                };
                amounts.into_iter().map(place).collect()
            }),
        }
    };
    Some(paths.iter().zip(labels).map(key).collect())
}

fn slices(keys: &[SweptKey], swept: &[SweptCell], cells: &[Cell]) -> Vec<Slice> {
    let mut all = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        let Some(places) = &key.places else { continue };
        let mut slices: Vec<Slice> = Vec::new();
        for (number, cell) in cells.iter().enumerate() {
            let Some(of) = swept.iter().find(|of| of.name == cell.name) else { continue };
            let own = of.settings.iter().find(|of| of.key == key.path);
            let place = own.and_then(|own| {
                let value = key.values.iter().position(|value| *value == own.value)?;
                places.get(value).copied()
            });
            let Some(place) = place else { continue };
            let others = keys.iter().zip(&of.settings).filter(|(other, _)| other.path != key.path);
            let others: Vec<_> =
                others.map(|(other, of)| format!("{}={}", other.label, of.value)).collect();
            let fixed = others.join(", ");
            match slices.iter_mut().find(|slice| slice.fixed == fixed) {
                Some(slice) => slice.points.push((place, number)),
                None => slices.push(Slice { key: index, fixed, points: vec![(place, number)] }),
            }
        }
        slices.iter_mut().for_each(|slice| slice.points.sort_by(|(a, _), (b, _)| a.total_cmp(b)));
        all.extend(slices.into_iter().filter(|slice| slice.points.len() > 1));
    }
    all
}

/// Crossovers first, then who has less all along.
fn claims(slice: &Slice, cells: &[Cell], metric: Metric) -> Vec<Claim> {
    let cells_here = slice.points.iter().filter_map(|(_, cell)| cells.get(*cell));
    let measured = cells_here.flat_map(|cell| &cell.contenders).map(|figures| &figures.contender);
    let ranked = ContenderId::distinct(measured.filter(|id| !id.is_reference()));
    let (mut changes, mut lower) = (Vec::new(), Vec::new());
    for (index, one) in ranked.iter().enumerate() {
        for other in &ranked[index + 1..] {
            let standings: Vec<Standing> = slice
                .points
                .iter()
                .filter_map(|&(place, cell)| {
                    Some(standing(place, cells.get(cell)?, metric, one, other))
                })
                .collect();
            let found = crossovers(one, other, &standings);
            if found.is_empty() {
                lower.extend(always(one, other, &standings));
            }
            changes.extend(found);
        }
    }
    changes.into_iter().chain(together(lower)).collect()
}

/// How two contenders compare in a cell.
#[derive(Clone, Copy)]
struct Standing {
    place: f64,
    /// The logarithm of what the first takes of what the second does.
    log_ratio: Option<f64>,
    is_apart: bool,
}

fn standing(
    place: f64,
    cell: &Cell,
    metric: Metric,
    one: &ContenderId,
    other: &ContenderId,
) -> Standing {
    let ratio = cell.ratio(metric, one, other);
    // What was lost would have been later than all that came.
    let has_lost =
        cell.contenders.iter().filter(|of| [one, other].contains(&&of.contender)).any(|of| {
            of.accounts.and_then(|accounts| accounts.lost).is_some_and(|lost| lost > 0.0)
        });
    let is_bound = metric.is_delivery_latency() && has_lost;
    let is_apart = |ratio: Ratio| ratio.blocks >= FEW && ratio.is_difference(metric) && !is_bound;
    Standing {
        place,
        log_ratio: ratio.map(|ratio| ratio.estimate.ln()),
        is_apart: ratio.is_some_and(is_apart),
    }
}

fn crossovers(one: &ContenderId, other: &ContenderId, standings: &[Standing]) -> Vec<Claim> {
    let apart: Vec<usize> =
        (0..standings.len()).filter(|&index| standings[index].is_apart).collect();
    let crossover = |ends: &[usize]| {
        let between = &standings[ends[0]..=ends[1]];
        let known: Vec<(f64, f64)> =
            between.iter().filter_map(|of| Some((of.place, of.log_ratio?))).collect();
        let (&first, &last) = (known.first()?, known.last()?);
        let (below, above) = if first.1 < 0.0 { (one, other) } else { (other, one) };
        changes_side(first, last).then(|| Claim::Crossover {
            below: below.clone(),
            above: above.clone(),
            at: crossing(&known, first, last),
            low: first.0,
            high: last.0,
        })
    };
    apart.windows(2).filter_map(crossover).collect()
}

fn changes_side((_, one): (f64, f64), (_, next): (f64, f64)) -> bool {
    (one > 0.0) != (next > 0.0)
}

/// Where the ratio is 1, between the two cells next to it; between the ends, when noise makes it
/// look as if there were several such places.
fn crossing(known: &[(f64, f64)], first: (f64, f64), last: (f64, f64)) -> f64 {
    let mut steps = known.windows(2).filter(|two| changes_side(two[0], two[1]));
    let (from, to) = match (steps.next(), steps.next()) {
        (Some(only), None) => (only[0], only[1]),
        _ => (first, last),
    };
    let share = from.1 / (from.1 - to.1);
    if from.0 > 0.0 {
        (from.0.ln() + share * (to.0 / from.0).ln()).exp()
    } else {
        from.0 + share * (to.0 - from.0)
    }
}

/// Who has less in every cell from the first to the last in which the two are apart.
fn always(one: &ContenderId, other: &ContenderId, standings: &[Standing]) -> Option<Lower> {
    let is_apart = |of: &Standing| of.is_apart;
    let first = standings.iter().position(is_apart)?;
    let last = standings.iter().rposition(is_apart)?;
    let range = &standings[first..=last];
    let is_less = range[0].log_ratio? < 0.0;
    let (less, more) = if is_less { (one, other) } else { (other, one) };
    (range.len() > 1 && range.iter().all(is_apart)).then(|| Lower {
        less: vec![less.clone()],
        more: vec![more.clone()],
        from: standings[first].place,
        to: standings[last].place,
    })
}

/// What holds over the same range, said once: of all that have more, then of all that have less.
fn together(pairs: Vec<Lower>) -> impl Iterator<Item = Claim> {
    let range = |of: &Lower| (of.from, of.to);
    let mut by_less: Vec<Lower> = Vec::new();
    for of in pairs {
        let is_same = |other: &&mut Lower| other.less == of.less && range(other) == range(&of);
        match by_less.iter_mut().find(is_same) {
            Some(other) => other.more.extend(of.more),
            None => by_less.push(of),
        }
    }
    let mut by_more: Vec<Lower> = Vec::new();
    for of in by_less {
        let is_same = |other: &&mut Lower| other.more == of.more && range(other) == range(&of);
        match by_more.iter_mut().find(is_same) {
            Some(other) => other.less.extend(of.less),
            None => by_more.push(of),
        }
    }
    by_more.into_iter().map(Claim::Lower)
}

#[cfg(test)]
pub(crate) mod tests;
