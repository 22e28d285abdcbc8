//! What a run reports, against the kernel's own account, read from outside by another way.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::unistd::Pid;
use pushbench_loadgen::results::{Run, Trial};

use crate::support::{Bench, cannot_run, run_in};

/// How far a witness may differ.
const TOLERANCE: f64 = 0.02;

/// A tick of the kernel's, in which it counts user and system time.
const TICK_NS: f64 = 1e7;

/// How far several of them may.
const TOLERANCE_OF_MANY: f64 = 0.03;

/// How often the kernel is asked.
const EVERY: Duration = Duration::from_millis(5);

fn assert_agree(what: &str, reported: f64, witness: Witnessed, of: f64) {
    assert!(
        (reported - witness.count).abs() < TOLERANCE * of + witness.unsure,
        "{what}: reported {reported}, the kernel says {witness:?}"
    );
    println!("{what}: reported {reported}, the kernel says {witness:?}");
}

/// What came in a window by the kernel's account.
#[derive(Clone, Copy, Debug)]
struct Witnessed {
    count: f64,
    /// What came between the readings next to the window's edges: it may be within or outside.
    unsure: f64,
}

/// Two counts of the kernel at many moments. A reading says when it was made, so one that a busy
/// machine makes late only leaves more that is unsure.
struct Readings(Vec<(f64, [f64; 2])>);

impl Readings {
    /// Reads until there is nothing left to read.
    fn take(read: impl Fn() -> Option<[f64; 2]>) -> Self {
        let mut readings = Vec::new();
        loop {
            let before_s = unix_s();
            let Some(counts) = read() else { return Self(readings) };
            readings.push((f64::midpoint(before_s, unix_s()), counts));
            thread::park_timeout(EVERY);
        }
    }

    /// What there was when the window of a trial began.
    fn before(&self, trial: &Trial, run: &Run) -> [f64; 2] {
        self.at(run.manifest.started_unix_s + trial.measured_from_s.unwrap())
    }

    /// What came in the window of a trial.
    fn during(&self, trial: &Trial, run: &Run) -> [Witnessed; 2] {
        let from_s = run.manifest.started_unix_s + trial.measured_from_s.unwrap();
        let window = trial.values.iter().find(|(metric, _)| metric.name() == "window").unwrap().1;
        let [from, to] = [from_s, from_s + window / 1e9].map(|at_s| self.around(at_s));
        let [before, after] = [from_s, from_s + window / 1e9].map(|at_s| self.at(at_s));
        let growth = |edge: [(f64, [f64; 2]); 2], count: usize| edge[1].1[count] - edge[0].1[count];
        [0, 1].map(|count| Witnessed {
            count: after[count] - before[count],
            unsure: growth(from, count).max(growth(to, count)),
        })
    }

    /// The readings before and after a moment.
    fn around(&self, at_s: f64) -> [(f64, [f64; 2]); 2] {
        let next = self.0.partition_point(|(read_s, _)| *read_s < at_s);
        assert!((1..self.0.len()).contains(&next), "it was read before and after");
        [self.0[next - 1], self.0[next]]
    }

    /// As if counts grew evenly between two readings.
    fn at(&self, at_s: f64) -> [f64; 2] {
        let [(from_s, from), (to_s, to)] = self.around(at_s);
        let share = (at_s - from_s) / (to_s - from_s);
        [0, 1].map(|count| from[count] + share * (to[count] - from[count]))
    }
}

#[expect(clippy::disallowed_methods, reason = "a run says by this clock when it began")]
fn unix_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// User and system time of a process in nanoseconds, in ticks of 10 ms.
fn cpu_ns(process: Pid) -> Option<[f64; 2]> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut ticks = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || Some(ticks.next()?.parse::<f64>().ok()? * 1e7);
    Some([next()?, next()?])
}

#[test]
fn the_servers_cpu_is_what_the_kernel_says() {
    let bench = Bench::new();
    bench.scenario(
        r#"
        name = "cpu"
        description = "Enough work for the kernel's 10 ms ticks."
        compare = ["polling"]
        blocks = 1
        [workload]
        idle = "0s"
        subscribers = 100
        events_per_second = 20
        payload_bytes = 64
        duration = "6s"
        warm_up = "500ms"
        [polling]
        interval = "20ms"
        "#,
    );
    // A busy machine may keep either from reading in time, but not three times in a row.
    let mut last = Vec::new();
    for _ in 0..3 {
        let figures = cpu_by_both(&bench);
        if figures.iter().all(|[reported, witness]| (reported - witness).abs() < allowed(*witness))
        {
            return;
        }
        last.push(figures);
        fs::remove_dir_all(bench.path("out")).unwrap();
    }
    panic!("CPU, user and system, as reported and by the kernel: {last:?}");
}

