//! TLS: what is served is the same, and who speaks something else gets nowhere.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use pushbench_server::{Config, Tls};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, StreamOwned};
use tokio::net::TcpListener;
use tokio::runtime;
use tokio_rustls::TlsConnector;

use crate::support::Server;

/// Where whatever comes is passed on by TLS, so that clients that know none can speak it.
pub(crate) fn forward(to: SocketAddr, trust: Arc<ClientConfig>) -> SocketAddr {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let connector = TlsConnector::from(trust);
    // It ends with the test.
    thread::spawn(move || {
        runtime.block_on(async {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                client.set_nodelay(true).unwrap();
                let connector = connector.clone();
                tokio::spawn(async move {
                    let tcp = tokio::net::TcpStream::connect(to).await.unwrap();
                    tcp.set_nodelay(true).unwrap();
                    let name = "localhost".try_into().unwrap();
                    let mut server = connector.connect(name, tcp).await.unwrap();
                    // Either side may end it in any way.
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
    });
    address
}

fn connect(server: &Server) -> StreamOwned<ClientConnection, TcpStream> {
    let tcp = TcpStream::connect(server.tls).unwrap();
    let tls = ClientConnection::new(server.trust(), "localhost".try_into().unwrap()).unwrap();
    StreamOwned::new(tls, tcp)
}

#[test]
fn every_connection_has_the_same_cipher_suite_and_a_whole_handshake() {
    let server = Server::start(Config::default());
    for _ in 0..2 {
        let mut client = connect(&server);
        client.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        client.read_exact(&mut [0; 15]).unwrap();
        assert_eq!(client.conn.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        let suite = client.conn.negotiated_cipher_suite().unwrap().suite();
        assert_eq!(suite, rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
        assert_eq!(client.conn.handshake_kind(), Some(rustls::HandshakeKind::Full));
    }
}

#[test]
fn the_end_of_a_stream_is_told() {
    let mut server = Server::start(Config::default());
    let mut client = connect(&server);
    client.write_all(b"GET /channels/a/sse HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    server.await_metric("pushbench_connections{transport=\"sse\"}", 1);
    server.stop();
    let mut all = String::new();
    // Without the message that says so, this would be an error (RFC 8446 §6.1).
    client.read_to_string(&mut all).unwrap();
    assert!(all.ends_with("retry: 1000\n\n"), "{all}");
    server.stopped(Duration::ZERO);
}

#[test]
fn who_speaks_no_tls_gets_nowhere() {
    let server = Server::start(Config::default());
    let mut client = TcpStream::connect(server.tls).unwrap();
    client.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // It may be reset.
    let _ = client.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    server.settle();
}

#[test]
fn a_handshake_that_takes_too_long_ends() {
    let limit = Config::default().header_timeout;
    let server = Server::start_with_manual_clock(Config::default());
    let mut client = TcpStream::connect(server.tls).unwrap();
    // The beginning of a record of a handshake.
    client.write_all(&[22, 3, 1]).unwrap();
    server.settle();
    server.advance(limit);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_certificate_needs_its_own_key() {
    let (_, one) = Tls::self_signed(vec!["a.example".to_owned()]).unwrap();
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for (certificate, key, why) in [
        (&one[..], &key[..], "cannot be used"),
        ("", &key, "no certificate in PEM form"),
        (&one, "", "no private key in PEM form"),
        (&one, &one, "no private key in PEM form"),
    ] {
        let error = Tls::new(certificate.as_bytes(), key.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn clients_are_told_where_http_3_is() {
    let [plain, by_tls] = Server::plain_and_by_tls(&Config::default());
    let expected = format!("h3=\":{}\"; ma=86400", by_tls.http3.port());
    assert_eq!(by_tls.get("/healthz").header("alt-svc"), Some(&expected[..]));
    // Who is not secure is told nothing: it would be another origin.
    assert_eq!(plain.get("/healthz").header("alt-svc"), None);
}
