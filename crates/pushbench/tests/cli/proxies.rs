//! Proxies between subscribers and their server that do not do what they should, and what is left of them.

use std::fs;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use pushbench_loadgen::results::Outcome;

use super::faults::acting;
use super::support::{Bench, run_in, text, wait_gone};

/// Measures one transport through `proxy`, and without one.
fn scenario(proxy: &str) -> String {
    format!(
        r#"
name = "proxies"
description = "As short as it gets."
compare = ["sse"]
blocks = 1
proxy = ["none", {proxy}]

[workload]
subscribers = 3
events_per_second = 20
payload_bytes = 64
duration = "2s"
warm_up = "100ms"
"#
    )
}

/// A proxy that is a shell script. It gets where to listen, where its server is, and where its folder is.
fn script(bench: &Bench, script: &str) -> String {
    fs::write(bench.path("proxy.sh"), script).unwrap();
    r#"{ name = "fake", command = "sh proxy.sh {listen} {upstream} {folder}" }"#.to_owned()
}

/// A server of its own instead of one that is passed on to.
const SERVE: &str = concat!("'", env!("CARGO_BIN_EXE_pushbench"), "' serve --listen \"$1\"");

/// Why the trial through the proxy failed, when the other one did not.
fn failure(bench: &Bench, proxy: &str) -> String {
    fs::write(bench.path("scenario.toml"), scenario(proxy)).unwrap();
    let output = bench.output(&["run", "scenario.toml", "--out", "out"]);
    let said = text(&output.stderr).to_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let run = run_in(&bench.path("out"));
    let mut reasons = Vec::new();
    for trial in &run.trials {
        match &trial.outcome {
            Outcome::Failed { reason } => reasons.push(reason.clone()),
            _ => assert_eq!(trial.contender.name(), "sse", "{said}"),
        }
    }
    assert_eq!((run.trials.len(), reasons.len()), (2, 1), "{said}");
    reasons.remove(0)
}

#[test]
fn a_proxy_that_does_not_start_says_why() {
    let bench = Bench::new();
    let proxy = script(&bench, "echo 'no such directive' >&2; exit 3");
    assert_eq!(
        failure(&bench, &proxy),
        "the proxy fake ended with exit code 3 before it was ready; it said: no such directive"
    );
}

#[test]
fn a_program_that_is_missing_is_named_with_its_package() {
    let bench = Bench::new();
    let proxy = r#"{ preset = "haproxy", command = "no-such-haproxy -f {config}" }"#;
    assert_eq!(
        failure(&bench, proxy),
        "there is no program `no-such-haproxy` on this machine: apt-get install haproxy"
    );
}

#[test]
fn a_proxy_that_ends_in_the_middle_fails_its_trial() {
    let bench = Bench::new();
    let proxy =
        script(&bench, &format!("{SERVE} >&2 & sleep 1.5; kill -9 $!; echo gone >&2; exit 4"));
    let reason = failure(&bench, &proxy);
    assert!(reason.starts_with("the proxy fake ended with exit code 4; it said: "), "{reason}");
}

#[test]
fn what_a_proxy_answers_itself_is_the_reason() {
    let bench = Bench::new();
    // It has no room for anybody but who looks whether it is there.
    let proxy = script(&bench, &format!("exec {SERVE} --max-connections 1"));
    let reason = failure(&bench, &proxy);
    assert!(reason.starts_with("through the proxy fake: subscriber"), "{reason}");
    assert!(reason.contains("the server answered 503 Service Unavailable"), "{reason}");
}

#[test]
fn a_probe_goes_through_each_proxy() {
    let bench = Bench::new();
    let passing = script(&bench, &acting("gateway"));
    fs::write(bench.path("other.sh"), format!("exec {SERVE}")).unwrap();
    let other = passing.replace("fake", "other").replace("proxy.sh", "other.sh");
    let program = env!("CARGO_BIN_EXE_pushbench");
    let server = format!(
        "[server.mine]\ncommand = \"'{program}' serve --listen 127.0.0.1:{{port}}\"\n\
         publish.url = \"{{url}}/channels/{{channel}}/events\"\n\
         websocket = {{ url = \"{{ws}}/channels/{{channel}}/ws\", subprotocol = \"pushbench.v1\" }}\n"
    );
    let ways = format!("[\"none\", {passing}, {other}]");
    let of_server = scenario("")
        .replace("[\"none\", ]", &ways)
        .replace("[\"sse\"]", "[\"websocket\"]\nservers = [\"mine\"]");
    bench.scenario(&(of_server + &server));
    let output = bench.output(&["probe", "scenario.toml"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said} {}", text(&output.stderr));
    let last: Vec<_> = said.lines().rev().take(3).collect();
    assert_eq!(last[2], "WebSocket · mine: works", "{said}");
    // On a busy machine it may be late.
    assert!(last[1].starts_with("WebSocket · mine · fake: works"), "{said}");
    assert_eq!(last[0], "WebSocket · mine · other: does not work", "{said}");
    assert!(said.contains("the proxy fake is ready at 127.0.0.1:"), "{said}");
    assert!(
        said.contains("does not work: through other: the event did not come within 5s"),
        "{said}"
    );
}

#[test]
fn nothing_is_left_of_a_proxy_whose_pushbench_was_killed() {
    for signal in [Signal::SIGKILL, Signal::SIGINT] {
        let bench = Bench::new();
        // Like nginx, it has not kept the environment that it was started with.
        let proxy = "echo \"$3\" >folder; exec env -i PATH=\"$PATH\" sh child.sh \"$@\"";
        let proxy = script(&bench, proxy);
        let child = format!("{SERVE} >&2 & echo $! >child; echo $$ >own; wait");
        fs::write(bench.path("child.sh"), child).unwrap();
        bench.scenario(&scenario(&proxy).replace("[\"none\", ", "[").replace("\"2s\"", "\"30s\""));
        let mut run = bench.start_run();
        run.wait_for("measuring");
        let read = |name: &str| fs::read_to_string(bench.path(name)).unwrap().trim().to_owned();
        let folder = read("folder");
        assert!(fs::exists(&folder).unwrap());
        let left: Vec<_> = ["own", "child"].map(|name| read(name).parse().unwrap()).into();
        run.signal(signal);
        run.finish();
        left.into_iter().map(Pid::from_raw).for_each(wait_gone);
        let is_there = || fs::exists(&folder).unwrap();
        for _ in 0..1_000 {
            if !is_there() {
                break;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(10));
        }
        assert!(!is_there(), "{signal}: {folder}");
    }
}
