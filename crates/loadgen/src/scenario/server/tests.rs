mod messages;

use super::*;
use crate::scenario::Scenario;

const HEAD: &str = "name = \"x\"\ndescription = \"x\"\nservers = [\"mine\"]\n[workload]\n\
                    subscribers = 2\nevents_per_second = 5\npayload_bytes = 64\nduration = \"1s\"\n\
                    warm_up = \"1s\"\n[server.mine]\n";

/// The lines of the head above.
const HEAD_LINES: usize = 10;

/// A server that can be used.
const RIGHT: &str = "url = \"http://localhost:8080\"\npublish.url = \"{url}/publish/{channel}\"\n\
                     sse.url = \"{url}/events/{channel}\"\n";

fn parse(server: &str) -> Result<Scenario, String> {
    Scenario::parse(&format!("{HEAD}{server}"), "x.toml").map_err(|error| error.to_string())
}

fn right(server: &str) -> Scenario {
    parse(server).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn wrong(server: &str, line: usize, message: &str) {
    let line = HEAD_LINES + line;
    assert_eq!(parse(server).unwrap_err(), format!("x.toml:{line}: {message}"));
}

#[test]
fn every_preset_is_right_and_can_be_changed() {
    for name in preset_names() {
        let scenario = right(&format!("preset = \"{name}\"\ncommand = \"serve {{port}}\"\n"));
        let server = scenario.contenders[0].server.as_ref().unwrap();
        assert!(server.promises.is_some(), "{name}");
        assert_eq!(server.url, Template::parse("http://{host}:{port}").unwrap());
        let contender = &scenario.contenders[0].id;
        assert!(contender.label().ends_with(&server.label), "{contender}: {}", contender.label());
        assert!(contender.name().starts_with("mine-"), "{contender}");
    }
    let changed = right(
        "preset = \"nchan\"\nurl = \"http://a\"\nlabel = \"Mine\"\n[server.mine.sse]\n\
         url = \"{url}/s\"\nheaders = { X = \"1\" }\n",
    );
    let server = changed.contenders.iter().find_map(|of| of.server.clone()).unwrap();
    assert_eq!((&server.label[..], &server.start), ("Mine", &Start::Running { seen: None }));
    let sse = &server.subscribe[&Transport::Sse];
    assert_eq!(sse.ask.url, Template::parse("{url}/s").unwrap());
    let names: Vec<_> = sse.ask.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["accept", "x"], "its own beside those of the preset");
}

#[test]
fn a_command_is_started_in_the_folder_of_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.toml");
    let text = RIGHT.replace("url = \"http://localhost:8080\"", "command = \"node 'a b' {port}\"");
    std::fs::write(&path, format!("{HEAD}{text}ready.line = \"up\"\n")).unwrap();
    let (scenario, _) = Scenario::load(&path).unwrap();
    let server = scenario.contenders[0].server.as_ref().unwrap();
    let Start::Command { words, folder, ready } = &server.start else { panic!("{server:?}") };
    assert_eq!((words.len(), folder.as_path()), (3, dir.path()));
    assert_eq!(*ready, Ready::Line("up".to_owned()));
}

