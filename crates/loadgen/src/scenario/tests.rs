//! Any scenario reads back, and no text makes the reader panic.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

use super::template::TEMPLATE;
use super::*;

/// Any valid scenario.
pub(crate) fn any_scenario() -> impl Strategy<Value = Scenario> {
    let ms = |range: RangeInclusive<u64>| range.prop_map(Duration::from_millis);
    let connection = || prop_oneof![Just(Connection::KeepAlive), Just(Connection::New)];
    let arrivals = prop_oneof![Just(Arrivals::Constant), Just(Arrivals::Poisson)];
    let rates = ((0.1_f64..10_000.0, arrivals), 46_usize..=65_536, ms(0..=3_600_000));
    let workload = (1_u32..=1_000_000, any::<Index>(), rates).prop_map(
        |(subscribers, channels, ((events_per_second, arrivals), payload_bytes, idle))| Workload {
            subscribers,
            // At most 100, so that the total rate stays within its bound.
            channels: 1 + channels.index(subscribers.min(100) as usize) as u32,
            events_per_second,
            arrivals,
            payload_bytes,
            duration: Duration::from_secs(10),
            warm_up: Duration::from_secs(10),
            idle,
        },
    );
    let transports = (
        (ms(1..=10_000), connection()),
        (ms(100..=600_000), connection()),
        ms(1_000..=3_600_000),
        ms(1_000..=3_600_000),
        ms(1_000..=3_600_000),
    );
    let compare = subsequence(Transport::ALL, 1..=Transport::ALL.len());
    let head = ("[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "[!-~][ -~]{0,200}[!-~]", compare);
    (head, 1_u32..=100, 0..=i64::MAX as u64, workload, transports).prop_map(
        |((name, description, compare), blocks, seed, workload, transports)| {
            let (polling, long_polling, sse, websocket, tcp) = transports;
            let mut scenario = Scenario {
                name,
                description,
                compare,
                blocks,
                seed,
                workload,
                polling: Polling { interval: polling.0, connection: polling.1 },
                long_polling: LongPolling { timeout: long_polling.0, connection: long_polling.1 },
                sse: Sse { heartbeat: sse },
                websocket: WebSocket { heartbeat: websocket },
                tcp: Tcp { heartbeat: tcp },
                thresholds: Vec::new(),
                gates: Gate::DEFAULTS.to_vec(),
            };
            // The least allowed payload fits into the server's log at every rate above.
            let most = (1 << 30) / scenario.log_events();
            scenario.workload.payload_bytes = scenario.workload.payload_bytes.min(most as usize);
            scenario
        },
    )
}

fn to_toml(scenario: &Scenario) -> String {
    let ms = |duration: Duration| format!("\"{}ms\"", duration.as_millis());
    let connection = |connection| serde_json::to_string(&connection).unwrap();
    let names: Vec<_> = scenario.compare.iter().rev().map(|transport| transport.name()).collect();
    let Scenario { name, description, blocks, seed, workload, .. } = scenario;
    let mut text = String::new();
    writeln!(text, "name = \"{name}\"\ncompare = {names:?}\nblocks = {blocks}\nseed = {seed}")
        .unwrap();
    writeln!(text, "description = {}", serde_json::to_string(description).unwrap()).unwrap();
    writeln!(text, "[workload]\nsubscribers = {}", workload.subscribers).unwrap();
    writeln!(text, "channels = {}", workload.channels).unwrap();
    writeln!(text, "events_per_second = {:?}", workload.events_per_second).unwrap();
    let arrivals = serde_json::to_string(&workload.arrivals).unwrap();
    writeln!(text, "arrivals = {arrivals}").unwrap();
    writeln!(text, "payload_bytes = {}", workload.payload_bytes).unwrap();
    writeln!(text, "duration = {}", ms(workload.duration)).unwrap();
    writeln!(text, "warm_up = {}", ms(workload.warm_up)).unwrap();
    writeln!(text, "idle = {}", ms(workload.idle)).unwrap();
    writeln!(text, "[polling]\ninterval = {}", ms(scenario.polling.interval)).unwrap();
    writeln!(text, "connection = {}", connection(scenario.polling.connection)).unwrap();
    writeln!(text, "[long-polling]\ntimeout = {}", ms(scenario.long_polling.timeout)).unwrap();
    writeln!(text, "connection = {}", connection(scenario.long_polling.connection)).unwrap();
    writeln!(text, "[sse]\nheartbeat = {}", ms(scenario.sse.heartbeat)).unwrap();
    writeln!(text, "[websocket]\nheartbeat = {}", ms(scenario.websocket.heartbeat)).unwrap();
    writeln!(text, "[tcp]\nheartbeat = {}", ms(scenario.tcp.heartbeat)).unwrap();
    text
}

fn scenarios_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")
}

