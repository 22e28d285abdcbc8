use std::fs;

use crate::scenario::{Proxy, Scenario, SseFraming};

const HEAD: &str = "name = \"a\"\ndescription = \"b\"\n";

const WORKLOAD: &str = "[workload]\nsubscribers = 1\nevents_per_second = 1\npayload_bytes = 64\n\
                        duration = \"1s\"\nwarm_up = \"1s\"\n";

fn parse(top: &str, rest: &str) -> Result<Scenario, String> {
    let text = format!("{HEAD}{top}\n{WORKLOAD}{rest}");
    Scenario::parse(&text, "a.toml").map_err(|error| error.to_string())
}

fn names(scenario: &Scenario) -> Vec<(&str, &str)> {
    scenario.contender_ids().map(|id| (id.name(), id.label())).collect()
}

#[test]
fn a_proxy_is_named_described_or_one_of_several() {
    let one = parse("compare = [\"sse\"]\nproxy = \"nginx-tls\"", "").unwrap();
    assert_eq!(names(&one), [("sse", "SSE")], "who has only one keeps its name");
    let nginx = one.contenders[0].road.proxy.as_ref().unwrap();
    let config = nginx.config.as_ref().unwrap();
    assert!(nginx.tls && config.contains("listen {listen} ssl http2;"), "{config}");
    assert!(!config.contains("listen {listen};") && !config.contains("#tls#"), "{config}");

    let several = parse(
        "compare = [\"sse\"]\nproxy = [\"none\", \"haproxy\", { preset = \"nginx\", tls = true, profile = \
         \"tuned\" }]",
        "[[contender]]\nname = \"own\"\ntransport = \"websocket\"\nproxy = \"none\"\n",
    )
    .unwrap();
    assert_eq!(
        names(&several),
        [
            ("sse", "SSE"),
            ("sse-haproxy", "SSE · HAProxy"),
            ("sse-nginx-tls-tuned", "SSE · nginx TLS, tuned"),
            ("own", "own"),
        ]
    );
    assert!(several.contenders[3].road.proxy.is_none());
}

#[test]
fn a_configuration_of_ones_own_becomes_part_of_the_text() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = "proxy = { command = \"./relay {config}\", config = \"relay.conf\" }";
    let text = format!("{HEAD}{proxy}\n{WORKLOAD}");
    fs::write(folder.path().join("a.toml"), &text).unwrap();
    let missing = Scenario::load(&folder.path().join("a.toml")).unwrap_err().to_string();
    assert!(missing.contains("a.toml:3: the file \"relay.conf\" cannot be read"), "{missing}");
    let config = "from {listen} to {upstream} { {other} }\n";
    fs::write(folder.path().join("relay.conf"), config).unwrap();
    let (scenario, kept) = Scenario::load(&folder.path().join("a.toml")).unwrap();
    assert_eq!(
        Scenario::parse(&kept, "a.toml").unwrap().contenders.len(),
        scenario.contenders.len()
    );
    let relay = scenario.contenders[0].road.proxy.as_ref().unwrap();
    assert_eq!(relay.folder.as_deref(), Some(folder.path()));
    assert_eq!((&relay.config_name[..], relay.config.as_deref()), ("relay.conf", Some(config)));
    let values = [("listen", "a".to_owned()), ("upstream", "b".to_owned())];
    assert_eq!(Proxy::fill(config, &values), "from a to b { {other} }\n");
    assert_eq!(Proxy::fill("{upstream_port}{", &values), "{upstream_port}{");
}

