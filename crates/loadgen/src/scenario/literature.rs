//! Figures that others have published for a setup, kept to stand beside ours. Nothing is computed
//! from them.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::{Spanned, Value};

use super::ContenderId;
use super::error::{Problems, quoted};
use super::quantity;
use super::shape::{listed, nearest};
use crate::metric::Metric;

/// A figure that others have published for a contender.
#[derive(Clone, Debug, PartialEq)]
pub struct Literature {
    /// Whose figure.
    pub contender: ContenderId,
    /// What it is a figure of.
    pub metric: Metric,
    /// The figure, in the unit of the metric; at least 0.
    pub value: f64,
    /// Who published it, and where; never empty.
    pub source: String,
    /// What one has to know about it; may be empty.
    pub note: String,
}

/// One `[[published]]` of the file.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LiteratureFile {
    /// The contender that was measured, or a list of those that the figure holds for.
    #[schemars(with = "NamesSchema", example = &"long-polling")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contender: Option<Spanned<Value>>,
    /// The same, for figures of a transport that is not compared here.
    #[schemars(with = "NamesSchema", example = &"long-polling")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transport: Option<Spanned<Value>>,
    /// The metric, by its name in `trials.csv`.
    #[schemars(with = "String", example = &"latency_p50")]
    metric: Spanned<String>,
    /// The figure: a time or bytes with a unit, "22.3ms" or "871B", or a plain number.
    #[schemars(with = "ValueSchema", example = "22.3ms")]
    value: Spanned<Value>,
    /// Who published it, and where.
    #[schemars(with = "String", length(min = 1), example = "A. Author, A Paper, 2010, table 2")]
    source: Spanned<String>,
    /// What one has to know about it, such as that it was calculated.
    #[serde(default = "nothing")]
    #[schemars(with = "String")]
    note: Spanned<String>,
}

fn nothing() -> Spanned<String> {
    Spanned::new(0..0, String::new())
}

/// What `contender` may be, for the JSON Schema. The values are read here, because serde's untagged
/// enums would say no more than that no variant fits.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum NamesSchema {
    /// One.
    One(String),
    /// Several that have the same figure.
    Several(Vec<String>),
}

/// What `value` may be, likewise.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum ValueSchema {
    /// With its unit.
    Quantity(String),
    /// Of something that is counted.
    Count(f64),
}

/// Reads all figures of a file, in its order; one of several contenders gives one for each. Where
/// something is wrong, that is noted.
pub(super) fn parse(
    tables: &[LiteratureFile],
    compared: &[ContenderId],
    problems: &mut Problems<'_>,
) -> Vec<Literature> {
    let mut figures = Vec::new();
    for table in tables {
        let mut noted = |span: Range<usize>, message| problems.at(span, message);
        let contenders = match (&table.contender, &table.transport) {
            (Some(names), None) => contenders("contender", names.get_ref(), compared)
                .map_err(|message| noted(names.span(), message)),
            (None, Some(names)) => contenders("transport", names.get_ref(), compared)
                .map_err(|message| noted(names.span(), message)),
            (Some(_), Some(one)) => {
                noted(
                    one.span(),
                    "`transport` and `contender` say the same: remove one".to_owned(),
                );
                continue;
            }
            (None, None) => {
                let message = "`contender` is missing in [[published]]: add, for example, \
                               `contender = \"long-polling\"`";
                noted(table.metric.span(), message.to_owned());
                continue;
            }
        };
        let metric =
            metric(table.metric.get_ref()).map_err(|message| noted(table.metric.span(), message));
        let value = metric.and_then(|metric| {
            value(table.value.get_ref(), metric)
                .map_err(|message| noted(table.value.span(), message))
        });
        let source = table.source.get_ref().trim();
        if source.is_empty() {
            let message = "`source` must not be empty: say who published the figure, and where";
            noted(table.source.span(), message.to_owned());
        }
        let (Ok(contenders), Ok(metric), Ok(value)) = (contenders, metric, value) else { continue };
        figures.extend(contenders.into_iter().map(|contender| Literature {
            contender,
            metric,
            value,
            source: source.to_owned(),
            note: table.note.get_ref().trim().to_owned(),
        }));
    }
    figures
}

fn contenders(
    key: &str,
    value: &Value,
    compared: &[ContenderId],
) -> Result<Vec<ContenderId>, String> {
    let names = match value {
        Value::Array(names) if names.is_empty() => {
            return Err(format!("`{key}` must name at least one"));
        }
        Value::Array(names) => &names[..],
        one => std::slice::from_ref(one),
    };
    let mut contenders = Vec::new();
    for name in names {
        let contender = contender(key, name, compared)?;
        if contenders.contains(&contender) {
            return Err(format!("`{key}` names \"{contender}\" twice: remove one"));
        }
        contenders.push(contender);
    }
    Ok(contenders)
}

