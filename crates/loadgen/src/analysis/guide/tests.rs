use super::*;
use crate::analysis::analyse;
use crate::analysis::sweep::tests::run as swept;
use crate::results::{LatencyLog, Metric, Outcome, Trial, Warning, fixture};
use pushbench_wire::Transport;

/// The fixture's scenario with these tables at its end.
fn text(workload: &str, tables: &str) -> String {
    format!(
        "name = \"stock-ticker\"\ndescription = \"Prices.\"\nblocks = 2\n\
         compare = [\"polling\", \"long-polling\", \"sse\", \"websocket\"]\n\
         [workload]\nsubscribers = 1000\nevents_per_second = 20.0\npayload_bytes = 100\n\
         duration = \"12s\"\nwarm_up = \"2s\"\n{workload}\n{tables}\n"
    )
}

const LATENCY: &str = "[objectives]\n\"latency\" = [\"p(99)<1.5ms\"]";

/// The fixture's run, all of it valid, with such a scenario.
pub(super) fn run(workload: &str, tables: &str) -> Run {
    let (mut run, _) = fixture::run();
    run.manifest.scenario.text = text(workload, tables);
    let first: Vec<Trial> = run.trials.iter().filter(|of| of.block == 1).cloned().collect();
    for (trial, first) in run.trials.iter_mut().zip(first.iter().cycle()) {
        *trial = Trial { block: trial.block, ..first.clone() };
        trial.warnings.clear();
    }
    run
}

pub(super) fn decided(run: &Run, needs: &Needs) -> Result<Guide, Refusal> {
    guide(run, &analyse(run, &LatencyLog::default()), needs)
}

fn answer(run: &Run, needs: &Needs) -> Answer {
    decided(run, needs).unwrap().cells.remove(0)
}

fn eligible(run: &Run, needs: &Needs) -> Vec<Transport> {
    answer(run, needs).eligible().map(|of| of.contender.transport()).collect()
}

fn of(answer: &Answer, transport: Transport) -> &Candidate {
    answer.candidates.iter().find(|of| of.contender == transport).unwrap()
}

fn set(run: &mut Run, transport: Transport, metric: Metric, value: Option<f64>) {
    for trial in run.trials.iter_mut().filter(|trial| trial.contender == transport) {
        trial.values.remove(&metric);
        trial.values.extend(value.map(|value| (metric, value)));
    }
}

use Transport::{LongPolling, Polling, Sse, WebSocket};

#[test]
fn who_meets_all_is_eligible_and_the_others_miss_with_their_figure() {
    let run = run("", LATENCY);
    let answer = answer(&run, &Needs::default());
    let ids: Vec<_> = answer.eligible().map(|of| of.contender.transport()).collect();
    assert_eq!(ids, [Sse, WebSocket]);
    let polling = of(&answer, Polling);
    assert_eq!(polling.verdict(), Verdict::Misses);
    let missed = polling.checks.iter().find(|of| of.reached == Reached::Missed).unwrap();
    let figure = missed.figure.as_ref().unwrap();
    assert_eq!((figure.metric, figure.value, figure.trials), (Metric::LatencyP99, 990e6, Some(2)));
    assert_eq!(missed.excess(), Some(660.0));
    let first = |metric| -> Vec<Transport> {
        let ranking = answer.cheapest.iter().find(|of| of.metric == metric).unwrap();
        ranking.groups[0].contenders.iter().map(ContenderId::transport).collect()
    };
    assert_eq!(first(Metric::BytesPerDelivery), [WebSocket], "136 B and 171 B");
    assert_eq!(first(Metric::ServerCpuPerDelivery), [WebSocket, Sse], "3.0 and 3.1 µs");
    assert_eq!(answer.cheapest_in_all(), Vec::<&ContenderId>::new(), "SSE takes less memory");
}

#[test]
fn a_budget_is_held_like_an_objective() {
    let needs = Needs {
        budget: vec![AtMost::read("bytes_per_delivery", "150B").unwrap()],
        ..Needs::default()
    };
    assert_eq!(eligible(&run("", LATENCY), &needs), [WebSocket]);
    let tables = format!("{LATENCY}\n[needs]\nbudget = {{ bytes_per_delivery = \"150B\" }}");
    assert_eq!(eligible(&run("", &tables), &Needs::default()), [WebSocket], "as the file says");
    assert_eq!(eligible(&run("", ""), &needs), [WebSocket], "without objectives");
}

