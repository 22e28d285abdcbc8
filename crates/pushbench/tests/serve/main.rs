//! `pushbench serve` as a process: how it reports that it is ready, and how it stops.

#![allow(clippy::unwrap_used, reason = "clippy.toml spares the tests, but not their helpers")]
#![expect(clippy::print_stdout, reason = "what a test says is shown when it fails")]

mod log;
mod memory;

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pushbench_wire::endpoint::READY_PREFIX;

/// A server process, which ends with its test at the latest.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(flags: &[&str]) -> Self {
        Self::run(&mut command(flags))
    }

    fn run(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.strip_prefix(READY_PREFIX).unwrap().strip_suffix('\n').unwrap();
        let address = url.strip_prefix("http://").unwrap().parse().unwrap();
        Self { child, address }
    }

    fn signal(&mut self, signal: Signal) -> ExitStatus {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It fails only if the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushbench"));
    command.arg("serve").args(flags);
    if !flags.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The error message of a server that must not start.
fn complaint(flags: &[&str]) -> String {
    let output = command(flags).output().unwrap();
    assert!(!output.status.success());
    assert!(output.stdout.is_empty(), "it must not report that it is ready");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn sigterm_and_sigint_stop_it_gracefully() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut server = Server::start(&[]);
        std::net::TcpStream::connect(server.address).unwrap();
        assert!(server.signal(signal).success(), "{signal}");
    }
}

#[test]
fn the_end_of_standard_input_stops_it_on_request() {
    let mut server = Server::start(&["--stop-on-stdin-eof"]);
    drop(server.child.stdin.take());
    assert!(server.child.wait().unwrap().success());
}

#[test]
fn it_runs_on_the_given_cores_and_threads() {
    // The main thread serves alone, or waits for the workers.
    for (threads, in_all) in [("1", 1), ("2", 3)] {
        let mut server = Server::start(&["--cpus", "0", "--threads", threads]);
        let mut status = String::new();
        let path = format!("/proc/{}/status", server.child.id());
        std::fs::File::open(path).unwrap().read_to_string(&mut status).unwrap();
        assert!(status.contains("\nCpus_allowed_list:\t0\n"), "{status}");
        assert!(status.contains(&format!("\nThreads:\t{in_all}\n")), "{threads}: {status}");
        assert!(server.signal(Signal::SIGTERM).success());
    }
}

#[test]
fn a_system_that_refuses_threads_is_named() {
    // Threads need address space for their stacks.
    let program = env!("CARGO_BIN_EXE_pushbench");
    let script =
        format!("ulimit -v 600000; exec {program} serve --listen 127.0.0.1:0 --threads 1000");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(stderr.contains("cannot start 1000 threads; set fewer with --threads"), "{stderr}");
}

#[test]
fn errors_name_the_cause_and_the_fix() {
    let server = Server::start(&[]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushbench"));
    let output = command.args(["serve", "--listen", &server.address.to_string()]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let address = server.address;
    assert!(
        stderr
            .contains(&format!("cannot listen on {address}; choose another address with --listen"))
            && stderr.contains("Address already in use"),
        "{stderr}"
    );
    assert!(complaint(&["--log-events", "0"]).contains("log_events is 0; it must be from 1"));
    assert!(
        complaint(&["--cpus", "3-2"]).contains("\"3-2\" is not a list of cores such as 0 or 0,2-3")
    );
    for threads in ["0", "100000", "-1"] {
        let said = complaint(&[&format!("--threads={threads}")]);
        assert!(said.contains("it must be a number from 1 to 1024"), "{said}");
    }
    assert!(complaint(&["--heartbeat", "soon"]).contains("--heartbeat"));
    assert!(complaint(&["--inject", "drop=0"]).contains("`drop=0` is invalid; it must be 1/N"));
    let twice = complaint(&["--inject", "drop=1/2", "--inject", "drop=1/3"]);
    assert!(
        twice.contains("the fault `drop` is given more than once; keep one of them"),
        "{twice}"
    );
}

#[test]
fn http_3_has_the_port_of_tls_or_says_what_to_do() {
    // A port that is taken by UDP and free for TCP: at an address where nobody else connects from or listens.
    let taken = std::net::UdpSocket::bind("127.0.0.3:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let error = complaint(&["--tls", &at, "--http3"]);
    assert!(error.contains(&format!("cannot listen on UDP at {at} for HTTP/3")), "{error}");
    assert!(error.contains("choose another address with --tls"), "{error}");
    let error = complaint(&["--http3"]);
    assert!(error.contains("--tls <ADDR>"), "{error}");
}

#[test]
fn a_server_that_others_can_reach_needs_a_token_or_a_word() {
    let refused = complaint(&["--listen", "0.0.0.0:0"]);
    assert!(refused.contains("other machines can reach 0.0.0.0:0"), "{refused}");
    assert!(refused.contains("say --public if everyone may"), "{refused}");
    let by_tls = complaint(&["--stop-on-stdin-eof", "--tls", "0.0.0.0:0"]);
    assert!(by_tls.contains("other machines can reach 0.0.0.0:0"), "{by_tls}");
    let warning = "pushbench: everyone who can reach 0.0.0.0:0 can publish and read, because of \
                   --public\n";
    for (listen, flags, token, said) in [
        ("0.0.0.0:0", &["--public"][..], None, warning),
        ("0.0.0.0:0", &["--token", "s3cret"], None, ""),
        ("0.0.0.0:0", &["--token", "s3cret", "--public"], None, ""),
        ("0.0.0.0:0", &[], Some("s3cret"), ""),
        ("127.0.0.2:0", &[], None, ""),
        ("127.0.0.1:0", &["--public"], None, ""),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pushbench"));
        command.args(["serve", "--listen", listen]).args(flags);
        command.envs(token.map(|token| ("PUSHBENCH_SERVE_TOKEN", token)));
        let mut server = Server::run(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        assert!(server.signal(Signal::SIGTERM).success());
        let mut stderr = String::new();
        server.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!(stderr, said, "{listen} {flags:?} {token:?}");
    }
    let bad = complaint(&["--allow-origin", "app.example"]);
    assert!(bad.contains("\"app.example\" is not an origin; write scheme://host"), "{bad}");
}

#[test]
fn a_server_with_faults_reports_them() {
    for (flags, said) in [
        (&[][..], ""),
        (
            &["--inject", "cpu=20us", "--inject", "stall=200ms/2s"],
            "pushbench: this server injects faults: cpu=20us, stall=200ms/2s\n",
        ),
    ] {
        let mut server = Server::start(flags);
        assert!(server.signal(Signal::SIGTERM).success());
        let mut stderr = String::new();
        server.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!(stderr, said);
    }
}