#[test]
fn servers_and_transports_are_compared_in_one_table() {
    let text = format!("{HEAD}{RIGHT}websocket.url = \"{{ws}}/{{channel}}\"\n");
    let text =
        text.replace("[\"mine\"]", "[\"mine\", \"pushbench\"]\ncompare = [\"sse\", \"websocket\"]");
    let scenario = Scenario::parse(&text, "").unwrap();
    let labels: Vec<_> = scenario.contender_ids().map(|id| id.label().to_owned()).collect();
    assert_eq!(
        labels,
        ["SSE · mine", "SSE · pushbench", "WebSocket · mine", "WebSocket · pushbench"]
    );
    let own = "[[contender]]\nname = \"other\"\ntransport = \"sse\"\nserver = \"mine\"\n";
    let scenario = right(&format!("{RIGHT}{own}"));
    assert!(scenario.contenders[1].server.is_some());
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    wrong(
        "sse.url = \"{url}\"\npublish.url = \"{url}\"",
        0,
        "the server `mine` has neither `command` nor `url`: say how it is started, or where it runs",
    );
    wrong(
        &RIGHT.replace("sse.url", "sse.uri"),
        3,
        "[server.mine.sse] has no key `uri`: did you mean `url`?",
    );
    wrong(
        &RIGHT.replace("/events/{channel}", "/{chanel}"),
        3,
        "`{chanel}` has no value here: did you mean `{channel}`?",
    );
    wrong(
        &RIGHT.replace("/events/{channel}", "/{channel|xml}"),
        3,
        "there is no filter `xml`: there are `json`, `url` and `base64`",
    );
    wrong(
        &format!("{RIGHT}sse.subprotocol = \"a\"\n"),
        4,
        "`subprotocol` has no effect on sse: remove it",
    );
    wrong(
        &format!("{RIGHT}ready.line = \"up\"\n"),
        4,
        "`ready` has no effect without `command`: remove it",
    );
    wrong(
        &format!("{RIGHT}pid_file = \"a\"\ncgroup = \"b\"\n"),
        5,
        "a server is seen by `pid_file` or by `cgroup`: remove one",
    );
    wrong(
        &format!("{RIGHT}command = \"x\"\ncgroup = \"b\"\n"),
        5,
        "`cgroup` has no effect with `command`, whose process is known: remove it",
    );
    wrong(
        &format!("{RIGHT}publish.body = \"x\"\n"),
        4,
        "`body` must contain {payload}, which carries the event",
    );
    wrong(
        &format!("{RIGHT}sse.steps = [{{ request = \"join\" }}]\n"),
        4,
        "`request` must be a method and a URL, such as \"POST {url}/join\", found \"join\"",
    );
    wrong(
        &format!("{RIGHT}sse.steps = [{{ wait = {{}} }}]\n"),
        4,
        "a message is meant by one of `is`, `starts` and `has`",
    );
    wrong(
        &format!("{RIGHT}sse.steps = [{{ send = \"a\" }}]\n"),
        4,
        "nothing can be sent over sse: add `request = \"POST {url}/…\"`",
    );
    wrong(
        &format!(
            "{RIGHT}polling.url = \"{{url}}\"\npolling.steps = [{{ request = \"GET {{url}}\" }}]\n"
        ),
        5,
        "`steps` follow an open connection, which polling has not: write them as `before`",
    );
    wrong(
        &format!("{RIGHT}sse.cursor = {{ a = \"b\" }}\n"),
        4,
        "`a` must come from \"/json/pointer\", \"header:NAME\" or \"sse:id\", found \"b\"",
    );
    wrong(
        "preset = \"nchann\"\nurl = \"http://a\"\n",
        1,
        "there is no preset \"nchann\": did you mean \"nchan\"?",
    );
    let unknown = parse("").unwrap_err();
    assert!(unknown.contains("nobody can subscribe to the server `mine`"), "{unknown}");
    let text = format!("{HEAD}{RIGHT}").replace("[\"mine\"]", "[\"mein\"]");
    let unknown = Scenario::parse(&text, "x.toml").unwrap_err().to_string();
    assert_eq!(unknown, "x.toml:3: there is no server \"mein\": did you mean \"mine\"?");
    let binary =
        format!("{HEAD}{RIGHT}").replace("payload_bytes", "content = \"binary\"\npayload_bytes");
    let binary = Scenario::parse(&binary, "x.toml").unwrap_err().to_string();
    assert!(
        binary.contains("is not possible with the server `mine`: templates hold text"),
        "{binary}"
    );
}

/// The same server, published to otherwise.
fn publishing(publish: &str) -> String {
    RIGHT.replace("publish.url = \"{url}/publish/{channel}\"", publish)
}

#[test]
fn events_go_over_a_websocket_or_by_redis_instead() {
    let publish = |text: &str| right(text).contenders[0].server.clone().unwrap().publish.clone();
    let chat =
        "publish.websocket = { url = \"{ws}/c\", send = '{\"r\":{channel|json},\"t\":{payload}}' }";
    let Publish::Socket(socket) = publish(&publishing(chat)) else { panic!("{chat}") };
    assert!(!socket.each_channel && socket.acknowledged.is_none());
    let room = "publish.websocket.url = \"{ws}\"\npublish.websocket.steps = [\n\
                { send = \"{channel}\" }, { wait = { has = \"a\" }, capture = { id = \"/id\" } }]\n\
                publish.websocket.send = \"{id}:{payload}\"";
    let Publish::Socket(socket) = publish(&publishing(room)) else { panic!("{room}") };
    assert!(socket.each_channel, "what opens it is of a channel");
    let words = |text: &str| match publish(&publishing(text)) {
        Publish::Redis(redis) => redis.command,
        other => panic!("{other:?}"),
    };
    let parsed = |words: &[&str]| -> Vec<_> {
        words.iter().map(|word| Template::parse(word).unwrap()).collect()
    };
    let url = "publish.redis.url = \"redis://localhost\"\n";
    assert_eq!(words(url), parsed(&["PUBLISH", "{channel}", "{payload}"]));
    let own =
        format!("{url}publish.redis.command = [\"XADD\", \"s\", \"*\", \"d\", \"{{payload}}\"]");
    assert_eq!(words(&own), parsed(&["XADD", "s", "*", "d", "{payload}"]));
    let preset = "preset = \"socketio\"\nurl = \"http://a\"\n";
    assert!(
        matches!(publish(&format!("{preset}{url}")), Publish::Redis(_)),
        "not as the preset has it"
    );
    let preset = format!("{preset}{chat}\n");
    assert!(matches!(publish(&preset), Publish::Socket(_)), "not as the preset has it");
}