/// How far what the kernel counts in ticks may be off: each end of a window falls somewhere into one, of
/// user and of system time.
fn allowed(witness: f64) -> f64 {
    TOLERANCE * witness + 2.0 * TICK_NS
}

/// The CPU time of the server, all, user and system, as reported and by the kernel.
fn cpu_by_both(bench: &Bench) -> [[f64; 2]; 3] {
    let mut run = bench.start_run();
    run.wait_for("[1/1]");
    let server = loop {
        match run.children()[..] {
            [server] => break server,
            _ => thread::park_timeout(EVERY),
        }
    };
    let readings = thread::spawn(move || Readings::take(|| cpu_ns(server)));
    run.finish();
    let run = run_in(&bench.path("out"));
    let [user, system] = readings.join().unwrap().during(&run.trials[0], &run);
    let trials = bench.trials();
    let reported = |metric: &str| trials["polling"].values[metric];
    let figures = ["server_cpu", "server_user_cpu", "server_system_cpu"].map(reported);
    let [all, parts @ ..] = figures;
    let sum: f64 = parts.iter().sum();
    assert!((sum - all).abs() < 1.0, "the parts make the whole: {sum} ns");
    let witness = [user.count + system.count, user.count, system.count];
    [0, 1, 2].map(|of| [figures[of], witness[of]])
}

/// The CPU time of some processes, and their anonymous memory in bytes.
fn cpu_and_memory(processes: &[Pid]) -> Option<[f64; 2]> {
    let mut sum = [0.0; 2];
    for &process in processes {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let memory = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
        sum[0] += cpu_ns(process)?.iter().sum::<f64>();
        sum[1] += memory.trim().strip_suffix(" kB")?.parse::<f64>().ok()? * 1024.0;
    }
    Some(sum)
}

#[test]
fn a_wrapper_has_the_cpu_and_the_memory_of_its_workers() {
    let bench = Bench::new();
    bench.scenario(
        r#"
        name = "wrapper"
        description = "One worker serves, the other one takes what is left of its core."
        compare = ["polling"]
        blocks = 1
        [workload]
        idle = "0s"
        subscribers = 50
        events_per_second = 20
        payload_bytes = 64
        duration = "4s"
        warm_up = "500ms"
        [polling]
        interval = "20ms"
        "#,
    );
    let serve = env!("CARGO_BIN_EXE_pushbench");
    let script = format!(
        "ulimit -t 60; exec 3<&0; echo $$ >started; \
         nice -n 19 sh -c 'while :; do :; done' & echo $! >>started; \
         '{serve}' serve \"$@\" <&3 & echo $! >>started; mv started workers; wait"
    );
    fs::write(bench.path("wrapper.sh"), script).unwrap();
    let server = format!("sh {}", bench.path("wrapper.sh").display());
    // A busy machine may make both sides read late, but not three times in a row.
    let mut last = String::new();
    for _ in 0..3 {
        let figures = of_workers(&bench, &server);
        if figures
            .iter()
            .all(|[reported, witness]| (reported - witness).abs() < TOLERANCE_OF_MANY * witness)
        {
            return;
        }
        last = format!("CPU and memory, as reported and by the kernel: {figures:?}");
        fs::remove_dir_all(bench.path("out")).unwrap();
        fs::remove_file(bench.path("workers")).unwrap();
    }
    panic!("{last}");
}

/// CPU time and memory of the workers of a server, as reported and by the kernel.
fn of_workers(bench: &Bench, server: &str) -> [[f64; 2]; 2] {
    let arguments = ["run", "scenario.toml", "--out", "out", "--server", server];
    let mut run = Bench::start(bench.command(&arguments));
    run.wait_for("warming up");
    let workers = fs::read_to_string(bench.path("workers")).unwrap();
    let workers = workers.lines().map(|line| Pid::from_raw(line.parse().unwrap()));
    let workers: Vec<_> = workers.collect();
    assert_eq!(workers.len(), 3, "the wrapper itself, too");
    let readings = thread::spawn(move || Readings::take(|| cpu_and_memory(&workers)));
    let (_, said) = run.finish();
    let run = run_in(&bench.path("out"));
    let readings = readings.join().unwrap();
    assert!(!run.trials[0].has_failed(), "{said}");
    let [cpu_ns, _] = readings.during(&run.trials[0], &run);
    let [_, memory] = readings.before(&run.trials[0], &run);
    let reported = |metric: &str| bench.trials()["polling"].values[metric];
    [[reported("server_cpu"), cpu_ns.count], [reported("server_memory"), memory]]
}

