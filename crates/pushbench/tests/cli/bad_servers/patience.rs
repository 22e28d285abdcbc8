//! What does not come: each of these takes as long as pushbench waits for it.

use super::server::Server;
use super::{Case, check};

#[test]
fn what_never_comes_is_not_awaited_for_ever() {
    const STEPS: &str = "steps = [{ wait = { starts = \"welcome\" } }]\n";
    check(vec![
        Case::new(
            "no message that a step waits for",
            "websocket",
            Server::new(|request, peer, _| {
                peer.open(request, "")?;
                peer.wait()
            }),
            "X",
        )
        .with(STEPS),
        Case::new("no answer to a subscriber", "sse", Server::new(|_, peer, _| peer.wait()), "X"),
        Case::new(
            "no answer to an event",
            "sse",
            Server::handling(|request, peer, _| {
                if request.method != "POST" {
                    peer.begin_events()?;
                }
                peer.wait()
            }),
            "X",
        ),
        Case::command("a port that is never opened", "sleep 1000", "", "X"),
    ]);
}
