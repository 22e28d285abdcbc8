//! What lies between clients and the server.

use std::fs;

use pushbench_loadgen::results::Outcome;

use super::support::{Bench, run_in, text};

/// Every transport with `key`, as short as it gets.
fn tiny(key: &str) -> String {
    format!(
        r#"
name = "tiny"
description = "As short as it gets."
blocks = 1
{key}

[workload]
subscribers = 4
channels = 6
channels_per_subscriber = 3
events_per_second = 20
payload_bytes = 64
duration = "400ms"
warm_up = "200ms"

[polling]
interval = "100ms"
"#
    )
}

/// What was expected and delivered, in numbers, of each contender.
fn delivered(bench: &Bench, scenario: &str) -> Vec<[String; 3]> {
    fs::write(bench.path("tiny.toml"), scenario).unwrap();
    let output = bench.output(&["run", "tiny.toml", "--out", "out"]);
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    let table = fs::read_to_string(bench.path("out/trials.csv"))
        .unwrap_or_else(|error| panic!("{error}: {said}"));
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let head = reader.headers().unwrap().clone();
    let column = |name: &str| head.iter().position(|of| of == name).unwrap();
    let [contender, metric, value] = ["contender", "metric", "value"].map(column);
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let rows = rows.iter().filter(|row| ["delivered", "expected"].contains(&&row[metric]));
    rows.map(|row| [contender, metric, value].map(|at| row[at].to_owned())).collect()
}

const MULTIPLEX: &str = "multiplex = true\n";

// Each is a test of its own, so that no one is behind all others.

#[test]
fn every_transport_delivers_all_by_tls() {
    delivers_all("tls = true", MULTIPLEX);
}

#[test]
fn every_transport_delivers_all_by_http_2() {
    let http2 = "tls = true\nhttp = \"2\"";
    delivers_all(http2, MULTIPLEX);
    delivers_all(http2, "");
}

#[test]
fn every_transport_delivers_all_by_http_3() {
    let http3 = "tls = true\nhttp = \"3\"";
    delivers_all(http3, MULTIPLEX);
    delivers_all(http3, "");
}

#[test]
fn an_event_stream_delivers_all_by_the_draft() {
    let draft = "tls = true\ncompare = [\"sse\"]\nhttp = \"webtransport-draft\"";
    delivers_all(draft, MULTIPLEX);
    delivers_all(draft, "");
}

#[test]
fn every_transport_delivers_all_compressed() {
    let http2 = "tls = true\nhttp = \"2\"\ncompression = true";
    delivers_all("compression = true", "multiplex = true\ncontent = \"json\"\n");
    delivers_all(http2, "content = \"binary\"\n");
}

fn delivers_all(road: &str, shared: &str) {
    let bench = Bench::new();
    let scenario = tiny(road).replace("channels_per", &format!("{shared}channels_per"));
    let mut rows = delivered(&bench, &scenario);
    rows.sort();
    let names: &[&str] = match road.contains("draft") {
        true => &["sse"],
        false => &["long-polling", "polling", "sse", "tcp", "websocket"],
    };
    let found: Vec<_> = rows.iter().step_by(2).map(|[name, ..]| &name[..]).collect();
    assert_eq!(found, names, "{road} {shared}: {rows:?}");
    for [[_, _, delivered], [name, _, expected]] in rows.as_chunks().0 {
        assert_eq!(delivered, expected, "{name}, {road} {shared}");
        // Twelve memberships, with eight events each.
        assert_eq!(expected, "96", "{name}, {road} {shared}");
    }
}

