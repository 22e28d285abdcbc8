use proptest::prelude::*;

use super::*;
use crate::document::{
    Axis, Bar, BarRow, Bars, Dots, Interval, Line, Mark, Plot, Rule, Series, Weight,
};
use crate::results::Metric;

fn drawing(content: Content) -> Drawing {
    let legend = vec![
        (Series::Contender(0), "Polling".to_owned()),
        (Series::Contender(2), "SSE".to_owned()),
        (Series::Reference(4), "Raw TCP".to_owned()),
    ];
    Drawing { title: "A title".to_owned(), subtitle: "How to read it".to_owned(), legend, content }
}

fn plot(points: &[(f64, f64)]) -> Plot {
    let series = Series::Contender(0);
    Plot {
        title: String::new(),
        x: Axis::FromZero(Metric::Window),
        y: Axis::Spanning(Metric::LatencyP50),
        lines: vec![Line {
            series,
            weight: Weight::Main,
            points: points.iter().copied().map(Some).collect(),
        }],
        marks: points.iter().map(|&at| Mark { series, at, hollow: false }).collect(),
        intervals: Vec::new(),
        rules: Vec::new(),
        empty: "No data: nothing was measured",
    }
}

fn one(plot: Plot) -> Drawing {
    drawing(Content::Plots(vec![plot]))
}

/// The pixels of a picture that are not white, and its size.
fn inked(drawing: &Drawing) -> (usize, (u32, u32)) {
    let png = png(drawing).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let inked = pixels.chunks(3).filter(|pixel| *pixel != [0xff; 3]).count();
    (inked, (info.width, info.height))
}

#[test]
fn a_plot_is_the_same_picture_for_a_page_and_as_a_file() {
    let drawing = one(plot(&[(1e9, 1e5), (2e9, 3e7), (3e9, 2e5)]));
    let svg = svg(&drawing).unwrap();
    for text in [">A title<", ">How to read it<", ">Raw TCP<", ">1 ms<", "currentColor"] {
        assert!(svg.contains(text), "{text} is missing in {svg}");
    }
    let line = "<polyline points=\"";
    let dashed = |dash: &str| svg.lines().any(|of| of.starts_with(line) && of.contains(dash));
    assert!(dashed("stroke-dasharray=\"36 12\"") && dashed("stroke=\"#d55e00\""), "{svg}");
    assert!(!svg.contains("font-family") && !svg.contains("http"), "{svg}");
    assert!(svg.ends_with("</svg>\n"));
    let (inked, size) = inked(&drawing);
    assert_eq!(size, (WIDTH, PLOT));
    assert!(inked > 5_000, "nearly empty: {inked} pixels");
}

#[test]
fn a_busy_plot_leaves_room_on_the_page() {
    let jump = |at: u32| (f64::from(at), if at.is_multiple_of(2) { 1e3 } else { 9e8 });
    let points: Vec<_> = (0..400).map(jump).collect();
    let line = |position| Line {
        series: Series::Contender(position),
        weight: Weight::Main,
        points: points.iter().copied().map(Some).collect(),
    };
    let busy = Plot { lines: (0..5).map(line).collect(), marks: Vec::new(), ..plot(&[]) };
    let svg = svg(&one(busy)).unwrap();
    assert!(svg.len() < 30_000, "{} bytes", svg.len());
}

#[test]
fn nothing_is_said_to_be_nothing() {
    let svg_of = |content| svg(&drawing(content)).unwrap();
    assert!(svg_of(Content::Plots(vec![plot(&[])])).contains("No data: nothing was measured"));
    assert!(svg_of(Content::Dots(Vec::new())).contains("No data"));
    let bar = Bar { name: "server", median: None, trials: Vec::new() };
    let row = BarRow { series: Series::Contender(0), label: "SSE".to_owned(), bars: vec![bar] };
    let bars = Bars { metric: Metric::BytesPerDelivery, rows: vec![row] };
    assert!(svg_of(Content::Bars(bars)).contains(">server n/a<"));
}

#[test]
fn a_gap_breaks_a_line() {
    let mut gap = plot(&[(1.0, 1e5), (2.0, 1e5), (3.0, 1e5), (4.0, 1e5)]);
    let lines = |plot: &Plot| {
        svg(&one(plot.clone())).unwrap().matches("stroke-dasharray=\"36 12\"").count()
    };
    let whole = lines(&gap);
    gap.lines[0].points.insert(2, None);
    assert_eq!(lines(&gap), whole + 1);
}

#[test]
fn misses_are_rings_and_rules_are_lines() {
    let mut plot = plot(&[(50.0, 1e5), (100.0, 3e7)]);
    let plain = svg(&one(plot.clone())).unwrap();
    plot.marks[1].hollow = true;
    plot.intervals.push(Interval { series: Series::Contender(0), x: 50.0, ends: (1e5, 2e5) });
    plot.rules = vec![
        Rule::Across(1e6),
        Rule::Up { x: 60.0, text: "+10 %".to_owned(), drawn: true },
        Rule::Of(Series::Contender(0), (50.0, 1e5)),
    ];
    let svg = svg(&one(plot)).unwrap();
    let rings = |svg: &str| {
        svg.lines().filter(|of| of.starts_with("<circle ") && of.contains("fill=\"none\"")).count()
    };
    assert_eq!((rings(&plain), rings(&svg)), (0, 1));
    let lines = |svg: &str| svg.matches("<polyline ").count();
    assert_eq!(lines(&svg), lines(&plain) + 3);
    assert!(svg.contains(">+10 %<"));
}

