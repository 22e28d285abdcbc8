//! The commented scenario that `pushbench init` writes.

/// A scenario that passes every check and explains each of its keys.
pub const TEMPLATE: &str = r#"# A pushbench scenario: one workload, replayed over every transport against a real server.
#
#   pushbench check FILE     says what a run of it will do
#   pushbench run FILE       runs it
#   pushbench schema         prints the JSON Schema; editors complete keys once it lies beside this
#                            file as scenario.schema.json and the file starts with the line
#                            #:schema ./scenario.schema.json
#
# Durations are text with a unit: "250ms", "1.5s", "2m", "1h".

name = "my-scenario" # names the results folder
description = "Who waits for which updates, and what would be too late or too expensive."

# What to compare; all five when left out. Raw TCP is the yardstick that the others are held against.
compare = ["polling", "long-polling", "sse", "websocket", "tcp"]

# How often every transport is measured, in shuffled order. One block shows the picture; five or
# more show how far it can be trusted.
blocks = 5

# Decides that order and when each subscriber polls. The same seed repeats them.
seed = 1

[workload]
subscribers = 200        # in all, spread evenly over the channels
channels = 1             # each has events of its own
events_per_second = 10.0 # on each channel
arrivals = "constant"    # at equal distances; "poisson" at random
payload_bytes = 128      # of one event; from 46 (the stamp with its sequence and times) to 65536
duration = "10s"         # measured
warm_up = "2s"           # before that, unmeasured; at least the interval of polling
idle = "2s"              # before that: nothing is published, and what waiting costs is measured

# Below are the defaults; every table, and every key in it, may be left out.

[polling]
interval = "1s"           # from one request of a subscriber to its next
connection = "keep-alive" # or "new": one connection for every request

[long-polling]
timeout = "30s" # the longest that the server holds a request
connection = "keep-alive"

[sse]
heartbeat = "15s" # from one comment that keeps the stream alive to the next

[websocket]
heartbeat = "15s" # from one ping to the next

[tcp]
heartbeat = "15s" # from one empty frame to the next

# What figures must keep to: a run that crosses a limit says so and exits with 99. A key is a metric:
# alone for every compared transport but the yardstick, "sse.latency" for one, "*.lost" for all.
# Latencies have p(50), p(90), p(99), p(99.9), med, avg and max; what is lost has count; every other
# metric of trials.csv has value. Times are in ns, us, ms or s, bytes in B, kB, KiB, MB or MiB.

[thresholds]
# "websocket.latency" = ["p(99)<25ms", "max<1s"]
# "server_cpu_per_delivery" = ["value<20us"]
# "*.lost" = ["count==0"]

# By how much a metric may get worse before `pushbench compare` calls it a regression; `floor` is
# what never counts, however large a share it is. `false` switches a gate off.

[gates]
server_cpu_per_delivery = "5%"
bytes_per_delivery = "0.5%"
latency_p50 = { share = "10%", floor = "100us" }
latency_p99 = false # true: { share = "25%", floor = "500us" }
server_memory_peak = { share = "5%", floor = "1MiB" }
server_instructions_per_delivery = "2%" # where the machine counts them
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn passes_its_own_checks() {
        let scenario = Scenario::parse(TEMPLATE, "template").unwrap();
        assert_eq!(scenario.name, "my-scenario");
    }

    #[test]
    fn shows_the_defaults() {
        let (required, _) = TEMPLATE.split_once("# Below are the defaults").unwrap();
        assert_eq!(Scenario::parse(required, "").unwrap(), Scenario::parse(TEMPLATE, "").unwrap());
    }

    #[test]
    fn explains_every_key() {
        let keys = crate::scenario::json_schema();
        let schema: serde_json::Value = serde_json::from_str(&keys).unwrap();
        for (key, property) in schema["properties"].as_object().unwrap() {
            assert!(TEMPLATE.contains(key.as_str()), "{key}");
            for key in property["properties"].as_object().into_iter().flatten().map(|(key, _)| key)
            {
                assert!(TEMPLATE.contains(&format!("\n{key} = ")), "{key}");
            }
        }
    }
}