#[test]
fn what_is_wrong_with_other_ways_to_publish_is_named_with_its_line() {
    let redis = "publish.redis.url = \"redis://localhost\"";
    let socket = "publish.websocket.url = \"{ws}\"";
    wrong(
        &format!("{RIGHT}{redis}\n"),
        4,
        "an event is published in one way, but here by `url` and by `redis`: remove one",
    );
    wrong(
        &publishing(&format!("{socket}\n{redis}")),
        3,
        "an event is published in one way, but here by `websocket` and by `redis`: remove one",
    );
    wrong(
        &publishing(""),
        0,
        "it is not said how an event is published on the server `mine`: add `url`, `websocket` or \
         `redis` in [server.mine.publish]",
    );
    wrong(
        &publishing(&format!("{socket}\npublish.body = \"{{payload}}\"")),
        3,
        "`body` is of a request, and has no effect beside `websocket`: remove it, or write it there",
    );
    wrong(
        &publishing(&format!("{socket}\npublish.websocket.send = \"hello\"")),
        3,
        "`send` must contain {payload}, which carries the event",
    );
    wrong(
        &publishing(&format!(
            "{socket}\npublish.websocket.steps = [{{ send = \"{{subscriber}}\" }}]"
        )),
        3,
        "`{subscriber}` has no value here: there are `channel`, `host`, `port`, `url` and `ws` here",
    );
    wrong(
        &publishing(&format!("{socket}\npublish.websocket.acknowledged = {{}}")),
        3,
        "a message is meant by one of `is`, `starts` and `has`",
    );
    wrong(
        &publishing("publish.websocket.send = \"{payload}\""),
        2,
        "`url` is missing in [server.mine.publish.websocket], such as \"{ws}/socket\"",
    );
    wrong(
        &publishing("publish.redis.url = \"localhost:6379\""),
        2,
        "`url` must begin with redis:// or rediss://",
    );
    wrong(
        &publishing("publish.redis.channel = \"a\""),
        2,
        "`url` is missing in `publish.redis`, such as \"redis://127.0.0.1:6379\"",
    );
    wrong(
        &publishing(&format!("{redis}\npublish.redis.command = [\"XADD\", \"a\"]")),
        3,
        "`command` must contain {payload}, which carries the event",
    );
    wrong(
        &publishing(&format!(
            "{redis}\npublish.redis.channel = \"a\"\npublish.redis.command = [\"a\", \"{{payload}}\"]"
        )),
        3,
        "`channel` has no effect beside `command`: remove it",
    );
    let text =
        publishing(&format!("{socket}\npublish.websocket.headers = {{ Room = \"{{channel}}\" }}"));
    let many =
        format!("{HEAD}{text}").replace("subscribers = 2", "subscribers = 65\nchannels = 65");
    let many = Scenario::parse(&many, "x.toml").unwrap_err().to_string();
    assert!(many.contains("each of 65 channels would have one, and at most 64 may"), "{many}");
}

#[test]
fn what_a_preset_is_used_for_wrongly_is_noted_where_it_is_named() {
    // The preset's URL has a value that its `before` gets.
    wrong(
        "url = \"http://a\"\npreset = \"signalr\"\nwebsocket.before = []\n",
        2,
        "`{connection}` has no value here: there are `channel`, `host`, `port`, `subscriber`, `url` and `ws` here",
    );
}

#[test]
fn channels_share_a_connection_only_where_it_is_said_how() {
    let several = |server: &str| {
        let shared = "channels = 2\nchannels_per_subscriber = 2\nmultiplex = true\nsubscribers";
        let text = format!("{HEAD}{server}").replacen("subscribers", shared, 1);
        Scenario::parse(&text, "x.toml").map(drop).map_err(|error| error.to_string())
    };
    let untold = several(RIGHT).unwrap_err();
    assert!(
        untold.starts_with(
            "x.toml:13: nobody says how several channels share a connection over sse on `mine`: leave \
             out `multiplex` for the contender `mine-sse`, or add to [server.mine.sse] a `join`"
        ),
        "{untold}"
    );
    assert_eq!(several(&format!("{RIGHT}sse.join = \",\"\n")), Ok(()));
    for preset in ["nchan", "socketio", "action-cable", "faye", "signalr", "phoenix", "mercure"] {
        assert_eq!(several(&format!("preset = \"{preset}\"\nurl = \"http://a\"\n")), Ok(()));
    }
}