#[test]
fn every_shipped_scenario_loads_and_shows_a_p99() {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(scenarios_folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let (scenario, text) = Scenario::load(&path).unwrap_or_else(|error| panic!("{error}"));
        assert!(text.starts_with("#:schema ./scenario.schema.json\n"), "{}", path.display());
        assert_eq!(path.file_stem().unwrap(), scenario.name.as_str());
        assert_eq!(scenario.compare, Transport::ALL, "{}", scenario.name);
        assert!(scenario.workload.deliveries() >= 5_000, "{}", scenario.name);
        names.push(scenario.name);
    }
    names.sort();
    assert_eq!(names, ["default", "notifications", "smoke", "stock-ticker", "thousand"]);
}

#[test]
fn the_shipped_schema_is_that_of_the_types() {
    let shipped = std::fs::read_to_string(scenarios_folder().join("scenario.schema.json")).unwrap();
    assert!(
        shipped == json_schema(),
        "stale; renew it with: cargo run -- schema > scenarios/scenario.schema.json"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    for (path, reason) in [
        (folder.path().join("absent.toml"), "No such file or directory (os error 2)"),
        (folder.path().to_owned(), "Is a directory (os error 21)"),
        (written("binary.toml", &[0xff, 0xfe]), "stream did not contain valid UTF-8"),
        (
            written("huge.toml", &[b' '; 1024 * 1024 + 1]),
            "is larger than 1 MiB, so it is no scenario",
        ),
    ] {
        let error = Scenario::load(&path).unwrap_err().to_string();
        assert_eq!(error, format!("{}: {reason}", path.display()));
    }
}

#[test]
fn events_are_whole_gaps_never_fewer_than_asked() {
    let events = |span_ms, per_second| events_within(Duration::from_millis(span_ms), per_second);
    assert_eq!(events(12_000, 10.0), 120);
    assert_eq!(events(300, 10.0), 3);
    assert_eq!(events(1_100, 30.0), 33);
    assert_eq!(events(2_000, 0.1), 1);
    assert_eq!(events(301, 10.0), 4);
    assert_eq!(events(0, 10.0), 0);
}

proptest! {
    #[test]
    fn deliveries_are_those_of_the_channels_subscribers(
        scenario in any_scenario(), subscribers in 1_u32..60, channels in 1_u32..60, events in 0_u64..300,
    ) {
        let channels = channels.min(subscribers);
        let workload = Workload { subscribers, channels, ..scenario.workload };
        let expected: u64 = (0..events)
            .map(|event| event % u64::from(channels))
            .map(|channel| (0..u64::from(subscribers)).filter(|s| s % u64::from(channels) == channel).count() as u64)
            .sum();
        prop_assert_eq!(workload.deliveries_of(events), expected);
    }

    #[test]
    fn every_scenario_reads_back(scenario in any_scenario()) {
        let text = to_toml(&scenario);
        match Scenario::parse(&text, "any.toml") {
            Ok(read) => prop_assert_eq!(read, scenario),
            Err(error) => prop_assert!(false, "{error}\n{text}"),
        }
    }

    #[test]
    fn any_text_is_read_without_panic(text in "\\PC{0,200}", lines in any::<Vec<String>>()) {
        let _ = Scenario::parse(&text, "any.toml");
        let _ = Scenario::parse(&lines.join("\n"), "any.toml");
    }

    #[test]
    fn a_mutated_scenario_is_read_without_panic(
        edits in prop::collection::vec((any::<Index>(), 0_usize..12, "\\PC{0,4}|[0-9.e\"=\\[\\]-]{0,6}"), 1..6)
    ) {
        let mut text: Vec<char> = TEMPLATE.lines().filter(|line| !line.starts_with('#'))
            .flat_map(|line| line.chars().chain(['\n'])).collect();
        for (at, removed, inserted) in edits {
            let start = at.index(text.len() + 1);
            let end = text.len().min(start + removed);
            text.splice(start..end, inserted.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(error) = Scenario::parse(&text, "mutated.toml") {
            // Each problem is one line that names the file.
            for line in error.to_string().lines() {
                prop_assert!(line.starts_with("mutated.toml:"), "{error}");
            }
        }
    }
}
