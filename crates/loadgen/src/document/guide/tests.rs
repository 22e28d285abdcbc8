use pushbench_wire::Transport;

use super::*;
use crate::analysis::analyse;
use crate::analysis::guide::{AtMost, Needs, guide as decide};
use crate::document::block::{Item, Section};
use crate::document::limits::tests::with_objectives;
use crate::document::swept_run;
use crate::results::{LatencyLog, Metric, Outcome, Warning};

/// The fixture's run with these objectives, all of it valid.
fn run(objectives: &str) -> Run {
    let mut run = with_objectives(objectives);
    let first: Vec<_> = run.trials.iter().filter(|of| of.block == 1).cloned().collect();
    for (trial, first) in run.trials.iter_mut().zip(first.iter().cycle()) {
        trial.values.clone_from(&first.values);
        trial.outcome = Outcome::Valid;
        trial.warnings.clear();
    }
    run
}

const LATENCY: &str = "\"latency\" = [\"p(99)<1.5ms\"]";

fn said(run: &Run, needs: &Needs) -> Document {
    let analysis = analyse(run, &LatencyLog::default());
    let guide = decide(run, &analysis, needs).unwrap();
    super::guide(run, &analysis, &guide)
}

/// The sections of a document, by heading, with the sentences of their lists.
fn sections(document: &Document) -> Vec<(String, Vec<String>)> {
    let items = |section: &Section| -> Vec<String> {
        let texts = section.blocks.iter().flat_map(|block| match block {
            Block::List(list) => list.items.clone(),
            _ => Vec::<Item>::new(),
        });
        texts.map(|item| format!("{} {}", item.mark, item.text).trim().to_owned()).collect()
    };
    let own = document.blocks.iter().filter_map(|block| match block {
        Block::Section(section) => Some((section.heading.clone(), items(section))),
        _ => None,
    });
    own.collect()
}

/// Whether a sentence names the cell of the results that it comes from.
fn cites(sentence: &str) -> bool {
    let names = Transport::ALL.iter().map(|of| of.name());
    let has_contender = names.into_iter().any(|name| sentence.contains(&format!("({name} ")));
    let has_metric = Metric::ALL.iter().any(|of| sentence.contains(&format!(" {} ", of.name())));
    has_contender && has_metric
}

#[test]
fn every_sentence_names_the_cell_that_it_comes_from() {
    for objectives in [LATENCY, "\"latency\" = [\"p(99)<1ms\"]", "\"latency\" = [\"p(99)<2s\"]"] {
        let run = run(objectives);
        let document = said(&run, &Needs::default());
        let nobody = document.headline.starts_with("None of ");
        assert!(nobody || cites(&document.headline), "{}", document.headline);
        for (heading, sentences) in sections(&document) {
            // What is not known has no cell.
            let is_exempt =
                heading == "Where costs change sides" || heading == "Which of them is simplest";
            for sentence in sentences.iter().filter(|_| !is_exempt) {
                assert!(cites(sentence), "{heading}: {sentence}");
            }
        }
    }
}

#[test]
fn the_answer_says_who_and_why() {
    let document = said(&run(LATENCY), &Needs::default());
    assert_eq!(
        document.headline,
        "Take WebSocket: 2 of 4 contenders meet all that is asked, and no other of them surely costs less in \
         anything that was measured (websocket server_cpu_per_delivery 3.00 µs [3.00 µs]) (websocket \
         bytes_per_delivery 136 B [136 B]) (websocket generator_cpu_per_delivery 4.40 µs [4.40 µs])."
    );
    let sections = sections(&document);
    let (heading, verdicts) = &sections[0];
    assert_eq!(heading, "Who meets all that is asked");
    assert_eq!(
        verdicts[0],
        "✓ SSE meets every event once and in order (sse delivered 48,000 [counted]); latency p(99)<1.5ms \
         (sse latency_p99 1.20 ms [1.20 ms])."
    );
    assert_eq!(
        verdicts[2],
        "✗ Polling misses latency p(99)<1.5ms, at 660× the limit (polling latency_p99 990 ms [990 ms])."
    );
    let changes = &sections.iter().find(|(of, _)| of == "What would change the answer").unwrap().1;
    assert_eq!(
        changes[0],
        "Polling would meet all if the limit of latency p(99)<1.5ms were above its figure (polling latency_p99 \
         990 ms [990 ms])."
    );
}

