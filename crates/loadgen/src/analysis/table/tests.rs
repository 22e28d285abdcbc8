use std::collections::BTreeSet;

use pushbench_wire::Transport::{self, LongPolling, Polling, Sse, WebSocket};

use super::*;
use crate::analysis::analyse;
use crate::results::{LatencyLog, Metric, Outcome, Run, Trial, UsedProxy, Warning, fixture};
use crate::scenario::{ContenderId, Scenario};

/// The fixture's run in two valid blocks, with a scenario that can be read.
pub(super) fn run() -> Run {
    let (mut run, _) = fixture::run();
    run.manifest.scenario.text = text("", "");
    let first: Vec<Trial> = run.trials.iter().filter(|of| of.block == 1).cloned().collect();
    for (trial, first) in run.trials.iter_mut().zip(first.iter().cycle()) {
        *trial = Trial { block: trial.block, ..first.clone() };
        trial.warnings.clear();
    }
    run
}

pub(super) fn text(workload: &str, tables: &str) -> String {
    format!(
        "name = \"stock-ticker\"\ndescription = \"Prices.\"\nblocks = 2\n\
         compare = [\"polling\", \"long-polling\", \"sse\", \"websocket\"]\n\
         [workload]\nsubscribers = 100\nevents_per_second = 20.0\npayload_bytes = 100\n\
         duration = \"12s\"\nwarm_up = \"2s\"\n{workload}\n{tables}\n"
    )
}

pub(super) fn set(run: &mut Run, transport: Transport, metric: Metric, values: [f64; 2]) {
    let own = run.trials.iter_mut().filter(|trial| trial.contender == transport);
    for (trial, value) in own.zip(values) {
        trial.values.insert(metric, value);
    }
}

pub(super) fn runs(of: &[(&str, &Run)]) -> Runs {
    let with = |(name, run): &(&str, &Run)| {
        let analysis = analyse(run, &LatencyLog::default());
        ((*name).to_owned(), Ok(((*run).clone(), analysis)))
    };
    of.iter().map(with).collect()
}

pub(super) fn row(key: &str, runs: &Runs) -> FilledRow {
    let own: Vec<Row> = rows().iter().filter(|row| row.key == key).cloned().collect();
    assert_eq!(own.len(), 1, "{key}");
    fill(&own, runs).remove(0)
}

fn verdicts(key: &str, runs: &Runs) -> Vec<Verdict> {
    row(key, runs).cells.iter().map(|cell| cell.verdict).collect()
}

pub(super) fn of(row: &FilledRow, transport: Transport) -> &Filled {
    row.cells.iter().find(|cell| cell.of == transport).unwrap()
}

#[test]
fn every_row_of_the_usual_table_is_there_with_every_column_once() {
    let keys: Vec<&str> = rows().iter().map(|row| &row.key[..]).collect();
    assert_eq!(
        keys,
        [
            "direction",
            "connection",
            "protocol",
            "browsers",
            "latency",
            "server-load",
            "complexity",
            "reconnection",
            "binary",
            "proxies",
            "use-case",
        ],
        "{:?}",
        toml::from_str::<Rows>(FILE).err()
    );
    for row in rows() {
        let mut of: Vec<Transport> = row.cells.iter().flat_map(|cell| cell.of.clone()).collect();
        of.sort_by_key(|of| *of as usize);
        assert_eq!(of, columns().collect::<Vec<_>>(), "{}", row.key);
        for case in row.cells.iter().flat_map(|cell| &cell.cases) {
            assert!(!case.parts.is_empty(), "{}", row.key);
            for part in &case.parts {
                let is_limited = match part {
                    Part::Measured(of) => of.at_least.is_some() || of.at_most.is_some(),
                    Part::Counted(of) => of.at_least.is_some() || of.at_most.is_some(),
                    Part::Guided(of) => (of.guide == Advice::Cheapest) == of.at_most.is_some(),
                };
                assert!(is_limited, "{}: {part:?} would hold whatever is measured", row.key);
            }
            let has_share = case.share != Limits::default();
            assert_eq!(has_share, !case.each_proxy.is_empty(), "{}", row.key);
        }
        for cell in row.cells.iter().filter(|cell| cell.cases.len() > 1) {
            let whens: BTreeSet<&str> = cell.cases.iter().map(|case| &case.when[..]).collect();
            assert!(whens.len() == cell.cases.len() && !whens.contains(""), "{}", row.key);
        }
    }
}

