//! What is wrong with a scenario, and exactly what its author is told.

use super::*;

/// Right, until one of the tests below changes it.
const RIGHT: &str = r#"name = "bad"
description = "A bad one."

[workload]
subscribers = 10
events_per_second = 10.0
payload_bytes = 128
duration = "10s"
warm_up = "2s"

[polling]
interval = "1s"
"#;

/// One test each: its name, what is written in place of what, and the whole error.
macro_rules! bad_scenarios {
    ($($name:ident: $([$from:expr => $to:expr])+ $error:literal)+) => {$(
        #[test]
        fn $name() {
            let mut text = RIGHT.to_owned();
            $(
                assert!(text.contains($from), "nothing to replace: {}", $from);
                text = text.replacen($from, $to, 1);
            )+
            let error = Scenario::parse(&text, "bad.toml").expect_err(&text);
            assert_eq!(error.to_string(), $error);
        }
    )+};
}

mod clients;
mod limits;
mod literature;
mod road;
mod sweeps;
mod traffic;

#[test]
fn the_right_one_is_accepted() {
    Scenario::parse(RIGHT, "right.toml").unwrap();
}

bad_scenarios! {
    empty_file:
        [RIGHT => ""]
        r#"bad.toml: `name` is missing: add, for example, `name = "stock-ticker"` above the first [table]
bad.toml: `description` is missing: add, for example, `description = "Prices for a trading screen."` above the first [table]
bad.toml: the table [workload] is missing"#

    not_toml:
        [RIGHT => "polling every second, please"]
        "bad.toml:1: key with no value, expected `=`"

    unclosed_text:
        [r#"name = "bad""# => r#"name = "bad"#]
        r#"bad.toml:1: invalid basic string, expected `"`"#

    key_twice:
        [r#"name = "bad""# => r#"name = "bad"
name = "worse""#]
        r#"bad.toml:2: duplicate key, at "name""#

    table_twice:
        ["[polling]" => "[workload]
[polling]"]
        r#"bad.toml:11: duplicate key, at "workload""#

    name_missing:
        [r#"name = "bad"
"# => ""]
        r#"bad.toml: `name` is missing: add, for example, `name = "stock-ticker"` above the first [table]"#

    workload_missing:
        [RIGHT => r#"name = "bad"
description = "No workload."
"#]
        "bad.toml: the table [workload] is missing"

    several_keys_missing:
        ["subscribers = 10\n" => ""]
        ["warm_up = \"2s\"\n" => ""]
        r#"bad.toml:4: `subscribers` is missing in [workload]: add, for example, `subscribers = 500`
bad.toml:4: `warm_up` is missing in [workload]: add, for example, `warm_up = "2s"`"#

    key_misspelt:
        ["subscribers = 10" => "subscriber = 10
subscribers = 10"]
        "bad.toml:5: [workload] has no key `subscriber`: did you mean `subscribers`?"

    key_unknown:
        [r#"interval = "1s""# => r#"wobble = "1s""#]
        "bad.toml:12: [polling] has no key `wobble`: there are `connection` and `interval`"

    key_in_the_wrong_table:
        [r#"interval = "1s""# => r#"interval = "1s"
blocks = 3"#]
        "bad.toml:13: [polling] has no key `blocks`: it belongs above the first [table]"

    key_of_a_table_at_the_top:
        [r#"name = "bad""# => r#"name = "bad"
heartbeat = "5s""#]
        "bad.toml:2: a scenario has no key `heartbeat`: it belongs in [sse] or in [tcp] or in [websocket]"

    table_misspelt:
        ["[polling]" => "[long_polling]"]
        "bad.toml:11: a scenario has no key `long_polling`: did you mean `long-polling`?"

    table_unknown:
        ["[polling]" => "[webrtc]
[polling]"]
        "bad.toml:11: a scenario has no key `webrtc`: there are `blocks`, `broker`, `client`, `compare`, `compression`, `contender`, `description`, `gates`, `http`, `log`, `long-polling`, `name`, `needs`, `network`, `nodes`, `objectives`, `polling`, `preset_files`, `proxy`, `published`, `seed`, `server`, `servers`, `sse`, `sweep`, `tcp`, `thresholds`, `tls`, `tls_resumption`, `websocket` and `workload`"

    resumption_without_tls:
        ["[workload]" => "tls_resumption = true
[workload]"]
        "bad.toml:4: `tls_resumption` is about TLS to pushbench's own server, or to a proxy: add `tls = true`, or a proxy that has it"

    fallback_of_no_websocket:
        ["[workload]" => "[[contender]]
name = \"x\"
transport = \"sse\"
fallback = { order = [\"sse\"] }
[workload]"]
        "bad.toml:7: `fallback` is what comes after a WebSocket of pushbench's own server: remove it"

    fallback_in_another_order:
        ["[workload]" => "[[contender]]
name = \"x\"
transport = \"websocket\"
fallback = { order = [\"long-polling\", \"sse\"] }
[workload]"]
        r#"bad.toml:7: `order` must be ["sse"], ["long-polling"] or ["sse", "long-polling"]"#

    text_for_a_count:
        ["subscribers = 10" => r#"subscribers = "many""#]
        r#"bad.toml:5: `subscribers` must be a whole number, found "many""#

    fraction_for_a_count:
        ["subscribers = 10" => "subscribers = 10.5"]
        "bad.toml:5: `subscribers` must be a whole number, found 10.5"

    number_for_text:
        [r#"name = "bad""# => "name = 5"]
        "bad.toml:1: `name` must be text in quotes, found 5"

    number_for_a_duration:
        [r#"duration = "10s""# => "duration = 10"]
        r#"bad.toml:8: `duration` must be a duration with a unit (ms, s, m or h), such as "500ms", "1.5s" or "1m 30s", found 10"#

    number_for_a_table:
        [r#"[polling]
interval = "1s""# => ""]
        [r#"name = "bad""# => r#"name = "bad"
polling = 3"#]
        "bad.toml:2: `polling` must be a table, which starts with the line [polling], found 3"

    list_of_tables:
        ["[polling]" => "[[polling]]"]
        "bad.toml:11: `polling` must be a table, which starts with the line [polling], found a list"

    text_for_a_list:
        [r#"name = "bad""# => r#"name = "bad"
compare = "sse""#]
        r#"bad.toml:2: `compare` must be a list of "polling", "long-polling", "sse", "websocket" or "tcp", found "sse""#

    truth_for_a_rate:
        ["events_per_second = 10.0" => "events_per_second = true"]
        "bad.toml:6: `events_per_second` must be a number, found true"

    date_for_a_rate:
        ["events_per_second = 10.0" => "events_per_second = 2026-01-01"]
        "bad.toml:6: `events_per_second` must be a number, found a date or time"

    integer_beyond_64_bits:
        ["subscribers = 10" => "subscribers = 99999999999999999999"]
        "bad.toml:5: `subscribers` must fit into 64 bits, found 99999999999999999999"

    transport_misspelt:
        [r#"name = "bad""# => r#"name = "bad"
compare = ["sse", "web-socket"]"#]
        r#"bad.toml:2: `compare` must be "polling", "long-polling", "sse", "websocket" or "tcp", found "web-socket": did you mean "websocket"?"#

    transport_unknown:
        [r#"name = "bad""# => r#"name = "bad"
compare = ["carrier pigeon"]"#]
        r#"bad.toml:2: `compare` must be "polling", "long-polling", "sse", "websocket" or "tcp", found "carrier pigeon""#

    connection_misspelt:
        [r#"interval = "1s""# => r#"interval = "1s"
connection = "keepalive""#]
        r#"bad.toml:13: `connection` must be "keep-alive" or "new", found "keepalive": did you mean "keep-alive"?"#

    compare_empty:
        [r#"name = "bad""# => r#"name = "bad"
compare = []"#]
        "bad.toml:2: `compare` must name at least one transport; leave it out to compare all"

    compare_twice:
        [r#"name = "bad""# => r#"name = "bad"
compare = ["sse", "sse"]"#]
        r#"bad.toml:2: `compare` names "sse" twice: remove one"#

    name_with_a_slash:
        [r#"name = "bad""# => r#"name = "../bad""#]
        r#"bad.toml:1: `name` must be 1 to 64 letters, digits, `.`, `_` or `-`, the first a letter or digit, found "../bad": it names the results folder"#

    name_too_long:
        [r#"name = "bad""# => r#"name = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn""#]
        r#"bad.toml:1: `name` must be 1 to 64 letters, digits, `.`, `_` or `-`, the first a letter or digit, found "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"…: it names the results folder"#

    description_empty:
        [r#"description = "A bad one.""# => r#"description = "  ""#]
        "bad.toml:2: `description` must not be empty: say whose problem this scenario is"

    blocks_zero:
        [r#"name = "bad""# => r#"name = "bad"
blocks = 0"#]
        "bad.toml:2: `blocks` must be at least 1, found 0"

    blocks_too_many:
        [r#"name = "bad""# => r#"name = "bad"
blocks = 101"#]
        "bad.toml:2: `blocks` must be at most 100, found 101"

    seed_negative:
        [r#"name = "bad""# => r#"name = "bad"
seed = -1"#]
        "bad.toml:2: `seed` must be at least 0, found -1"

    subscribers_zero:
        ["subscribers = 10" => "subscribers = 0"]
        "bad.toml:5: `subscribers` must be at least 1, found 0"

    subscribers_negative:
        ["subscribers = 10" => "subscribers = -10"]
        "bad.toml:5: `subscribers` must be at least 1, found -10"

    subscribers_too_many:
        ["subscribers = 10" => "subscribers = 1_000_001"]
        "bad.toml:5: `subscribers` must be at most 1000000, found 1000001"

    channels_zero:
        ["subscribers = 10" => "subscribers = 10
channels = 0"]
        "bad.toml:6: `channels` must be at least 1, found 0"

    channels_without_subscribers:
        ["subscribers = 10" => "subscribers = 10
channels = 11"]
        "bad.toml:6: `channels` must be at most `subscribers` (10), found 11: a channel that nobody subscribes to measures nothing"

    rate_zero:
        ["events_per_second = 10.0" => "events_per_second = 0"]
        "bad.toml:6: `events_per_second` must be a number above 0, found 0"

    rate_negative:
        ["events_per_second = 10.0" => "events_per_second = -10"]
        "bad.toml:6: `events_per_second` must be a number above 0, found -10"

    rate_not_a_number:
        ["events_per_second = 10.0" => "events_per_second = nan"]
        "bad.toml:6: `events_per_second` must be a number above 0, found NaN"

    rate_infinite:
        ["events_per_second = 10.0" => "events_per_second = inf"]
        "bad.toml:6: `events_per_second` must be at most 1000000, found inf"

    rate_too_low:
        ["events_per_second = 10.0" => "events_per_second = 1e-9"]
        "bad.toml:6: `events_per_second` must be at least one in 12 hours (0.000024), found 0.000000001"

    rate_too_high_in_all:
        ["subscribers = 10" => "subscribers = 10
channels = 10"]
        ["events_per_second = 10.0" => "events_per_second = 200_000"]
        "bad.toml:7: 10 channels with 200000 events per second each are more than the 1000000 per second that one publisher can keep apart: lower `events_per_second` or `channels`"

    payload_too_small:
        ["payload_bytes = 128" => "payload_bytes = 45"]
        "bad.toml:7: `payload_bytes` must be at least 46, found 45: it holds a stamp of 46 bytes (sequence and times), and the server takes up to 65536"

    payload_too_large:
        ["payload_bytes = 128" => "payload_bytes = 65537"]
        "bad.toml:7: `payload_bytes` must be at most 65536, found 65537: it holds a stamp of 46 bytes (sequence and times), and the server takes up to 65536"

    duration_without_unit:
        [r#"duration = "10s""# => r#"duration = "10""#]
        r#"bad.toml:8: `duration` must be a duration with a unit (ms, s, m or h), such as "500ms", "1.5s" or "1m 30s", found "10""#

    duration_in_days:
        [r#"duration = "10s""# => r#"duration = "1 day""#]
        r#"bad.toml:8: `duration` must be a duration with a unit (ms, s, m or h), such as "500ms", "1.5s" or "1m 30s", found "1 day""#

    duration_zero:
        [r#"duration = "10s""# => r#"duration = "0s""#]
        r#"bad.toml:8: `duration` must be at least 1ms, found "0s""#

    duration_too_long:
        [r#"duration = "10s""# => r#"duration = "13h""#]
        r#"bad.toml:8: `duration` must be at most 12h, found "13h""#

    duration_without_an_event:
        ["events_per_second = 10.0" => "events_per_second = 0.05"]
        "bad.toml:8: `duration` must hold at least one event, found 10s at 0.05 events per second: lengthen it or raise `events_per_second`"

    duration_below_the_interval:
        [r#"duration = "10s""# => r#"duration = "900ms""#]
        r#"bad.toml:8: `duration` must be at least the longest `interval` of polling (1s), found 900ms: within less, not every subscriber polls, so the cost of a delivery would be wrong; lengthen it, shorten the interval or leave polling out"#

    too_many_events:
        ["events_per_second = 10.0" => "events_per_second = 1_000_000"]
        [r#"duration = "10s""# => r#"duration = "1m""#]
        ["payload_bytes = 128" => "payload_bytes = 64"]
        "bad.toml:8: `warm_up` and `duration` hold more than 10000000 events of each channel, the most that is counted: shorten `duration` or lower `events_per_second`"

    warm_up_below_the_interval:
        [r#"warm_up = "2s""# => r#"warm_up = "500ms""#]
        r#"bad.toml:9: `warm_up` must be at least the longest `interval` of polling (1s), found 500ms: before, not every subscriber has polled, so the cost of a delivery would be wrong; lengthen it, shorten the interval or leave polling out"#

    idle_too_long:
        [r#"warm_up = "2s""# => r#"warm_up = "2s"
idle = "61m""#]
        r#"bad.toml:10: `idle` must be at most 1h, found "61m""#

    interval_below_the_tick:
        [r#"interval = "1s""# => r#"interval = "0.5ms""#]
        r#"bad.toml:12: `interval` must be a whole number of milliseconds (timers tick once in 1 ms), found "0.5ms""#

    interval_zero:
        [r#"interval = "1s""# => r#"interval = "0ms""#]
        r#"bad.toml:12: `interval` must be at least 1ms, found "0ms""#

    interval_beyond_the_latencies:
        [r#"interval = "1s""# => r#"interval = "51s""#]
        r#"bad.toml:12: `interval` must be at most 50s, found "51s": events wait that long, and latencies are recorded up to 60 s"#

    log_beyond_the_server:
        ["events_per_second = 10.0" => "events_per_second = 1500"]
        ["payload_bytes = 128" => "payload_bytes = 65536"]
        "bad.toml:6: 1500 events per second of 65536 bytes each, kept for two polling intervals (1s each) and 10 s, are 1179648000 bytes, and the server keeps at most 1073741824 of a channel: lower `events_per_second`, `payload_bytes` or the interval"

    long_poll_timeout_too_short:
        ["[polling]" => r#"[long-polling]
timeout = "50ms"
[polling]"#]
        r#"bad.toml:12: `timeout` must be at least 100ms, found "50ms""#

    long_poll_timeout_too_long:
        ["[polling]" => r#"[long-polling]
timeout = "1h"
[polling]"#]
        r#"bad.toml:12: `timeout` must be at most 10m, found "1h""#

    heartbeat_too_short:
        ["[polling]" => r#"[sse]
heartbeat = "999ms"
[polling]"#]
        r#"bad.toml:12: `heartbeat` must be at least 1s, found "999ms""#

    heartbeat_too_long:
        ["[polling]" => r#"[websocket]
heartbeat = "2h"
[polling]"#]
        r#"bad.toml:12: `heartbeat` must be at most 1h, found "2h""#

    several_values_wrong:
        ["subscribers = 10" => "subscribers = 0"]
        ["payload_bytes = 128" => "payload_bytes = 5"]
        [r#"warm_up = "2s""# => r#"warm_up = "soon""#]
        r#"bad.toml:5: `subscribers` must be at least 1, found 0
bad.toml:7: `payload_bytes` must be at least 46, found 5: it holds a stamp of 46 bytes (sequence and times), and the server takes up to 65536
bad.toml:9: `warm_up` must be a duration with a unit (ms, s, m or h), such as "500ms", "1.5s" or "1m 30s", found "soon""#
}
