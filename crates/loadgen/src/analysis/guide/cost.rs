//! What those cost that may be recommended.

use super::model::Figure;
use crate::analysis::verdict;
use crate::analysis::{Cell, Figures, Ranking};
use crate::results::{ContenderId, Metric};

/// What a choice costs, in the order in which it is said. They are never added up.
pub const COSTS: [Metric; 4] = [
    Metric::ServerCpuPerDelivery,
    Metric::ServerMemoryPerSubscriber,
    Metric::BytesPerDelivery,
    Metric::GeneratorCpuPerDelivery,
];

/// What a contender costs, as far as that can be trusted.
pub(super) fn figures(of: &Figures) -> Vec<Figure> {
    COSTS.into_iter().filter_map(|metric| Figure::estimated(of, metric)).collect()
}

/// These contenders by each cost, by the rules of a report's verdict.
pub(super) fn rankings(cell: &Cell, of: &[ContenderId]) -> Vec<Ranking> {
    let contenders = cell.contenders.iter().filter(|figures| of.contains(&figures.contender));
    let among = Cell { contenders: contenders.cloned().collect(), ..cell.clone() };
    let rankings = verdict::rankings(&among);
    let own = |metric| rankings.iter().find(|of| of.metric == metric).cloned();
    COSTS.into_iter().filter_map(own).collect()
}
