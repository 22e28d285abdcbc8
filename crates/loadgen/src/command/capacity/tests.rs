use pushbench_wire::Transport;

use super::*;
use crate::campaign::scripted::{self, Said, ScriptedRunner, disturbed, failed, valid};
use crate::campaign::{Interrupted, Setup, TrialOutput};
use crate::results::fixture;
use crate::scenario::Scenario;
use crate::scenario::template::TEMPLATE;

fn source(objectives: &str) -> Source {
    let text = TEMPLATE.replace("[objectives]\n", &format!("[objectives]\n{objectives}\n"));
    let scenario = Scenario::parse(&text, "").unwrap();
    Source { path: "mine.toml".into(), scenario, text }
}

#[test]
fn who_has_objectives_is_searched() {
    use Transport::{LongPolling, Polling, Sse, WebSocket};
    let all = source("\"latency\" = [\"p(99)<100ms\"]");
    assert_eq!(contenders(&all, &[]).unwrap(), [Polling, LongPolling, Sse, WebSocket]);
    assert_eq!(
        contenders(&all, &["websocket".into(), "polling".into()]).unwrap(),
        [Polling, WebSocket]
    );
    let tcp = contenders(&all, &["tcp".into()]).unwrap_err().to_string();
    assert!(tcp.contains("\"tcp.latency\" = ["), "{tcp}");
    let none = contenders(&all, &["pigeon".into()]).unwrap_err().to_string();
    assert!(none.starts_with("mine.toml: unknown contender `pigeon`; expected one of polling, "));
    let one = source("\"sse.latency\" = [\"p(99)<100ms\"]");
    assert_eq!(contenders(&one, &[]).unwrap(), [Sse]);
}

#[test]
fn without_objectives_an_example_is_shown() {
    let error = contenders(&source(""), &[]).unwrap_err().to_string();
    assert!(error.starts_with("mine.toml: capacity is the largest load"), "{error}");
    assert!(error.ends_with("[objectives]\n\"latency\" = [\"p(99)<100ms\"]"), "{error}");
}

#[test]
fn the_status_is_that_of_the_worst_search() {
    let mut capacity = fixture::capacity();
    assert_eq!(status(&capacity), ExitStatus::Interrupted);
    capacity.manifest.interrupted = false;
    capacity.searches.retain(|of| of.contender != Transport::LongPolling);
    assert_eq!(status(&capacity), ExitStatus::Complete, "bounds from below are found, too");
    let spoiled = capacity.searches[2].attempts[2].answer;
    for attempt in &mut capacity.searches[1].attempts {
        attempt.answer = spoiled;
    }
    capacity.searches[1].attempts.iter_mut().for_each(|of| of.load = 50.0);
    assert_eq!(status(&capacity), ExitStatus::Untrusted);
    for attempt in &mut capacity.searches[0].attempts {
        attempt.answer = crate::results::capacity::Answer::Failed;
    }
    let again = capacity.searches[0].attempts[0].clone();
    capacity.searches[0].attempts.push(again);
    assert_eq!(status(&capacity), ExitStatus::Failed);
}

/// Searches by a script for a capacity of SSE from 200 subscribers to 400: the status, and what was
/// printed and said.
fn search_with(
    script: impl FnMut(&Setup, usize) -> Result<TrialOutput, Interrupted>,
) -> (ExitStatus, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let options = CapacityOptions {
        scenario: "mine.toml".into(),
        varied: LoadAxis::Subscribers,
        max: Some(400.0),
        contenders: Vec::new(),
        invocation: scripted::invocation(dir.path().join("out")),
    };
    let source = source("\"sse.latency\" = [\"p(50)<100ms\"]");
    let session = Session::new(&options, &source).unwrap();
    assert_eq!(session.sockets(), 400, "no more is tried");
    let (said, mut out) = (Said::default(), Vec::new());
    let mut progress = said.progress(Detail::Plan);
    let status = session
        .run(&mut ScriptedRunner::new(script), &mut progress, &mut Screen::kept(&mut out))
        .unwrap();
    let error = Session::new(&options, &source).err().unwrap().to_string();
    assert!(error.contains("out already holds a search"), "{error}");
    (status, String::from_utf8(out).unwrap(), said.text())
}

#[test]
fn what_is_found_is_printed() {
    let (status, out, said) = search_with(|setup, _| Ok(valid(setup)));
    assert_eq!(status, ExitStatus::Complete);
    assert!(out.contains("at least 400 subscribers") && out.contains("capacity.html\n"), "{out}");
    assert!(said.contains("SSE, 400 subscribers: "), "{said}");

    let (status, out, _) = search_with(|setup, _| {
        let mut output = valid(setup);
        output.trial.values.insert(crate::results::Metric::LatencyP50, 1e9);
        Ok(output)
    });
    assert_eq!(status, ExitStatus::Complete, "that it is nothing is known, too");
    assert!(out.contains("less than 1 subscriber"), "{out}");
}

#[test]
fn what_is_not_found_is_told_from_what_failed() {
    assert_eq!(search_with(|setup, _| Ok(disturbed(setup))).0, ExitStatus::Untrusted);
    let (status, out, said) = search_with(|setup, _| Ok(failed(setup)));
    assert_eq!(status, ExitStatus::Failed);
    assert!(format!("{out}{said}").contains("no room"), "{out}{said}");
    let (status, _, said) = search_with(|_, _| Err(Interrupted));
    assert_eq!(status, ExitStatus::Interrupted);
    assert!(said.ends_with("Interrupted: the trials that have ended are kept.\n"), "{said}");
}
