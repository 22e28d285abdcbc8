//! The figures, each drawn by the same code as a bitmap and as SVG for the page.

mod axis;
mod bars;
mod bitmap;
mod blocks;
mod bytes;
mod capacity;
mod cpu;
pub(super) mod history;
mod memory;
mod over_time;
mod spectrum;
mod style;
mod sweep;

use anyhow::{Context as _, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::{quantity, words};
use crate::analysis::Cell;
use crate::results::Metric;

pub(crate) use blocks::{Blocks, Dots};
pub(crate) use capacity::LatencyByLoad;
pub(crate) use style::place;
pub(crate) use sweep::Curves;

/// A figure of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    Spectrum,
    OverTime,
    Cpu,
    Bytes,
    Memory,
}

/// What drawing on a backend comes to.
pub(crate) type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

impl Figure {
    /// Every figure, in the order in which a report shows them.
    pub(crate) const ALL: [Self; 5] =
        [Self::Spectrum, Self::OverTime, Self::Cpu, Self::Bytes, Self::Memory];

    /// The stem of its file's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Spectrum => "latency-spectrum",
            Self::OverTime => "latency-over-time",
            Self::Cpu => "cpu-per-delivery",
            Self::Bytes => "bytes-per-delivery",
            Self::Memory => "memory-per-subscriber",
        }
    }

    /// What it shows.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Spectrum => "Delivery latency by percentile",
            Self::OverTime => "Delivery latency over time",
            Self::Cpu => "CPU time per delivery",
            Self::Bytes => "Bytes per delivery",
            Self::Memory => "Server memory per subscriber",
        }
    }

    /// How to read it.
    pub(crate) const fn caption(self) -> &'static str {
        match self {
            Self::Spectrum => {
                "Lower is better. At 99 %, one delivery in a hundred was slower; a curve ends where \
                 fewer than ten deliveries are left beyond it. All valid trials together."
            }
            Self::OverTime => {
                "Median (thick) and 99th percentile (thin, where an interval holds 1,000 deliveries), \
                 by time since measuring began. All valid trials together; the warm-up is not recorded."
            }
            Self::Cpu => {
                "Shorter is better. The bar is the median of the valid trials, each dot one of them."
            }
            Self::Bytes => {
                "Shorter is better. Both directions, HTTP headers included, TCP and IP headers not. The bar \
                 is the median of the valid trials, each dot one of them."
            }
            Self::Memory => {
                "Shorter is better. Taken when the measured window begins. The bar is the median of \
                 the valid trials, each dot one of them."
            }
        }
    }

    /// What it says to who cannot see it.
    pub(crate) fn alternative(self, cell: &Cell) -> String {
        let metrics: &[Metric] = match self {
            Self::Spectrum | Self::OverTime => {
                &[Metric::LatencyP50, Metric::LatencyP99, Metric::LatencyMax]
            }
            Self::Cpu => &[Metric::ServerCpuPerDelivery, Metric::GeneratorCpuPerDelivery],
            Self::Bytes => &[Metric::BytesPerDelivery],
            Self::Memory => &[Metric::ServerMemoryPerSubscriber],
        };
        let rows = cell.contenders.iter().map(|of| {
            let values = metrics.iter().map(|&metric| {
                let value = of.estimate(metric).map(|estimate| estimate.median);
                let value = value
                    .map_or("not measured".to_owned(), |value| quantity::of(metric, Some(value)));
                format!("{} {value}", words::title(metric))
            });
            format!("{}: {}", of.contender.label(), values.collect::<Vec<_>>().join(", "))
        });
        format!("{}. {}.", self.title(), rows.collect::<Vec<_>>().join("; "))
    }

    /// Width and height in pixels: twice what it is shown at, because lines have whole pixels.
    fn size(self) -> (u32, u32) {
        match self {
            Self::Spectrum | Self::OverTime => (1840, 960),
            Self::Cpu => (1840, 800),
            Self::Bytes | Self::Memory => (1840, 600),
        }
    }

    /// The figure as PNG, on white.
    pub(crate) fn png(self, cell: &Cell, trials: &Trials<'_>) -> anyhow::Result<Vec<u8>> {
        png(&OfCell { figure: self, cell, trials })
    }

    /// The figure as an SVG element, in the text colour of the page around it.
    pub(crate) fn svg(self, cell: &Cell, trials: &Trials<'_>) -> anyhow::Result<String> {
        svg(&OfCell { figure: self, cell, trials })
    }
}

