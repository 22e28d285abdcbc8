//! Whatever clients do, the process stays below the memory that it may use, and answers.

use std::fmt::Display;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use crate::Server;

const CLIENTS: usize = 16;

/// Far longer than anything here takes: a test that would hang fails instead.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the server may use, in MiB: so little that each experiment would need more by far.
const TOTAL_MIB: usize = 64;

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends `bytes` as far as the server takes them, and says whether it took all.
fn send(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    stream.write_all(bytes).is_ok()
}

/// The status of the answer to a request, after which the server closes. `None` if it closes at once.
fn status(address: SocketAddr, request: &[u8]) -> Option<u16> {
    let mut stream = connect(address);
    send(&mut stream, request);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{error}"),
    }
    String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
}

fn get(target: impl Display) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").into()
}

fn post(target: impl Display, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn websocket(channel: impl Display) -> Vec<u8> {
    format!(
        "GET /channels/{channel}/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into()
}

/// A body of events with their lengths.
fn lengths(event: &[u8], count: usize) -> Vec<u8> {
    let len = u32::try_from(event.len()).unwrap().to_be_bytes();
    [&len[..], event].concat().repeat(count)
}

/// Sends the same on many connections of one client, which never reads, and keeps them open.
fn open_many(address: SocketAddr, count: usize, bytes: &[u8]) -> Vec<TcpStream> {
    (0..count)
        .map(|_| {
            let mut stream = connect(address);
            send(&mut stream, bytes);
            stream
        })
        .collect()
}

/// One client of an experiment: where the server is, and the number of the client.
type Experiment = fn(SocketAddr, usize) -> Vec<TcpStream>;

const LARGE: usize = 64 << 10;

const EXPERIMENTS: [(&str, Experiment); 9] = [
    ("a megabyte of empty lines", |address, client| {
        let path = format!("/channels/lines-{client}/events?split=lines");
        let refused = status(address, &post(&path, &b"\n".repeat(1 << 20)));
        assert!(matches!(refused, Some(413 | 503)), "{refused:?}");
        let most = post(&path, &b"\n".repeat(10_000));
        (0..5).for_each(|_| _ = status(address, &most));
        Vec::new()
    }),
    ("full logs of many channels", |address, client| {
        let body = lengths(&[b'x'; LARGE], 15);
        for channel in 0..8 {
            let request =
                post(format!("/channels/log-{client}-{channel}/events?split=lengths"), &body);
            (0..4).for_each(|_| _ = status(address, &request));
        }
        Vec::new()
    }),
    ("many empty events", |address, client| {
        for channel in 0..4 {
            let path = format!("/channels/empty-{client}-{channel}/events?split=lengths");
            status(address, &post(path, &[0; 40_000]));
        }
        Vec::new()
    }),
    ("frames that are larger than their events", |address, client| {
        let mut streams = Vec::new();
        for (channel, byte) in [("nl", b'\n'), ("ctl", 1)] {
            let path = format!("/channels/{channel}-{client}");
            let body = lengths(&[byte; LARGE], 15);
            (0..3).for_each(|_| {
                _ = status(address, &post(format!("{path}/events?split=lengths"), &body));
            });
            for resource in ["sse", "poll"] {
                let request = get(format!("{path}/{resource}?after=0"));
                streams.extend(open_many(address, 4, &request));
            }
        }
        streams
    }),
    ("channels that are only asked for", |address, client| {
        let keep = |channel| {
            format!("GET /channels/c-{client}-{channel}/poll HTTP/1.1\r\nHost: localhost\r\n\r\n")
        };
        let mut stream = connect(address);
        for channel in 0..1_000 {
            send(&mut stream, keep(channel).as_bytes());
            stream.read_exact(&mut [0; 20]).unwrap();
        }
        Vec::new()
    }),
    ("bodies that never end", |address, client| {
        let body = post(format!("/channels/b-{client}/events"), &vec![b'x'; 1 << 20]);
        open_many(address, 8, &body[..body.len() - 1])
    }),
    ("messages that never end", |address, client| {
        let fragment = [&b"\x01\xfe\x7f\xff\0\0\0\0"[..], &[b'x'; 0x7fff]].concat();
        let request = [websocket(format!("m-{client}")), fragment].concat();
        open_many(address, 20, &request)
    }),
    ("heads that never end", |address, _| {
        let head = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: {}", "x".repeat(30_000));
        open_many(address, 20, head.as_bytes())
    }),
    ("pings without end", |address, client| {
        let ping = [&b"\x89\xfd\0\0\0\0"[..], &[b'x'; 125]].concat();
        let request = [websocket(format!("p-{client}")), ping.repeat(4_000)].concat();
        open_many(address, 20, &request)
    }),
];

impl Server {
    /// The most memory that it has had so far, in MiB.
    fn peak_mib(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() >> 10
    }
}

#[test]
fn it_never_needs_more_memory_than_it_may() {
    let total = (TOTAL_MIB << 20).to_string();
    let server = Server::start(&["--max-memory", &total, "--threads", "2"]);
    let address = server.address;
    for (name, experiment) in EXPERIMENTS {
        let clients: Vec<_> =
            (0..CLIENTS).map(|client| thread::spawn(move || experiment(address, client))).collect();
        let open: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        let health = status(address, &get("/healthz"));
        assert!(matches!(health, Some(200 | 503)), "{name}: {health:?}");
        let peak = server.peak_mib();
        assert!(peak < TOTAL_MIB, "{name}: {peak} MiB");
        eprintln!("{name}: {peak} MiB so far");
        drop(open);
        // The server still has to see that they are gone.
        let works = || status(address, &post("/channels/after/events", b"it")) == Some(200);
        assert!((0..10_000).any(|_| works()), "{name}: it works again");
    }
}
