//! What is said of a description that means something else than it says, with the fix.

use super::{HEAD, RIGHT, parse, wrong};
use crate::scenario::Scenario;

/// With another line in place of `servers`, on the same line.
fn with_servers(line: &str, tables: &str) -> String {
    let head = HEAD.replacen("servers = [\"mine\"]", line, 1);
    Scenario::parse(&format!("{head}{tables}"), "x.toml").map(drop).unwrap_err().to_string()
}

#[test]
fn a_server_that_nothing_uses() {
    assert_eq!(
        with_servers("blocks = 1", RIGHT),
        "x.toml:10: [server.mine] describes a server that nothing is measured on: add servers = \
         [\"mine\"] above the first table"
    );
    assert_eq!(
        with_servers("servers = [\"pushbench\"]", RIGHT),
        "x.toml:10: [server.mine] describes a server that nothing is measured on: add \"mine\" to `servers`"
    );
    assert_eq!(
        with_servers("servers = [\"pushbench\", \"mine\"]\ncompare = [\"websocket\"]", RIGHT),
        "x.toml:3: none of what `compare` names is known of the server `mine`, which has `sse`: add that to \
         `compare`, or leave the server out"
    );
    assert_eq!(
        with_servers("servers = [\"mine\"]\ncompare = [\"sse\", \"websocket\"]", RIGHT),
        "x.toml:4: nobody says how one subscribes over websocket on `mine`, which has `sse`: leave it out of \
         `compare`"
    );
    // What only follows is not said.
    assert_eq!(
        with_servers("servers = [\"mien\"]\ncompare = [\"sse\"]", RIGHT),
        "x.toml:3: there is no server \"mien\": did you mean \"mine\"?"
    );
    let used = format!(
        "{HEAD}{RIGHT}[[contender]]\nname = \"a\"\ntransport = \"sse\"\nserver = \"mine\"\n"
    );
    let used = used.replacen("servers = [\"mine\"]\n", "", 1);
    assert_eq!(Scenario::parse(&used, "").unwrap().contenders.len(), 1);
}

#[test]
fn urls_that_are_none() {
    for (from, to, line, message) in [
        (
            "http://localhost:8080",
            "localhost:3999",
            1,
            "\"localhost:3999\" is no URL: begin it with http://, as in \"http://localhost:3999\"",
        ),
        (
            "{url}/events",
            "/api/events",
            3,
            "\"/api/events/{channel}\" is no URL: begin it with {url}, as in \"{url}/api/events/{channel}\"",
        ),
        (
            "{url}/publish",
            "/publish",
            2,
            "\"/publish/{channel}\" is no URL: begin it with {url}, as in \"{url}/publish/{channel}\"",
        ),
        (
            "{url}/publish",
            "ftp://a",
            2,
            "\"ftp://a/{channel}\" begins with a scheme that is not known: there are http://, https://, ws:// \
             and wss://",
        ),
    ] {
        wrong(&RIGHT.replacen(from, to, 1), line, message);
    }
    for (more, message) in [
        ("websocket.url = \"/ws\"\n", "\"/ws\" is no URL: begin it with {ws}, as in \"{ws}/ws\""),
        (
            "sse.before = [{ request = \"POST /join\" }]\n",
            "\"/join\" is no URL: begin it with {url}, as in \"{url}/join\"",
        ),
        (
            "sse.resume.url = \"/again\"\n",
            "\"/again\" is no URL: begin it with {url}, as in \"{url}/again\"",
        ),
    ] {
        wrong(&format!("{RIGHT}{more}"), 4, message);
    }
    parse(&RIGHT.replace("http://", "HTTPS://")).unwrap();
}

#[test]
fn a_command_for_a_shell() {
    let command = |command: &str| {
        RIGHT.replacen("url = \"http://localhost:8080\"", &format!("command = {command:?}"), 1)
    };
    wrong(
        &command("PORT={port} node server.mjs"),
        1,
        "no shell reads `command`, which would set a variable: write \"env PORT={port} node server.mjs\"",
    );
    parse(&command("env PORT={port} node server.mjs")).unwrap();
    parse(&command("./a=b {port}")).unwrap();
}

#[test]
fn keys_are_named_as_their_line_has_them() {
    wrong(
        &RIGHT.replacen("publish.url", "publish.path", 1),
        2,
        "[server.mine.publish] has no key `path`: there are `body`, `headers`, `method`, `redis`, `refused`, \
         `url` and `websocket`",
    );
    wrong(
        &format!("{RIGHT}websocket = {{ url = \"{{ws}}\", steps = [{{ wait = \"welcome\" }}] }}\n"),
        4,
        "`wait` must say which messages are meant: write wait = { has = \"welcome\" }",
    );
    wrong(
        &format!("{RIGHT}sse.reply = [{{ is = \"1\", sned = \"2\" }}]\n"),
        4,
        "[[server.mine.sse.reply]] has no key `sned`: did you mean `send`?",
    );
    wrong(
        &RIGHT.replacen("sse.url = \"{url}/events/{channel}\"", "sse = \"{url}\"", 1),
        3,
        "`sse` must be a table, which starts with the line [server.mine.sse], found \"{url}\"",
    );
    wrong(
        &RIGHT.replacen("sse.url = \"{url}/events/{channel}\"", "sse.split = \"lines\"", 1),
        3,
        "`url` is missing in [server.mine.sse]",
    );
}
