//! Connections by QUIC: how many there may be, and how each of them ends.

use std::time::Duration;

use pushbench_server::{Access, Config};
use tokio::time::timeout;

use crate::http3::{Client, begin, connect, try_connect};
use crate::in_runtime::{HANG, run, wait_while};
use crate::support::Server;

#[test]
fn requests_and_connections_of_a_client_are_counted() {
    let access = Access { client_requests_per_second: 1.try_into().ok(), ..Access::default() };
    let server = Server::start(Config { access, ..Config::default() });
    run(async {
        let mut client = Client::connect(&server).await;
        let mut statuses = Vec::new();
        for _ in 0..10 {
            statuses.push(client.get("/healthz").await.0.status().as_u16());
        }
        assert!(statuses[0] == 200 && statuses.contains(&429), "{statuses:?}");
    });
    let access = Access { client_connections_per_second: 2.try_into().ok(), ..Access::default() };
    let server = Server::start(Config { access, ..Config::default() });
    run(async {
        let mut refused = 0;
        for _ in 0..10 {
            let (_endpoint, connected) = try_connect(&server, b"h3").await;
            refused += usize::from(connected.is_err());
        }
        assert!((1..10).contains(&refused), "{refused} of 10");
    });
}

#[test]
fn no_more_connections_are_open_than_may_be() {
    let server = Server::start(Config { max_connections: 2, ..Config::default() });
    run(async {
        let mut open = Vec::new();
        for _ in 0..2 {
            let mut client = Client::connect(&server).await;
            // A client is connected before its server knows that.
            assert_eq!(client.get("/healthz").await.0.status(), 200);
            open.push(client);
        }
        let refused = try_connect(&server, b"h3").await.1.unwrap_err();
        assert!(refused.to_string().contains("refused"), "{refused}");
    });
}

/// The first packet of a handshake that goes no further.
async fn first_packet(server: &Server) -> Vec<u8> {
    let nobody = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (_endpoint, _connecting) = begin(server, nobody.local_addr().unwrap(), b"h3");
    let mut packet = vec![0; 2 << 10];
    let received = timeout(HANG, nobody.recv(&mut packet)).await.expect("no hang").unwrap();
    packet.truncate(received);
    packet
}

#[test]
fn who_answers_nothing_takes_nobodys_place() {
    let server = Server::start(Config { max_connections: 9, ..Config::default() });
    run(async {
        let _one = Client::connect(&server).await;
        let forged = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let before = server.metric("pushbench_memory_bytes");
        // Fewer than have to show their addresses, and then more.
        for packets in [10, 200] {
            for _ in 0..packets {
                forged.send_to(&first_packet(&server).await, server.http3).unwrap();
            }
            let mut client = Client::connect(&server).await;
            assert_eq!(client.get("/channels/a/poll").await.0.status(), 204);
            client.quic.close(0_u32.into(), b"");
            // Else it would have the place of the next one.
            wait_while("it is gone", || {
                server.metric("pushbench_connections{transport=\"polling\"}") > 0
            })
            .await;
        }
        let after = server.metric("pushbench_memory_bytes");
        assert!(after < before + ((65 * 90) << 10), "{before} bytes before, {after} after");
    });
}

#[test]
fn who_speaks_something_else_gets_nowhere() {
    let server = Server::start(Config::default());
    run(async {
        try_connect(&server, b"h2").await.1.unwrap_err();
        // Data that belong to no head (RFC 9114 §4.1).
        let (_endpoint, connection) = connect(&server).await;
        let (mut garbage, _answer) = connection.open_bi().await.unwrap();
        garbage.write_all(b"\0\x01x").await.unwrap();
        timeout(HANG, connection.closed()).await.expect("the connection ends");
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(b"hello", server.http3).unwrap();
    });
    run(async {
        assert_eq!(Client::connect(&server).await.get("/healthz").await.0.status(), 200);
    });
}

#[test]
fn a_connection_that_asks_nothing_ends() {
    let long = Duration::from_secs(3_600);
    let config = Config {
        header_timeout: Duration::from_millis(200),
        keep_alive: long,
        ..Config::default()
    };
    let server = Server::start(config);
    run(async {
        let (_endpoint, connection) = connect(&server).await;
        timeout(HANG, connection.closed()).await.expect("it ends");
        let mut client = Client::connect(&server).await;
        assert_eq!(client.get("/healthz").await.0.status(), 200, "another one is as good as ever");
    });
}

#[test]
fn a_client_that_is_gone_is_disconnected() {
    let (beat, stall) = (Duration::from_millis(50), Duration::from_secs(2));
    let long = Duration::from_secs(3_600);
    let config =
        Config { heartbeat: beat, stall_timeout: stall, header_timeout: long, ..Config::default() };
    let server = Server::start(config);
    let sse = "pushbench_connections{transport=\"sse\"}";
    run(async {
        let mut client = Client::connect(&server).await;
        let (_, _body) = client.get("/channels/a/sse").await;
        assert_eq!(server.metric(sse), 1);
        // As long as it is there, it acknowledges heartbeats.
        tokio::time::sleep(stall + stall / 2).await;
        assert_eq!(server.metric(sse), 1);
        // Nothing of it is sent any more: what would do that ends with the runtime.
        std::mem::forget(client);
    });
    run(wait_while("it is not there any more", || server.metric(sse) > 0));
}
