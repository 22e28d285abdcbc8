//! What a probe says of servers that are described wrongly, and that a run names the probe.

use std::fs;

use super::frames::TEXT;
use super::publishing_in_band::{TABLE, taking};
use super::server::Server;
use super::{Case, Ran, check};

/// What a probe prints.
fn probed(case: &Case) -> String {
    let ran = Ran::with(case, &["probe", "scenario.toml"], &[]);
    assert_eq!(ran.code, Some(1), "{}: {}", case.name, ran.said);
    fs::read_to_string(ran.bench.path("stdout")).unwrap()
}

fn greeting() -> Case {
    let server = Server::new(|request, peer, _| {
        peer.open(request, "")?;
        peer.send(TEXT, b"hello")?;
        peer.wait()
    });
    let mut case = Case::new("no steps", "websocket", server, "");
    case.tables = case.tables.replace("{ws}/events/{channel}/{subscriber}", "{ws}/");
    case
}

#[test]
fn a_subscriber_who_has_to_join() {
    let said = probed(&greeting());
    let wanted = "the event did not come within 5s; the server only said \"hello\": does one have to join \
                  first? [server.x.websocket] has no `steps`";
    assert!(said.contains(wanted), "{said}");
}

/// Publishes into a room that the publisher is not in.
fn outsider() -> Case {
    let server = taking(|request, peer, _| {
        peer.open(request, "")?;
        peer.frame()?;
        peer.send(TEXT, b"not a member")?;
        peer.wait()
    });
    let says = "the publisher was told \"not a member\": does it have to join? \
                [server.x.publish.websocket] has no `steps`";
    Case::new("outsider", "sse", server, says).published(TABLE)
}

#[test]
fn a_publisher_who_has_to_join() {
    let case = outsider();
    let said = probed(&case);
    assert!(said.contains("it was sent; nobody says that it was taken"), "{said}");
    assert!(said.contains(&case.says), "{said}");
    check(vec![outsider()]);
}

#[test]
fn a_run_that_fails_names_the_probe() {
    let case = Case {
        says: "`pushbench probe scenario.toml` shows what was said".to_owned(),
        ..greeting()
    };
    check(vec![case]);
}
