//! What breaks between clients and server in the middle of a trial, or should never have worked: a failed
//! row says why, with a way out, the other contenders are measured, and nothing stays.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use pushbench_loadgen::results::Outcome;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use super::network::{can_lay, networks_of, traces};
use super::support::{Bench, run_in, text, wait_gone};

/// What is measured with the fault, and a contender that it does not concern.
fn scenario(faulty: &str) -> String {
    format!(
        r#"
name = "faults"
description = "As short as it gets."
compare = []
blocks = 1

[[contender]]
name = "faulty"
label = "Faulty"
transport = "sse"
{faulty}

[[contender]]
name = "other"
label = "Other"
transport = "sse"

[workload]
subscribers = 3
events_per_second = 20
payload_bytes = 64
duration = "1s"
warm_up = "100ms"
idle = "0s"
"#
    )
}

/// A proxy that is a shell script in the folder of the scenario.
fn script(bench: &Bench, script: &str, more: &str) -> String {
    fs::write(bench.path("proxy.sh"), script).unwrap();
    format!(
        "proxy = {{ name = \"fake\", {more}command = \"sh proxy.sh {{listen}} {{upstream}} {}\" }}",
        if more.is_empty() { "" } else { "{certificate} {key}" }
    )
}

/// What a trial could leave behind, on this machine.
struct Before {
    traces: [String; 4],
}

/// What belongs to a run that goes on.
struct During {
    processes: Vec<Pid>,
    networks: BTreeSet<String>,
}

impl Before {
    fn note(bench: &Bench) -> Self {
        assert_eq!(processes_of(bench), [], "nothing runs yet");
        Self { traces: traces() }
    }

    /// Nothing is left of it: no process, no namespace, no queue, no rule, no interface.
    fn assert_nothing_left(&self, bench: &Bench, during: &During) {
        for process in during.processes.iter().copied().chain(processes_of(bench)) {
            wait_gone(process);
        }
        assert_eq!(processes_of(bench), []);
        let held = held_networks();
        assert!(during.networks.is_disjoint(&held), "{:?} of {held:?}", during.networks);
        assert_eq!(traces(), self.traces);
    }
}

/// The processes that a run in the folder of `bench` has started, by what they inherit.
fn processes_of(bench: &Bench) -> Vec<Pid> {
    let folder = bench.path("").into_os_string().into_string().unwrap();
    let is_ours = |path: &Path| {
        let variables = fs::read(path.join("environ")).unwrap_or_default();
        variables.windows(folder.len()).any(|part| part == folder.as_bytes())
    };
    numbers("/proc").filter(|(_, path)| is_ours(path)).map(|(process, _)| process).collect()
}

fn numbers(folder: &str) -> impl Iterator<Item = (Pid, std::path::PathBuf)> {
    fs::read_dir(folder).unwrap().flatten().filter_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        Some((Pid::from_raw(number), entry.path()))
    })
}

