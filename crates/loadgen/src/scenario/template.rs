//! The commented scenario that `pushbench init` writes.

/// A scenario that passes every check and explains each of its keys.
pub const TEMPLATE: &str = r#"# A pushbench scenario: one workload, replayed over every contender against a real server.
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

# The transports to compare as they are; all five when left out. Raw TCP is a reference that the
# others are held against. What else to compare stands in [[contender]] tables below.
compare = ["polling", "long-polling", "sse", "websocket", "tcp"]

# What runs their subscribers: "pushbench", its own client; or a page in a headless browser, "chromium" or
# "firefox", which is not for raw TCP.
client = "pushbench"

# Whether they are spoken to by TLS 1.3.
tls = false

# Whether a subscriber's next connection resumes its TLS session instead of a whole handshake.
tls_resumption = false

# What is spoken then: "1.1", or "2", which needs TLS.
http = "1.1"

# Whether the server compresses what it sends: polls and SSE by gzip, WebSocket by permessage-deflate.
compression = false

# Where the server keeps its log: "memory"; or "disk", synced before a publisher is answered,
# "disk-each-second" or "disk-unsynced", which a restart of the server survives:
#   log = "disk"

# How many servers there are, and what is between them ("redis", "redis-streams", "redis-sharded"):
#   nodes = 3
#   broker = "redis"
# The proxy between, or several, through each of which they are measured:
#   proxy = ["none", "nginx", { preset = "nginx-tls", profile = "tuned" }]

# How often every contender is measured, in shuffled order. One block shows the picture; five or
# more show how far it can be trusted.
blocks = 5

# Decides that order and when each subscriber polls. The same seed repeats them.
seed = 1

[workload]
subscribers = 200           # in all
channels = 1                # each has events of its own
channels_per_subscriber = 1 # of them
multiplex = false           # whether one connection of a subscriber carries all of its channels
popularity = "even"         # of channels; { zipf = 1.1 }: the n-th has a share of 1/n^1.1
events_per_second = 10.0    # on each channel
arrivals = "constant"       # at equal distances; "poisson" at random
payload_bytes = 128         # of one event; from 46 (the stamp with its sequence and times) to 65536;
                            # or { uniform = [64, 1024] }, { mix = [[128, 9], [4096, 1]] } or
                            # { lognormal = { median = 300, p99 = 4000 } }
content = "text"            # or "json", records that compress as such events do; or "binary", which
                            # SSE and JSON carry in base64
duration = "10s"            # measured
warm_up = "2s"              # before that, unmeasured; at least the interval of polling
idle = "2s"                 # before that: nothing is published, and what waiting costs is measured

# Events may come in bursts; events_per_second stays their mean, and duration and warm_up must be whole
# bursts:
#   bursts = { on = "200ms", off = "1800ms" }
# Instead of events_per_second, arrivals, bursts, payload_bytes and channels, a recorded trace may be
# replayed. It is a CSV file beside this one with the columns offset_s,channel,bytes:
#   trace = { file = "ticks.csv", speed = 1.0 }
#
# What subscribers send themselves, each to its channels; all members of a channel receive it. WebSocket
# and raw TCP send it in-band, the others by POST on a connection beside. events_per_second above may
# then be left out.
#   [workload.upstream]
#   events_per_second = 0.5 # each subscriber
#   payload_bytes = 128     # that of the workload when left out
#
# Parts of the window with rates of their own, instead of duration:
#   [[workload.phases]]
#   name = "quiet"
#   duration = "10s"
#   rate = 1.0 # times the rates above; 0 is idle, [1, 10] a ramp
#   [[workload.phases]]
#   name = "goal"
#   duration = "5s"
#   rate = 10.0
#
# What breaks, one after the other: "cut" ends connections, by how = "close" (FIN) or "reset" (RST), of a
# share of the subscribers; "pause" stops the server's processes, and "outage" the network, for a while;
# "restart" ends the server, by how = "terminate" (SIGTERM) or "kill" (SIGKILL), and starts it again:
#   [[workload.faults]]
#   at = "2s" # from the beginning of the measured window
#   kind = "cut"
#   how = "reset"
#   share = 0.5
#   [[workload.faults]]
#   at = "5s"
#   kind = "pause"
#   for = "500ms"
# How subscribers come back: so long after their connection broke, and twice as long after each attempt
# that failed, up to the most; with jitter, each waits for a time drawn between nothing and that:
#   [workload.reconnect]
#   first = "100ms"
#   most = "5s"
#   jitter = false
#   by = "subscriber" # or "server": event streams wait as its `retry` says, as in browsers
#   dead_after = "40s" # when nothing has come for so long, a connection is taken for dead; never if left out
# With a [network], kind = "silence" has the connections of a share carry nothing more; only dead_after
# finds that.
#
# Subscribers that read slowly or not at all, until the window has ended:
#   [workload.slow]
#   share = 0.1
#   reads = "nothing"      # or "slowly", with bytes_per_second = 2000
#   policy = "drop-oldest" # or "skip-to-newest", "disconnect": for those who fall behind the server's log
#   kept_for = "2s"        # how long that reaches back

# Below are the defaults; every table, and every key in it, may be left out.

[polling]
interval = "1s"           # from one request of a subscriber to its next
connection = "keep-alive" # or "new": one connection for every request

