//! CPU time per delivery, of the server and of the subscribers.

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
    let subtitle = "Server (full colour) and subscribers (pale); shorter is better";
    let bars = [
        Bar { metric: Metric::ServerCpuPerDelivery, name: "server" },
        Bar { metric: Metric::GeneratorCpuPerDelivery, name: "subscribers" },
    ];
    bars::draw(area, cell, trials, Figure::Cpu, subtitle, &bars)
}