#[test]
fn nothing_is_met_that_was_not_shown() {
    let two_way = Needs { two_way: true, ..Needs::default() };
    let binary = Needs { binary: true, ..Needs::default() };
    let far = Needs { round_trip: Some(Duration::from_millis(100)), ..Needs::default() };
    let through = Needs { proxies: vec!["nginx".to_owned()], ..Needs::default() };
    let listens = run("", LATENCY);
    for (needs, lack) in [
        (&two_way, Lack::NobodySends),
        (&binary, Lack::OnlyText),
        (&far, Lack::TooNear(Duration::ZERO)),
        (&through, Lack::NotThrough),
    ] {
        let answer = answer(&listens, needs);
        assert_eq!(answer.eligible().count(), 0, "{lack:?}");
        let sse = of(&answer, Sse);
        assert_eq!(sse.verdict(), Verdict::Unknown);
        assert!(
            sse.checks.iter().any(|of| of.reached == Reached::Unknown(lack.clone())),
            "{lack:?}"
        );
    }
    let sends = "[workload.upstream]\nevents_per_second = 0.1";
    assert_eq!(eligible(&run(sends, LATENCY), &two_way), [Sse, WebSocket]);
    assert_eq!(eligible(&run("content = \"binary\"", LATENCY), &binary), [Sse, WebSocket]);
}

#[test]
fn a_way_through_a_proxy_is_judged_by_its_own_figures() {
    let needs = Needs { proxies: vec!["nginx".to_owned()], ..Needs::default() };
    let mut run = run("", LATENCY);
    run.manifest.scenario.text =
        text("", LATENCY).replace("compare = [", "proxy = [\"none\", \"nginx\"]\ncompare = [");
    let scenario = Scenario::parse(&run.manifest.scenario.text, "").unwrap();
    let through: Vec<_> = scenario.contender_ids().cloned().collect();
    let direct = run.trials.clone();
    for trial in direct {
        let name = format!("{}-nginx", trial.contender.name());
        let contender = through.iter().find(|id| id.name() == name).unwrap().clone();
        run.trials.push(Trial { contender, ..trial });
    }
    run.manifest.planned_trials = 16;
    run.manifest.contenders = through;
    let names = |run: &Run| -> Vec<String> {
        let answer = answer(run, &needs);
        assert_eq!(answer.candidates.len(), 4, "each choice once");
        answer.eligible().map(|of| of.contender.name().to_owned()).collect()
    };
    assert_eq!(names(&run), ["sse-nginx", "websocket-nginx"]);
    // An objective of one way is one of the choice, unless that way has its own.
    let asked = |run: &mut Run, objectives: &str| {
        run.manifest.scenario.text = text("", &format!("[objectives]\n{objectives}"))
            .replace("compare = [", "proxy = [\"none\", \"nginx\"]\ncompare = [");
        names(run)
    };
    let of_direct = "\"sse.latency\" = [\"p(99)<0.1ms\"]\n\"polling.lost\" = [\"count<10\"]";
    let all_but_sse = ["polling-nginx", "long-polling-nginx", "websocket-nginx"];
    assert_eq!(asked(&mut run, of_direct), all_but_sse);
    let of_both = format!("{of_direct}\n\"sse-nginx.latency\" = [\"p(99)<10s\"]");
    assert_eq!(asked(&mut run, &of_both).len(), 4);
    asked(&mut run, "\"latency\" = [\"p(99)<1.5ms\"]");
    for trial in run.trials.iter_mut().filter(|of| of.contender.name() == "sse-nginx") {
        trial.values.insert(Metric::LatencyP99, 200e6);
    }
    assert_eq!(names(&run), ["websocket-nginx"], "SSE is late behind nginx, and not without it");
    let others = Needs { proxies: vec!["haproxy".to_owned()], ..Needs::default() };
    let unknown = answer(&run, &others);
    assert_eq!((unknown.candidates.len(), unknown.eligible().count()), (4, 0), "nobody was");
}

#[test]
fn losses_are_missed_with_or_without_an_objective() {
    let mut lossy = run("", LATENCY);
    lossy.trials[2].values.insert(Metric::Lost, 3.0);
    lossy.trials[2].values.insert(Metric::Delivered, 23_997.0);
    assert_eq!(eligible(&lossy, &Needs::default()), [WebSocket]);
    let mut uncounted = run("", LATENCY);
    set(&mut uncounted, Sse, Metric::Duplicated, None);
    assert_eq!(eligible(&uncounted, &Needs::default()), [WebSocket], "missing is not 0");
    // What an objective allows is allowed. What is lost makes its latencies a bound from below.
    lossy.manifest.scenario.text = text("", "[objectives]\n\"lost\" = [\"count<10\"]");
    assert!(eligible(&lossy, &Needs::default()).contains(&Sse));
}

