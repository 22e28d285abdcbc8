//! The same of traffic that is more than a rate.

use super::*;

bad_scenarios! {
    keys_missing_that_others_replace:
        ["events_per_second = 10.0\n" => ""]
        ["payload_bytes = 128\n" => ""]
        ["duration = \"10s\"\n" => ""]
        r#"bad.toml: `payload_bytes` is missing in [workload]: add, for example, `payload_bytes = 128`
bad.toml: `events_per_second` is missing in [workload]: add, for example, `events_per_second = 10.0`
bad.toml: `duration` is missing in [workload]: add, for example, `duration = "10s"`"#

    more_channels_each_than_there_are:
        ["payload_bytes" => "channels = 2
channels_per_subscriber = 3
payload_bytes"]
        "bad.toml:8: `channels_per_subscriber` must be at most `channels` (2), found 3"

    more_channels_than_anyone_has:
        ["payload_bytes" => "channels = 401
channels_per_subscriber = 2
payload_bytes"]
        "bad.toml:7: `channels` must be at most 10 subscribers × 2 channels each, found 401: a channel that nobody subscribes to measures nothing"

    senders_on_a_shared_connection:
        ["payload_bytes" => "channels = 2
channels_per_subscriber = 2
multiplex = true
upstream = { events_per_second = 1 }
payload_bytes"]
        "bad.toml:10: what subscribers send cannot be told apart where channels share a connection: leave out `multiplex`"

    popularity_unknown:
        ["payload_bytes" => "popularity = { pareto = 1 }
payload_bytes"]
        r#"bad.toml:7: `popularity` must be "even" or { zipf = 1.1 }, with an exponent above 0 and at most 5"#

    popularity_without_an_exponent:
        ["payload_bytes" => "popularity = { zipf = 0 }
payload_bytes"]
        r#"bad.toml:7: `popularity` must be "even" or { zipf = 1.1 }, with an exponent above 0 and at most 5"#

    sizes_unknown:
        ["payload_bytes = 128" => "payload_bytes = { pareto = 2 }"]
        "bad.toml:7: `payload_bytes` must be a whole number, or { uniform = [64, 1024] }, { lognormal = { median = 300, p99 = 4000 } } or { mix = [[128, 9], [4096, 1]] } (sizes, and how often each comes)"

    sizes_the_wrong_way_round:
        ["payload_bytes = 128" => "payload_bytes = { uniform = [1024, 64] }"]
        "bad.toml:7: `uniform` of `payload_bytes` must go from the least to the most, found [1024, 64]"

    a_tail_below_the_median:
        ["payload_bytes = 128" => "payload_bytes = { lognormal = { median = 300, p99 = 200 } }"]
        "bad.toml:7: `p99` of `payload_bytes` must be more than `median` (300), found 200"

    a_size_of_a_mix_too_small:
        ["payload_bytes = 128" => "payload_bytes = { mix = [[128, 9], [4, 1]] }"]
        "bad.toml:7: `payload_bytes` must be at least 46, found 4: it holds a stamp of 46 bytes (sequence and times), and the server takes up to 65536"

    content_unknown:
        ["payload_bytes" => "content = \"xml\"
payload_bytes"]
        r#"bad.toml:7: `content` must be "text", "json" or "binary", found "xml""#

    compression_of_raw_tcp:
        ["[workload]" => "[[contender]]
name = \"x\"
transport = \"tcp\"
compression = true
[workload]"]
        "bad.toml:7: `compression` is about pushbench's own server, and raw TCP has none: remove it"

    bursts_that_are_cut:
        ["payload_bytes" => "bursts = { on = \"1s\", off = \"2s\" }
payload_bytes"]
        r#"bad.toml:9: `duration` must be whole bursts of `on` and `off` (3s), found 10s
bad.toml:10: `warm_up` must be whole bursts of `on` and `off` (3s), found 2s"#

    a_burst_beyond_the_publisher:
        ["payload_bytes" => "bursts = { on = \"1ms\", off = \"999ms\" }
payload_bytes"]
        ["events_per_second = 10.0" => "events_per_second = 2000"]
        "bad.toml:6: 1 channels with 2000000 events per second each at the peak are more than the 1000000 per second that one publisher can keep apart: lower `events_per_second` or `channels`
bad.toml:6: 2000 events per second of 128 bytes each, kept for two polling intervals (1s each) and 10 s, are 3072000000 bytes, and the server keeps at most 1073741824 of a channel: lower `events_per_second`, `payload_bytes` or the interval
bad.toml:9: `warm_up` and `duration` hold more than 10000000 events of each channel, the most that is counted: shorten `duration` or lower `events_per_second`"

    bursts_without_an_end:
        ["payload_bytes" => "bursts = { on = \"1s\" }
payload_bytes"]
        r#"bad.toml:7: `off` is missing in [workload.bursts]: add, for example, `off = "1800ms"`"#

    upstream_without_a_rate:
        ["[polling]" => "[workload.upstream]
payload_bytes = 64
[polling]"]
        "bad.toml:11: `events_per_second` is missing in [workload.upstream]: add, for example, `events_per_second = 0.5`"

    upstream_of_too_many:
        ["subscribers = 10" => "subscribers = 70000"]
        ["[polling]" => "[workload.upstream]
events_per_second = 0.5
[polling]"]
        "bad.toml:12: at most 65535 subscribers can send, found 70000
bad.toml:12: there are 4900000000 pairs of a sender and a receiver, and at most 100000000 are accounted for: raise `channels` or lower `subscribers`"

    upstream_too_fast:
        ["[polling]" => "[workload.upstream]
events_per_second = 200_000
[polling]"]
        ["events_per_second = 10.0\n" => ""]
        "bad.toml:11: 10 subscribers with 200000 events per second each are more than the 1000000 per second that one process can keep apart
bad.toml:11: `warm_up` and `duration` hold more than 10000000 events of all subscribers, the most that is counted: shorten `duration` or lower the rate"

    upstream_without_an_event:
        ["events_per_second = 10.0\n" => ""]
        ["[polling]" => "[workload.upstream]
events_per_second = 0.001
[polling]"]
        "bad.toml:7: `duration` must hold at least one event, found 10s at 0.001 events per second of each subscriber: lengthen it or raise the rate"

    phases_and_a_duration:
        ["[polling]" => "[[workload.phases]]
name = \"all\"
duration = \"10s\"
rate = 1
[polling]"]
        "bad.toml:8: `duration` must be left out: it is that of the phases together"

    phases_alike:
        ["duration = \"10s\"\n" => ""]
        ["[polling]" => "[[workload.phases]]
name = \"all\"
duration = \"10s\"
rate = 1
[[workload.phases]]
name = \"all\"
duration = \"10s\"
rate = 1
[polling]"]
        "bad.toml:15: two phases are called \"all\": rename one"

    a_phase_with_a_negative_rate:
        ["duration = \"10s\"\n" => ""]
        ["[polling]" => "[[workload.phases]]
name = \"all\"
duration = \"10s\"
rate = [1, -2]
[polling]"]
        "bad.toml:13: `rate` must be by what rates are multiplied, from 0 (nothing) on, or a ramp such as [1, 10]"

    a_phase_with_an_unknown_key:
        ["duration = \"10s\"\n" => ""]
        ["[polling]" => "[[workload.phases]]
name = \"all\"
duration = \"10s\"
rates = 1
[polling]"]
        "bad.toml:13: [[workload.phases]] has no key `rates`: did you mean `rate`?"

    only_idle_phases:
        ["duration = \"10s\"\n" => ""]
        ["[polling]" => "[[workload.phases]]
name = \"all\"
duration = \"10s\"
rate = 0
[polling]"]
        "bad.toml:12: `duration` must hold at least one event, found 10s at 10 events per second: lengthen it or raise `events_per_second`"

    a_trace_and_a_rate:
        ["payload_bytes = 128" => "trace = { file = \"ticks.csv\" }"]
        "bad.toml:6: `events_per_second` must be left out: the trace says what comes"

    a_trace_that_does_not_move:
        ["events_per_second = 10.0\npayload_bytes = 128" => "trace = { file = \"ticks.csv\", speed = 0.0 }"]
        "bad.toml:6: `speed` must be from 0.000001 to 1000000, found 0"
}

/// What is wrong with the trace of a scenario that is right by itself.
#[test]
fn traces_that_do_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("right.toml");
    let with = "trace = { file = \"ticks.csv\" }";
    let text = RIGHT.replace("events_per_second = 10.0\npayload_bytes = 128", with);
    std::fs::write(&path, text).unwrap();
    let error = || Scenario::load(&path).unwrap_err().to_string();
    assert!(error().ends_with("ticks.csv: No such file or directory (os error 2)"), "{}", error());

    let trace = folder.path().join("ticks.csv");
    let rows: String = (0..11).map(|channel| format!("3,c{channel},100\n")).collect();
    std::fs::write(&trace, format!("offset_s,channel,bytes\n{rows}")).unwrap();
    assert!(
        error().ends_with(
            "the trace has 11 channels, and 10 subscribers cannot hear them all: raise `subscribers`"
        ),
        "{}",
        error()
    );
    std::fs::write(&trace, "offset_s,channel,bytes\n0,a,100\n1.5,a,100\n12,a,100\n").unwrap();
    assert!(
        error().ends_with(
            "no row of the trace falls into the measured time, from 2s to 12s: its last one is at 12s; \
             change `warm_up`, `duration` or `speed`"
        ),
        "{}",
        error()
    );
    std::fs::write(&trace, "offset_s,channel,bytes\n0,a,100\n1.5,a,x\n").unwrap();
    assert!(
        error().ends_with(
            "ticks.csv:3: `bytes` must be 46 to 65536, found \"x\": an event holds a stamp of 46 bytes"
        ),
        "{}",
        error()
    );
}