#[test]
fn what_costs_less_in_one_thing_and_more_in_another_stays_two_things() {
    let mut run = run(LATENCY);
    for trial in run.trials.iter_mut().filter(|of| of.contender == Transport::Sse) {
        trial.values.insert(Metric::GeneratorCpuPerDelivery, 2_000.0);
    }
    assert_eq!(
        said(&run, &Needs::default()).headline,
        "2 of 4 contenders meet all that is asked; which of them is cheapest depends on what you pay for: \
         server CPU per delivery for WebSocket and SSE (websocket server_cpu_per_delivery 3.00 µs [3.00 µs]) \
         (sse server_cpu_per_delivery 3.10 µs [3.10 µs]); bytes per delivery for WebSocket (websocket \
         bytes_per_delivery 136 B [136 B]); subscriber CPU per delivery for SSE (sse \
         generator_cpu_per_delivery 2.00 µs [2.00 µs])."
    );
}

#[test]
fn nobody_is_recommended_who_misses_something() {
    let document = said(&run("\"latency\" = [\"p(99)<1ms\"]"), &Needs::default());
    assert_eq!(document.headline, "None of 4 contenders meets all that is asked.");
    let sections = sections(&document);
    let (heading, verdicts) = &sections[0];
    assert_eq!((heading.as_str(), verdicts.len()), ("What comes nearest", 4));
    assert!(verdicts.iter().all(|of| of.starts_with('✗')), "{verdicts:?}");
    assert!(sections.iter().all(|(heading, _)| heading != "What those that do cost"));
}

#[test]
fn what_nobody_has_shown_is_said_with_what_would_show_it() {
    let needs = Needs { proxies: vec!["nginx".to_owned()], two_way: true, ..Needs::default() };
    let document = said(&run(LATENCY), &needs);
    assert_eq!(document.headline, "None of 4 contenders is known to meet all that is asked.");
    let verdicts = &sections(&document)[0].1;
    assert_eq!(
        verdicts[0],
        "? Polling cannot be judged by a way through nginx: polling was not measured through it: name it in \
         `proxy` of the scenario."
    );
    let budget = AtMost::read("server_memory_peak", "1MB").unwrap();
    let document = said(&run(LATENCY), &Needs { budget: vec![budget], ..Needs::default() });
    let said = &sections(&document)[0].1;
    assert!(
        said.iter().any(|of| of.contains("0 of 2 trials of sse have server_memory_peak")),
        "missing is said, and is not 0: {said:?}"
    );
}

#[test]
fn refusals_say_why() {
    let of = |refusal: Refusal| super::refusal(&refusal);
    let untrusted = of(Refusal::Untrusted {
        cell: "base".to_owned(),
        contender: Transport::Sse.into(),
        valid: 1,
        planned: 5,
        reason: Some(Warning::CpuStolen { percent: 14.2 }),
    });
    assert!(
        untrusted.contains("only 1 of 5 trials of sse in base are valid: 14.2 %"),
        "{untrusted}"
    );
    assert!(of(Refusal::Interrupted { ran: 3, planned: 8 }).contains("after 3 of 8 trials"));
    assert!(of(Refusal::NothingAsked).contains("[objectives]"));
}

#[test]
fn a_sweep_has_an_answer_for_each_cell_and_says_where_costs_change_sides() {
    let mut run = swept_run();
    run.manifest.contenders = ContenderId::all_transports();
    run.manifest.scenario.text = "name = \"swept\"\ndescription = \"Rates.\"\n\
        [workload]\nsubscribers = 100\nevents_per_second = 20.0\npayload_bytes = 100\n\
        duration = \"12s\"\nwarm_up = \"2s\"\n\
        [objectives]\n\"latency\" = [\"p(50)<100ms\"]\n\
        [sweep]\n\"workload.events_per_second\" = [0.2, 1, 5, 20]\n"
        .to_owned();
    let document = said(&run, &Needs::default());
    assert_eq!(document.headline, "In 4 of 4 cells, something meets all that is asked.");
    let table = document.blocks.iter().find_map(|block| match block {
        Block::Table(table) => Some(table),
        _ => None,
    });
    let rows: Vec<Vec<_>> = table
        .unwrap()
        .rows
        .iter()
        .map(|row| row.entries.iter().map(|entry| entry.text.as_str()).collect())
        .collect();
    assert_eq!(rows[0], ["long polling", "✗", "✓", "✓", "✓"], "0.2 events a second");
    assert_eq!(rows[3], ["SSE and WebSocket", "✗", "✓", "✓", "✓"], "20 events a second");
    let cells = document.blocks.iter().find_map(|block| match block {
        Block::Each(_, cells) => Some(cells),
        _ => None,
    });
    let Block::Prose(first) = &cells.unwrap()[0].blocks[0] else { panic!("its headline") };
    assert!(
        first.contains("(long-polling in events_per_second=0.2 server_cpu_per_delivery "),
        "{first}"
    );
    let (_, crossovers) = sections(&document).pop().unwrap();
    assert!(
        crossovers.iter().any(|of| of.starts_with("With events_per_second above about ")
            && of.contains("long polling has higher server CPU per delivery than SSE")),
        "{crossovers:?}"
    );
}
