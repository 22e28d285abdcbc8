//! Any scenario reads back, and no text makes the reader panic.

mod to_toml;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

use super::template::TEMPLATE;
use super::workload::events_within;
use pushbench_wire::Transport;

use super::*;
use to_toml::to_toml;

/// Ten subscribers of a channel with ten events per second, and nothing special.
pub(crate) fn plain() -> Workload {
    Workload {
        subscribers: 10,
        channels: 1,
        channels_per_subscriber: 1,
        popularity: Popularity::Even,
        events_per_second: 10.0,
        arrivals: Arrivals::Constant,
        bursts: None,
        payload_bytes: PayloadBytes::Fixed(128),
        content: Content::Text,
        trace: None,
        upstream: None,
        phases: Vec::new(),
        faults: Vec::new(),
        reconnect: Reconnect::USUAL,
        slow: None,
        duration: Duration::from_secs(10),
        warm_up: Duration::from_secs(2),
        idle: Duration::ZERO,
    }
}

/// Any traffic within a second of warm-up and ten of measuring.
pub(crate) fn any_workload() -> impl Strategy<Value = Workload> {
    let arrivals = prop_oneof![Just(Arrivals::Constant), Just(Arrivals::Poisson)];
    let sizes = prop_oneof![
        (46_usize..=65_536).prop_map(PayloadBytes::Fixed),
        (46_usize..500, 500_usize..=65_536).prop_map(|(a, b)| PayloadBytes::Uniform(a, b)),
        (46_usize..500, 500_usize..=65_536)
            .prop_map(|(median, p99)| PayloadBytes::LogNormal { median, p99 }),
        proptest::collection::vec((46_usize..=65_536, 0.1_f64..9.0), 1..4)
            .prop_map(PayloadBytes::Mix),
    ];
    let sizes = || sizes.clone();
    let upstream = (0.2_f64..2.0, sizes()).prop_map(|(events_per_second, payload_bytes)| {
        Upstream { events_per_second, payload_bytes }
    });
    let bursts = prop_oneof![Just(100_u64), Just(500)].prop_map(|on| Bursts {
        on: Duration::from_millis(on),
        off: Duration::from_millis(1_000 - on),
    });
    let phases = proptest::collection::vec((0.1_f64..9.0, 0.0_f64..9.0), 1..4).prop_map(|rates| {
        let phase = |(index, (from, to)): (u64, (f64, f64))| Phase {
            name: format!("phase {index}"),
            duration: Duration::from_secs(index + 1),
            rate: [from, to],
        };
        (0..).zip(rates).map(phase).collect::<Vec<_>>()
    });
    let uneven = prop_oneof![
        Just((None, Vec::new())),
        bursts.prop_map(|bursts| (Some(bursts), Vec::new())),
        phases.prop_map(|phases| (None, phases)),
    ];
    let popularity = prop_oneof![Just(Popularity::Even), (0.1_f64..3.0).prop_map(Popularity::Zipf)];
    let content = prop_oneof![Just(Content::Text), Just(Content::Json), Just(Content::Binary)];
    let who = (1_u32..=200, any::<Index>(), any::<Index>(), popularity);
    let what = (0.5_f64..10.0, arrivals, sizes(), content, proptest::option::of(upstream), uneven);
    (who, what).prop_map(|((subscribers, channels, each, popularity), what)| {
        let (events_per_second, arrivals, payload_bytes, content, upstream, uneven) = what;
        let (bursts, phases) = uneven;
        let channels = 1 + channels.index(subscribers.min(20) as usize) as u32;
        Workload {
            subscribers,
            channels,
            channels_per_subscriber: 1 + each.index(channels.min(5) as usize) as u32,
            popularity,
            events_per_second,
            arrivals,
            bursts,
            payload_bytes,
            content,
            upstream,
            duration: match &phases[..] {
                [] => Duration::from_secs(10),
                phases => phases.iter().map(|phase| phase.duration).sum(),
            },
            warm_up: Duration::from_secs(1),
            phases,
            ..plain()
        }
    })
}

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
            payload_bytes: PayloadBytes::Fixed(payload_bytes),
            duration: Duration::from_secs(10),
            warm_up: Duration::from_secs(10),
            idle,
            ..plain()
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
    // Of settings of their own, in the order of transports.
    let own = subsequence(Transport::ALL, 0..=Transport::ALL.len());
    let own = (own, ms(1..=10_000), ms(1_000..=600_000));
    let head = ("[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "[!-~][ -~]{0,200}[!-~]", compare, own);
    (head, 1_u32..=100, 0..=i64::MAX as u64, workload, transports).prop_map(
        |((name, description, compare, own), blocks, seed, workload, transports)| {
            let (polling, long_polling, sse, websocket, tcp) = transports;
            let stream = Stream::every;
            let settings = |transport| match transport {
                Transport::Polling => {
                    Settings::Polling(Polling { interval: polling.0, connection: polling.1 })
                }
                Transport::LongPolling => {
                    let (timeout, connection) = long_polling;
                    Settings::LongPolling(LongPolling { timeout, connection })
                }
                Transport::Sse => Settings::Stream(stream(sse)),
                Transport::WebSocket => Settings::Stream(stream(websocket)),
                Transport::Tcp => Settings::Stream(stream(tcp)),
            };
            let (own, interval, period) = own;
            let own = own.into_iter().map(|transport| {
                let settings = match settings(transport) {
                    Settings::Polling(of) => Settings::Polling(Polling { interval, ..of }),
                    Settings::LongPolling(of) => {
                        Settings::LongPolling(LongPolling { timeout: period, ..of })
                    }
                    Settings::Stream(_) => Settings::Stream(stream(period)),
                };
                (Identity::named(format!("own.{transport}"), transport), settings)
            });
            let compared = compare.into_iter().map(|of| (Identity::of(of), settings(of)));
            let mut lineup: Vec<(Identity, Settings)> = compared.chain(own).collect();
            lineup.sort_by_key(|(identity, _)| identity.role == Role::Reference);
            let (identities, settings): (Vec<_>, Vec<_>) = lineup.into_iter().unzip();
            let contenders = ContenderId::all(identities).into_iter().zip(settings);
            let mut scenario = Scenario {
                name,
                description,
                contenders: contenders
                    .map(|(id, settings)| Contender {
                        id,
                        settings,
                        server: None,
                        multiplex: false,
                        road: Road::default(),
                        fallback: None,
                    })
                    .collect(),
                blocks,
                seed,
                workload,
                thresholds: Vec::new(),
                objectives: Vec::new(),
                needs: Needs::default(),
                gates: Gate::DEFAULTS.to_vec(),
                sweep: Vec::new(),
                published: Vec::new(),
            };
            // The least allowed payload fits into the server's log at every rate above.
            let most = (1 << 30) / scenario.log_events();
            let bytes = scenario.workload.payload_bytes.most().min(most as usize);
            scenario.workload.payload_bytes = PayloadBytes::Fixed(bytes);
            scenario
        },
    )
}