#[test]
fn a_run_that_cannot_be_trusted_says_nothing() {
    let refused = |run: &Run| decided(run, &Needs::default()).unwrap_err();
    let mut stopped = run("", LATENCY);
    stopped.manifest.interrupted = true;
    assert_eq!(refused(&stopped), Refusal::Interrupted { ran: 8, planned: 8 });
    let mut short = run("", LATENCY);
    short.trials.pop();
    assert_eq!(refused(&short), Refusal::Interrupted { ran: 7, planned: 8 });
    let mut spoilt = run("", LATENCY);
    for trial in spoilt.trials.iter_mut().filter(|of| of.contender == Polling) {
        trial.outcome = Outcome::Invalid;
        trial.warnings = vec![Warning::CpuStolen { percent: 14.2 }];
    }
    let Refusal::Untrusted { contender, valid, planned, reason, .. } = refused(&spoilt) else {
        panic!("one that no report trusts")
    };
    assert_eq!((contender.transport(), valid, planned), (Polling, 0, 2));
    assert_eq!(reason, Some(Warning::CpuStolen { percent: 14.2 }));
    let mut unread = run("", LATENCY);
    unread.manifest.scenario.text = "of another version".to_owned();
    assert!(matches!(refused(&unread), Refusal::Unreadable(_)));
    assert_eq!(refused(&run("", "")), Refusal::NothingAsked);
    let mut empty = run("", LATENCY);
    empty.trials.clear();
    assert_eq!(refused(&empty), Refusal::Empty);
}

#[test]
fn who_does_not_run_is_not_judged_and_does_not_stop_the_others() {
    let mut run = run("", LATENCY);
    for trial in run.trials.iter_mut().filter(|of| of.contender == WebSocket) {
        trial.outcome = Outcome::Failed { reason: "the proxy answered 426".to_owned() };
        trial.values.clear();
    }
    let answer = answer(&run, &Needs::default());
    assert_eq!(answer.eligible().count(), 1);
    let why = &of(&answer, WebSocket).checks[0].reached;
    assert_eq!(*why, Reached::Unknown(Lack::Failed("the proxy answered 426".to_owned())));
}

#[test]
fn the_nearest_of_each_transport_is_named_when_nobody_meets_all() {
    let run = run("", "[objectives]\n\"latency\" = [\"p(99)<1ms\"]\n\"lost\" = [\"count==0\"]");
    let answer = answer(&run, &Needs::default());
    assert_eq!((answer.verdict(), answer.eligible().count()), (Verdict::Misses, 0));
    let nearest: Vec<_> = answer.nearest().iter().map(|of| of.contender.transport()).collect();
    assert_eq!(nearest, [Polling, LongPolling, Sse, WebSocket]);
    assert!(answer.cheapest.is_empty() && answer.cheapest_in_all().is_empty());
}

#[test]
fn the_textbook_is_held_against_the_figures() {
    let stands = |run: &Run, needs: &Needs| answer(run, needs).textbook;
    let none = Needs::default();
    let feed = run("", LATENCY);
    let Textbook { choice: Sse, rule: Rule::Feed, stands: Stands::Undercut { by, .. } } =
        stands(&feed, &none)
    else {
        panic!("WebSocket sends fewer bytes")
    };
    assert_eq!((by[0].metric, by[0].by.transport()), (Metric::BytesPerDelivery, WebSocket));
    assert!(by[0].own.value > by[0].other.value);
    let named = Needs { textbook: Some(Polling), ..Needs::default() };
    assert!(matches!(
        stands(&feed, &named),
        Textbook { choice: Polling, rule: Rule::Named, stands: Stands::NotEligible(_) }
    ));
    let sends = run("[workload.upstream]\nevents_per_second = 0.1", LATENCY);
    assert_eq!(stands(&sends, &none).rule, Rule::TwoWay);
    let patient = run("", "[objectives]\n\"latency\" = [\"p(99)<300s\"]");
    assert_eq!(
        (stands(&patient, &none).choice, stands(&patient, &none).rule),
        (Polling, Rule::Minutes)
    );
}

