//! Networks between clients and servers: what a run over them reports, and that nothing of them stays,
//! however it ends.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use nix::unistd::{Pid, Uid};
use pushbench_loadgen::results::{Outcome, Warning};

use crate::support::{Bench, Watched, cannot_run, run_in, text, wait_gone};

const SCENARIO: &str = r#"
name = "away"
description = "Over a network, over one that loses packets, over a relay, by UDP, and over loopback."
compare = ["sse"]
blocks = 1

[network]
round_trip = "20ms"

[[contender]]
name = "lossy"
transport = "websocket"
network = { loss = "5%", jitter = "4ms", bandwidth = "20mbit" }

[[contender]]
name = "relayed"
transport = "long-polling"
network = { mode = "relay" }

[[contender]]
name = "by-http3"
transport = "sse"
tls = true
http = "3"

[[contender]]
name = "here"
transport = "sse"
network = { mode = "none" }

[workload]
subscribers = 5
events_per_second = 20
payload_bytes = 64
duration = "1s"
warm_up = "100ms"
idle = "0s"
"#;

/// A single trial that goes on.
fn long() -> String {
    let (before, after) = SCENARIO.split_once("[[contender]]").unwrap();
    let (_, workload) = after.split_once("[workload]").unwrap();
    format!("{before}[workload]{workload}").replace("\"1s\"", "\"20s\"")
}

/// Whether networks can be laid here. If not, the test has failed, or somebody allows that.
pub(super) fn can_lay() -> bool {
    let is_there = |name: &str| Command::new(name).arg("--version").output().is_ok();
    let version = |name: &str| Command::new(name).arg("-V").output().is_ok();
    let makes = Command::new("unshare").args(["-Urn", "true"]).status();
    let may = Uid::effective().is_root() || makes.is_ok_and(|status| status.success());
    let can = version("ip") && version("tc") && is_there("iptables") && may;
    if !can {
        cannot_run(
            "it takes root or a user namespace, and `ip`, `tc` and `iptables`: install iproute2 and iptables",
        );
    }
    can
}

/// The network namespaces of a process and of all of its threads.
pub(super) fn networks_of(process: Pid) -> BTreeSet<String> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let network = |task: fs::DirEntry| {
        let link = fs::read_link(task.path().join("ns/net")).ok()?;
        Some(link.to_str()?.to_owned())
    };
    tasks.filter_map(network).collect()
}

/// The processes that are in one of `networks`.
fn within(networks: &BTreeSet<String>) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_within = |process: &Pid| !networks_of(*process).is_disjoint(networks);
    numbers.map(Pid::from_raw).filter(is_within).collect()
}

/// What a network could leave in ours: its queues, its rules, its interfaces, and names of namespaces.
pub(super) fn traces() -> [String; 4] {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let names: Vec<_> = fs::read_dir("/run/netns")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    [
        fs::read_to_string("/proc/net/netfilter/nfnetlink_queue").unwrap_or_default(),
        said("iptables", &["-t", "mangle", "-S"]),
        said("ip", &["-brief", "link"]),
        names.join(" "),
    ]
}

