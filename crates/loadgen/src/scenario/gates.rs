//! By how much a metric may get worse from one build to the next before it counts as a regression.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use toml::{Spanned, Value};

use super::error::{Problems, quoted};
use super::quantity;
use super::shape::{listed, nearest};
use crate::metric::{Metric, Unit};

/// The limit of one metric, the same for every transport. Less is better for each of them.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Gate {
    /// What may not get worse.
    pub metric: Metric,
    /// By which share it may: 0.05 for 5 %.
    pub share: f64,
    /// By how much it may at least, in the unit of the metric: what is less is never a regression.
    pub floor: f64,
}

impl Gate {
    /// The gates of a scenario that names none: what two builds can be told apart by on a shared
    /// machine, with limits that people act on.
    pub const DEFAULTS: [Self; 5] = [
        Self::new(Metric::ServerCpuPerDelivery, 0.05, 0.0),
        Self::new(Metric::BytesPerDelivery, 0.005, 0.0),
        Self::new(Metric::LatencyP50, 0.10, 100e3),
        Self::new(Metric::ServerMemoryPeak, 0.05, 1_048_576.0),
        Self::new(Metric::ServerInstructionsPerDelivery, 0.02, 0.0),
    ];

    /// The gate that a 99th percentile gets when a scenario asks for it: its noise needs more room.
    pub const P99: Self = Self::new(Metric::LatencyP99, 0.25, 500e3);

    const fn new(metric: Metric, share: f64, floor: f64) -> Self {
        Self { metric, share, floor }
    }

    /// The limits that `metric` has when a scenario names none.
    fn usual(metric: Metric) -> Option<Self> {
        Self::DEFAULTS.into_iter().chain([Self::P99]).find(|gate| gate.metric == metric)
    }
}

/// The metric and its share; the floor depends on what it is held against.
impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rounded to what the eye can take: 0.07 x 100 is 7.000000000000001.
        let percent = (self.share * 1e6).round() / 1e4;
        write!(f, "{} {percent} %", self.metric.name())
    }
}

/// What may have a gate: less of it is better, it is above 0, and it does not rest on single
/// deliveries, as the slowest does. What is lost needs none: it fails a comparison anyhow.
const GATEABLE: [Metric; 16] = [
    Metric::ServerCpuPerDelivery,
    Metric::ServerInstructionsPerDelivery,
    Metric::GeneratorCpuPerDelivery,
    Metric::BytesPerDelivery,
    Metric::WireBytesPerDelivery,
    Metric::SegmentsPerDelivery,
    Metric::LatencyP50,
    Metric::LatencyP75,
    Metric::LatencyP90,
    Metric::LatencyP95,
    Metric::LatencyP99,
    Metric::LatencyMean,
    Metric::ServerMemory,
    Metric::ServerMemoryPeak,
    Metric::ServerMemoryPerSubscriber,
    Metric::IdleServerCpu,
];

/// The file's `[gates]`. The values are read here and not by serde, whose untagged enums would
/// say no more than that no variant fits.
pub(super) type GatesFile = BTreeMap<Spanned<String>, Spanned<Value>>;

/// What a value may be, for the JSON Schema.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) enum GateSchema {
    /// By which share the metric may get worse: "5%".
    Share(String),
    /// The same, and what is never a regression.
    Limits(LimitsSchema),
    /// Whether it has its usual gate; `false` switches one off.
    Switch(bool),
}

/// The two limits of a gate; what is left out is as usual.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct LimitsSchema {
    /// By which share the metric may get worse: "25%".
    share: Option<String>,
    /// A change of less than this is never a regression: "500us", "1MiB".
    floor: Option<String>,
}

/// The gates of a file: the defaults as it changes them, then what it adds. Where a value is
/// wrong, that is noted.
pub(super) fn parse(file: &GatesFile, problems: &mut Problems<'_>) -> Vec<Gate> {
    let mut entries: Vec<_> = file.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut gates = Gate::DEFAULTS.to_vec();
    for (key, value) in entries {
        let gate = match gateable(key.get_ref()) {
            Ok(metric) => limits(metric, value.get_ref()).map(|gate| (metric, gate)),
            Err(message) => {
                problems.at(key.span(), message);
                continue;
            }
        };
        match gate {
            Ok((metric, Some(gate))) => match gates.iter_mut().find(|of| of.metric == metric) {
                Some(default) => *default = gate,
                None => gates.push(gate),
            },
            Ok((metric, None)) => gates.retain(|of| of.metric != metric),
            Err(message) => problems.at(value.span(), message),
        }
    }
    gates
}

fn gateable(name: &str) -> Result<Metric, String> {
    if let Some(metric) = GATEABLE.into_iter().find(|metric| metric.name() == name) {
        return Ok(metric);
    }
    let known = GATEABLE.map(Metric::name);
    let name = name.escape_debug().to_string();
    let mut message = match Metric::named(&name) {
        Some(_) => format!("`{name}` cannot have a gate"),
        None => format!("there is no metric `{name}`"),
    };
    message += &match nearest(&name, &known) {
        Some(likely) => format!(": did you mean `{likely}`?"),
        None => format!(": gates are of {}", listed(&known, "and")),
    };
    Err(message)
}

