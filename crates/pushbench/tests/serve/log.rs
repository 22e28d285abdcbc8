//! A log on disk: what is answered is there after any end of the server, and a disk that is full is said so.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::{Server, complaint};

/// The answer to one request.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn publish(address: SocketAddr, query: &str, event: &str) -> String {
    let length = event.len();
    ask(
        address,
        &format!(
            "POST /channels/news/events{query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Length: {length}\r\n\r\n{event}"
        ),
    )
}

fn get(address: SocketAddr, path: &str) -> String {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
}

fn stderr_of(mut server: Server) -> String {
    let mut said = String::new();
    server.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    said
}

#[test]
fn what_was_answered_is_there_after_any_end() {
    for (signal, said) in [
        (Signal::SIGTERM, ""),
        (
            Signal::SIGKILL,
            "pushbench serve: the log goes on with 3 events of 1 channels: the server before did not stop by itself\n",
        ),
    ] {
        let folder = TempDir::new().unwrap();
        let log = folder.path().join("log");
        let flags = ["--log-dir", log.to_str().unwrap()];
        let mut server = Server::start(&flags);
        for event in ["one", "two"] {
            assert!(publish(server.address, "?event=price", event).ends_with(",\"count\":1}"));
        }
        let numbered = "?publisher=me&sequence=7";
        assert!(publish(server.address, numbered, "three").ends_with("{\"id\":3,\"count\":1}"));
        let _ = server.signal(signal);

        let mut server = Server::start(&flags);
        let events = get(server.address, "/channels/news/poll?after=1");
        let expected = "{\"events\":[{\"id\":2,\"event\":\"price\",\"data\":\"two\"},\
                        {\"id\":3,\"data\":\"three\"}],\"last_event_id\":3}";
        assert!(events.ends_with(expected), "{signal}: {events}");
        let again = publish(server.address, numbered, "three");
        assert!(again.ends_with("{\"id\":3,\"count\":1,\"repeated\":true}"), "{signal}: {again}");
        let metrics = get(server.address, "/metrics");
        assert!(metrics.contains("\npushbench_log_refused_total 0\n"), "{metrics}");
        assert!(server.signal(Signal::SIGTERM).success());
        assert_eq!(stderr_of(server), said);
    }
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().to_str().unwrap();
    let _server = Server::start(&["--log-dir", path]);
    let said = complaint(&["--log-dir", path]);
    assert!(
        said.contains(&format!("cannot keep the log in {path}; choose another folder")),
        "{said}"
    );
    assert!(said.contains("another server uses it"), "{said}");
    let said = complaint(&["--log-dir", "/proc/nowhere"]);
    assert!(said.contains("cannot keep the log in /proc/nowhere"), "{said}");
}

/// A body without line breaks.
fn large() -> String {
    "x".repeat(20_000)
}

/// Publishes until there is no room, and sees that the server goes on.
fn fill(address: SocketAddr) {
    let mut taken = 0;
    let refusal = loop {
        let answer = publish(address, "", &large());
        if !answer.starts_with("HTTP/1.1 200 ") {
            break answer;
        }
        taken += 1;
        assert!(taken < 100, "there is no end of it");
    };
    assert!(refusal.starts_with("HTTP/1.1 507 "), "{refusal}");
    assert!(refusal.contains("there is no room for the log in "), "{refusal}");
    assert!(refusal.contains("nothing of this request was kept"), "{refusal}");
    assert!(taken > 0);
    let small = publish(address, "", "small");
    let small = small.starts_with("HTTP/1.1 200 ");
    let events = get(address, "/channels/news/poll");
    let count = events.matches("\"id\":").count();
    assert_eq!(count, taken + usize::from(small), "only what was answered is there");
}

/// Nothing of what was refused is there after a restart.
fn assert_kept(flags: &[&str], before: &str) {
    let server = Server::start(flags);
    let after = get(server.address, "/channels/news/poll");
    let body = |answer: &str| answer.split("\r\n\r\n").nth(1).unwrap().to_owned();
    assert_eq!(body(&after), body(before));
}

