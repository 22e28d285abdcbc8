//! What clients make the server hold, as `/metrics` shows it.

use pushbench_server::Config;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Server, next_message};

#[test]
fn the_memory_of_what_is_gone_is_free_again() {
    let server = Server::start(Config::default());
    let before = server.metric("pushbench_memory_bytes");
    let mut streams = (server.sse("/channels/a/sse"), server.tcp("/channels/a/tcp"));
    let mut websocket = server.websocket("/channels/a/ws");
    server.publish_texts(&["1"]);
    assert_eq!(streams.0.until("\n\n"), "id: 1\ndata: 1\n\n");
    assert_eq!(streams.1.next(), (false, b"1\n1".to_vec()));
    assert_eq!(next_message(&mut websocket), Message::text("1\n1"));
    assert_eq!(server.get("/channels/a/poll?after=0").status, 200);
    drop((streams, websocket));
    for transport in ["sse", "tcp", "websocket"] {
        server.await_metric(&format!("pushbench_connections{{transport=\"{transport}\"}}"), 0);
    }
    // What is left is the channel, its event and four frames, once the last connection is gone, too.
    let left = (0..1_000)
        .map(|_| server.metric("pushbench_memory_bytes") - before)
        .find(|left| (1..4_096).contains(left));
    assert!(
        left.is_some(),
        "{before} bytes before, {} after",
        server.metric("pushbench_memory_bytes")
    );
}