#[test]
fn a_run_over_networks_reports_what_they_were() {
    if !can_lay() {
        return;
    }
    let bench = Bench::new();
    bench.scenario(SCENARIO);
    let before = traces();
    let output = bench.output(&["run", "scenario.toml", "--out", "out"]);
    let said = text(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
    assert_eq!(traces(), before);
    let trials = bench.trials();
    for (contender, row) in &trials {
        assert_eq!(row.values["lost"], 0.0, "{contender}: what got lost is sent again");
        assert_eq!(row.values["delivered"], 100.0, "{contender}");
    }
    // However busy the machine is, nothing is sooner than it should be.
    let value = |contender: &str, metric: &str| trials[contender].values.get(metric).copied();
    let at_least = |contender: &str, metric: &str, least: f64| {
        let found = value(contender, metric).unwrap();
        assert!(found >= least, "{contender}: {metric} is {found}, not {least} or more");
    };
    for contender in ["sse", "lossy", "relayed", "by-http3"] {
        assert_eq!(value(contender, "network_claimed"), Some(20e6), "{contender}");
        at_least(contender, "network_packets", 100.0);
        at_least(contender, "network_cpu", 1.0);
        at_least(contender, "latency_p50", if contender == "lossy" { 8e6 } else { 10e6 });
    }
    at_least("sse", "network_round_trip", 20e6);
    at_least("sse", "network_handshake", 20e6);
    at_least("relayed", "network_round_trip", 20e6);
    // A relay takes no time for it.
    at_least("relayed", "network_handshake", 1.0);
    assert_eq!(value("sse", "network_lost"), Some(0.0));
    at_least("lossy", "network_lost", 1.0);
    assert_eq!(value("here", "network_claimed"), None, "loopback is no network");
    // Both ends keep their connections, each in its own network. A relay is neither of them.
    for contender in ["sse", "lossy", "relayed", "here"] {
        let at_server = (contender != "relayed").then_some(5.0);
        assert_eq!(value(contender, "ports_at_server"), at_server, "{contender}");
        assert_eq!(value(contender, "ports_at_subscribers"), Some(5.0), "{contender}");
        assert_eq!(value(contender, "time_wait_at_server"), at_server.map(|_| 0.0), "{contender}");
        assert_eq!(value(contender, "time_wait_at_subscribers"), Some(0.0), "{contender}");
    }
    let run = run_in(&bench.path("out"));
    let networks: Vec<_> = run.manifest.networks.iter().map(|of| &*of.network).collect();
    assert_eq!(
        networks,
        ["20ms", "20ms ± 4ms, loss 5 %, 20 Mbit/s", "20ms, by a relay", "20ms"],
        "as the report has them"
    );
    let parts = |trial: &pushbench_loadgen::results::Trial| {
        trial.parts.iter().any(|part| part.name == "network")
    };
    for trial in &run.trials {
        assert_eq!(parts(trial), trial.contender.name() != "here", "{}", trial.contender);
    }
    let report = fs::read_to_string(bench.path("out/report.html")).unwrap();
    for words in ["The network", "round trip measured", "imitated by a relay"] {
        assert!(report.contains(words), "{words}");
    }
}

/// The namespaces of a run that measures, beside that in which the tests are, and its server.
fn watch(run: &mut Watched) -> (BTreeSet<String>, Pid) {
    run.wait_for("measuring");
    let server = run.server();
    let mut networks = networks_of(run.pid());
    networks.extend(networks_of(server));
    let ours = networks_of(Pid::this());
    networks.retain(|network| !ours.contains(network));
    assert_eq!(networks.len(), 2, "one of the server, one of the clients: {networks:?}");
    assert!(within(&networks).contains(&server));
    (networks, server)
}

#[test]
fn alone_nothing_of_a_network_stays_however_a_run_ends() {
    if !can_lay() {
        return;
    }
    // The numbers of networks that have gone are those of the next ones.
    let bench = Bench::alone();
    bench.scenario(&long());
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        let before = traces();
        let _ = fs::remove_dir_all(bench.path("out"));
        let mut run = bench.start_run();
        let (networks, server) = watch(&mut run);
        run.signal(signal);
        run.finish();
        wait_gone(server);
        for process in within(&networks) {
            wait_gone(process);
        }
        assert_eq!(within(&networks), [], "{signal}");
        assert_eq!(traces(), before, "{signal}");
    }
}

#[test]
fn whoever_is_not_root_gets_a_user_namespace() {
    if !can_lay() {
        return;
    }
    if !Uid::effective().is_root() {
        // Then all other tests of this file do it.
        return;
    }
    let bench = Bench::new();
    bench.scenario(&SCENARIO.replace("\"5%\"", "\"1%\""));
    const NOBODY: u32 = 65_534;
    let folder = bench.path("");
    let program = bench.path("pushbench");
    fs::copy(env!("CARGO_BIN_EXE_pushbench"), &program).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .args(["run", "scenario.toml", "--out", "out", "--max-repeats", "0"])
        .current_dir(&folder)
        .output()
        .unwrap();
    let said = text(&output.stderr);
    if said.contains("may not make a network namespace") {
        return cannot_run("this kernel lets nobody but root make user namespaces");
    }
    assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
    for (contender, row) in bench.trials() {
        assert_eq!(row.values["delivered"], 100.0, "{contender}");
    }
    assert!(bench.trials()["sse"].values["network_handshake"] >= 20e6);
}

