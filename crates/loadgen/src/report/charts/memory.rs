//! Memory of the server per subscriber.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::bars::{self, Bar};
use super::{Drawn, Figure, Trials};
use crate::analysis::Cell;
use crate::results::Metric;

pub(super) fn draw<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    cell: &Cell,
    trials: &Trials<'_>,
) -> Drawn<DB> {
    let subtitle =
        "Growth of the server process from no subscriber to the measured window; shorter is better";
    let bars = [Bar { metric: Metric::ServerMemoryPerSubscriber, name: "" }];
    bars::draw(area, cell, trials, Figure::Memory, subtitle, &bars)
}