/// Something that any backend can draw.
pub(crate) trait Drawing {
    /// What messages call it.
    fn name(&self) -> &'static str;

    /// Width and height in pixels: twice what it is shown at, because lines have whole pixels.
    fn size(&self) -> (u32, u32);

    /// Draws it on the whole of `area`.
    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Drawn<DB>;
}

/// A drawing as PNG, on white.
pub(crate) fn png(drawing: &impl Drawing) -> anyhow::Result<Vec<u8>> {
    style::register_fonts()?;
    let (width, height) = drawing.size();
    let mut pixels = vec![0xff; width as usize * height as usize * 3];
    {
        let backend = BitMapBackend::with_buffer(&mut pixels, (width, height));
        finish(drawing, &bitmap::Bitmap(backend).into_drawing_area())?;
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish().context("cannot encode a chart as PNG")?;
    Ok(bytes)
}

/// A drawing as an SVG element, in the text colour of the page around it.
pub(crate) fn svg(drawing: &impl Drawing) -> anyhow::Result<String> {
    style::register_fonts()?;
    let mut text = String::new();
    finish(drawing, &SVGBackend::with_string(&mut text, drawing.size()).into_drawing_area())?;
    Ok(style::for_page(&text, drawing.size()))
}

fn finish<DB: DrawingBackend>(
    drawing: &impl Drawing,
    area: &DrawingArea<DB, Shift>,
) -> anyhow::Result<()> {
    drawing
        .draw(area)
        .and_then(|()| area.present())
        .map_err(|error| anyhow!("cannot draw {}: {error}", drawing.name()))
}

/// A figure of one cell.
struct OfCell<'a> {
    figure: Figure,
    cell: &'a Cell,
    trials: &'a Trials<'a>,
}

impl Drawing for OfCell<'_> {
    fn name(&self) -> &'static str {
        self.figure.name()
    }

    fn size(&self) -> (u32, u32) {
        self.figure.size()
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Drawn<DB> {
        let Self { figure, cell, trials } = self;
        match figure {
            Figure::Spectrum => spectrum::draw(area, cell),
            Figure::OverTime => over_time::draw(area, cell),
            Figure::Cpu => cpu::draw(area, cell, trials),
            Figure::Bytes => bytes::draw(area, cell, trials),
            Figure::Memory => memory::draw(area, cell, trials),
        }
    }
}

/// The values of single trials, which bars show as dots.
#[derive(Clone, Copy)]
pub(crate) struct Trials<'a>(pub(crate) &'a [crate::results::Trial]);