#[test]
fn several_plots_stand_one_above_the_other() {
    let panel = |title: &str| Plot { title: title.to_owned(), ..plot(&[(1.0, 1e5), (2.0, 2e5)]) };
    let drawing = drawing(Content::Plots(vec![panel("upper"), panel("lower")]));
    let svg = svg(&drawing).unwrap();
    let place = |title: &str| {
        let line = svg.lines().find(|line| line.ends_with(&format!(">{title}</text>")));
        let (_, rest) = line.unwrap().split_once(" y=\"").unwrap();
        rest.split_once('"').unwrap().0.parse::<i32>().unwrap()
    };
    assert_eq!(place("lower") - place("upper"), plot::PANEL);
    assert_eq!(inked(&drawing).1, (WIDTH, 2 * plot::PANEL as u32 + 200));
}

#[test]
fn a_long_legend_takes_several_rows() {
    let mut many = one(plot(&[(1.0, 1e5), (2.0, 2e5)]));
    let one_row = svg(&many).unwrap();
    let entry = |position| (Series::Contender(position), format!("polling every {position} s"));
    many.legend = (0..12).map(entry).collect();
    let svg = svg(&many).unwrap();
    let y = |svg: &str, label: &str| {
        let line = svg.lines().find(|line| line.contains(label)).unwrap().to_owned();
        line.split(" y=\"").nth(1).unwrap().split('"').next().unwrap().parse::<i32>().unwrap()
    };
    assert!(y(&svg, "every 11 s") > y(&svg, "every 0 s"));
    assert!(svg.lines().filter(|line| line.contains("every")).all(|line| {
        let x = line.split(" x=\"").nth(1).unwrap().split('"').next().unwrap();
        x.parse::<u32>().unwrap() < WIDTH - 300
    }));
    assert!(y(&one_row, "Raw TCP") < 200);
}

fn dots(ratios: Vec<f64>, estimate: f64) -> Drawing {
    let dots = Dots {
        series: Some(Series::Contender(2)),
        name: "SSE latency p50".to_owned(),
        ratios,
        estimate: Some(estimate),
        upper: Some(estimate * 1.1),
        limit: 1.1,
        text: "+12 %".to_owned(),
    };
    Drawing { legend: Vec::new(), ..drawing(Content::Dots(vec![dots])) }
}

#[test]
fn every_block_is_a_dot() {
    let svg = svg(&dots(vec![0.9, 1.0, 1.1, 1.2, 1.3], 1.12)).unwrap();
    assert_eq!(svg.matches("<circle ").count(), 5);
    assert!(svg.contains("SSE latency p50") && svg.contains("+12 %"), "{svg}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_values_draw(
        points in prop::collection::vec((any::<f64>(), any::<f64>()), 0..20),
        ends in (any::<f64>(), any::<f64>()),
        axes in (0..4_usize, 0..4_usize),
    ) {
        let axis = |index: usize| [
            Axis::FromZero(Metric::Window),
            Axis::Spanning(Metric::LatencyP50),
            Axis::Ratios,
            Axis::Around(Metric::BytesPerDelivery),
        ][index].clone();
        let series = Series::Contender(1);
        let drawing = one(Plot {
            x: axis(axes.0),
            y: axis(axes.1),
            intervals: vec![Interval { series, x: ends.0, ends }],
            rules: vec![
                Rule::Across(ends.0),
                Rule::Up { x: ends.1, text: "here".to_owned(), drawn: true },
                Rule::Of(series, ends),
            ],
            ..plot(&points)
        });
        prop_assert!(!svg(&drawing).unwrap().contains("NaN"));
        // What may go wrong for odd numbers is drawing, not encoding.
        let mut places = plot(&points);
        places.x = Axis::Places(points.iter().map(|(x, _)| (*x, "here".to_owned())).collect());
        svg(&one(places)).unwrap();
    }

    #[test]
    fn any_ratios_and_bars_draw(
        values in prop::collection::vec(any::<f64>(), 0..9),
        estimate in any::<f64>(),
    ) {
        let svg_of = |drawing: &Drawing| svg(drawing).unwrap();
        prop_assert!(!svg_of(&dots(values.clone(), estimate)).contains("NaN"));
        let bar = Bar { name: "", median: Some(estimate), trials: values };
        let row = BarRow { series: Series::Contender(0), label: "SSE".to_owned(), bars: vec![bar] };
        let bars = Bars { metric: Metric::BytesPerDelivery, rows: vec![row] };
        prop_assert!(!svg_of(&drawing(Content::Bars(bars))).contains("NaN"));
    }
}

#[test]
fn a_grid_has_every_word_of_its_fields() {
    let content = Content::Grid(grid::tests::grid());
    let drawing = Drawing { legend: Vec::new(), ..drawing(content) };
    let svg = svg(&drawing).unwrap();
    for text in ["A title", "Latency", "WebSocket", "feeds,", "1.11", "near"] {
        assert!(svg.contains(text), "{text} is missing in {svg}");
    }
    let (inked, size) = inked(&drawing);
    assert_eq!(size.0, WIDTH);
    assert!(inked > 50_000, "nearly empty: {inked} pixels");
}
