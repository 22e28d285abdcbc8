//! What pictures show, as data: lines, bars and dots with their values. Pixels, colours and the ends of
//! axes are the renderer's.

use crate::results::Metric;

/// Whose line, bar or row it is, by its place among all: each place has its own look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Series {
    /// A contender, by its position.
    Contender(usize),
    /// A reference, by its position.
    Reference(usize),
}

/// A picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// What it shows.
    pub title: String,
    /// How to read it, in a line.
    pub subtitle: String,
    /// Who is in it, where that stands nowhere else.
    pub legend: Vec<(Series, String)>,
    /// What is drawn.
    pub content: Content,
}

impl Plot {
    /// An empty plot between these axes, and what is said if it stays so.
    pub(crate) fn new(x: Axis, y: Axis, empty: &'static str) -> Self {
        let title = String::new();
        let (lines, marks) = (Vec::new(), Vec::new());
        Self { title, x, y, lines, marks, intervals: Vec::new(), rules: Vec::new(), empty }
    }

    /// The picture of this plot alone.
    pub(crate) fn drawing(
        self,
        title: impl Into<String>,
        subtitle: impl Into<String>,
        legend: Vec<(Series, String)>,
    ) -> Drawing {
        let content = Content::Plots(vec![self]);
        Drawing { title: title.into(), subtitle: subtitle.into(), legend, content }
    }
}

/// What is drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Curves; several plots stand one above the other and share the marks of the last.
    Plots(Vec<Plot>),
    /// Bars from zero.
    Bars(Bars),
    /// Ratios of blocks.
    Dots(Vec<Dots>),
    /// Words in rows and columns.
    Grid(Grid),
}

/// Words in rows and columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// What stands above the columns, and whose each is.
    pub columns: Vec<(Series, String)>,
    /// What stands before each row, and its fields, one for each column.
    pub rows: Vec<(String, Vec<Field>)>,
}

/// A field of a grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// What is said.
    pub says: String,
    /// What was found.
    pub found: String,
    /// What follows.
    pub verdict: String,
    /// How that looks.
    pub tone: Tone,
}

/// How far something is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It is.
    Good,
    /// In part.
    Mixed,
    /// It is not.
    Bad,
    /// Nobody knows.
    Unknown,
}

/// Curves between two axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// What stands above it, where there are several.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The lines.
    pub lines: Vec<Line>,
    /// Marks at single points.
    pub marks: Vec<Mark>,
    /// Where the truth lies.
    pub intervals: Vec<Interval>,
    /// Straight lines that mean something.
    pub rules: Vec<Rule>,
    /// What is said when there is nothing to show.
    pub empty: &'static str,
}

/// What stands at an axis, and how values lie on it.
#[derive(Clone, Debug, PartialEq)]
pub enum Axis {
    /// From zero in round steps, in the unit of a metric.
    FromZero(Metric),
    /// Whole decades where values span tenfold or more, else from zero.
    Spanning(Metric),
    /// A little more than the values span: for what varies little, far from zero.
    Around(Metric),
    /// These places alone have marks, with these texts; logarithmic where they span tenfold or more.
    Places(Vec<(f64, String)>),
    /// Ratios, with 1 in the middle.
    Ratios,
}

/// A line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Whose.
    pub series: Series,
    /// How strong it is.
    pub weight: Weight,
    /// Its points; none is a gap.
    pub points: Vec<Option<(f64, f64)>>,
}

/// How strong a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The thick one.
    Main,
    /// A thin one beside it.
    Second,
}

/// A mark at a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// Whose.
    pub series: Series,
    /// Where.
    pub at: (f64, f64),
    /// Whether it is a ring, which says that something fell short.
    pub hollow: bool,
}

/// An interval at a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Whose.
    pub series: Series,
    /// Where.
    pub x: f64,
    /// From one value to another.
    pub ends: (f64, f64),
}

/// A straight line that means something.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// All across at a value.
    Across(f64),
    /// From the bottom to the top at a place, with a text above; no line where nothing begins.
    Up {
        /// The place.
        x: f64,
        /// The text above.
        text: String,
        /// Whether there is a line.
        drawn: bool,
    },
    /// From the bottom up to a value, in the look of a series.
    Of(Series, (f64, f64)),
}

/// Bars from zero, with every trial as a dot.
#[derive(Clone, Debug, PartialEq)]
pub struct Bars {
    /// Whose unit the axis has.
    pub metric: Metric,
    /// From top to bottom.
    pub rows: Vec<BarRow>,
}

/// The bars of one contender.
#[derive(Clone, Debug, PartialEq)]
pub struct BarRow {
    /// Whose.
    pub series: Series,
    /// Its name.
    pub label: String,
    /// The first is the strongest.
    pub bars: Vec<Bar>,
}

/// A bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// What stands before its value, where there are several.
    pub name: &'static str,
    /// How long it is, if it could be measured.
    pub median: Option<f64>,
    /// The values of single trials.
    pub trials: Vec<f64>,
}

/// The blocks of a comparison, as ratios of candidate and baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Dots {
    /// Whose they are; none for a row that is but a heading.
    pub series: Option<Series>,
    /// What stands before them.
    pub name: String,
    /// Candidate / baseline in each block.
    pub ratios: Vec<f64>,
    /// The estimate of that ratio.
    pub estimate: Option<f64>,
    /// What it may be at most.
    pub upper: Option<f64>,
    /// Where the gate ends.
    pub limit: f64,
    /// What stands behind them.
    pub text: String,
}