/// One that is compared, or else a transport: others have measured what this scenario does not.
fn contender(key: &str, value: &Value, compared: &[ContenderId]) -> Result<ContenderId, String> {
    let transports = ContenderId::all_transports();
    let known = || {
        let mut names: Vec<&str> =
            compared.iter().chain(&transports).map(ContenderId::name).collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    let Value::String(name) = value else {
        return Err(format!(
            "`{key}` must be a name in quotes, or a list of them; expected {}",
            listed(&known(), "or")
        ));
    };
    let named = |id: &&ContenderId| id.name() == name;
    if let Some(found) = compared.iter().chain(&transports).find(named) {
        return Ok(found.clone());
    }
    Err(match nearest(name, &known()) {
        Some(likely) => format!("unknown contender {}: did you mean \"{likely}\"?", quoted(name)),
        None => {
            format!("unknown contender {}; expected {}", quoted(name), listed(&known(), "or"))
        }
    })
}

fn metric(name: &str) -> Result<Metric, String> {
    Metric::named(name).ok_or_else(|| {
        let names: Vec<_> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        match nearest(name, &names) {
            Some(likely) => {
                format!("there is no metric {}: did you mean \"{likely}\"?", quoted(name))
            }
            None => format!(
                "there is no metric {}: write one of those in `trials.csv`, such as \"latency_p50\"",
                quoted(name)
            ),
        }
    })
}

fn value(value: &Value, metric: Metric) -> Result<f64, String> {
    let name = metric.name();
    let text = match value {
        Value::String(text) => text.clone(),
        // A number is what a count has in place of a unit.
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        _ => return Err(format!("`value` of `{name}` must be text in quotes or a number")),
    };
    let figure = quantity::parse(&text, metric.unit())
        .map_err(|expected| format!("`value` of `{name}` must be {expected}"))?;
    if figure < 0.0 {
        return Err(format!("`value` of `{name}` must not be below 0, found {}", quoted(&text)));
    }
    Ok(figure)
}

#[cfg(test)]
mod tests {
    use pushbench_wire::Transport;

    use proptest::prelude::*;

    use super::*;
    use crate::scenario::Scenario;
    use crate::scenario::template::TEMPLATE;

    /// The figures of a scenario that ends with these lines.
    fn published(lines: &str) -> Vec<Literature> {
        let text = format!("{TEMPLATE}\n{lines}\n");
        Scenario::parse(&text, "").unwrap_or_else(|error| panic!("{error}")).published
    }

    #[test]
    fn a_figure_is_kept_in_the_unit_of_its_metric() {
        let found = published(
            "[[published]]
            transport = \"long-polling\"
            metric = \"latency_p50\"
            value = \"22.3ms\"
            source = \" CometD's documentation \"
            note = \"1,000 clients\"",
        );
        let expected = Literature {
            contender: Transport::LongPolling.into(),
            metric: Metric::LatencyP50,
            value: 22.3e6,
            source: "CometD's documentation".to_owned(),
            note: "1,000 clients".to_owned(),
        };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn one_of_several_contenders_stands_for_each() {
        let found = published(
            "[[published]]
            transport = [\"websocket\", \"sse\"]
            metric = \"deliveries_per_read\"
            value = 2.55
            source = \"a\"
            [[published]]
            transport = \"tcp\"
            metric = \"requests\"
            value = 7
            source = \"b\"",
        );
        let found: Vec<_> = found
            .iter()
            .map(|of| (of.contender.transport(), of.value, of.source.as_str()))
            .collect();
        let expected = [
            (Transport::WebSocket, 2.55, "a"),
            (Transport::Sse, 2.55, "a"),
            (Transport::Tcp, 7.0, "b"),
        ];
        assert_eq!(found, expected);
        assert_eq!(published(""), []);
    }

    proptest! {
        #[test]
        fn any_value_is_read_without_panic(
            index in 0..Metric::ALL.len(), text in "\\PC{0,20}|[-0-9.]{0,8}[a-zA-Z]{0,3}", number: f64,
        ) {
            for any in [Value::String(text), Value::Float(number), Value::Boolean(true)] {
                let figure = value(&any, Metric::ALL[index]);
                prop_assert!(figure.is_err() || figure.is_ok_and(|figure| figure.is_finite() && figure >= 0.0));
                let _ = contenders("contender", &Value::Array(vec![any.clone(), any]), &[]);
            }
        }
    }
}
