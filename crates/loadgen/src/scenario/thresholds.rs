//! What the figures of a run must keep to, in k6's grammar: `"websocket.latency" = ["p(99)<25ms"]`.
//! Thresholds and objectives are written alike; they differ in what becomes of a run. Reading them is
//! all that happens here; `analysis` holds figures against them.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use toml::Spanned;

use super::ContenderId;
use super::error::{Problems, quoted};
use super::quantity;
use super::shape::{listed, nearest};
use crate::metric::Metric;

/// A limit of one contender. `Display` says it as the scenario does.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// Whose figure.
    pub contender: ContenderId,
    /// What is held against the limit.
    pub metric: Metric,
    /// How several trials make one figure.
    pub over_trials: OverTrials,
    /// How the figure and the limit must compare.
    pub operator: Operator,
    /// The limit, in the unit of the metric.
    pub limit: f64,
    /// The metric and the comparison as the file has them, without the contender and blanks.
    pub text: String,
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.contender, self.text)
    }
}

/// How several trials make one figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverTrials {
    /// The median over valid trials.
    Median,
    /// All that was counted in trials that ran to their end, valid or not: a median would not see
    /// what one trial lost.
    Total,
}

/// How a figure and its limit must compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
    /// `!=`
    Unequal,
}

impl Operator {
    const ALL: [(&'static str, Self); 6] = [
        ("<", Self::Below),
        ("<=", Self::AtMost),
        (">", Self::Above),
        (">=", Self::AtLeast),
        ("==", Self::Equal),
        ("!=", Self::Unequal),
    ];

    /// Whether `value` keeps to `limit`.
    #[must_use]
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Below => value < limit,
            Self::AtMost => value <= limit,
            Self::Above => value > limit,
            Self::AtLeast => value >= limit,
            Self::Equal => value == limit,
            Self::Unequal => value != limit,
        }
    }
}

/// What the deliveries of a trial are counted by: these add up over trials.
const COUNTS: [Metric; 7] = [
    Metric::Expected,
    Metric::Delivered,
    Metric::Lost,
    Metric::Duplicated,
    Metric::Reordered,
    Metric::NegativeLatency,
    Metric::Lagged,
];

/// Whether values of `metric` add up over trials.
pub(super) fn is_count(metric: Metric) -> bool {
    COUNTS.contains(&metric)
}

/// Aggregations of a distribution, and how the metric that has it ends.
const AGGREGATIONS: [(&str, &str); 9] = [
    ("p(50)", "_p50"),
    ("med", "_p50"),
    ("p(75)", "_p75"),
    ("p(90)", "_p90"),
    ("p(95)", "_p95"),
    ("p(99)", "_p99"),
    ("p(99.9)", "_p999"),
    ("avg", "_mean"),
    ("max", "_max"),
];

/// What a name before the comparison stands for.
#[derive(Clone, Copy)]
enum Subject<'a> {
    /// One metric, which has one value in each trial.
    Value(Metric),
    /// Metrics of the same thing: `latency` for `latency_p50`, `latency_p99` and so on.
    Distribution(&'a str),
}

/// The names of distributions, and of all metrics.
fn subjects() -> impl Iterator<Item = &'static str> {
    let names = || Metric::ALL.iter().map(|metric| metric.name());
    names().filter_map(|name| name.strip_suffix("_p50")).chain(names())
}

/// The file's `[thresholds]`, or its `[objectives]`.
pub(super) type ThresholdsFile = BTreeMap<Spanned<String>, Spanned<Vec<Spanned<String>>>>;

/// Reads all thresholds or objectives of a file, in its order. Where one is wrong, that is noted.
pub(super) fn parse(
    file: &ThresholdsFile,
    contenders: &[ContenderId],
    problems: &mut Problems<'_>,
) -> Vec<Threshold> {
    let mut entries: Vec<_> = file.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut thresholds = Vec::new();
    for (key, expressions) in entries {
        let mut note = |span: Range<usize>, message| problems.at(span, message);
        let (limited, name, subject) = match parse_key(key.get_ref(), contenders) {
            Ok(read) => read,
            Err(message) => {
                note(key.span(), message);
                continue;
            }
        };
        if expressions.get_ref().is_empty() {
            note(
                expressions.span(),
                format!("`{}` has no comparison: write one or remove it", key.get_ref()),
            );
        }
        for expression in expressions.get_ref() {
            for contender in &limited {
                match parse_expression(contender, name, subject, expression.get_ref()) {
                    Ok(threshold) => thresholds.push(threshold),
                    // It would be the same for the others.
                    Err(message) => {
                        note(expression.span(), message);
                        break;
                    }
                }
            }
        }
    }
    thresholds
}

type Key<'a> = (Vec<ContenderId>, &'a str, Subject<'a>);