#[test]
fn what_a_choice_costs_is_no_agreement_where_it_is_missing() {
    let stands = |run: &Run| answer(run, &Needs::default()).textbook.stands;
    let mut run = run("", LATENCY);
    set(&mut run, Sse, Metric::BytesPerDelivery, None);
    let untold = Stands::Untold { choice: Sse.into(), of: vec![Metric::BytesPerDelivery] };
    assert_eq!(stands(&run), untold, "WebSocket sends 136 B, SSE nobody knows how many");
    // What it costs for so few deliveries is no figure to compare, and undercuts nobody.
    set(&mut run, Sse, Metric::BytesPerDelivery, Some(171.0));
    set(&mut run, Sse, Metric::WindowDeliveries, Some(5.0));
    assert!(matches!(stands(&run), Stands::Untold { .. }), "{:?}", stands(&run));
    for metric in COSTS {
        for transport in [Polling, LongPolling, Sse, WebSocket] {
            set(&mut run, transport, metric, None);
        }
    }
    assert_eq!(stands(&run), Stands::Untold { choice: Sse.into(), of: COSTS.to_vec() });
}

#[test]
fn another_run_may_say_otherwise_where_the_limit_is_within_the_interval() {
    let mut run = run("", "[objectives]\n\"sse.latency\" = [\"p(99)<1.3ms\"]");
    let mut own = run.trials.iter_mut().filter(|of| of.contender == Sse);
    own.next().unwrap().values.insert(Metric::LatencyP99, 1.1e6);
    own.next().unwrap().values.insert(Metric::LatencyP99, 1.4e6);
    let answer = answer(&run, &Needs::default());
    let is_close: Vec<_> = of(&answer, Sse).checks.iter().map(Check::is_close).collect();
    assert_eq!(is_close, [false, true]);
}

#[test]
fn only_what_is_far_enough_and_no_farther_shows_a_round_trip() {
    let mut run =
        swept(&[("network.round_trip", &["0ms", "50ms", "150ms", "300ms"])], 3, |_, far| {
            let far: f64 = far[0].trim_end_matches("ms").parse().unwrap();
            let measured = (far > 0.0).then_some((Metric::NetworkRoundTrip, far * 1e6));
            [(Metric::LatencyP99, (far / 2.0 + 1.0) * 1e6)].into_iter().chain(measured).collect()
        });
    run.manifest.contenders = ContenderId::all_transports();
    run.manifest.scenario.text = text("", "[objectives]\n\"latency\" = [\"p(99)<100ms\"]\n\
        [network]\nmode = \"relay\"\n[sweep]\n\"network.round_trip\" = [\"0ms\", \"50ms\", \"150ms\", \"300ms\"]")
        .replace("blocks = 2", "blocks = 3");
    let cells = |needed: Option<u64>| -> Vec<(String, Verdict)> {
        let needs = Needs { round_trip: needed.map(Duration::from_millis), ..Needs::default() };
        let guide = decided(&run, &needs).unwrap();
        guide.cells.iter().map(|of| (of.cell.clone(), of.verdict())).collect()
    };
    assert_eq!(cells(None).len(), 4);
    assert_eq!(cells(Some(100)), [("round_trip=150ms".to_owned(), Verdict::Meets)]);
    assert_eq!(cells(Some(200)), [("round_trip=300ms".to_owned(), Verdict::Misses)]);
    assert!(cells(Some(400)).iter().all(|(_, of)| *of != Verdict::Meets), "nobody was so far away");
}

#[test]
fn what_is_simple_is_known_by_what_was_shown() {
    let mut run = run("", "[objectives]\n\"latency\" = [\"p(99)<2s\"]");
    let facts = |run: &Run| {
        let answer = answer(run, &Needs::default());
        let facts = answer.simplicity.iter();
        facts.map(|of| (of.fact, of.known.len(), of.unknown.len())).collect::<Vec<_>>()
    };
    let lines = Language::ALL.map(|language| (Fact::Lines(language), 4, 0));
    assert_eq!(facts(&run), lines, "there is a client for each");
    for transport in [Polling, LongPolling, Sse, WebSocket] {
        set(&mut run, transport, Metric::BytesPerConnection, Some(300.0));
        set(&mut run, transport, Metric::ConnectTimeP50, Some(100e6));
        set(&mut run, transport, Metric::NetworkRoundTrip, Some(50e6));
    }
    let of_streams = facts(&run);
    assert_eq!(of_streams[0], (Fact::BytesToConnect, 2, 2), "a poll has asked nothing by then");
    assert_eq!(of_streams[1], (Fact::RoundTrips, 2, 2));
    let answer = answer(&run, &Needs::default());
    assert_eq!(answer.simplicity[1].known[0].1, 2.0, "100 ms of 50");
    assert!(answer.simplicity[1].least().is_empty(), "it is not known of all");
}