#[test]
fn words_are_an_order_between_transports() {
    let near = run();
    let mut far = run();
    for (transport, ms) in [(Polling, 500.0), (LongPolling, 70.0), (Sse, 50.0), (WebSocket, 50.0)] {
        set(&mut far, transport, Metric::LatencyP50, [ms * 1e6, ms * 1.02e6]);
    }
    let both = runs(&[("workload", &near), ("distance", &far)]);
    use Verdict::{DoesNotHold, Holds, HoldsIf};
    assert_eq!(verdicts("latency", &both), [Holds, Holds, DoesNotHold, DoesNotHold]);
    let alone = runs(&[("workload", &near)]);
    assert_eq!(
        verdicts("latency", &alone),
        [HoldsIf, HoldsIf, DoesNotHold, DoesNotHold],
        "of distance nobody knows"
    );
    set(&mut far, LongPolling, Metric::LatencyP50, [51e6, 52e6]);
    let both = runs(&[("workload", &near), ("distance", &far)]);
    let row = row("latency", &both);
    assert_eq!(of(&row, LongPolling).verdict, HoldsIf);
    let cases: Vec<_> = of(&row, LongPolling).cases.iter().map(|of| of.holds.clone()).collect();
    assert_eq!(cases, [Ok(true), Ok(false)]);
    assert_eq!(of(&row, Polling).cases[0].shown[0].value, 502e6, "the figure is shown");
}

#[test]
fn a_limit_within_the_interval_decides_nothing() {
    let mut run = run();
    let case = |run: &Run| {
        let row = row("latency", &runs(&[("workload", run)]));
        of(&row, WebSocket).cases[0].holds.clone()
    };
    set(&mut run, WebSocket, Metric::LatencyP50, [0.1e6, 0.5e6]);
    assert_eq!(case(&run), Err(Lack::Undecided), "0.24 to 1.2 times SSE's: noise is no answer");
    set(&mut run, WebSocket, Metric::LatencyP50, [0.4e6, 0.45e6]);
    assert_eq!(case(&run), Ok(false), "0.95 to 1.1 times: not by a fifth");
    set(&mut run, WebSocket, Metric::LatencyP50, [0.3e6, 0.36e6]);
    assert_eq!(case(&run), Err(Lack::Undecided), "0.73 to 0.88 times: less, but how much?");
    set(&mut run, WebSocket, Metric::LatencyP50, [0.1e6, 0.2e6]);
    assert_eq!(case(&run), Ok(true));
    run.trials.retain(|trial| trial.block == 1);
    run.manifest.planned_trials = 4;
    assert_eq!(case(&run), Err(Lack::Undecided), "a single block has no interval");
    let whole = row("latency", &runs(&[("workload", &run)]));
    assert_eq!(of(&whole, WebSocket).verdict, Verdict::NotDecided);
}

#[test]
fn latencies_of_who_lost_something_are_bounds() {
    let mut run = run();
    set(&mut run, WebSocket, Metric::LatencyP50, [0.1e6, 0.1e6]);
    set(&mut run, WebSocket, Metric::Lost, [1.0, 0.0]);
    let latency = row("latency", &runs(&[("workload", &run)]));
    assert_eq!(of(&latency, WebSocket).cases[0].holds, Err(Lack::Undecided), "or more");
    set(&mut run, WebSocket, Metric::LatencyP50, [9e6, 9e6]);
    let latency = row("latency", &runs(&[("workload", &run)]));
    assert_eq!(of(&latency, WebSocket).cases[0].holds, Ok(false), "more would be, too");
}