/// `latency`, `sse.latency` or `*.latency`. The name of a contender may hold a point, that of a
/// metric never does.
fn parse_key<'a>(key: &'a str, contenders: &[ContenderId]) -> Result<Key<'a>, String> {
    let shown = key.escape_debug();
    let (prefix, name) = match key.rsplit_once('.') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let limited: Vec<ContenderId> = match prefix {
        Some("*") => contenders.to_vec(),
        Some(prefix) => vec![contender(prefix, contenders)?],
        None => contenders.iter().filter(|id| !id.is_reference()).cloned().collect(),
    };
    let names: Vec<_> = subjects().collect();
    let subject = if let Some(metric) = Metric::named(name) {
        Subject::Value(metric)
    } else if names.contains(&name) {
        Subject::Distribution(name)
    } else if prefix.is_none() && contenders.iter().any(|id| id.name() == name) {
        return Err(format!("`{shown}` names no metric: write, for example, `{shown}.latency`"));
    } else {
        let name = name.escape_debug();
        return Err(match nearest(&name.to_string(), &names) {
            Some(likely) => format!("there is no metric `{name}`: did you mean `{likely}`?"),
            None => format!("unknown metric `{name}`; expected {}", listed(&names, "or")),
        });
    };
    if limited.is_empty() {
        let example = contenders.first().map_or("tcp", ContenderId::name);
        return Err(format!(
            "`{shown}` applies to every contender that is no reference, and there is none: write \
             `{example}.{name}`"
        ));
    }
    Ok((limited, name, subject))
}

fn contender(name: &str, contenders: &[ContenderId]) -> Result<ContenderId, String> {
    if let Some(found) = contenders.iter().find(|id| id.name() == name) {
        return Ok(found.clone());
    }
    let shown = name.escape_debug();
    let names: Vec<&str> = contenders.iter().map(ContenderId::name).collect();
    Err(match nearest(name, &names) {
        Some(likely) => format!("unknown contender `{shown}`: did you mean `{likely}`?"),
        None => format!(
            "unknown contender `{shown}`; expected {}, or `*` for all of them",
            listed(&names, "or")
        ),
    })
}

/// What the characters of an operator are.
fn is_operator(c: char) -> bool {
    matches!(c, '<' | '>' | '=' | '!')
}

/// `p(99)<25ms`, `value<25ms` or `<25ms`.
fn parse_expression(
    contender: &ContenderId,
    name: &str,
    subject: Subject<'_>,
    text: &str,
) -> Result<Threshold, String> {
    let malformed = || {
        let example = match subject {
            Subject::Value(metric) if COUNTS.contains(&metric) => "count==0",
            Subject::Value(_) => "value<10",
            Subject::Distribution(_) => "p(99)<25ms",
        };
        format!("`{name}` takes comparisons such as \"{example}\", found {}", quoted(text))
    };
    let start = text.find(is_operator).ok_or_else(malformed)?;
    let (aggregation, rest) = text.split_at(start);
    let (symbol, limit) = rest.split_at(rest.find(|c| !is_operator(c)).unwrap_or(rest.len()));
    let aggregation: String = aggregation.split_whitespace().collect();
    let (metric, over_trials) = match subject {
        Subject::Value(metric) => (metric, over_trials(metric, &aggregation)?),
        Subject::Distribution(of) => (distributed(of, &aggregation)?, OverTrials::Median),
    };
    let Some((_, operator)) = Operator::ALL.into_iter().find(|(known, _)| *known == symbol) else {
        let known = Operator::ALL.map(|(symbol, _)| symbol);
        return Err(format!(
            "there is no comparison `{symbol}` (in {}): there are {}",
            quoted(text),
            listed(&known, "and")
        ));
    };
    let joint = if aggregation.is_empty() { "" } else { ": " };
    let text = format!("{name}{joint}{aggregation}{symbol}{}", limit.trim());
    let limit = quantity::parse(limit, metric.unit())
        .map_err(|expected| format!("`{name}` must be compared with {expected}"))?;
    let contender = contender.clone();
    Ok(Threshold { contender, metric, over_trials, operator, limit, text })
}

/// How trials make one value of `metric`.
fn over_trials(metric: Metric, aggregation: &str) -> Result<OverTrials, String> {
    let adds_up = COUNTS.contains(&metric);
    match aggregation {
        "" | "count" if adds_up => Ok(OverTrials::Total),
        "" | "value" | "med" => Ok(OverTrials::Median),
        other => {
            let known: &[&str] =
                if adds_up { &["count", "value", "med"] } else { &["value", "med"] };
            Err(format!(
                "`{}` has one value in each trial, so there is no {} of it: write {}",
                metric.name(),
                quoted(other),
                listed(known, "or")
            ))
        }
    }
}

/// The metric that is this aggregation of the distribution `of`.
fn distributed(of: &str, aggregation: &str) -> Result<Metric, String> {
    let measured = || {
        AGGREGATIONS
            .into_iter()
            .filter_map(|(name, suffix)| Some((name, Metric::named(&format!("{of}{suffix}"))?)))
    };
    if let Some((_, metric)) = measured().find(|(name, _)| *name == aggregation) {
        return Ok(metric);
    }
    let known: Vec<_> = measured().map(|(name, _)| name).collect();
    let message = match aggregation {
        "" => format!("`{of}` must say which: it has"),
        other => format!("`{of}` has no {}: it has", quoted(other)),
    };
    Err(format!("{message} {}", listed(&known, "and")))
}