/// The gate that `value` gives `metric`; none when it has none.
fn limits(metric: Metric, value: &Value) -> Result<Option<Gate>, String> {
    let name = metric.name();
    let usual = Gate::usual(metric);
    let without_share = || {
        format!("`{name}` has no usual gate: write by which share it may get worse, such as \"5%\"")
    };
    let mut gate = usual.unwrap_or(Gate { metric, share: 0.0, floor: 0.0 });
    match value {
        Value::Boolean(false) => return Ok(None),
        Value::Boolean(true) => return usual.map(Some).ok_or_else(without_share),
        Value::String(text) => gate.share = share(name, text)?,
        Value::Table(table) if !table.is_empty() => {
            for (key, value) in table {
                match (key.as_str(), value.as_str()) {
                    ("share", Some(text)) => gate.share = share(name, text)?,
                    ("floor", Some(text)) => gate.floor = floor(metric, text)?,
                    ("share" | "floor", None) => {
                        return Err(format!("`{key}` of `{name}` must be text in quotes"));
                    }
                    (other, _) => {
                        let other = other.escape_debug();
                        return Err(format!(
                            "a gate has no key `{other}`: there are `share` and `floor`"
                        ));
                    }
                }
            }
            if usual.is_none() && !table.contains_key("share") {
                return Err(without_share());
            }
        }
        other => {
            let found = match other {
                Value::Integer(number) => number.to_string(),
                Value::Float(number) => number.to_string(),
                Value::Table(_) => "an empty table".to_owned(),
                Value::Array(_) => "a list".to_owned(),
                _ => "a date or time".to_owned(),
            };
            return Err(format!(
                "`{name}` must be a share such as \"5%\", limits such as {{ share = \"5%\", floor = \
                 {} }}, or true or false, found {found}",
                example_floor(metric)
            ));
        }
    }
    Ok(Some(gate))
}

fn share(name: &str, text: &str) -> Result<f64, String> {
    quantity::parse_share(text).ok_or_else(|| {
        let found = quoted(text);
        format!("`{name}` must be a share above 0% and up to 1000%, such as \"5%\", found {found}")
    })
}

fn floor(metric: Metric, text: &str) -> Result<f64, String> {
    let name = metric.name();
    let floor = quantity::parse(text, metric.unit())
        .map_err(|expected| format!("`floor` of `{name}` must be {expected}"))?;
    match floor >= 0.0 {
        true => Ok(floor),
        false => Err(format!("`floor` of `{name}` must not be below 0, found {}", quoted(text))),
    }
}

fn example_floor(metric: Metric) -> &'static str {
    match metric.unit() {
        Unit::Nanoseconds => "\"100us\"",
        Unit::Bytes => "\"1MiB\"",
        Unit::Count => "\"10\"",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scenario::Scenario;
    use crate::scenario::template::TEMPLATE;

    /// The gates of a scenario with these lines in its table.
    fn gates(lines: &str) -> Vec<Gate> {
        let (without, _) = TEMPLATE.split_once("\n[gates]").unwrap();
        let text = format!("{without}\n[gates]\n{lines}\n");
        Scenario::parse(&text, "").unwrap_or_else(|error| panic!("{error}")).gates
    }

    fn gate(lines: &str, metric: Metric) -> Option<Gate> {
        gates(lines).into_iter().find(|gate| gate.metric == metric)
    }

    #[test]
    fn without_any_they_are_the_usual_ones() {
        assert_eq!(gates(""), Gate::DEFAULTS);
    }

    #[test]
    fn a_share_leaves_the_floor_and_the_place() {
        let gates = gates("latency_p50 = \"20%\"");
        assert_eq!(gates[2], Gate { metric: Metric::LatencyP50, share: 0.2, floor: 100e3 });
        assert_eq!(gates.len(), Gate::DEFAULTS.len());
    }

    #[test]
    fn false_switches_a_gate_off() {
        assert_eq!(gate("server_memory_peak = false", Metric::ServerMemoryPeak), None);
        assert_eq!(gates("server_memory_peak = false").len(), Gate::DEFAULTS.len() - 1);
        assert_eq!(gates("latency_p99 = false"), Gate::DEFAULTS, "it is off anyhow");
    }

    #[test]
    fn a_99th_percentile_is_gated_when_asked_for() {
        assert_eq!(gate("latency_p99 = true", Metric::LatencyP99), Some(Gate::P99));
        assert_eq!(
            gate("latency_p99 = { share = \"30%\", floor = \"1ms\" }", Metric::LatencyP99),
            Some(Gate { metric: Metric::LatencyP99, share: 0.3, floor: 1e6 })
        );
        assert_eq!(
            gate("latency_p99 = { floor = \"2ms\" }", Metric::LatencyP99),
            Some(Gate { floor: 2e6, ..Gate::P99 })
        );
    }

    #[test]
    fn what_has_no_usual_gate_gets_one_by_its_share() {
        assert_eq!(
            gate("wire_bytes_per_delivery = \"1%\"", Metric::WireBytesPerDelivery),
            Some(Gate { metric: Metric::WireBytesPerDelivery, share: 0.01, floor: 0.0 })
        );
    }

    #[test]
    fn whatever_is_gated_usually_can_be_gated() {
        for gate in Gate::DEFAULTS.into_iter().chain([Gate::P99]) {
            assert_eq!(gateable(gate.metric.name()), Ok(gate.metric));
        }
    }

    proptest! {
        #[test]
        fn any_value_is_read_without_panic(
            metric in 0..GATEABLE.len(),
            text in "\\PC{0,12}|-?[0-9]{1,4}[.]?[0-9]{0,2}[%a-zA-Z]{0,3}",
            shape in 0..4,
        ) {
            let metric = GATEABLE[metric];
            let text = Value::String(text);
            let value = match shape {
                0 => text,
                1 => Value::Table([("share".to_owned(), text)].into_iter().collect()),
                2 => Value::Table([("floor".to_owned(), text)].into_iter().collect()),
                _ => Value::Array(vec![text]),
            };
            if let Ok(gate) = limits(metric, &value) {
                let gate = gate.unwrap();
                prop_assert!(gate.share > 0.0 && gate.floor >= 0.0 && gate.metric == metric);
            }
        }
    }
}
