//! What must not hold: what rests on programs that are missing, on a harness that failed, or on half of the trials.

use pushbench_wire::Transport::{self, LongPolling, Polling, Sse, WebSocket};

use super::tests::{fail, of, row, run, runs, set, text, through};
use super::*;
use crate::analysis::guide;
use crate::results::{Metric, Outcome, Run, Warning};

const ALL: [(&str, bool); 4] =
    [("nginx-tls", true), ("haproxy", true), ("caddy", true), ("envoy", true)];

fn holds(key: &str, of_run: &str, run: &Run, transport: Transport) -> Result<bool, Lack> {
    let row = row(key, &runs(&[(of_run, run)]));
    of(&row, transport).cases[0].holds.clone()
}

fn fail_once(run: &mut Run, transport: Transport, reason: &str) {
    let mut own = run.trials.iter_mut().filter(|trial| trial.contender == transport);
    let trial = own.next().unwrap();
    trial.outcome = Outcome::Failed { reason: reason.to_owned() };
    trial.values.clear();
}

#[test]
fn proxies_that_are_missing_may_be_passed_or_not() {
    let there = [("nginx-tls", true), ("haproxy", true), ("caddy", false), ("envoy", false)];
    let mut run = through(&there);
    for proxy in ["caddy", "envoy"] {
        for transport in ["polling", "sse", "websocket"] {
            fail(&mut run, &format!("{transport}-{proxy}"), "there is no such program");
        }
    }
    let polls = holds("proxies", "proxies", &run, Polling);
    assert_eq!(polls, Err(Lack::Undecided), "two of four are not each");
    assert_eq!(holds("proxies", "proxies", &run, Sse), Err(Lack::Undecided));
    for proxy in ["nginx-tls", "haproxy"] {
        fail(&mut run, &format!("websocket-{proxy}"), "the server answered 426");
    }
    assert_eq!(
        holds("proxies", "proxies", &run, WebSocket),
        Ok(true),
        "whatever the others do, it is no more than half"
    );
}

#[test]
fn who_fails_without_a_proxy_too_shows_nothing_of_proxies() {
    let mut run = through(&ALL);
    let envoy = |run: &Run| {
        let row = row("proxies", &runs(&[("proxies", run)]));
        let case = of(&row, Sse).cases[0].clone();
        let What::Passed(passed) = case.findings[0].what.clone() else { panic!("proxies") };
        (passed.failed.len(), passed.unknown.len())
    };
    fail(&mut run, "sse-envoy", "the server answered 426");
    assert_eq!(envoy(&run), (1, 0));
    fail_once(&mut run, Sse, "the driver ended");
    let why = holds("proxies", "proxies", &run, Sse);
    assert_eq!(why, Err(Lack::Failed("the driver ended".to_owned())), "whose failure is it?");
    fail(&mut run, "sse", "the driver ended");
    let why = holds("proxies", "proxies", &run, Sse);
    assert_eq!(why, Err(Lack::Failed("the driver ended".to_owned())));
}

#[test]
fn a_spoilt_proxy_asks_for_another_try() {
    let mut run = through(&ALL);
    for trial in run.trials.iter_mut().filter(|of| of.contender.name() == "polling-envoy") {
        trial.outcome = Outcome::Invalid;
        trial.warnings = vec![Warning::CpuStolen { percent: 14.2 }];
    }
    let proxies = row("proxies", &runs(&[("proxies", &run)]));
    assert!(matches!(of(&proxies, Polling).cases[0].holds, Err(Lack::Spoilt(_))));
    assert!(is_spoilt(&[proxies]));
}

#[test]
fn what_was_counted_in_half_of_the_trials_does_not_hold() {
    let mut run = run();
    let binary = |run: &Run| {
        let row = row("binary", &runs(&[("binary", run)]));
        of(&row, WebSocket).cases[0].clone()
    };
    for metric in [Metric::FramingBytesPerDelivery, Metric::PayloadBytesPerDelivery] {
        set(&mut run, WebSocket, metric, [5.0, 5.0]);
    }
    let tally = binary(&run).findings[1].tally;
    assert_eq!(tally, Some(Tally { trials: 2, valid: 2 }));
    fail_once(&mut run, WebSocket, "it ended");
    let lacks = binary(&run);
    assert_eq!(lacks.findings.len(), 1, "no count of losses: {lacks:?}");
}

/// A run that asks something which only event streams and WebSocket meet.
fn asked() -> Run {
    let mut run = run();
    run.manifest.scenario.text = text("", "[objectives]\n\"latency\" = [\"p(99)<1.5ms\"]")
        .replace("= 100\nev", "= 1000\nev");
    for trial in &mut run.trials {
        trial.values.insert(Metric::WindowDeliveries, 24_000.0);
    }
    run
}

/// What comes of "cost counts too" for the stream.
fn cost(run: &Run) -> Weighed {
    let row = row("use-case", &runs(&[("live-feed", run)]));
    of(&row, Sse).cases[1].clone()
}

#[test]
fn nobody_is_alone_beside_one_that_failed() {
    let mut run = asked();
    fail(&mut run, "websocket", "it ended");
    let weighed = cost(&run);
    assert_eq!(weighed.holds, Err(Lack::Failed("it ended".to_owned())));
    assert!(!weighed.findings.iter().any(|of| matches!(of.what, What::Alone(_))), "{weighed:?}");
    // If it surely misses, nobody else is left.
    let mut run = asked();
    set(&mut run, WebSocket, Metric::LatencyP99, [9e6, 9e6]);
    set(&mut run, WebSocket, Metric::Lost, [5.0, 5.0]);
    let weighed = cost(&run);
    assert!(weighed.findings.iter().any(|of| matches!(of.what, What::Alone(_))), "{weighed:?}");
}

#[test]
fn a_cost_that_nobody_measured_is_not_the_least() {
    let mut run = asked();
    for transport in [Sse, WebSocket] {
        for metric in guide::COSTS {
            set(&mut run, transport, metric, [100.0, 100.0]);
        }
    }
    assert_eq!(cost(&run).holds, Ok(true), "{:?}", cost(&run));
    for trial in run.trials.iter_mut().filter(|of| of.contender == WebSocket) {
        trial.values.remove(&Metric::ServerCpuPerDelivery);
    }
    assert_eq!(cost(&run).holds, Err(Lack::NoFigure(Metric::ServerCpuPerDelivery)));
}

#[test]
fn one_poll_in_a_trial_says_nothing_of_new_connections() {
    let mut run = run();
    set(&mut run, Polling, Metric::Requests, [100.0, 100.0]);
    set(&mut run, Polling, Metric::ConnectionsOpened, [100.0, 100.0]);
    assert_eq!(holds("connection", WORKLOAD, &run, Polling), Err(Lack::FewRequests(3.0)));
    set(&mut run, Polling, Metric::Requests, [300.0, 300.0]);
    assert_eq!(holds("connection", WORKLOAD, &run, Polling), Ok(false), "they are kept");
    set(&mut run, Polling, Metric::ConnectionsOpened, [300.0, 310.0]);
    assert_eq!(holds("connection", WORKLOAD, &run, Polling), Ok(true));
}

#[test]
fn clients_behind_a_network_are_not_near() {
    let mut run = run();
    run.manifest.scenario.text = text("", "[network]\nround_trip = \"100ms\"");
    assert_eq!(holds("latency", WORKLOAD, &run, LongPolling), Err(Lack::Network));
    let load = holds("server-load", WORKLOAD, &run, LongPolling);
    assert_ne!(load, Err(Lack::Network), "that is about this workload");
}
