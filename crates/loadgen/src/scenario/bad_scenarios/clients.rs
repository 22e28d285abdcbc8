//! The same of browsers that are to be clients.

use super::*;

bad_scenarios! {
    client_unknown:
        ["[workload]" => "client = \"safari\"
[workload]"]
        r#"bad.toml:4: `client` must be "pushbench", "chromium" or "firefox", found "safari""#

    raw_tcp_in_a_browser:
        ["[workload]" => "[[contender]]
name = \"x\"
transport = \"tcp\"
client = \"chromium\"
[workload]"]
        "bad.toml:7: no browser can be the client here: `x`: no page opens raw TCP connections; leave `client` out"

    firefox_by_tls:
        ["[workload]" => "tls = true
client = \"firefox\"
[workload]"]
        r#"bad.toml:5: no browser can be the client here: `polling`: Firefox takes no flag that has it trust the certificate of a trial; take "chromium", or leave out TLS"#

    websocket_by_http_2_in_a_browser:
        ["[workload]" => "tls = true
[[contender]]
name = \"x\"
transport = \"websocket\"
http = \"2\"
client = \"chromium\"
[workload]"]
        r#"bad.toml:9: no browser can be the client here: `x`: it opens a WebSocket by HTTP/2 only where it has such a connection already, and does not say which it took; give the WebSocket `http = "1.1"`"#

    a_new_connection_for_each_poll_in_a_browser:
        ["[workload]" => "[[contender]]
name = \"x\"
transport = \"polling\"
client = \"firefox\"
polling = { connection = \"new\" }
[workload]"]
        r#"bad.toml:7: no browser can be the client here: `x`: it keeps its connections itself; remove `connection = "new"`"#

    cuts_of_a_browser:
        ["[workload]" => "client = \"chromium\"
[[workload.faults]]
at = \"1s\"
kind = \"cut\"
[workload]"]
        r#"bad.toml:4: no browser can be the client here: "cut" and "silence" are done to connections of pushbench's own client; "restart", "pause", "outage" and "kill-node" are for everyone"#

    senders_in_a_browser:
        ["[workload]" => "client = \"chromium\"
[workload]"]
        ["payload_bytes" => "upstream = { events_per_second = 1 }
payload_bytes"]
        "bad.toml:4: no browser can be the client here: its page only listens, and `upstream` has subscribers send"

    slow_readers_in_a_browser:
        ["[workload]" => "client = \"chromium\"
[workload]"]
        ["payload_bytes" => "slow = { share = 0.1, reads = \"nothing\" }
payload_bytes"]
        "bad.toml:4: no browser can be the client here: nobody but itself decides how it reads; remove [workload.slow]"
}

#[test]
fn a_file_may_say_for_all_who_runs_subscribers_but_for_raw_tcp() {
    let own = "client = \"chromium\"\ncompare = [\"sse\", \"tcp\"]\n[[contender]]\nname = \"own\"\n\
               transport = \"sse\"\nclient = \"pushbench\"\n[workload]";
    let scenario = Scenario::parse(&RIGHT.replace("[workload]", own), "").unwrap();
    let clients: Vec<_> =
        scenario.contender_ids().map(|id| (id.name().to_owned(), id.client())).collect();
    let expected =
        [("sse", Client::Chromium), ("own", Client::Pushbench), ("tcp", Client::Pushbench)];
    assert_eq!(clients, expected.map(|(name, client)| (name.to_owned(), client)));
}