impl Trials<'_> {
    /// The values of `metric` in the valid ones of `trials`.
    fn values(&self, trials: &[usize], metric: Metric) -> Vec<f64> {
        let valid = trials.iter().map(|&index| &self.0[index]).filter(|trial| trial.is_valid());
        valid.filter_map(|trial| trial.value(metric)).filter(|value| value.is_finite()).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::analysis::{TimePoint, analyse};
    use crate::results::latency_log::histogram;
    use crate::results::{Entry, Interval, LatencyLog, Run, fixture};

    fn pictures(run: &Run, log: &LatencyLog) -> Vec<(Vec<u8>, String)> {
        let analysis = analyse(run, log);
        let trials = Trials(&run.trials);
        let draw = |figure: Figure| {
            let cell = &analysis.cells[0];
            (figure.png(cell, &trials).unwrap(), figure.svg(cell, &trials).unwrap())
        };
        Figure::ALL.into_iter().map(draw).collect()
    }

    /// Draws without encoding: what may go wrong for odd numbers is drawing.
    fn draws(run: &Run, log: &LatencyLog) -> Vec<String> {
        let analysis = analyse(run, log);
        let trials = Trials(&run.trials);
        Figure::ALL.iter().map(|figure| figure.svg(&analysis.cells[0], &trials).unwrap()).collect()
    }

    fn legend(figure: Figure) -> bool {
        matches!(figure, Figure::Spectrum | Figure::OverTime)
    }

    #[test]
    fn every_picture_decodes_and_shows_something() {
        let (run, log) = fixture::run();
        for ((png, svg), figure) in pictures(&run, &log).iter().zip(Figure::ALL) {
            let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut pixels).unwrap();
            assert_eq!((info.width, info.height), figure.size());
            let inked = pixels.chunks(3).filter(|pixel| *pixel != [0xff; 3]).count();
            assert!(inked > 5_000, "{} is nearly empty: {inked} pixels", figure.name());
            assert!(
                svg.contains(figure.title()) && svg.len() < 40_000,
                "{}: {}",
                figure.name(),
                svg.len()
            );
            assert_eq!(svg.contains("stroke-dasharray=\"8 10\""), legend(figure), "{svg}");
            assert!(svg.contains("currentColor") && !svg.contains("http"), "{svg}");
        }
    }

    #[test]
    fn the_busiest_picture_leaves_room_on_the_page() {
        let (run, log) = fixture::run();
        let mut analysis = analyse(&run, &log);
        for of in &mut analysis.cells[0].contenders {
            let jump = |at: u64| if at.is_multiple_of(2) { 1_000 } else { 900_000_000 };
            of.latency.over_time = (0..200)
                .map(|at| TimePoint {
                    at_s: at as f64,
                    p50_ns: jump(at),
                    p99_ns: Some(jump(at + 1)),
                })
                .collect();
        }
        let svg = Figure::OverTime.svg(&analysis.cells[0], &Trials(&run.trials)).unwrap();
        assert!(svg.len() < 30_000, "{} bytes", svg.len());
    }

    #[test]
    fn no_data_is_said_in_the_picture() {
        let (mut run, _) = fixture::run();
        run.trials.iter_mut().for_each(|trial| trial.values.clear());
        for svg in draws(&run, &LatencyLog::default()) {
            assert!(svg.contains("n/a") || svg.contains("No data"), "{svg}");
        }
    }

    #[test]
    fn one_value_or_zeros_draw() {
        let (mut run, mut log) = fixture::run();
        for value in [0.0, 1.0, 1e300, -5.0, f64::MIN_POSITIVE] {
            run.trials
                .iter_mut()
                .flat_map(|trial| trial.values.values_mut())
                .for_each(|at| *at = value);
            draws(&run, &log);
        }
        for latency in [0, 1, u64::MAX] {
            for entry in &mut log.entries {
                let mut histogram = histogram();
                histogram.saturating_record_n(latency, 2_000);
                let interval =
                    Interval { start_s: entry.start_s, length_s: entry.length_s, histogram };
                let id = crate::results::ContenderId::all_transports();
                let id = id.iter().find(|id| id.name() == entry.contender).unwrap();
                *entry = Entry::new(id, entry.trial.unwrap(), &interval).unwrap();
            }
            draws(&run, &log);
        }
        log.entries.truncate(1);
        draws(&run, &log);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn any_values_draw(values in prop::collection::vec(
            (0..8_usize, 0..Metric::ALL.len(), any::<f64>()), 0..60)) {
            let (mut run, _) = fixture::run();
            for (trial, metric, value) in values {
                run.trials[trial].values.insert(Metric::ALL[metric], value);
            }
            draws(&run, &LatencyLog::default());
        }
    }
}
