//! The same of thresholds, objectives and gates.

use super::*;

bad_scenarios! {
    contender_of_a_threshold_misspelt:
        ["[polling]" => r#"[thresholds]
"websockt.latency" = ["p(99)<25ms"]
[polling]"#]
        r#"bad.toml:12: unknown contender `websockt`: did you mean `websocket`?"#

    contender_of_a_threshold_unknown:
        ["[polling]" => r#"[thresholds]
"webrtc.latency" = ["p(99)<25ms"]
[polling]"#]
        r#"bad.toml:12: unknown contender `webrtc`; expected `polling`, `long-polling`, `sse`, `websocket` or `tcp`, or `*` for all of them"#

    metric_of_a_threshold_misspelt:
        ["[polling]" => r#"[thresholds]
"sse.latancy" = ["p(99)<25ms"]
[polling]"#]
        r#"bad.toml:12: there is no metric `latancy`: did you mean `latency`?"#

    metric_of_a_threshold_missing:
        ["[polling]" => r#"[thresholds]
"sse" = ["p(99)<25ms"]
[polling]"#]
        r#"bad.toml:12: `sse` names no metric: write, for example, `sse.latency`"#

    threshold_key_without_quotes:
        ["[polling]" => r#"[thresholds]
sse.latency = ["p(99)<25ms"]
[polling]"#]
        r#"bad.toml:12: `sse` must be a list of text in quotes: put a key with a dot in quotes, "sse.latency""#

    threshold_that_is_no_list:
        ["[polling]" => r#"[thresholds]
"sse.latency" = "p(99)<25ms"
[polling]"#]
        r#"bad.toml:12: `sse.latency` must be a list of text in quotes, found "p(99)<25ms""#

    threshold_that_is_no_text:
        ["[polling]" => r#"[thresholds]
"sse.latency" = [25]
[polling]"#]
        r#"bad.toml:12: `sse.latency` must be text in quotes, found 25"#

    threshold_list_empty:
        ["[polling]" => r#"[thresholds]
"sse.latency" = []
[polling]"#]
        r#"bad.toml:12: `sse.latency` has no comparison: write one or remove it"#

    threshold_without_a_comparison:
        ["[polling]" => r#"[thresholds]
"sse.latency" = ["p(99)"]
[polling]"#]
        r#"bad.toml:12: `latency` takes comparisons such as "p(99)<25ms", found "p(99)""#

    threshold_with_another_operator:
        ["[polling]" => r#"[thresholds]
"sse.latency" = ["p(99)=25ms"]
[polling]"#]
        r#"bad.toml:12: there is no comparison `=` (in "p(99)=25ms"): there are `<`, `<=`, `>`, `>=`, `==` and `!=`"#

    threshold_without_an_aggregation:
        ["[polling]" => r#"[thresholds]
"sse.latency" = ["<25ms"]
[polling]"#]
        r#"bad.toml:12: `latency` must say which: it has `p(50)`, `med`, `p(75)`, `p(90)`, `p(95)`, `p(99)`, `p(99.9)`, `avg` and `max`"#

    threshold_with_another_percentile:
        ["[polling]" => r#"[thresholds]
"sse.latency" = ["p(97)<25ms"]
[polling]"#]
        r#"bad.toml:12: `latency` has no "p(97)": it has `p(50)`, `med`, `p(75)`, `p(90)`, `p(95)`, `p(99)`, `p(99.9)`, `avg` and `max`"#

    threshold_with_an_aggregation_misspelt:
        ["[polling]" => r#"[thresholds]
"sse.latency" = ["average<25ms"]
[polling]"#]
        r#"bad.toml:12: `latency` has no "average": it has `p(50)`, `med`, `p(75)`, `p(90)`, `p(95)`, `p(99)`, `p(99.9)`, `avg` and `max`"#

    threshold_of_a_value_with_a_percentile:
        ["[polling]" => r#"[thresholds]
"sse.server_cpu_per_delivery" = ["p(99)<8us"]
[polling]"#]
        r#"bad.toml:12: `server_cpu_per_delivery` has one value in each trial, so there is no "p(99)" of it: write `value` or `med`"#

    threshold_of_a_count_with_a_maximum:
        ["[polling]" => r#"[thresholds]
"sse.lost" = ["max<8"]
[polling]"#]
        r#"bad.toml:12: `lost` has one value in each trial, so there is no "max" of it: write `count`, `value` or `med`"#

    threshold_without_a_unit:
        ["[polling]" => r#"[thresholds]
"latency" = ["p(99)<25"]
[polling]"#]
        r#"bad.toml:12: `latency` must be compared with a time with a unit (ns, us, ms or s), such as "25ms", found "25""#

    threshold_with_a_unit_of_bytes:
        ["[polling]" => r#"[thresholds]
"latency" = ["p(99)<25kB"]
[polling]"#]
        r#"bad.toml:12: `latency` must be compared with a time with a unit (ns, us, ms or s), such as "25ms", found "25kB""#

    threshold_of_bytes_in_kilobits:
        ["[polling]" => r#"[thresholds]
"bytes_per_delivery" = ["value<2KB"]
[polling]"#]
        r#"bad.toml:12: `bytes_per_delivery` must be compared with bytes with a unit (B, kB, KiB, MB or MiB), such as "4KiB", found "2KB""#

    threshold_of_a_count_with_a_unit:
        ["[polling]" => r#"[thresholds]
"*.lost" = ["count==0ms"]
[polling]"#]
        r#"bad.toml:12: `lost` must be compared with a number without a unit, such as "0", found "0ms""#

    objective_of_a_metric_misspelt:
        ["[polling]" => r#"[objectives]
"sse.latancy" = ["p(99)<25ms"]
[polling]"#]
        r#"bad.toml:12: there is no metric `latancy`: did you mean `latency`?"#

    objective_without_a_comparison:
        ["[polling]" => r#"[objectives]
"latency" = ["p(99)"]
"*.lost" = []
[polling]"#]
        r#"bad.toml:12: `latency` takes comparisons such as "p(99)<25ms", found "p(99)"
bad.toml:13: `*.lost` has no comparison: write one or remove it"#

    objective_of_a_contender_that_is_left_out:
        [r#"name = "bad""# => r#"name = "bad"
compare = ["sse"]"#]
        ["[polling]" => r#"[objectives]
"websocket.latency" = ["p(99)<25ms"]
[polling]"#]
        r#"bad.toml:13: unknown contender `websocket`; expected `sse`, or `*` for all of them"#

    objective_that_is_no_list:
        ["[polling]" => r#"[objectives]
"sse.latency" = "p(99)<25ms"
[polling]"#]
        r#"bad.toml:12: `sse.latency` must be a list of text in quotes, found "p(99)<25ms""#

    objectives_misspelt:
        ["[polling]" => "[objective]
[polling]"]
        "bad.toml:11: a scenario has no key `objective`: did you mean `objectives`?"

    gate_of_a_metric_misspelt:
        ["[polling]" => r#"[gates]
server_cpu_per_delivry = "5%"
[polling]"#]
        r#"bad.toml:12: there is no metric `server_cpu_per_delivry`: did you mean `server_cpu_per_delivery`?"#

    gate_of_what_has_none:
        ["[polling]" => r#"[gates]
delivered = "5%"
[polling]"#]
        r#"bad.toml:12: `delivered` cannot have a gate: gates are of `server_cpu_per_delivery`, `server_instructions_per_delivery`, `generator_cpu_per_delivery`, `bytes_per_delivery`, `wire_bytes_per_delivery`, `segments_per_delivery`, `latency_p50`, `latency_p75`, `latency_p90`, `latency_p95`, `latency_p99`, `latency_mean`, `server_memory`, `server_memory_peak`, `server_memory_per_subscriber` and `idle_server_cpu`"#

    gate_without_per_cent:
        ["[polling]" => r#"[gates]
server_cpu_per_delivery = "5"
[polling]"#]
        r#"bad.toml:12: `server_cpu_per_delivery` must be a share above 0% and up to 1000%, such as "5%", found "5""#

    gate_as_a_number:
        ["[polling]" => r#"[gates]
server_cpu_per_delivery = 5
[polling]"#]
        r#"bad.toml:12: `server_cpu_per_delivery` must be a share such as "5%", limits such as { share = "5%", floor = "100us" }, or true or false, found 5"#

    gate_with_another_key:
        ["[polling]" => r#"[gates]
latency_p99 = { shar = "25%" }
[polling]"#]
        r#"bad.toml:12: a gate has no key `shar`: there are `share` and `floor`"#

    gate_with_a_floor_in_bytes:
        ["[polling]" => r#"[gates]
latency_p99 = { floor = "4kB" }
[polling]"#]
        r#"bad.toml:12: `floor` of `latency_p99` must be a time with a unit (ns, us, ms or s), such as "25ms", found "4kB""#

    gate_with_a_floor_below_nothing:
        ["[polling]" => r#"[gates]
latency_p99 = { floor = "-4ms" }
[polling]"#]
        r#"bad.toml:12: `floor` of `latency_p99` must not be below 0, found "-4ms""#

    gate_with_a_floor_that_is_no_text:
        ["[polling]" => r#"[gates]
latency_p99 = { floor = 4 }
[polling]"#]
        r#"bad.toml:12: `floor` of `latency_p99` must be text in quotes"#

    gate_that_is_not_usual:
        ["[polling]" => r#"[gates]
latency_p90 = true
[polling]"#]
        r#"bad.toml:12: `latency_p90` has no usual gate: write by which share it may get worse, such as "5%""#

    gate_without_a_share:
        ["[polling]" => r#"[gates]
latency_p90 = { floor = "1ms" }
[polling]"#]
        r#"bad.toml:12: `latency_p90` has no usual gate: write by which share it may get worse, such as "5%""#

    threshold_of_a_contender_that_is_left_out:
        [r#"name = "bad""# => r#"name = "bad"
compare = ["sse"]"#]
        ["[polling]" => r#"[thresholds]
"websocket.latency" = ["p(99)<25ms"]
[polling]"#]
        r#"bad.toml:13: unknown contender `websocket`; expected `sse`, or `*` for all of them"#

    threshold_of_nothing_but_references:
        [r#"name = "bad""# => r#"name = "bad"
compare = ["tcp"]"#]
        ["[polling]" => r#"[thresholds]
"latency" = ["p(99)<25ms"]
[polling]"#]
        r#"bad.toml:13: `latency` applies to every contender that is no reference, and there is none: write `tcp.latency`"#

    every_threshold_that_is_wrong_is_named_once:
        ["[polling]" => r#"[thresholds]
"latency" = ["p(98)<25ms", "p(99)<25"]
"*.lst" = ["count==0"]
[polling]"#]
        r#"bad.toml:12: `latency` has no "p(98)": it has `p(50)`, `med`, `p(75)`, `p(90)`, `p(95)`, `p(99)`, `p(99.9)`, `avg` and `max`
bad.toml:12: `latency` must be compared with a time with a unit (ns, us, ms or s), such as "25ms", found "25"
bad.toml:13: there is no metric `lst`: did you mean `lost`?"#
}

#[test]
fn an_unknown_metric_is_told_all_that_there_are() {
    let text = RIGHT.replace("[polling]", "[thresholds]\n\"zzz\" = [\"<1\"]\n[polling]");
    let error = Scenario::parse(&text, "bad.toml").unwrap_err().to_string();
    assert!(error.starts_with("bad.toml:12: unknown metric `zzz`; expected `latency`, "));
    for &metric in crate::metric::Metric::ALL {
        assert!(error.contains(&format!("`{}`", metric.name())), "{error}");
    }
}
