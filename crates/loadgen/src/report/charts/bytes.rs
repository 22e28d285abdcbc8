//! Bytes on the sockets per delivery.

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
    let subtitle = "Both directions, HTTP headers included; shorter is better";
    let bars = [Bar { metric: Metric::BytesPerDelivery, name: "" }];
    bars::draw(area, cell, trials, Figure::Bytes, subtitle, &bars)
}
