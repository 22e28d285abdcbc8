//! The same of what is spoken between clients and server, and of what lies between.

use super::*;

bad_scenarios! {
    http_2_without_tls:
        ["[workload]" => "http = \"2\"
[workload]"]
        "bad.toml:4: `http = \"2\"` needs TLS, as browsers speak it by TLS only: add `tls = true`, or a proxy that has it"

    http_2_with_a_new_connection_for_each_poll:
        ["[workload]" => "tls = true
[[contender]]
name = \"x\"
transport = \"polling\"
http = \"2\"
polling = { connection = \"new\" }
[workload]"]
        r#"bad.toml:8: by HTTP/2 all requests have one connection, and `x` has `connection = "new"`: remove one"#

    http_of_raw_tcp:
        ["[workload]" => "tls = true
[[contender]]
name = \"x\"
transport = \"tcp\"
http = \"2\"
[workload]"]
        "bad.toml:8: `http` is about pushbench's own server, and raw TCP has none of it: remove it"

    http_3_without_tls:
        ["[workload]" => "http = \"3\"
[workload]"]
        "bad.toml:4: `http = \"3\"` needs TLS, as browsers speak it by TLS only: add `tls = true`, or a proxy that has it"

    http_3_with_a_new_connection_for_each_poll:
        ["[workload]" => "tls = true
http = \"3\"
[workload]"]
        ["interval = \"1s\"" => "interval = \"1s\"
connection = \"new\""]
        r#"bad.toml:5: by HTTP/3 all requests have one connection, and `polling` has `connection = "new"`: remove one"#

    http_3_of_a_websocket:
        ["[workload]" => "tls = true
[[contender]]
name = \"x\"
transport = \"websocket\"
http = \"3\"
[workload]"]
        r#"bad.toml:8: no browser speaks WebSocket over HTTP/3 (RFC 9220), so it is not measured: use `http = "2"`, or leave it out for HTTP/1.1"#

    http_3_through_a_proxy:
        ["[workload]" => "[[contender]]
name = \"x\"
transport = \"sse\"
http = \"3\"
proxy = \"nginx-tls\"
[workload]"]
        r#"bad.toml:7: the proxy "nginx-tls" does not speak what `http = "3"` says: give `x` another `http` or `proxy`"#

    webtransport_through_a_proxy:
        ["[workload]" => "[[contender]]
name = \"x\"
transport = \"sse\"
http = \"webtransport-draft\"
proxy = \"caddy-tls\"
[workload]"]
        r#"bad.toml:7: the proxy "caddy-tls" does not speak what `http = "webtransport-draft"` says: give `x` another `http` or `proxy`"#

    http_3_over_a_relay:
        ["[workload]" => "tls = true
http = \"3\"
compare = [\"sse\"]
[network]
round_trip = \"20ms\"
mode = \"relay\"
[workload]"]
        r#"bad.toml:5: `http = "3"` goes by UDP, of which a relay passes on nothing: give `sse` another `http`, or the network `mode = "packets"`"#

    webtransport_of_polls:
        ["[workload]" => "tls = true
compare = [\"sse\", \"polling\"]
http = \"webtransport-draft\"
[workload]"]
        "bad.toml:6: by WebTransport there are event streams alone, and `polling` is none: give it another `http`"

    http_4:
        ["[workload]" => "http = \"4\"
[workload]"]
        r#"bad.toml:4: `http` must be "1.1", "2", "3" or "webtransport-draft", found "4""#

    a_log_on_disk_of_servers_with_a_broker:
        ["[workload]" => "compare = [\"sse\"]
log = \"disk\"
nodes = 2
broker = \"redis\"
[workload]"]
        "bad.toml:5: `log` is that of a server that is alone, and `sse` shares its events by a broker, which numbers them: leave out `log`, or `nodes` and `broker`"

    a_restart_of_a_server_with_a_broker:
        ["[polling]" => "[[workload.faults]]
at = \"1s\"
kind = \"restart\"
[[contender]]
name = \"x\"
transport = \"sse\"
broker = \"redis\"
[polling]"]
        "bad.toml:13: x cannot have this fault: a restart is that of a server that is alone, which knows what it was sent before: leave out `nodes` and `broker`, or let one of several go by `kind = \"kill-node\"`"
}
