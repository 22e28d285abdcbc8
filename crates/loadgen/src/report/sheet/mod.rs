//! The tables of a report, the same on a terminal, in Markdown and on the page: what stands in them
//! is said here, how it looks is the renderers'.

mod traffic;

use crate::results::ContenderId;

use super::{objectives, quantity, words};
use crate::analysis::{
    Accounts, Cell, Estimate, Figures, Interval, Law, Prediction, RANKED, Ratio,
};
use crate::results::{Metric, Trial};

/// A table: one row per contender, pair of them or cell of a sweep.
pub(crate) struct Sheet {
    /// What it is about.
    pub(crate) title: String,
    /// How to read it.
    pub(crate) note: String,
    /// The heading of the first column: what each row is about.
    pub(crate) subject: &'static str,
    /// The headings behind the first column; a line break where a narrow table may break them.
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

/// One row.
pub(crate) struct Row {
    pub(crate) name: String,
    /// Whose row it is, if it is one contender's.
    pub(crate) contender: Option<ContenderId>,
    pub(crate) entries: Vec<Entry>,
}

/// What stands in one field.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    pub(crate) text: String,
    /// What stands below it, smaller; often nothing.
    pub(crate) detail: String,
    /// What the field is sorted by; nothing where a value is missing.
    pub(crate) sort: String,
    /// Whether something is wrong.
    pub(crate) alarming: bool,
    /// The estimate that it shows, if it is one.
    pub(crate) figure: Option<(Metric, Estimate)>,
}

/// The columns of the comparison, in the order in which a reader asks.
const COMPARED: [(&str, Metric); 7] = [
    ("p50", Metric::LatencyP50),
    ("p99", Metric::LatencyP99),
    ("server CPU\n/delivery", Metric::ServerCpuPerDelivery),
    ("sub CPU\n/delivery", Metric::GeneratorCpuPerDelivery),
    ("memory\n/sub", Metric::ServerMemoryPerSubscriber),
    ("bytes\n/delivery", Metric::BytesPerDelivery),
    ("events\n/read", Metric::DeliveriesPerRead),
];

/// What it costs that subscribers are there, and what a delivery costs above that.
const STANDING: [(&str, Metric); 6] = [
    ("server CPU\n/sub/min", Metric::IdleServerCpu),
    ("sub CPU\n/sub/min", Metric::IdleGeneratorCpu),
    ("bytes\n/sub/min", Metric::IdleBytes),
    ("requests\n/sub/min", Metric::IdleRequests),
    ("above it, CPU\n/delivery", Metric::ServerCpuAboveIdlePerDelivery),
    ("events\n/read", Metric::DeliveriesPerRead),
];

/// What a delivery puts on the wire.
const WIRE: [(&str, Metric); 6] = [
    ("payload", Metric::PayloadBytesPerDelivery),
    ("framing", Metric::FramingBytesPerDelivery),
    ("TCP/IP,\nestimated", Metric::TcpIpBytesPerDelivery),
    ("all", Metric::WireBytesPerDelivery),
    ("segments", Metric::SegmentsPerDelivery),
    ("connections\nin all", Metric::ConnectionsOpened),
];

/// What each side's process and the kernel spent, for those who look closer.
const SIDES: [(&str, Metric); 12] = [
    ("server\nuser CPU", Metric::ServerUserCpu),
    ("server\nsystem CPU", Metric::ServerSystemCpu),
    ("server\nwaited for a core", Metric::ServerCpuWait),
    ("server\ncontext switches", Metric::ServerContextSwitches),
    ("server\ninstructions /delivery", Metric::ServerInstructionsPerDelivery),
    ("server\npeak memory", Metric::ServerMemoryPeak),
    ("kernel socket\nmemory", Metric::KernelSocketMemory),
    ("subscribers\nuser CPU", Metric::GeneratorUserCpu),
    ("subscribers\nsystem CPU", Metric::GeneratorSystemCpu),
    ("subscribers\nwaited for a core", Metric::GeneratorCpuWait),
    ("subscribers\ncontext switches", Metric::GeneratorContextSwitches),
    ("generator\npeak memory", Metric::GeneratorMemoryPeak),
];

const RATIOS: [&str; RANKED.len()] = [
    "p50",
    "p99",
    "server CPU\n/delivery",
    "sub CPU\n/delivery",
    "bytes\n/delivery",
    "memory\n/sub",
];

