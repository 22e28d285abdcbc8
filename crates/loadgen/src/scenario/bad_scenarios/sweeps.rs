//! The same of sweeps: keys that cannot be swept, values that are wrong, and cells that do not fit
//! together.

use super::*;

bad_scenarios! {
    swept_key_without_its_table:
        ["[polling]" => r#"[sweep]
"subscribers" = [10, 20]
[polling]"#]
        r#"bad.toml:12: `subscribers` must be the path of a key, its table first, such as "workload.subscribers""#

    swept_key_without_quotes:
        ["[polling]" => r#"[sweep]
workload.subscribers = [10, 20]
[polling]"#]
        r#"bad.toml:12: `workload` must be a list of values: put a key with a dot in quotes, "workload.subscribers""#

    swept_key_misspelt:
        ["[polling]" => r#"[sweep]
"workload.subscriber" = [10, 20]
[polling]"#]
        r#"bad.toml:12: in the cell subscriber=10: [workload] has no key `subscriber`: did you mean `subscribers`?"#

    swept_table_misspelt:
        ["[polling]" => r#"[sweep]
"worklaod.subscribers" = [10, 20]
[polling]"#]
        r#"bad.toml:12: in the cell subscribers=10: a scenario has no key `worklaod`: did you mean `workload`?"#

    swept_key_that_decides_the_order:
        ["[polling]" => r#"[sweep]
"blocks" = [5, 10]
"thresholds.sse.latency" = [["max<1s"], ["max<2s"]]
[polling]"#]
        r#"bad.toml:12: `blocks` cannot be swept: cells differ in the workload and in how transports are used
bad.toml:13: `thresholds.sse.latency` cannot be swept: cells differ in the workload and in how transports are used"#

    swept_twice:
        ["[polling]" => r#"[sweep]
"polling.interval" = ["1s", "2s"]
"polling.interval.ms" = [1, 2]
[polling]"#]
        r#"bad.toml:13: `polling.interval.ms` and `polling.interval` set the same value: sweep one of them"#

    sweep_of_no_list:
        ["[polling]" => r#"[sweep]
"workload.subscribers" = 20
[polling]"#]
        r#"bad.toml:12: `workload.subscribers` must be a list of values, found 20"#

    sweep_of_one_value:
        ["[polling]" => r#"[sweep]
"workload.subscribers" = [20]
"workload.channels" = []
[polling]"#]
        r#"bad.toml:12: `workload.subscribers` must have at least two values, found 1: a single one belongs where the key stands
bad.toml:13: `workload.channels` must have at least two values, found 0: a single one belongs where the key stands"#

    swept_value_twice:
        ["[polling]" => r#"[sweep]
"workload.events_per_second" = [10, 20, 10.0]
"polling.interval" = [
    "1s",
    "1000ms",
]
[polling]"#]
        r#"bad.toml:12: `workload.events_per_second` has 10 twice: remove one
bad.toml:15: `polling.interval` has 1000ms twice: remove one"#

    swept_value_of_another_type:
        ["[polling]" => r#"[sweep]
"workload.subscribers" = [10, "many"]
[polling]"#]
        r#"bad.toml:12: in the cell subscribers=many: `subscribers` must be a whole number, found "many""#

    swept_value_out_of_range:
        ["[polling]" => r#"[sweep]
"workload.subscribers" = [
    10,
    0,
]
[polling]"#]
        r#"bad.toml:14: in the cell subscribers=0: `subscribers` must be at least 1, found 0"#

    swept_value_that_contradicts_the_file:
        ["[polling]" => r#"[sweep]
"workload.events_per_second" = [10, 0.05]
[polling]"#]
        r#"bad.toml:12: in the cell events_per_second=0.05: `duration` must hold at least one event, found 10s at 0.05 events per second: lengthen it or raise `events_per_second`"#

    swept_values_that_contradict_each_other:
        ["[polling]" => r#"[sweep]
"workload.subscribers" = [10, 20]
"workload.channels" = [5, 15]
[polling]"#]
        r#"bad.toml:13: in the cell subscribers=10, channels=15: `channels` must be at most `subscribers` (10), found 15: a channel that nobody subscribes to measures nothing"#

    one_bad_value_is_told_once:
        ["[polling]" => r#"[sweep]
"workload.subscribers" = [10, 0, -1]
"polling.interval" = ["1s", "500ms"]
[polling]"#]
        r#"bad.toml:12: in the cell subscribers=0, interval=1s: `subscribers` must be at least 1, found 0
bad.toml:12: in the cell subscribers=-1, interval=1s: `subscribers` must be at least 1, found -1"#

    swept_interval_beyond_the_window:
        ["[polling]" => r#"[sweep]
"polling.interval" = ["1s", "5s"]
[polling]"#]
        r#"bad.toml:12: in the cell interval=5s: `warm_up` must be at least the longest `interval` of polling (5s), found 2s: before, not every subscriber has polled, so the cost of a delivery would be wrong; lengthen it, shorten the interval or leave polling out"#

    the_file_itself_is_wrong:
        ["subscribers = 10" => "subscribers = 0"]
        ["[polling]" => r#"[sweep]
"workload.subscribers" = [10, 20]
[polling]"#]
        "bad.toml:5: `subscribers` must be at least 1, found 0"

    too_many_cells:
        ["[polling]" => r#"[sweep]
"workload.subscribers" = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110]
"workload.payload_bytes" = [100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]
[polling]"#]
        "bad.toml:13: [sweep] has 110 cells (11 x 10), and at most 100 are measured: leave out values"
}