#[test]
fn sessions_are_resumed_where_that_is_asked_for() {
    let contender = |name: &str, more: &str| {
        format!(
            "[[contender]]\nname = \"{name}\"\ntransport = \"polling\"\n\
             polling = {{ connection = \"new\" }}\n{more}\n"
        )
    };
    let bench = Bench::new();
    let contenders = contender("new", "")
        + &contender("whole", "tls = true")
        + &contender("resumed", "tls = true\ntls_resumption = true");
    let scenario = tiny("compare = [\"polling\"]");
    bench.scenario(&scenario.replace("[workload]", &format!("{contenders}[workload]")));
    let output = bench.output(&["run", "scenario.toml", "--out", "out"]);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", text(&output.stderr));
    let trials = bench.trials();
    let figure = |contender: &str, metric: &str| trials[contender].values.get(metric).copied();
    for contender in ["whole", "resumed"] {
        let [opened, whole, resumed] = ["connections_opened", "tls_handshakes", "tls_resumptions"]
            .map(|metric| figure(contender, metric).unwrap());
        // At the end, each may be in the middle of one.
        assert!((0.0..=12.0).contains(&(opened - whole - resumed)), "{opened}: {whole}, {resumed}");
        assert_eq!(figure(contender, "tls_resumption_mean").is_some(), resumed > 0.0);
        match contender {
            "whole" => assert_eq!(resumed, 0.0),
            // Twelve polls begin at the same time, and leave each subscriber three tickets.
            _ => assert!((4.0..=12.0).contains(&whole) && resumed > whole, "{whole} and {resumed}"),
        }
    }
    for metric in ["tls_handshakes", "tls_resumptions", "tls_handshake_mean"] {
        assert_eq!(figure("polling", metric), None, "it has no TLS");
    }
    // Whoever closes first waits: of what polls over new connections, nearly all.
    let waiting = |contender: &str| figure(contender, "time_wait_at_subscribers").unwrap();
    assert_eq!((waiting("polling"), figure("polling", "ports_at_server")), (0.0, Some(12.0)));
    let opened = figure("new", "connections_opened").unwrap();
    assert!(waiting("new") > opened / 4.0 && waiting("new") <= opened, "{}", waiting("new"));
    assert!(figure("new", "ports_at_subscribers").unwrap() >= waiting("new"));
}

#[test]
fn a_server_without_tls_is_told_from_one_with() {
    let bench = Bench::new();
    let program = env!("CARGO_BIN_EXE_pushbench");
    fs::write(bench.path("tiny.toml"), tiny("tls = true\ncompare = [\"sse\"]")).unwrap();
    // It drops what it is told about TLS.
    let script = format!(
        "#!/bin/sh\nfor of do shift; case $of in --tls*) skip=1;; *) if [ -n \"$skip\" ]; then skip=; \
         else set -- \"$@\" \"$of\"; fi;; esac; done\nexec {program} \"$@\"\n"
    );
    fs::write(bench.path("no-tls"), script).unwrap();
    let output = bench.output(&["run", "tiny.toml", "--out", "out", "--server", "sh no-tls serve"]);
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the server does not say where it is by TLS"), "{said}");
}

/// Nobody says that UDP is blocked: there is no answer.
#[test]
fn where_udp_does_not_get_through_a_trial_fails_and_says_why() {
    let bench = Bench::new();
    let program = env!("CARGO_BIN_EXE_pushbench");
    fs::write(
        bench.path("tiny.toml"),
        tiny("tls = true\ncompare = [\"sse\"]\n[[contender]]\nname = \"blocked\"\ntransport = \"sse\"\nhttp = \"3\""),
    )
    .unwrap();
    // It says that it has HTTP/3, and has none.
    let script = format!(
        "#!/bin/sh\nby= ; for of do shift; case $of in --http3) by=http3;; *) set -- \"$@\" \"$of\";; esac; done\n\
         [ -n \"$by\" ] || exec {program} \"$@\"\n\
         {program} \"$@\" | sed -u 's|^pushbench serve: TLS on \\(.*\\)$|&\\npushbench serve: HTTP/3 on \\1|'\n"
    );
    fs::write(bench.path("blocked"), script).unwrap();
    let output =
        bench.output(&["run", "tiny.toml", "--out", "out", "--server", "sh blocked serve"]);
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_ne!(output.status.code(), Some(0), "{said}");
    let run = run_in(&bench.path("out"));
    let outcomes = run.trials.iter().map(|trial| (trial.contender.name(), &trial.outcome));
    let outcomes: Vec<_> = outcomes.collect();
    let failed =
        outcomes.iter().find(|(name, _)| *name == "blocked").unwrap_or_else(|| panic!("{said}"));
    let Outcome::Failed { reason } = failed.1 else { panic!("{failed:?}") };
    assert!(reason.contains("does anything between block UDP"), "{reason}");
    // The others are measured nevertheless.
    assert!(
        outcomes
            .iter()
            .any(|(name, outcome)| *name == "sse" && !matches!(outcome, Outcome::Failed { .. })),
        "{outcomes:?}"
    );
}