/// Packets that the loopback interface has sent in the network that `process` is in, and their bytes
/// from the IP header on: it takes the Ethernet header off before it counts.
fn sent_by_loopback(process: Pid) -> Option<[f64; 2]> {
    let text = fs::read_to_string(format!("/proc/{process}/net/dev")).ok()?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix("lo:"))?;
    // Eight fields of what was received, then bytes and packets of what was sent.
    let mut fields = line.split_whitespace().skip(8);
    let mut next = || fields.next()?.parse().ok();
    let (bytes, packets) = (next()?, next()?);
    Some([packets, bytes])
}

/// How a program is started in a network of its own, where nobody else sends anything.
fn network_of_its_own() -> Option<[&'static str; 5]> {
    // The second way needs no privilege where the kernel lets users make namespaces.
    ["-n", "-rn"].into_iter().find_map(|how| {
        let up = Command::new("unshare").args([how, "ip", "link", "set", "lo", "up"]).output();
        let is_up = up.is_ok_and(|output| output.status.success());
        is_up.then_some(["unshare", how, "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""])
    })
}

/// Runs the scenario, and holds what each trial reports against what the interface sent meanwhile.
/// Events are rare, so that none comes near an edge of the window.
fn hold_against_loopback(launcher: &[&str], scenario: &str) {
    let bench = Bench::new();
    bench.scenario(scenario);
    let run = bench.start_run_by(launcher);
    let process = run.pid();
    let readings = thread::spawn(move || Readings::take(|| sent_by_loopback(process)));
    run.finish();
    let readings = readings.join().unwrap();
    let run = run_in(&bench.path("out"));
    let trials = bench.trials();
    assert_eq!(trials.len(), run.trials.len());
    for trial in &run.trials {
        let name = trial.contender.name();
        let [packets, sent_bytes] = readings.during(trial, &run);
        let reported = |metric: &str| trials[name].values[metric];
        let segments = ["segments_to_server", "segments_to_subscribers", "publisher_segments"];
        let segments = segments.map(reported).iter().sum();
        let bytes = reported("wire_bytes_per_delivery") * reported("window_deliveries")
            + reported("publisher_wire_bytes");
        assert_agree(&format!("{name}: segments"), segments, packets, packets.count);
        assert_agree(&format!("{name}: bytes"), bytes, sent_bytes, sent_bytes.count);
    }
}

#[test]
fn bytes_and_segments_are_what_the_interface_says() {
    let Some(launcher) = network_of_its_own() else {
        return cannot_run(
            "`unshare -n` and `ip link set lo up` do not work: install util-linux and iproute2, or run \
             it where network namespaces may be made",
        );
    };
    let workload = r#"
        [workload]
        subscribers = 100
        events_per_second = 1
        payload_bytes = 200
        duration = "4s"
        warm_up = "200ms"
        idle = "0s"
    "#;
    let kept = format!(
        r#"
        name = "kept"
        description = "Every transport, with connections that stay."
        blocks = 1
        {workload}
        [polling]
        interval = "100ms"
        "#
    );
    hold_against_loopback(&launcher, &kept);
    // Fewer polls: a worker that is busy takes long to ask for what its connections have done.
    let by_http3 = kept
        .replace("\"kept\"", "\"http3\"")
        .replace("subscribers = 100", "subscribers = 40")
        .replace("200ms", "500ms")
        .replace("100ms", "500ms")
        .replace("blocks = 1", "compare = [\"polling\", \"long-polling\", \"sse\"]\nblocks = 1\ntls = true\nhttp = \"3\"\n[[contender]]\nname = \"session\"\ntransport = \"sse\"\nhttp = \"webtransport-draft\"");
    hold_against_loopback(&launcher, &by_http3);
    // So few that they never queue: what comes after a connection was closed is not seen.
    let workload = workload.replace("subscribers = 100", "subscribers = 20");
    let new = format!(
        r#"
        name = "new"
        description = "Every request opens a connection and closes it."
        compare = ["polling", "long-polling"]
        blocks = 1
        {workload}
        [polling]
        interval = "100ms"
        connection = "new"
        [long-polling]
        connection = "new"
        "#
    );
    hold_against_loopback(&launcher, &new);
}