/// What every renderer shows of a cell: the comparison first.
pub(crate) fn shown(cell: &Cell) -> Vec<Sheet> {
    let sheets = [
        Some(comparison(cell)),
        objectives::sheet(cell),
        against_reference(cell),
        traffic::phases(cell),
        traffic::echoes(cell),
        standing(cell),
        Some(wire(cell)),
        theory(cell),
    ];
    sheets.into_iter().flatten().collect()
}

/// What was measured, with intervals.
pub(crate) fn comparison(cell: &Cell) -> Sheet {
    let note = format!("Medians over blocks{}.", below(levels(cell)));
    let mut sheet = figures(cell, &COMPARED, "Figures", &note);
    sheet.columns.insert(2, "delivered".to_owned());
    for (row, of) in sheet.rows.iter_mut().zip(&cell.contenders) {
        row.entries.insert(2, delivered(of.accounts));
    }
    sheet
}

/// What idle subscribers cost; none when nothing was measured before the first event.
fn standing(cell: &Cell) -> Option<Sheet> {
    let sheet = figures(
        cell,
        &STANDING,
        "Standing cost",
        "Of an idle subscriber per minute, before anything is published: heartbeats, and requests that \
         bring nothing. Then what a delivery costs the server above that.",
    );
    let measured = |of: &Figures| of.estimate(Metric::IdlePhase).is_some();
    cell.contenders.iter().any(measured).then_some(sheet)
}

/// What a delivery puts on the wire, both ways.
fn wire(cell: &Cell) -> Sheet {
    let note = "Per delivery, both ways, with all that is sent besides, acknowledgements too. TCP counts the \
                segments; the size of their headers is estimated.";
    figures(cell, &WIRE, "On the wire", note)
}

/// What each side spent in the measured time.
pub(crate) fn sides(cell: &Cell) -> Sheet {
    let note = "In the measured time. User and system time divide the exact total as the kernel's 10 ms ticks \
                do. Socket memory is of the whole machine.";
    figures(cell, &SIDES, "Each side", note)
}