#[test]
fn what_is_missing_is_said() {
    let lack = |runs: &Runs| {
        let row = row("connection", runs);
        let cell = of(&row, WebSocket);
        assert_ne!(cell.verdict, Verdict::Holds);
        cell.cases[0].holds.clone()
    };
    assert_eq!(lack(&Runs::new()), Err(Lack::NoRun(String::new())));
    let why = "no network here".to_owned();
    let none = Runs::from([(WORKLOAD.to_owned(), Err(why.clone()))]);
    assert_eq!(lack(&none), Err(Lack::NoRun(why)));

    let mut stopped = run();
    stopped.manifest.interrupted = true;
    assert_eq!(lack(&runs(&[(WORKLOAD, &stopped)])), Err(Lack::Interrupted));

    let mut sends = run();
    sends.manifest.scenario.text = text("[workload.upstream]\nevents_per_second = 0.1", "");
    assert_eq!(lack(&runs(&[(WORKLOAD, &sends)])), Err(Lack::NotAbout));

    let mut uncounted = run();
    for trial in &mut uncounted.trials {
        trial.values.remove(&Metric::ConnectionsOpened);
    }
    let metric = Metric::ConnectionsOpened;
    assert_eq!(lack(&runs(&[(WORKLOAD, &uncounted)])), Err(Lack::NoFigure(metric)));

    let mut failed = run();
    let reason = "the server was killed by signal 9".to_owned();
    for trial in failed.trials.iter_mut().filter(|of| of.contender == WebSocket) {
        trial.outcome = Outcome::Failed { reason: reason.clone() };
        trial.values.clear();
    }
    assert_eq!(lack(&runs(&[(WORKLOAD, &failed)])), Err(Lack::Failed(reason)));

    let mut busy = run();
    for trial in busy.trials.iter_mut().filter(|of| of.contender == WebSocket) {
        trial.outcome = Outcome::Invalid;
        trial.warnings = vec![Warning::CpuStolen { percent: 14.2 }];
    }
    let busy = runs(&[(WORKLOAD, &busy)]);
    let connection = row("connection", &busy);
    assert_eq!(
        of(&connection, WebSocket).cases[0].holds,
        Ok(true),
        "connections are counted all the same"
    );
    let latency = row("latency", &busy);
    assert!(matches!(of(&latency, WebSocket).cases[0].holds, Err(Lack::Spoilt(_))));
    assert!(is_spoilt(&[latency]));
}

#[test]
fn what_a_message_takes_by_subscription_and_request_is_divided_within_trials() {
    let mut run = run();
    for transport in [Polling, LongPolling] {
        set(&mut run, transport, Metric::Reads, [1200.0, 1200.0]);
    }
    let all = runs(&[(WORKLOAD, &run)]);
    use Verdict::{DoesNotHold, Holds};
    assert_eq!(verdicts("connection", &all), [DoesNotHold, Holds, Holds, Holds]);
    let row = row("connection", &all);
    let polling = &of(&row, Polling).cases[0].findings[0];
    assert_eq!(polling.what, What::Per(Metric::ConnectionsOpened, Metric::Requests));
    assert_eq!(polling.value, 100.0 / 1200.0);
    let sse = &of(&row, Sse).cases[0].findings[0];
    assert_eq!((sse.value, sse.blocks), (1.0, Some(2)), "100 of 100 subscribers");
}

/// A run of event streams through these proxies, of which those with a version are there.
pub(super) fn through(proxies: &[(&str, bool)]) -> Run {
    let names: Vec<String> = proxies.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let mut run = run();
    let proxy = format!("proxy = [\"none\", {}]\n", names.join(", "));
    let text = run.manifest.scenario.text.replace("[workload]", &format!("{proxy}[workload]"));
    let scenario = Scenario::parse(&text, "").unwrap();
    let trial = run.trials[2].clone();
    run.manifest.scenario.text = text;
    run.manifest.contenders = scenario.contender_ids().cloned().collect();
    run.trials.clear();
    for block in 1..=2 {
        let trials = scenario.contender_ids().map(|id| Trial {
            contender: id.clone(),
            block,
            ..trial.clone()
        });
        run.trials.extend(trials);
    }
    run.manifest.planned_trials = run.trials.len() as u32;
    run.manifest.proxies = scenario
        .contenders
        .iter()
        .filter_map(|of| of.road.proxy.as_ref())
        .map(|proxy| UsedProxy {
            label: proxy.label.clone(),
            version: proxies
                .iter()
                .any(|(name, is_there)| *name == proxy.name && *is_there)
                .then(|| "1.0".to_owned()),
            command: String::new(),
            config: None,
            contenders: Vec::new(),
        })
        .collect();
    run
}

pub(super) fn fail(run: &mut Run, name: &str, reason: &str) {
    for trial in run.trials.iter_mut().filter(|trial| trial.contender.name() == name) {
        trial.outcome = Outcome::Failed { reason: reason.to_owned() };
        trial.values.clear();
    }
}

