//! Which cells a sweep has, and what each of them is.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::scenario::template::TEMPLATE;
use crate::scenario::{Connection, Settings, Stream};

fn swept(sweep: &str) -> Scenario {
    let text = TEMPLATE.replace("[sweep]\n", &format!("[sweep]\n{sweep}\n"));
    Scenario::parse(&text, "sweep.toml").unwrap_or_else(|error| panic!("{error}"))
}

fn names(scenario: &Scenario) -> Vec<&str> {
    scenario.cells().into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_scenario_without_a_sweep_is_its_only_cell() {
    let scenario = swept("");
    assert_eq!(scenario.cells(), [(BASE_CELL, &scenario)]);
    assert_eq!(scenario.cell("whatever"), Some(&scenario));
}

#[test]
fn every_combination_is_a_cell_and_the_last_key_changes_fastest() {
    let scenario = swept(
        "\"polling.interval\" = [\"1s\", \"500ms\"]\n\"workload.subscribers\" = [50, 1_00, 0xc8]",
    );
    assert_eq!(
        names(&scenario),
        [
            "interval=1s, subscribers=50",
            "interval=1s, subscribers=100",
            "interval=1s, subscribers=200",
            "interval=500ms, subscribers=50",
            "interval=500ms, subscribers=100",
            "interval=500ms, subscribers=200",
        ]
    );
    let cell = &scenario.sweep[4];
    assert_eq!(cell.scenario.workload.subscribers, 100);
    assert_eq!(cell.scenario.longest_polling_interval(), Some(Duration::from_millis(500)));
    let own = |key: &str, value: &str| SweptValue { key: key.into(), value: value.into() };
    assert_eq!(
        cell.settings,
        [own("polling.interval", "500ms"), own("workload.subscribers", "100")]
    );
    assert_eq!(scenario.cell(&cell.name), Some(&cell.scenario));
    assert_eq!(scenario.cell(BASE_CELL), None);
    assert_eq!(scenario.workload.subscribers, 200, "the base is as the file has it");
}

#[test]
fn a_cell_is_the_file_with_its_values_and_nothing_else() {
    let scenario = swept("\"workload.events_per_second\" = [0.5, 2, 8.0]");
    assert_eq!(
        names(&scenario),
        ["events_per_second=0.5", "events_per_second=2", "events_per_second=8"]
    );
    for (cell, text) in scenario.sweep.iter().zip(["0.5", "2", "8.0"]) {
        let text =
            TEMPLATE.replace("events_per_second = 10.0", &format!("events_per_second = {text}"));
        assert_eq!(Scenario::parse(&text, "").unwrap(), cell.scenario);
    }
}

#[test]
fn tables_that_the_file_leaves_out_are_made() {
    let (text, _) = TEMPLATE.split_once("# Below are the defaults").unwrap();
    let text = format!("{text}[sweep]\n\"polling.connection\" = [\"keep-alive\", \"new\"]\n");
    let scenario = Scenario::parse(&text, "").unwrap();
    assert_eq!(names(&scenario), ["connection=keep-alive", "connection=new"]);
    assert_eq!(scenario.sweep[1].scenario.contenders[0].settings.connection(), Connection::New);
    assert_eq!(scenario.sweep[0].scenario, Scenario { sweep: Vec::new(), ..scenario.clone() });
}

#[test]
fn keys_that_end_alike_have_their_whole_path() {
    let scenario = swept(
        "\"sse.heartbeat\" = [\"5s\", \"15s\"]\n\"tcp.heartbeat\" = [\"5s\", \"15s\"]\n\
         \"workload.channels\" = [1, 2]",
    );
    assert_eq!(names(&scenario)[0], "sse.heartbeat=5s, tcp.heartbeat=5s, channels=1");
    let last = &scenario.sweep[7].scenario;
    assert_eq!(
        last.contenders[2].settings,
        Settings::Stream(Stream::every(Duration::from_secs(15)))
    );
    assert_eq!(last.workload.channels, 2);
}

#[test]
fn amounts_have_a_place_and_words_have_none() {
    let of = |value: &str| SweptValue { key: String::new(), value: value.to_owned() }.amount();
    assert_eq!(of("50"), Some(Amount::Number(50.0)));
    assert_eq!(of("0.5"), Some(Amount::Number(0.5)));
    assert_eq!(of("250ms"), Some(Amount::Seconds(0.25)));
    for word in ["keep-alive", "true", "{ uniform = [64, 128] }", "inf", "nan", ""] {
        assert_eq!(of(word), None, "{word}");
    }
}

proptest! {
    #[test]
    fn any_sweep_is_read_without_panic(
        path in "[a-z.]{0,12}|workload\\.(subscribers|channels|duration|idle)(\\.[a-z]{1,3})?|polling\\.[a-z]{1,9}",
        values in prop::collection::vec("[0-9]{1,7}|\"[0-9]{1,4}m?s\"|true|\\[\\]|\\{ a = 1 \\}", 0..5),
    ) {
        let line = format!("\"{path}\" = [{}]", values.join(", "));
        let text = TEMPLATE.replace("[sweep]\n", &format!("[sweep]\n{line}\n"));
        let at = 1 + text.lines().position(|found| found == line).unwrap();
        match Scenario::parse(&text, "any.toml") {
            Ok(scenario) => prop_assert_eq!(scenario.sweep.len(), values.len()),
            Err(error) => for problem in error.to_string().lines() {
                prop_assert!(problem.starts_with(&format!("any.toml:{at}: ")), "{}", error);
            }
        }
    }
}