/// The networks that any process is in, or holds open, or that are mounted.
fn held_networks() -> BTreeSet<String> {
    let mut held = BTreeSet::new();
    for (process, path) in numbers("/proc") {
        held.extend(networks_of(process));
        let files = fs::read_dir(path.join("fd")).into_iter().flatten().flatten();
        let targets = files.filter_map(|file| fs::read_link(file.path()).ok());
        held.extend(targets.filter_map(|to| Some(to.to_str()?.to_owned())));
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    held.extend(mounts.split_whitespace().map(str::to_owned));
    held
}

/// Runs the scenario, does `harm` when the faulty contender is being measured, and gives why that failed.
fn failure_of(bench: &Bench, faulty: &str, harm: impl FnOnce(&During)) -> String {
    bench.scenario(&scenario(faulty));
    let before = Before::note(bench);
    let mut command = bench.command(&["run", "scenario.toml", "--out", "out"]);
    command.env("PUSHBENCH_TEST_FOLDER", bench.path(""));
    let mut run = Bench::start(command);
    run.wait_for("Faulty");
    run.wait_for("measuring");
    let processes = processes_of(bench);
    assert!(processes.len() > 1, "{processes:?}");
    let ours = networks_of(Pid::this());
    let networks = processes.iter().flat_map(|&process| networks_of(process));
    let networks: BTreeSet<_> = networks.filter(|of| !ours.contains(of)).collect();
    let wanted = if faulty.contains("network") { 2 } else { 0 };
    assert_eq!(networks.len(), wanted, "one of the server, one of the clients: {networks:?}");
    let during = During { processes, networks };
    harm(&during);
    let (code, said) = run.finish();
    assert_eq!(code, Some(1), "{said}");
    before.assert_nothing_left(bench, &during);
    reason(bench, &said)
}

/// Why the faulty contender failed, which the other one did not.
fn reason(bench: &Bench, said: &str) -> String {
    let run = run_in(&bench.path("out"));
    assert_eq!(run.trials.len(), 2, "{said}");
    let mut reasons = Vec::new();
    for trial in &run.trials {
        match &trial.outcome {
            Outcome::Failed { reason } => {
                assert_eq!(trial.contender.name(), "faulty", "{reason}");
                reasons.push(reason.clone());
            }
            _ => assert_eq!(trial.contender.name(), "other", "{said}"),
        }
    }
    assert_eq!(reasons.len(), 1, "{said}");
    reasons.remove(0)
}

/// Why the faulty contender did not get to be measured.
fn refusal(bench: &Bench, faulty: &str) -> String {
    bench.scenario(&scenario(faulty));
    let before = Before::note(bench);
    let mut command = bench.command(&["run", "scenario.toml", "--out", "out"]);
    let output = command.env("PUSHBENCH_TEST_FOLDER", bench.path("")).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let nobody = During { processes: Vec::new(), networks: BTreeSet::new() };
    before.assert_nothing_left(bench, &nobody);
    reason(bench, said)
}

/// A server of its own instead of one that is passed on to, which anybody may reach.
const SERVE: &str =
    concat!("'", env!("CARGO_BIN_EXE_pushbench"), "' serve --public --listen \"$1\"");

#[test]
fn alone_a_proxy_that_is_killed_within_a_network() {
    if !can_lay() {
        return;
    }
    let bench = Bench::alone();
    let proxy = script(&bench, &format!("echo $$ >proxy; exec {SERVE}"), "");
    let faulty = format!("{proxy}\nnetwork = {{ round_trip = \"10ms\", loss = \"1%\" }}");
    let reason = failure_of(&bench, &faulty, |_| {
        let proxy = fs::read_to_string(bench.path("proxy")).unwrap();
        kill(Pid::from_raw(proxy.trim().parse().unwrap()), Signal::SIGKILL).unwrap();
    });
    assert!(
        reason.starts_with("the proxy fake was ended by SIGKILL (by somebody else"),
        "{reason}"
    );
    assert!(reason.contains("`dmesg`"), "{reason}");
}

/// Runs `command` in the network of a process.
fn in_the_network_of(process: Pid, command: &[&str]) {
    let mut nsenter = Command::new("nsenter");
    if !Uid::effective().is_root() {
        nsenter.args(["--user", "--preserve-credentials"]);
    }
    let process = process.to_string();
    let done = nsenter.args(["--net", "--target", &process]).args(command).status().unwrap();
    assert!(done.success(), "{command:?}");
}

#[test]
fn alone_a_network_that_is_changed_in_the_middle() {
    if !can_lay() {
        return;
    }
    let bench = Bench::alone();
    let lossy = "network = { round_trip = \"10ms\", loss = \"1%\" }";
    let limited = "network = { bandwidth = \"100mbit\" }";
    for (network, command, what) in [
        (lossy, &["ip", "link", "set", "pushbench", "down"][..], "`pushbench` is gone, or down"),
        (lossy, &["iptables", "-t", "mangle", "-F"], "the rule is gone by which packets wait"),
        (limited, &["tc", "qdisc", "del", "dev", "pushbench", "root"], "`tbf` is gone"),
    ] {
        let _ = fs::remove_dir_all(bench.path("out"));
        let reason = failure_of(&bench, network, |during| {
            let ours = networks_of(Pid::this());
            let is_there =
                |process: &&Pid| networks_of(**process).iter().any(|of| !ours.contains(of));
            // The server is in one network; pushbench itself is in several.
            let is_alone = |process: &&Pid| networks_of(**process).len() == 1;
            let mut there = during.processes.iter().filter(is_there).filter(is_alone);
            in_the_network_of(*there.next().unwrap(), command);
        });
        assert!(reason.contains("somebody has changed the network of this trial"), "{reason}");
        assert!(reason.contains("measure again"), "{reason}");
        assert!(reason.contains(what), "{command:?}: {reason}");
    }
}

/// A certificate and its key, as PEM.
fn certificate(host: &str, until: i32) -> [String; 2] {
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    let key = KeyPair::generate().unwrap();
    [params.self_signed(&key).unwrap().pem(), key.serialize_pem()]
}

#[test]
fn a_certificate_that_has_expired_or_is_for_another_name() {
    for (host, until, says, way_out) in [
        ("127.0.0.1", 2021, "certificate expired", "renew its certificate"),
        ("example.org", 2121, "not valid for name", "for the address that clients connect to"),
    ] {
        let bench = Bench::new();
        let [certificate, key] = certificate(host, until);
        fs::write(bench.path("own.pem"), certificate).unwrap();
        fs::write(bench.path("own.key"), key).unwrap();
        // Clients trust whatever is there, so it is not that nobody vouches for it.
        let proxy = format!(
            "cat own.pem >\"$3\"\nlisten=$1; set -- 127.0.0.1:0\nexec {SERVE} --tls \"$listen\" \
             --tls-cert own.pem --tls-key own.key"
        );
        let reason = refusal(&bench, &script(&bench, &proxy, "tls = true, "));
        assert!(reason.starts_with("through the proxy fake: subscriber 1 of 3"), "{reason}");
        assert!(reason.contains("no TLS with 127.0.0.1:"), "{reason}");
        assert!(reason.contains(says) && reason.contains(way_out), "{reason}");
    }
}

#[test]
fn a_proxy_that_nobody_here_vouches_for() {
    let bench = Bench::new();
    let proxy = format!("listen=$1; set -- 127.0.0.1:0\nexec {SERVE} --tls \"$listen\"");
    let reason = refusal(&bench, &script(&bench, &proxy, "tls = true, "));
    assert!(reason.contains("invalid peer certificate"), "{reason}");
    assert!(reason.contains("a proxy gets it as {certificate} and {key}"), "{reason}");
}

/// As the script of a proxy: one that does what [`acts_as_a_proxy`] does in this way.
pub(super) fn acting(how: &str) -> String {
    let tests = std::env::current_exe().unwrap();
    format!(
        "ACT_AS={how} LISTEN=$1 UPSTREAM=$2 CERTIFICATE=$3 KEY=$4 exec '{}' --exact --ignored \
         faults::acts_as_a_proxy",
        tests.display()
    )
}

#[test]
fn a_proxy_that_does_not_agree_on_http_2() {
    for (how, says) in
        [("http/1.1", "received fatal alert"), ("nothing", "HTTP/2 was offered, and not chosen")]
    {
        let bench = Bench::new();
        let proxy = script(&bench, &acting(how), "tls = true, ");
        let reason = refusal(&bench, &format!("{proxy}\nhttp = \"2\""));
        assert!(reason.contains("no TLS with 127.0.0.1:"), "{how}: {reason}");
        assert!(reason.contains(says), "{how}: {reason}");
        let way_out = "turn HTTP/2 on where TLS ends (ALPN `h2`), or write `http = \"1.1\"`";
        assert!(reason.contains(way_out), "{how}: {reason}");
    }
}

#[test]
fn a_proxy_that_answers_502() {
    let way_out = "does its configuration lead to {upstream}";
    let bench = Bench::new();
    fs::write(bench.path("broken"), "").unwrap();
    let reason = refusal(&bench, &script(&bench, &acting("gateway"), ""));
    assert!(reason.starts_with("through the proxy fake: subscriber 1 of 3"), "{reason}");
    assert!(reason.contains("answered 502 Bad Gateway: no upstream"), "{reason}");
    assert!(reason.contains(way_out), "{reason}");
    // A test has one at a time.
    drop(bench);

    let bench = Bench::new();
    let proxy = script(&bench, &acting("gateway"), "");
    let reason = failure_of(&bench, &proxy, |_| fs::write(bench.path("broken"), "").unwrap());
    assert!(reason.starts_with("through the proxy fake: the trial cannot go on"), "{reason}");
    assert!(reason.contains("answered 502 Bad Gateway: no upstream"), "{reason}");
    assert!(reason.contains(way_out), "{reason}");
}

/// Not a test: what some of them start as a proxy.
#[test]
#[ignore = "it is a proxy, which other tests start"]
fn acts_as_a_proxy() {
    let variable = |name| std::env::var(name).unwrap();
    let listener = TcpListener::bind(variable("LISTEN")).unwrap();
    let alpn = match &*variable("ACT_AS") {
        "gateway" => return pass_on(&listener, &variable("UPSTREAM")),
        "nothing" => Vec::new(),
        named => vec![named.as_bytes().to_vec()],
    };
    let certificate = CertificateDer::from_pem_file(variable("CERTIFICATE")).unwrap();
    let key = PrivateKeyDer::from_pem_file(variable("KEY")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = alpn;
    let config = Arc::new(config);
    for mut stream in listener.incoming().flatten() {
        let mut tls = ServerConnection::new(Arc::clone(&config)).unwrap();
        let shaken = tls.complete_io(&mut stream);
        // It has said why, if it refused.
        let _ = shaken.and_then(|_| stream.read(&mut [0]));
    }
}

/// Passes bytes on, until the file `broken` is there: then connections end, and new ones get 502.
fn pass_on(listener: &TcpListener, upstream: &str) {
    let is_broken = || Path::new("broken").exists();
    for stream in listener.incoming().flatten() {
        if is_broken() {
            thread::spawn(move || answer_502(stream));
            continue;
        }
        let Ok(to) = TcpStream::connect(upstream) else { continue };
        let [from_client, from_server] = [&stream, &to].map(|of| of.try_clone().unwrap());
        let [to_client, to_server] = [&stream, &to].map(|of| of.try_clone().unwrap());
        thread::spawn(move || copy(from_client, to_server));
        thread::spawn(move || copy(from_server, to_client));
        thread::spawn(move || {
            while !is_broken() {
                thread::park_timeout(Duration::from_millis(10));
            }
            for of in [stream, to] {
                let _ = of.shutdown(Shutdown::Both);
            }
        });
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

fn answer_502(mut stream: TcpStream) {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
        request.extend(byte);
    }
    let _ = stream.write_all(
        b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 11\r\nconnection: close\r\n\r\nno upstream",
    );
}