#[test]
fn a_file_that_may_not_grow_is_said_and_the_server_goes_on() {
    let folder = TempDir::new().unwrap();
    let flags = ["--log-dir", folder.path().to_str().unwrap()];
    let mut limited = Command::new("sh");
    // Of 64 KiB; the signal would end it.
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 128; exec \"$0\" serve --listen 127.0.0.1:0 \"$@\""]);
    limited.arg(env!("CARGO_BIN_EXE_pushbench")).args(flags);
    limited.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = Server::run(&mut limited);
    fill(server.address);
    let before = get(server.address, "/channels/news/poll");
    assert!(server.signal(Signal::SIGTERM).success());
    let said = stderr_of(server);
    assert!(said.starts_with("pushbench serve: there is no room for the log in "), "{said}");
    assert_kept(&flags, &before);
}

/// Whether this process may mount something in a namespace of its own.
fn can_mount() -> bool {
    let tried =
        Command::new("unshare").args(["-Urm", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    let can = tried.is_ok_and(|output| output.status.success());
    if !can {
        println!("not tested: nothing can be mounted here");
    }
    can
}

#[test]
fn a_disk_that_is_full_is_said_and_the_server_goes_on() {
    if !can_mount() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let small = "mount -t tmpfs -o size=64k none \"$1\" && shift && \
                 exec \"$0\" serve --listen 127.0.0.1:0 \"$@\"";
    let mut mounted = Command::new("unshare");
    let path = folder.path().to_str().unwrap();
    mounted.args([
        "-Urm",
        "sh",
        "-c",
        small,
        env!("CARGO_BIN_EXE_pushbench"),
        path,
        "--log-dir",
        path,
    ]);
    mounted.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = Server::run(&mut mounted);
    fill(server.address);
    assert!(server.signal(Signal::SIGTERM).success());
    assert!(stderr_of(server).contains("there is no room for the log in "));
}

#[test]
fn a_log_that_is_damaged_in_the_middle_says_what_is_missing_and_keeps_it_aside() {
    let folder = TempDir::new().unwrap();
    let flags = ["--log-dir", folder.path().to_str().unwrap()];
    let mut server = Server::start(&flags);
    for event in ["one", "two", "three", "four"] {
        assert!(publish(server.address, "", event).starts_with("HTTP/1.1 200 "));
    }
    assert!(server.signal(Signal::SIGTERM).success());
    let file = folder.path().join("00000000000000000001.log");
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.windows(3).position(|part| part == b"two").unwrap();
    bytes[at] = b'T';
    std::fs::write(&file, &bytes).unwrap();

    let mut server = Server::start(&flags);
    let events = get(server.address, "/channels/news/poll");
    assert!(events.ends_with("{\"events\":[{\"id\":1,\"data\":\"one\"}],\"last_event_id\":1}"));
    let metrics = get(server.address, "/metrics");
    assert!(metrics.contains("\npushbench_log_set_aside_events 2\n"), "{metrics}");
    let told = get(server.address, "/channels/news/poll?after=4");
    assert!(told.contains("lagged"), "who has what is missing is told: {told}");
    assert!(server.signal(Signal::SIGTERM).success());
    let said = stderr_of(server);
    let loud = "pushbench serve: the log goes on with 1 events of 1 channels, and WITHOUT 2 that were written before";
    assert!(said.starts_with(loud), "{said}");
    assert!(said.contains("restore the folder from a copy"), "{said}");
    let aside = std::fs::read(file.with_extension("log.damaged")).unwrap();
    assert!(bytes.ends_with(&aside), "byte by byte");

    let mut server = Server::start(&flags);
    let metrics = get(server.address, "/metrics");
    assert!(metrics.contains("\npushbench_log_set_aside_events 0\n"), "it was said: {metrics}");
    assert!(server.signal(Signal::SIGTERM).success());
    assert_eq!(stderr_of(server), "");
}

#[test]
fn a_folder_that_may_only_be_read_is_named() {
    if !can_mount() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path().to_str().unwrap();
    let read_only = "mount -t tmpfs -o ro none \"$1\" && \
                     exec \"$0\" serve --listen 127.0.0.1:0 --log-dir \"$1\"";
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", read_only, env!("CARGO_BIN_EXE_pushbench"), path]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{said}");
    assert!(said.contains(&format!("cannot keep the log in {path}; choose another")), "{said}");
    assert!(said.contains("Read-only file system"), "{said}");
}