/// What a kernel says that allows no more networks.
#[test]
fn a_missing_right_is_named_with_a_way_out() {
    let script = "echo 0 >/proc/sys/user/max_net_namespaces && exec \"$@\"";
    let launcher = ["unshare", "-Ur", "sh", "-c", script, "sh"];
    let works = Command::new(launcher[0]).args(&launcher[1..]).arg("true").status();
    if !works.is_ok_and(|status| status.success()) {
        return cannot_run("`unshare -Ur` does not work: user namespaces are not allowed");
    }
    let bench = Bench::new();
    bench.scenario(SCENARIO);
    let (code, said) = bench.start_run_by(&launcher).finish();
    assert_eq!(code, Some(1), "{said}");
    for words in ["may not make a network namespace", "run it as root", "mode = \"relay\""] {
        assert!(said.contains(words), "{said}");
    }
    assert!(!Path::new(&bench.path("out/trials.jsonl")).exists(), "before any trial");
}

#[test]
fn servers_of_others_are_told_where_to_listen() {
    if !can_lay() {
        return;
    }
    let bench = Bench::new();
    let program = env!("CARGO_BIN_EXE_pushbench");
    let contender = |name: &str, server: &str, network: &str| {
        format!(
            "[[contender]]\nname = \"{name}\"\ntransport = \"sse\"\nserver = \"{server}\"\n\
             network = {{ {network} }}\n"
        )
    };
    let server = |name: &str, host: &str| {
        format!(
            "[server.{name}]\ncommand = \"'{program}' serve --public --listen {host}:{{port}}\"\n\
             publish = {{ url = \"{{url}}/channels/{{channel}}/events\" }}\n\
             sse = {{ url = \"{{url}}/channels/{{channel}}/sse\" }}\n"
        )
    };
    let (before, after) = SCENARIO.split_once("[[contender]]").unwrap();
    let (_, workload) = after.split_once("[workload]").unwrap();
    let tables = [
        contender("away", "told", ""),
        contender("relayed", "told", "mode = \"relay\""),
        contender("unreachable", "deaf", ""),
        format!("[workload]{workload}"),
        server("told", "{host}"),
        // It takes no connection from elsewhere.
        server("deaf", "127.0.0.1")
            .replace("publish =", "ready = { line = \"listening\" }\npublish ="),
    ];
    bench.scenario(&format!("{}{}", before.replace("compare = [\"sse\"]\n", ""), tables.concat()));
    let output = bench.output(&["run", "scenario.toml", "--out", "out"]);
    let said = text(&output.stderr);
    let run = run_in(&bench.path("out"));
    let outcome = |name: &str| {
        let mut trials = run.trials.iter().filter(|trial| trial.contender.name() == name);
        trials.next().unwrap_or_else(|| panic!("{name}: {said}"))
    };
    for name in ["away", "relayed"] {
        let trial = outcome(name);
        assert!(!trial.has_failed(), "{:?}", trial.outcome);
        let through: Vec<f64> = trial
            .values
            .iter()
            .filter(|(metric, _)| metric.name() == "network_packets")
            .map(|(_, value)| *value)
            .collect();
        // On a busy machine, several events go as one.
        assert!(through[0] >= 10.0, "{name}: {through:?} packets went through the network");
        let broken = |warning: &Warning| matches!(warning, Warning::Reconnected { .. });
        assert!(!trial.warnings.iter().any(broken), "{name}");
    }
    let Outcome::Failed { reason } = &outcome("unreachable").outcome else {
        panic!("it cannot be reached: {said}")
    };
    assert!(reason.contains("has to listen on 10.255.255.1"), "{reason}");
}