#[test]
fn proxies_are_passed_late_broken_or_missing() {
    let all = [("nginx-tls", true), ("haproxy", true), ("caddy", true), ("envoy", false)];
    let mut run = through(&all);
    fail(&mut run, "sse-envoy", "there is no program `envoy` on this machine");
    let found = |run: &Run| {
        let row = row("proxies", &runs(&[("proxies", run)]));
        let case = of(&row, Sse).cases[0].clone();
        let What::Passed(passed) = case.findings[0].what.clone() else { panic!("proxies") };
        (passed, case.holds)
    };
    let (passed, holds) = found(&run);
    assert_eq!(passed.passed, ["nginx TLS", "HAProxy", "Caddy"]);
    assert_eq!(passed.missing.len(), 1, "{passed:?}");
    assert_eq!(holds, Err(Lack::Undecided), "all is not `maybe`, and nobody knows of Envoy");

    for trial in run.trials.iter_mut().filter(|of| of.contender.name() == "sse-nginx-tls") {
        trial.values.insert(Metric::LatencyP50, 800e6);
    }
    fail(&mut run, "sse-caddy", "the server answered 426");
    let (passed, holds) = found(&run);
    assert_eq!(passed.passed, ["HAProxy"]);
    let failed: Vec<_> = passed.failed.iter().map(|(name, of)| (&name[..], of.is_some())).collect();
    assert_eq!(failed, [("nginx TLS", true), ("Caddy", false)], "late, and broken");
    assert_eq!(holds, Ok(true), "some, but not all");

    let mut run =
        through(&[("nginx-tls", true), ("haproxy", false), ("caddy", false), ("envoy", false)]);
    for name in ["sse-haproxy", "sse-caddy", "sse-envoy"] {
        fail(&mut run, name, "there is no such program: apt-get install it");
    }
    let row = row("proxies", &runs(&[("proxies", &run)]));
    let case = &of(&row, Sse).cases[0];
    assert_eq!(case.holds, Err(Lack::Undecided), "one of four");
    let What::Passed(passed) = &case.findings[0].what else { panic!("proxies") };
    assert!(passed.missing[2].1.contains("apt-get install it"), "{passed:?}");
}

#[test]
fn lines_are_counted_in_the_program() {
    let row = row("complexity", &Runs::new());
    let websocket = of(&row, WebSocket);
    let What::Lines(_, lines) = websocket.cases[0].findings[0].what else { panic!("lines") };
    assert!(lines > 10, "{lines}");
    assert!(websocket.cases[..3].iter().all(|of| of.holds.is_ok()));
    assert!(websocket.cases[3].holds.is_err(), "round trips take a run");
}

#[test]
fn a_use_is_what_the_guide_says() {
    let mut run = run();
    run.manifest.scenario.text = text("", "[objectives]\n\"latency\" = [\"p(99)<1.5ms\"]")
        .replace("= 100\nev", "= 1000\nev");
    for trial in &mut run.trials {
        trial.values.insert(Metric::WindowDeliveries, 24_000.0);
    }
    let row = row("use-case", &runs(&[("live-feed", &run), ("rare-events", &run)]));
    let cases = |transport| -> Vec<_> {
        of(&row, transport).cases.iter().map(|of| of.holds.clone()).collect()
    };
    assert_eq!(cases(Polling), [Ok(false), Ok(false)], "990 ms");
    assert_eq!(cases(LongPolling), [Ok(false), Ok(false)], "1.9 ms");
    let sse = cases(Sse);
    assert_eq!(sse[0], Ok(true), "1.2 ms");
    assert_eq!(sse[1], Ok(false), "171 and 136 B are 1.26 times");
    assert_eq!(sse[2], Err(Lack::NoRun(String::new())));
    let figure = &of(&row, Polling).cases[0].findings[0];
    assert_eq!((figure.value, figure.limits.at_most), (990e6, Some(1.5e6)));
}

#[test]
fn contenders_are_found_by_what_they_speak_and_by_their_names() {
    let mut run = run();
    let own = "[[contender]]\nname = \"sse-chromium\"\ntransport = \"sse\"\n";
    run.manifest.scenario.text = text("", own);
    let scenario = Scenario::parse(&run.manifest.scenario.text, "").unwrap();
    let id = |name: &str| -> ContenderId {
        scenario.contender_ids().find(|id| id.name() == name).unwrap().clone()
    };
    let trial = run.trials[2].clone();
    for block in 1..=2 {
        run.trials.push(Trial { contender: id("sse-chromium"), block, ..trial.clone() });
    }
    run.manifest.contenders = scenario.contender_ids().cloned().collect();
    run.manifest.planned_trials = 10;
    let row = row("browsers", &runs(&[("browsers", &run)]));
    let sse: Vec<_> = of(&row, Sse).cases.iter().map(|of| of.holds.clone()).collect();
    assert_eq!(sse, [Ok(true), Err(Lack::NotCompared)], "Firefox is not there");
    assert_eq!(of(&row, Sse).verdict, Verdict::HoldsIf);
    assert_eq!(of(&row, WebSocket).verdict, Verdict::NotMeasured);
}