#[test]
fn what_is_wrong_with_a_proxy_is_said_with_its_line() {
    let file = "[preset_files]\n\"x.conf\" = \"nothing\"\n";
    for (proxy, why) in [
        ("\"ngnix\"", "there is no proxy \"ngnix\": did you mean \"nginx\"?"),
        ("\"squid\"", "another one needs `{ command = … }`"),
        ("7", "must be a name, a table or a list of them, found integer"),
        ("[]", "must name at least one"),
        ("[\"nginx\", \"nginx\"]", "names \"nginx\" twice"),
        ("{ profile = \"tuned\" }", "is that of a `preset`"),
        ("{ tls = true }", "must have a `preset` or a `command`"),
        ("{ preset = \"nginx\", profil = \"tuned\" }", "no key `profil`: did you mean `profile`?"),
        ("{ preset = \"haproxy\", profile = \"upgrade\" }", "has no profile \"upgrade\""),
        ("{ preset = \"nginx\", tls = 1 }", "must be true or false, found integer"),
        ("{ command = 1 }", "must be text in quotes that is not empty, found integer"),
        ("{ command = \"relay 'a\" }", "cannot be read"),
        (
            "{ command = \"relay {upstream}\" }",
            "where to listen: its `command` or its `config` needs",
        ),
        ("{ command = \"relay {listen}\" }", "where its server is"),
        ("{ command = \"relay {listen} {upstream} {config}\" }", "and no `config`"),
        ("{ command = \"relay {listen} {upstream}\", tls = true }", "its certificate"),
        ("{ command = \"relay {listen} {upstream}\", config = \"x.conf\" }", "needs {config}"),
        ("{ command = \"relay {listen} {upstream} {config}\", config = \"y.conf\" }", "no folder"),
        ("{ command = \"relay {listen} {upstream}\", name = \"a b\" }", "must be 1 to 64"),
    ] {
        let error = parse(&format!("proxy = {proxy}"), file).unwrap_err();
        assert!(error.starts_with("a.toml:3: ") && error.contains(why), "{proxy}: {error}");
    }
    let both = parse("tls = true\nproxy = \"nginx\"", "").unwrap_err();
    assert!(both.contains("a.toml:4: `tls` is about a server without a proxy"), "{both}");
    let swept = parse("", "[sweep]\nproxy = [\"nginx\", \"caddy\"]\n").unwrap_err();
    assert!(swept.contains("proxy"), "{swept}");
}

#[test]
fn a_described_server_must_be_reached_through_it() {
    let server = |url: &str, subscribe: &str| {
        format!(
            "[server.shop]\nurl = \"{url}\"\npublish.url = \"{{url}}/publish\"\nsse.url = \"{subscribe}\"\n"
        )
    };
    let top = "servers = [\"shop\"]\nproxy = \"nginx\"";
    assert!(parse(top, &server("http://127.0.0.1:1", "{url}/events")).is_ok());
    let around = parse(top, &server("http://127.0.0.1:1", "http://127.0.0.1:1/events"));
    let around = around.unwrap_err();
    assert!(around.contains("a.toml:4: subscribers of `shop` would go around"), "{around}");
    let by_tls = parse(top, &server("https://127.0.0.1:1", "{url}/events")).unwrap_err();
    assert!(by_tls.contains("speaks plain HTTP to its server"), "{by_tls}");
}

#[test]
fn a_server_may_be_like_other_peoples() {
    let usual = "[sse]\nframing = \"chunked\"\naccel_buffering_hint = false\n";
    let scenario = parse(
        "compare = [\"sse\"]",
        &format!(
            "[[contender]]\nname = \"own\"\ntransport = \"sse\"\nsse.framing = \"close\"\n{usual}"
        ),
    )
    .unwrap();
    let of = |index: usize| {
        let stream = scenario.contenders[index].settings.stream().unwrap();
        (stream.framing, stream.accel_buffering_hint)
    };
    assert_eq!(of(0), (SseFraming::Chunked, false));
    assert_eq!(of(1), (SseFraming::Close, false));
    assert!(parse("", "[websocket]\nframing = \"chunked\"\n").is_err());
}

#[test]
fn every_shipped_scenario_with_proxies_loads() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios/proxies");
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let (scenario, text) = Scenario::load(&path).unwrap_or_else(|error| panic!("{error}"));
        assert!(text.starts_with("#:schema ../scenario.schema.json\n"), "{}", path.display());
        assert!(scenario.contenders.iter().any(|of| of.road.proxy.is_some()), "{}", path.display());
        names.push(scenario.name);
    }
    names.sort();
    assert_eq!(
        names,
        ["cut", "described", "fallback", "findings", "http2", "http3", "proxies", "two-backends"]
    );
}
