//! The same of published figures.

use super::*;

/// Right, and in lines 14 to 18.
const FIGURE: &str = r#"interval = "1s"

[[published]]
transport = "sse"
metric = "latency_p50"
value = "22.3ms"
source = "A paper"
"#;

bad_scenarios! {
    published_that_is_no_table:
        [r#"description = "A bad one.""# => r#"description = "A bad one."
published = 3"#]
        "bad.toml:3: `published` must be a list of tables, each of which starts with the line [[published]], found 3"

    published_in_single_brackets:
        ["interval = \"1s\"\n" => FIGURE]
        ["[[published]]" => "[published]"]
        "bad.toml:14: `published` must be a list of tables, each of which starts with the line [[published]], found a table"

    published_key_misspelt:
        ["interval = \"1s\"\n" => FIGURE]
        ["metric =" => "metrics ="]
        r#"bad.toml:16: [[published]] has no key `metrics`: did you mean `metric`?"#

    published_key_at_the_top:
        [r#"description = "A bad one.""# => r#"description = "A bad one."
note = "calculated""#]
        "bad.toml:3: a scenario has no key `note`: it belongs in [[published]]"

    published_without_a_source:
        ["interval = \"1s\"\n" => FIGURE]
        ["source = \"A paper\"\n" => ""]
        r#"bad.toml:14: `source` is missing in [[published]]: add, for example, `source = "A. Author, A Paper, 2010, table 2"`"#

    published_with_an_empty_source:
        ["interval = \"1s\"\n" => FIGURE]
        ["A paper" => " "]
        "bad.toml:18: `source` must not be empty: say who published the figure, and where"

    published_transport_misspelt:
        ["interval = \"1s\"\n" => FIGURE]
        [r#"transport = "sse""# => r#"transport = ["sse", "websockt"]"#]
        r#"bad.toml:15: unknown contender "websockt": did you mean "websocket"?"#

    published_transport_unknown:
        ["interval = \"1s\"\n" => FIGURE]
        [r#"transport = "sse""# => r#"transport = "comet""#]
        r#"bad.toml:15: unknown contender "comet"; expected `long-polling`, `polling`, `sse`, `tcp` or `websocket`"#

    published_transport_twice:
        ["interval = \"1s\"\n" => FIGURE]
        [r#"transport = "sse""# => r#"transport = ["sse", "sse"]"#]
        r#"bad.toml:15: `transport` names "sse" twice: remove one"#

    published_transport_none:
        ["interval = \"1s\"\n" => FIGURE]
        [r#"transport = "sse""# => "transport = []"]
        "bad.toml:15: `transport` must name at least one"

    published_transport_that_is_no_text:
        ["interval = \"1s\"\n" => FIGURE]
        [r#"transport = "sse""# => "transport = 3"]
        "bad.toml:15: `transport` must be a name in quotes, or a list of them; expected `long-polling`, `polling`, `sse`, `tcp` or `websocket`"

    published_metric_misspelt:
        ["interval = \"1s\"\n" => FIGURE]
        ["latency_p50" => "latency_50"]
        r#"bad.toml:16: there is no metric "latency_50": did you mean "latency_p50"?"#

    published_metric_unknown:
        ["interval = \"1s\"\n" => FIGURE]
        ["latency_p50" => "joy"]
        r#"bad.toml:16: there is no metric "joy": write one of those in `trials.csv`, such as "latency_p50""#

    published_value_without_a_unit:
        ["interval = \"1s\"\n" => FIGURE]
        [r#"value = "22.3ms""# => "value = 22.3"]
        r#"bad.toml:17: `value` of `latency_p50` must be a time with a unit (ns, us, ms or s), such as "25ms", found "22.3""#

    published_value_with_a_unit_too_many:
        ["interval = \"1s\"\n" => FIGURE]
        ["latency_p50" => "deliveries_per_read"]
        r#"bad.toml:17: `value` of `deliveries_per_read` must be a number without a unit, such as "0", found "22.3ms""#

    published_value_negative:
        ["interval = \"1s\"\n" => FIGURE]
        ["22.3ms" => "-22.3ms"]
        r#"bad.toml:17: `value` of `latency_p50` must not be below 0, found "-22.3ms""#

    published_value_that_is_no_figure:
        ["interval = \"1s\"\n" => FIGURE]
        [r#"value = "22.3ms""# => "value = true"]
        "bad.toml:17: `value` of `latency_p50` must be text in quotes or a number"

    published_note_that_is_no_text:
        ["interval = \"1s\"\n" => FIGURE]
        ["source = \"A paper\"" => "source = \"A paper\"\nnote = 3"]
        "bad.toml:19: `note` must be text in quotes, found 3"
}