fn figures(cell: &Cell, columns: &[(&'static str, Metric)], title: &str, note: &str) -> Sheet {
    let row = |of: &Figures| Row {
        name: of.contender.label().to_owned(),
        contender: Some(of.contender.clone()),
        entries: columns.iter().map(|(_, metric)| value(of, *metric)).collect(),
    };
    Sheet {
        title: title.to_owned(),
        note: note.to_owned(),
        subject: "contender",
        columns: columns.iter().map(|(title, _)| (*title).to_owned()).collect(),
        rows: cell.contenders.iter().map(row).collect(),
    }
}

/// Every contender against the last, which is the yardstick if that was measured.
fn against_reference(cell: &Cell) -> Option<Sheet> {
    let reference = cell.reference()?;
    let rows: Vec<Row> = cell
        .contenders
        .iter()
        .filter(|of| of.contender != *reference)
        .map(|of| pair(cell, &of.contender, reference, of.contender.label().to_owned()))
        .collect();
    (!rows.is_empty()).then(|| Sheet {
        title: format!("Times {}", words::inline(reference)),
        note: format!("Ratios within blocks{}.", below(ratio_levels(cell))),
        subject: "contender",
        columns: RATIOS.map(str::to_owned).to_vec(),
        rows,
    })
}

/// Every two contenders.
pub(crate) fn pairs(cell: &Cell) -> Sheet {
    let mut rows = Vec::new();
    for (index, one) in cell.contenders.iter().enumerate() {
        for other in &cell.contenders[index + 1..] {
            let name = format!("{} / {}", one.contender.label(), other.contender.label());
            rows.push(pair(cell, &one.contender, &other.contender, name));
        }
    }
    Sheet {
        title: "Every pair".to_owned(),
        note: format!(
            "Ratios within blocks{}. An interval that holds 1 means that the two cannot be told apart.",
            below(ratio_levels(cell))
        ),
        subject: "contenders",
        columns: RATIOS.map(str::to_owned).to_vec(),
        rows,
    }
}

/// Measured beside predicted latency; none where theory has no answer.
fn theory(cell: &Cell) -> Option<Sheet> {
    let is_predicted = |metric: &Metric| cell.predictions.iter().any(|of| of.metric == *metric);
    // Of a uniform law the mean is the median.
    let metrics: Vec<Metric> = match is_only_uniform(cell) {
        true => vec![Metric::LatencyP50, Metric::LatencyP99],
        false => [Metric::LatencyMean, Metric::LatencyP50, Metric::LatencyP99]
            .into_iter()
            .filter(is_predicted)
            .collect(),
    };
    let rows: Vec<Row> = cell
        .contenders
        .iter()
        .filter_map(|of| {
            let of_contender = |prediction: &&Prediction| prediction.contender == of.contender;
            let mut predictions = cell.predictions.iter().filter(of_contender).peekable();
            let law = predictions.peek()?.law;
            let predictions: Vec<_> = predictions.collect();
            let entries = metrics.iter().flat_map(|&metric| {
                compared(metric, predictions.iter().find(|of| of.metric == metric).copied())
            });
            let law = Entry { text: law.words().to_owned(), ..Entry::default() };
            Some(Row {
                name: of.contender.label().to_owned(),
                contender: Some(of.contender.clone()),
                entries: entries.chain([law]).collect(),
            })
        })
        .collect();
    (!rows.is_empty()).then(|| Sheet {
        title: "Against theory".to_owned(),
        note: "Theory knows no waking up and no way through the two processes: these come on top.                c is the measured CPU time per delivery."
            .to_owned(),
        subject: "contender",
        columns: metrics
            .iter()
            .flat_map(|metric| match metric {
                Metric::LatencyMean => ["mean\ntheory", "mean", "off by"],
                Metric::LatencyP50 => ["p50\ntheory", "p50", "off by"],
                _ => ["p99\ntheory", "p99", "off by"],
            })
            .chain(["law"])
            .map(str::to_owned)
            .collect(),
        rows,
    })
}

fn is_only_uniform(cell: &Cell) -> bool {
    cell.predictions.iter().all(|of| match of.law {
        Law::UniformWait | Law::FanOut | Law::FanOutWithoutGap => true,
        Law::FanOutInAQueue | Law::FanOutWithGaps => false,
    })
}

fn compared(metric: Metric, prediction: Option<&Prediction>) -> [Entry; 3] {
    let Some(of) = prediction else { return [missing(), missing(), missing()] };
    let entry = |text, sort: f64| Entry { text, sort: sort.to_string(), ..Entry::default() };
    let quantity = |value| entry(quantity::of(metric, Some(value)), value);
    let deviation = of.deviation();
    let off = entry(format!("{:+.0} %", deviation * 100.0), deviation);
    [quantity(of.theory), quantity(of.measured), off]
}

/// The estimate of `metric`. A percentile of deliveries of which some never came is at least what
/// it is without them.
pub(crate) fn value(of: &Figures, metric: Metric) -> Entry {
    let Some(estimate) = of.estimate(metric) else { return missing() };
    let lost = of.accounts.is_some_and(|accounts| accounts.lost.is_some_and(|lost| lost > 0.0));
    let at_least = if lost && metric.is_delivery_latency() { "≥ " } else { "" };
    let text = quantity::of(metric, Some(estimate.median));
    let range = |interval: Interval| {
        quantity::bare_range(metric, estimate.median, interval.low, interval.high)
    };
    Entry {
        detail: estimate.interval.map(range).unwrap_or_default(),
        text: format!("{at_least}{text}"),
        sort: estimate.median.to_string(),
        alarming: false,
        figure: Some((metric, estimate)),
    }
}

fn pair(cell: &Cell, contender: &ContenderId, reference: &ContenderId, name: String) -> Row {
    let entry = |metric| cell.ratio(metric, contender, reference).map_or_else(missing, ratio);
    Row {
        name,
        contender: Some(contender.clone()),
        entries: RANKED.into_iter().map(entry).collect(),
    }
}

fn ratio(ratio: Ratio) -> Entry {
    let range = |interval: Interval| quantity::times_range(interval.low, interval.high);
    let text = quantity::times(ratio.estimate);
    Entry {
        detail: ratio.interval.map(range).filter(|range| *range != text).unwrap_or_default(),
        text,
        sort: ratio.estimate.to_string(),
        ..Entry::default()
    }
}

/// A value of one trial.
pub(crate) fn of_trial(trial: &Trial, metric: Metric) -> String {
    let at_least = if trial.is_lower_bound(metric) { "≥ " } else { "" };
    format!("{at_least}{}", quantity::of(metric, trial.value(metric)))
}

/// What came of what was expected, over all trials that ran to their end.
pub(crate) fn delivered(accounts: Option<Accounts>) -> Entry {
    let Some(accounts) = accounts else { return missing() };
    let Some(expected) = accounts.expected else { return missing() };
    let complete = accounts.is_complete();
    let text = match complete {
        true => format!("all {}", quantity::count(expected)),
        false => words::shortfall(accounts),
    };
    let sort = accounts.delivered.map_or_else(String::new, |delivered| delivered.to_string());
    Entry { text, sort, alarming: !complete, ..Entry::default() }
}

pub(crate) fn missing() -> Entry {
    Entry { text: quantity::MISSING.to_owned(), ..Entry::default() }
}

pub(super) fn below(level: Option<String>) -> String {
    level.map_or_else(String::new, |level| {
        format!("; below, the interval that holds the truth in {level} of runs")
    })
}

/// The levels of the intervals of estimates: "93.8 %".
fn levels(cell: &Cell) -> Option<String> {
    let estimates = cell.contenders.iter().flat_map(|of| of.estimates.values());
    percents(estimates.filter_map(|estimate| estimate.interval))
}

fn ratio_levels(cell: &Cell) -> Option<String> {
    percents(cell.ratios.iter().filter_map(|pair| pair.ratio.interval))
}

/// One level, or the range of several: contenders may differ in how many trials are valid.
pub(super) fn percents(intervals: impl Iterator<Item = Interval>) -> Option<String> {
    let mut levels: Vec<f64> = intervals.map(|interval| interval.level * 100.0).collect();
    levels.sort_by(f64::total_cmp);
    let (least, most) = (levels.first()?, levels.last()?);
    let (least, most) = (format!("{least:.1}"), format!("{most:.1}"));
    Some(if least == most { format!("{least} %") } else { format!("{least} to {most} %") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::results::{LatencyLog, Run, fixture};

    fn cell(change: impl FnOnce(&mut Run)) -> Cell {
        let (mut run, _) = fixture::run();
        change(&mut run);
        analyse(&run, &LatencyLog::default()).cells.remove(0)
    }

    fn texts(row: &Row) -> Vec<(&str, &str)> {
        row.entries.iter().map(|entry| (&*entry.text, &*entry.detail)).collect()
    }

    #[test]
    fn a_figure_and_its_interval() {
        let sheet = comparison(&cell(|_| {}));
        assert_eq!(texts(&sheet.rows[2])[..2], [("416 µs", "410–422"), ("1.22 ms", "1.20–1.24")]);
        assert!(sheet.note.contains("50.0 %"), "two blocks: {}", sheet.note);
        let one = texts(&sheet.rows[3])[0];
        assert_eq!(one, ("400 µs", ""), "one valid trial has no interval");
    }

    #[test]
    fn ratios_are_against_the_last() {
        let sheet = against_reference(&cell(|_| {})).unwrap();
        assert_eq!(sheet.title, "Times WebSocket");
        assert_eq!(sheet.rows.len(), 3);
        // Only block 1 has a valid WebSocket trial.
        assert_eq!(texts(&sheet.rows[2])[0], ("1.02×", ""));
    }

    #[test]
    fn every_two_transports_are_compared() {
        let sheet = pairs(&cell(|_| {}));
        let names: Vec<_> = sheet.rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names.len(), 6);
        assert!(names.contains(&"Polling / SSE"));
        let row = &sheet.rows[1];
        assert_eq!(texts(row)[0], ("1,224×", ""), "both blocks have the same ratio");
    }

    #[test]
    fn a_percentile_without_the_lost_is_a_lower_bound() {
        let lossy = cell(|run| {
            run.trials[2].values.insert(Metric::Lost, 3.0);
            run.trials[2].values.insert(Metric::Delivered, 23_997.0);
        });
        let sheet = comparison(&lossy);
        assert_eq!(texts(&sheet.rows[2])[0].0, "≥ 416 µs");
        assert!(sheet.rows[2].entries[2].alarming);
        assert_eq!(texts(&sheet.rows[0])[0].0, "510 ms");
        assert_eq!(texts(&sheet.rows[0])[1], ("1.00 s", "0.99–1.02"), "in one unit");
        let cpu = texts(&sheet.rows[2])[3].0;
        assert!(!cpu.contains('≥'), "{cpu}");
    }

    #[test]
    fn no_trial_no_ratio() {
        let cell = cell(|run| run.trials.iter_mut().for_each(|trial| trial.values.clear()));
        assert!(texts(&against_reference(&cell).unwrap().rows[0]).iter().all(|of| of.0 == "–"));
        assert!(theory(&cell).is_none());
    }
}
