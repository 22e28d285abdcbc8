//! A token is seen by nobody but the server.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::frames::{CLOSE, TEXT};
use super::redis::redis;
use super::server::{Request, Server};
use super::{Case, Ran, check, each};

const TOKEN: &str = "s3cr/t\"tok+n=0123456789";
const VARIABLE: &str = "BAD_SERVERS_TOKEN";

/// With a token, which goes wherever one can.
fn with_token(name: &'static str, transport: &'static str, server: Server) -> Case {
    let scheme = if transport == "websocket" { "{ws}" } else { "{url}" };
    let tables = format!(
        "[server.x]\nurl = \"http://AT\"\ntoken = {{ env = \"{VARIABLE}\" }}\n\
         [server.x.publish]\nurl = \"{{url}}/publish?token={{token|url}}\"\n\
         headers = {{ Authorization = \"Bearer {{token}}\", X-Key = \"{{token|base64}}\" }}\n\
         body = '''{{\"token\":{{token|json}},\"data\":{{payload|json}}}}'''\n\
         [server.x.{transport}]\nurl = \"{scheme}/events?token={{token|url}}\"\n\
         headers = {{ Authorization = \"Bearer {{token}}\", X-Key = \"{{token|base64}}\" }}\n"
    );
    Case { tables, ..Case::new(name, transport, server, "") }
}

/// The same, where events go over a WebSocket.
fn published_over_websocket() -> Case {
    let table = "[server.x.publish.websocket]\nurl = \"{ws}/publish?token={token|url}\"\n\
                 headers = { Authorization = \"Bearer {token}\" }\n\
                 send = '{\"token\":{token|json},\"say\":{payload|json}}'\n\
                 refused = { has = \"say\" }\n[server.x.sse]\n";
    let server = Server::new(|request, peer, _| {
        if !request.path.starts_with("/publish") {
            peer.begin_events()?;
            return peer.wait();
        }
        peer.open(request, "")?;
        let (first, said) = peer.frame()?;
        peer.send(first, &[echo(request).as_bytes(), &said[..]].concat())?;
        peer.wait()
    });
    publishing_by(with_token("publisher over a WebSocket", "sse", server), table)
}

/// The same, where events go by Redis.
fn published_by_redis() -> Case {
    let at = redis(|commands| {
        let login = commands.next()?;
        commands.say(&format!("-WRONGPASS {login:?} {}\r\n", login[1]))?;
        commands.next().map(drop)
    });
    let table = format!(
        "[server.x.publish.redis]\nurl = \"redis://:{{token|url}}@{at}\"\n[server.x.sse]\n"
    );
    let server = Server::new(|_, peer, _| {
        peer.begin_events()?;
        peer.wait()
    });
    publishing_by(with_token("publisher by Redis", "sse", server), &table)
}

/// With `table` in the place of what says how requests publish.
fn publishing_by(case: Case, table: &str) -> Case {
    let (head, rest) = case.tables.split_once("[server.x.publish]\n").unwrap();
    let (_, sse) = rest.split_once("[server.x.sse]\n").unwrap();
    Case { tables: format!("{head}{table}{sse}"), ..case }
}

/// All that it was asked.
fn echo(request: &Request) -> String {
    let body = String::from_utf8_lossy(&request.body).into_owned();
    format!("{} {} {:?} {body}", request.method, request.path, request.headers)
}

/// How the token looks wherever it is put.
fn forms() -> [String; 4] {
    [
        TOKEN.to_owned(),
        TOKEN.replace('"', "\\\""),
        TOKEN.replace('/', "%2F").replace('"', "%22").replace('+', "%2B").replace('=', "%3D"),
        BASE64.encode(TOKEN),
    ]
}

fn assert_not_in(path: &Path) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            assert_not_in(&entry.unwrap().path());
        }
        return;
    }
    let text = fs::read(path).unwrap();
    let text = String::from_utf8_lossy(&text);
    for form in forms() {
        // Not its beginning either, nor its end.
        for part in [&form[..6], &form[form.len() - 6..]] {
            assert!(!text.contains(part), "{}: {part} in {text}", path.display());
        }
    }
}