#[test]
fn one_connection_for_all_channels_is_a_contenders_choice() {
    let path = scenarios_folder().join("trading-screen.toml");
    let (screen, _) = Scenario::load(&path).unwrap_or_else(|error| panic!("{error}"));
    let workload = &screen.workload;
    let connections = |name: &str| {
        let contender = screen.contenders.iter().find(|of| of.id.name() == name).unwrap();
        assert_eq!(contender.shares_connections(workload), contender.multiplex);
        contender.connections_per_subscriber(workload)
    };
    assert_eq!([connections("sse"), connections("sse-each")], [1, 20]);
    assert_eq!((screen.sockets_per_subscriber(), screen.sockets()), (20, 2_000));
    assert_eq!((workload.memberships(), screen.deliveries()), (2_000, 20_000));
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
        let own = [
            "compression",
            "distance",
            "http-versions",
            "lossy-mobile",
            "multiplexing",
            "three-nodes",
            "tls",
            "trading-screen",
        ];
        if !own.contains(&&scenario.name[..]) {
            assert!(scenario.contender_ids().eq(Transport::ALL), "{}", scenario.name);
        }
        assert!(scenario.deliveries() >= 5_000, "{}", scenario.name);
        names.push(scenario.name);
    }
    names.sort();
    assert_eq!(
        names,
        [
            "auction",
            "chat",
            "collaborative-editing",
            "compression",
            "dashboard-refresh",
            "default",
            "distance",
            "email-check",
            "http-versions",
            "iot-telemetry",
            "live-scores",
            "lossy-mobile",
            "mobile-handover",
            "multiplayer-game",
            "multiplexing",
            "notifications",
            "rate-sweep",
            "reconnect-storm",
            "rolling-restart",
            "silent-drop",
            "slow-consumers",
            "smoke",
            "social-feed",
            "stock-ticker",
            "thousand",
            "three-nodes",
            "tls",
            "trading-screen",
        ]
    );
}

#[test]
fn every_published_setup_loads_and_names_its_figures() {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(scenarios_folder().join("published")).unwrap() {
        let path = entry.unwrap().path();
        let (scenario, text) = Scenario::load(&path).unwrap_or_else(|error| panic!("{error}"));
        assert!(text.starts_with("#:schema ../scenario.schema.json\n"), "{}", path.display());
        assert_eq!(path.file_stem().unwrap(), scenario.name.as_str());
        if !["http-versions", "tls", "trading-screen"].contains(&&scenario.name[..]) {
            assert!(scenario.contender_ids().eq(Transport::ALL), "{}", scenario.name);
        }
        assert!(scenario.deliveries() >= 5_000, "{}", scenario.name);
        found.push((scenario.name, scenario.published.len()));
    }
    found.sort();
    let found: Vec<_> = found.iter().map(|(name, figures)| (name.as_str(), *figures)).collect();
    assert_eq!(
        found,
        [
            ("cometd-chat", 6),
            ("kaazing-headers", 2),
            ("nagle", 2),
            // Theory is its reference.
            ("pimentel-nickerson", 0),
            ("read-buffer", 4),
        ]
    );
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
        (folder.path().to_owned(), "is a folder, not a file"),
        (written("binary.toml", &[0xff, 0xfe]), "is UTF-16: save it as UTF-8"),
        (written("huge.toml", &[b' '; 1024 * 1024 + 1]), "is larger than 1 MiB"),
    ] {
        let error = Scenario::load(&path).unwrap_err().to_string();
        assert_eq!(error, format!("{}: {reason}", path.display()));
    }
}

#[test]
fn no_file_is_answered_with_more_than_anyone_reads() {
    let unknown: String = (0..100_000).map(|key| format!("k{key} = 1\n")).collect();
    let error = Scenario::parse(&unknown, "huge.toml").unwrap_err().to_string();
    assert!(error.lines().count() < 110);
    assert_eq!(error.lines().last().unwrap(), "huge.toml: 99900 more problems");
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