[long-polling]
timeout = "30s" # the longest that the server holds a request
connection = "keep-alive"

[sse]
heartbeat = "15s"           # from one comment that keeps the stream alive to the next
framing = "close"           # the body ends with its connection; or "chunked", as most frameworks do it
accel_buffering_hint = true # whether X-Accel-Buffering: no tells nginx to pass on at once what comes
retry = "1s"                # how long clients are asked to wait before they come back

[websocket]
heartbeat = "15s" # from one ping to the next

[tcp]
heartbeat = "15s" # from one empty frame to the next

# The network between clients and server, in either direction; without the table it is loopback. See
# docs/network.md: it takes root or a user namespace, and the packages iproute2 and iptables.

# [network]
# round_trip = "50ms"   # half of it each way
# jitter = "5ms"        # by how much a round trip is longer or shorter at most
# loss = "1%"           # of packets, or 0.01
# bandwidth = "10mbit"  # of all clients together
# mode = "packets"      # or "relay", which takes no rights, but delays no handshake and loses nothing;
#                       # or "none", for a contender that shall have loopback

# A contender is a transport with settings of its own, under a name by which results, thresholds and
# objectives know it. What it leaves out is as in the transport's table above. Where there are
# contenders and `compare` is left out, they alone are compared.

# [[contender]]
# name = "poll-5s"
# label = "Polling, 5 s"  # in tables and charts; its name when left out
# role = "contender"      # or "reference": shown beside the others and never ranked
# transport = "polling"
# polling = { interval = "5s" }
# server = "mine"         # a [server.NAME]; pushbench's own server when left out
# network = { round_trip = "300ms" } # the rest as in [network]

# Servers that are not pushbench: how each is started, published to and subscribed to, see
# docs/other-servers.md. `servers`, above the first table, names those on which `compare` is done.

# servers = ["pushbench", "mine"]
# [server.mine]
# command = "node server.mjs {port}" # or url = "http://127.0.0.1:8080" of one that runs already
# publish = { url = "{url}/publish/{channel}" }
# sse = { url = "{url}/events/{channel}" }
#
# `preset = "nchan"` lays a known server under it, and `preset = "./mine.toml"` a file with such keys, which
# results keep in [preset_files].

# What figures must keep to: a run that crosses a limit says so and exits with 99. A key is a metric:
# alone for every contender that is no reference, "sse.latency" for one, "*.lost" for all.
# Latencies have p(50), p(75), p(90), p(95), p(99), p(99.9), med, avg and max; what is lost has count;
# every other metric of trials.csv has value. Times are in ns, us, ms or s, bytes in B, kB, KiB, MB or MiB.

[thresholds]
# "websocket.latency" = ["p(99)<25ms", "max<1s"]
# "server_cpu_per_delivery" = ["value<20us"]
# "*.lost" = ["count==0"]

# What a contender has to reach to be of use to these users, written in the same way: reports mark
# who meets all of it and who does not, which never changes the exit code. `pushbench capacity`
# finds the largest load that still meets it.

[objectives]
# "latency" = ["p(99)<100ms"]
# "*.lost" = ["count==0"]

# What a choice must have beside that: `pushbench guide` recommends nothing that was not shown to have it.

[needs]
# two_way = true                          # clients send as well: [workload.upstream] shows it
# binary = true                           # bytes that are no text: content = "binary" shows it
# proxies = ["nginx", "nginx-tls:tuned"]  # it must pass these: proxy = [...] above shows it
# round_trip = "100ms"                    # how far clients are: [network] shows it
# budget = { server_cpu_per_second = "250ms", bytes_per_delivery = "400B" } # metrics of trials.csv
# textbook = "sse"                        # what the usual decision table says, to hold figures against

# By how much a metric may get worse before `pushbench compare` calls it a regression; `floor` is
# what never counts, however large a share it is. `false` switches a gate off.

[gates]
server_cpu_per_delivery = "5%"
bytes_per_delivery = "0.5%"
latency_p50 = { share = "10%", floor = "100us" }
latency_p99 = false # true: { share = "25%", floor = "500us" }
server_memory_peak = { share = "5%", floor = "1MiB" }
server_instructions_per_delivery = "2%" # where the machine counts them

# What to vary: a key is the path of a key of this file, and every combination of the values is
# measured, at most 100. The report draws each figure over them, and says from where on which
# transport costs more than which.

[sweep]
# "workload.subscribers" = [50, 100, 200]
# "polling.interval" = ["500ms", "1s"]

# Figures that others have published for such a setup: reports show them beside the measured ones.
# One table for each figure; `metric` is one of trials.csv, `contender` may be a list, `note` is what
# one has to know about the figure.

# [[published]]
# contender = "long-polling"
# metric = "latency_p50"
# value = "22.3ms"
# source = "CometD reference documentation, Benchmarking"
# note = "1,000 clients on one host"
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
                let is_set = TEMPLATE.contains(&format!("\n{key} = "));
                let is_told =
                    [format!("#   {key} = "), format!("\n# {key} = "), format!("[workload.{key}]")];
                assert!(is_set || is_told.iter().any(|of| TEMPLATE.contains(of)), "{key}");
            }
        }
    }
}