#[test]
fn a_token_that_is_echoed_is_not_shown() {
    let cases = vec![
        with_token(
            "body and headers",
            "sse",
            Server::new(|request, peer, _| {
                let headers = format!("location: /login?token={TOKEN}\r\nx-key: {TOKEN}\r\n");
                peer.answer("302 Found", &headers, echo(request).as_bytes())
            }),
        ),
        with_token(
            "many times",
            "sse",
            Server::new(|_, peer, _| {
                peer.answer("400 Bad Request", "", TOKEN.repeat(1_000).as_bytes())
            }),
        ),
        with_token(
            "at the place where it is cut",
            "polling",
            Server::new(|_, peer, _| {
                let body = format!("{}{TOKEN}", "x".repeat(290));
                peer.answer("400 Bad Request", "", body.as_bytes())
            }),
        ),
        with_token(
            "type",
            "sse",
            Server::new(|_, peer, _| {
                peer.answer("200 OK", &format!("content-type: text/{TOKEN}\r\n"), b"")
            }),
        ),
        with_token(
            "messages",
            "websocket",
            Server::new(|request, peer, _| {
                peer.open(request, "")?;
                peer.send(TEXT, format!("{}{TOKEN}", "x".repeat(290)).as_bytes())?;
                peer.send(TEXT, echo(request).as_bytes())?;
                peer.wait()
            }),
        ),
        with_token(
            "reason",
            "websocket",
            Server::new(|request, peer, _| {
                peer.open(request, "")?;
                peer.send(CLOSE, &[b"\x03\xf0", TOKEN.as_bytes()].concat())?;
                peer.wait()
            }),
        ),
        with_token(
            "publisher",
            "sse",
            Server::handling(|request, peer, _| {
                if request.method == "POST" {
                    return peer.answer("400 Bad Request", "", echo(request).as_bytes());
                }
                peer.begin_events()?;
                peer.wait()
            }),
        ),
    ];
    let cases = cases.into_iter().chain([published_over_websocket(), published_by_redis()]);
    each(cases.collect(), |case| {
        let variables = [(VARIABLE, TOKEN)];
        let ran = Ran::with(&case, &["run", "scenario.toml", "--out", "out"], &variables);
        assert_eq!(ran.code, Some(1), "{}: {}", case.name, ran.said);
        assert!(ran.said.contains("failed: "), "{}: {}", case.name, ran.said);
        for path in ["stdout", "stderr", "out"] {
            assert_not_in(&ran.bench.path(path));
        }
        drop(ran);
        let ran = Ran::with(&case, &["probe", "scenario.toml"], &variables);
        assert_eq!(ran.code, Some(1), "{}: {}", case.name, ran.said);
        for path in ["stdout", "stderr"] {
            assert_not_in(&ran.bench.path(path));
        }
    });
}

#[test]
fn a_token_that_is_not_there() {
    let server = Server::new(|_, peer, _| peer.answer("401 Unauthorized", "", b""));
    check(vec![Case {
        code: 2,
        says: "no token for `x`: the environment variable BAD_SERVERS_TOKEN is not set".to_owned(),
        ..with_token("none", "sse", server)
    }]);
}

#[test]
fn a_token_that_no_header_may_hold() {
    let server = Server::new(|_, peer, _| peer.answer("401 Unauthorized", "", b""));
    let case = with_token("a line end", "sse", server);
    let arguments = ["run", "scenario.toml", "--out", "out"];
    let ran = Ran::with(&case, &arguments, &[(VARIABLE, &format!("{TOKEN}\n"))]);
    let says = "the value of the header field `authorization` holds characters that it must not";
    assert!(ran.said.lines().any(|line| line.ends_with(says)), "{}", ran.said);
    assert_eq!(ran.code, Some(1));
    for path in ["stdout", "stderr", "out"] {
        assert_not_in(&ran.bench.path(path));
    }
}

/// What a server writes before it fails is quoted.
#[test]
fn a_token_that_the_server_prints_is_not_shown() {
    let server = Server::new(|_, peer, _| peer.wait());
    let case = with_token("prints", "sse", server);
    let command = format!("command = \"sh -c 'echo \\\"no ${VARIABLE}\\\" >&2; exit 3'\"");
    let tables = case.tables.replace("url = \"http://AT\"", &command);
    let case = Case { tables, ..case };
    let variables = [(VARIABLE, TOKEN)];
    let ran = Ran::with(&case, &["run", "scenario.toml", "--out", "out"], &variables);
    assert_eq!(ran.code, Some(1), "{}", ran.said);
    assert!(ran.said.contains("it said: no ***"), "{}", ran.said);
    for path in ["stdout", "stderr", "out"] {
        assert_not_in(&ran.bench.path(path));
    }
}
