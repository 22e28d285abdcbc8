//! What a scenario can write, and what is read from it.

use proptest::prelude::*;

use pushbench_wire::Transport;

use super::*;
use crate::scenario::Scenario;
use crate::scenario::template::TEMPLATE;

/// The thresholds of a scenario with these lines in its table.
fn thresholds(lines: &str) -> Vec<Threshold> {
    let (without, _) = TEMPLATE.split_once("\n[thresholds]").unwrap();
    let text = format!("{without}\n[thresholds]\n{lines}\n");
    Scenario::parse(&text, "").unwrap_or_else(|error| panic!("{error}")).thresholds
}

fn only(line: &str) -> Threshold {
    let thresholds = thresholds(line);
    assert_eq!(thresholds.len(), 1, "{line}");
    thresholds[0].clone()
}

#[test]
fn a_threshold_is_read_whole() {
    let threshold = only(r#""websocket.latency" = ["p(99) < 25ms"]"#);
    assert_eq!(threshold.to_string(), "websocket.latency: p(99)<25ms");
    let Threshold { contender, metric, over_trials, operator, limit, .. } = threshold;
    assert_eq!((contender.transport(), metric), (Transport::WebSocket, Metric::LatencyP99));
    assert_eq!((over_trials, operator), (OverTrials::Median, Operator::Below));
    assert_eq!(limit, 25e6);
}

#[test]
fn aggregations_name_the_metric_that_has_them() {
    for (aggregation, metric) in [
        ("p(50)", Metric::LatencyP50),
        ("med", Metric::LatencyP50),
        ("p(75)", Metric::LatencyP75),
        ("p(90)", Metric::LatencyP90),
        ("p(95)", Metric::LatencyP95),
        ("p(99)", Metric::LatencyP99),
        ("p( 99.9 )", Metric::LatencyP999),
        ("avg", Metric::LatencyMean),
        ("max", Metric::LatencyMax),
    ] {
        let line = format!("\"sse.latency\" = [\"{aggregation}<1s\"]");
        assert_eq!(only(&line).metric, metric, "{aggregation}");
    }
    let lateness = only(r#""sse.publisher_lateness" = ["max<10ms"]"#);
    assert_eq!(lateness.metric, Metric::PublisherLatenessMax);
}

#[test]
fn what_is_counted_adds_up_and_the_rest_has_a_median() {
    for (line, over_trials) in [
        (r#""sse.lost" = ["count==0"]"#, OverTrials::Total),
        (r#""sse.lost" = ["==0"]"#, OverTrials::Total),
        (r#""sse.lost" = ["med==0"]"#, OverTrials::Median),
        (r#""sse.server_cpu_per_delivery" = ["value<8us"]"#, OverTrials::Median),
        (r#""sse.server_cpu_per_delivery" = ["<8us"]"#, OverTrials::Median),
        (r#""sse.latency_p99" = ["<8us"]"#, OverTrials::Median),
    ] {
        assert_eq!(only(line).over_trials, over_trials, "{line}");
    }
}

#[test]
fn a_key_without_a_contender_spares_references_and_a_star_does_not() {
    let transports = |line: &str| -> Vec<Transport> {
        thresholds(line).iter().map(|threshold| threshold.contender.transport()).collect()
    };
    let (all, last) = (Transport::ALL, Transport::ALL.len() - 1);
    assert_eq!(transports(r#""latency" = ["p(99)<25ms"]"#), all[..last]);
    assert_eq!(transports(r#""*.latency" = ["p(99)<25ms"]"#), *all);
    assert_eq!(transports(r#""tcp.latency" = ["p(99)<25ms"]"#), [Transport::Tcp]);
}

#[test]
fn they_stand_in_the_order_of_the_file() {
    let lines = r#"
        "sse.lost" = ["count==0"]
        "sse.latency" = ["p(99)<25ms", "p(50)<2ms"]
        "sse.delivered" = ["count>1"]"#;
    let texts: Vec<_> = thresholds(lines).into_iter().map(|of| of.text).collect();
    let expected =
        ["lost: count==0", "latency: p(99)<25ms", "latency: p(50)<2ms", "delivered: count>1"];
    assert_eq!(texts, expected);
}

#[test]
fn every_operator_compares() {
    for (symbol, below, equal, above) in [
        ("<", true, false, false),
        ("<=", true, true, false),
        (">", false, false, true),
        (">=", false, true, true),
        ("==", false, true, false),
        ("!=", true, false, true),
    ] {
        let operator = only(&format!("\"sse.lost\" = [\"{symbol}2\"]")).operator;
        let held = [1.0, 2.0, 3.0].map(|value| operator.holds(value, 2.0));
        assert_eq!(held, [below, equal, above], "{symbol}");
        assert!(!operator.holds(f64::NAN, 2.0) || operator == Operator::Unequal);
    }
}

proptest! {
    #[test]
    fn any_value_metric_reads_back(
        metric in 0..Metric::ALL.len(),
        transport in 0..Transport::ALL.len(),
        operator in 0..Operator::ALL.len(),
        number in 0_u32..1_000_000,
        spaces in " {0,2}",
    ) {
        let (metric, transport) = (Metric::ALL[metric], Transport::ALL[transport]);
        let (symbol, operator) = Operator::ALL[operator];
        let unit = match metric.unit() {
            crate::metric::Unit::Nanoseconds => "ns",
            crate::metric::Unit::Bytes => "B",
            crate::metric::Unit::Count => "",
        };
        let key = format!("{}.{}", transport.name(), metric.name());
        let read = only(&format!("\"{key}\" = [\"value{spaces}{symbol}{spaces}{number}{unit}\"]"));
        prop_assert_eq!((read.contender.transport(), read.metric), (transport, metric));
        prop_assert_eq!((read.operator, read.limit), (operator, f64::from(number)));
    }

    #[test]
    fn any_text_is_read_without_panic(
        key in "\\PC{0,20}|[*a-z.]{0,12}",
        text in "\\PC{0,20}|[pmedavx()0-9.<>=! smuB-]{0,16}",
    ) {
        let contenders = ContenderId::all_transports();
        if let Ok((limited, name, subject)) = parse_key(&key, &contenders) {
            prop_assert!(!limited.is_empty() && key.ends_with(name));
            let _ = parse_expression(&limited[0], name, subject, &text);
        }
        for (name, subject) in
            [("latency", Subject::Distribution("latency")), ("lost", Subject::Value(Metric::Lost))]
        {
            if let Ok(read) = parse_expression(&contenders[2], name, subject, &text) {
                prop_assert!(read.limit.is_finite() && read.text.starts_with(name));
            }
        }
    }
}
