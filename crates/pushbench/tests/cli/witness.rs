//! What a run reports, against the kernel's own account, read from outside by another way.

use std::fs;
use std::process::Command;

use nix::unistd::Pid;

use crate::support::{Bench, Watched};

/// How far a witness may differ.
const TOLERANCE: f64 = 0.02;

fn assert_agree(what: &str, reported: f64, witness: f64, of: f64) {
    assert!(
        (reported - witness).abs() < TOLERANCE * of,
        "{what}: reported {reported}, the kernel says {witness}"
    );
    println!("{what}: reported {reported}, the kernel says {witness}");
}

/// User and system time of a process in nanoseconds, in ticks of 10 ms.
fn cpu_ns(process: Pid) -> [f64; 2] {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    let ticks: Vec<f64> = fields.skip(11).take(2).map(|ticks| ticks.parse().unwrap()).collect();
    [ticks[0] * 1e7, ticks[1] * 1e7]
}

#[test]
fn the_servers_cpu_is_what_the_kernel_says() {
    let bench = Bench::alone();
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
        warm_up = "100ms"
        [polling]
        interval = "20ms"
        "#,
    );
    let mut run = bench.start_run();
    run.wait_for("measuring");
    let server = run.server();
    let before = cpu_ns(server);
    run.wait_for("measured");
    let after = cpu_ns(server);
    run.finish();
    let [user, system] = [after[0] - before[0], after[1] - before[1]];
    let all = user + system;
    let reported = |metric: &str| bench.trials()["polling"].values[metric];
    assert_agree("CPU", reported("server_cpu"), all, all);
    assert_agree("user", reported("server_user_cpu"), user, all);
    assert_agree("system", reported("server_system_cpu"), system, all);
    let sum = reported("server_user_cpu") + reported("server_system_cpu");
    assert!((sum - reported("server_cpu")).abs() < 1.0, "the parts make the whole: {sum} ns");
}

/// What an interface has sent so far.
#[derive(Clone, Copy)]
struct Sent {
    packets: f64,
    /// From the IP header on: the loopback interface takes the Ethernet header off before it counts.
    bytes: f64,
}

impl Sent {
    /// By the loopback interface of the network that `process` is in.
    fn by_loopback_of(process: Pid) -> Self {
        let text = fs::read_to_string(format!("/proc/{process}/net/dev")).unwrap();
        let line = text.lines().find_map(|line| line.trim().strip_prefix("lo:")).unwrap();
        // Eight fields of what was received, then bytes and packets of what was sent.
        let fields = line.split_whitespace().skip(8).take(2);
        let fields: Vec<f64> = fields.map(|field| field.parse().unwrap()).collect();
        let [bytes, packets] = fields[..] else { panic!("{line}") };
        Self { packets, bytes }
    }

    fn since(self, earlier: Self) -> Self {
        Self { packets: self.packets - earlier.packets, bytes: self.bytes - earlier.bytes }
    }
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

/// Runs the scenario, and holds what each trial reports against what the interface sent between the
/// lines `measuring` and `measured`. Both come a little after the moments that they name, so events
/// are rare enough for nothing to be sent meanwhile; polls are many enough for it not to matter.
fn hold_against_loopback(launcher: &[&str], trials: usize, scenario: &str) {
    let bench = Bench::alone();
    bench.scenario(scenario);
    let mut run: Watched = bench.start_run_by(launcher);
    let mut witnessed = Vec::new();
    for _ in 0..trials {
        run.wait_for("measuring");
        let before = Sent::by_loopback_of(run.pid());
        run.wait_for("measured");
        witnessed.push(Sent::by_loopback_of(run.pid()).since(before));
    }
    run.finish();
    let names = bench.contenders();
    assert_eq!(names.len(), trials);
    let trials = bench.trials();
    for (name, sent) in names.iter().zip(witnessed) {
        let reported = |metric: &str| trials[name].values[metric];
        let segments = ["segments_to_server", "segments_to_subscribers", "publisher_segments"];
        let segments = segments.map(reported).iter().sum();
        let bytes = reported("wire_bytes_per_delivery") * reported("window_deliveries")
            + reported("publisher_wire_bytes");
        assert_agree(&format!("{name}: segments"), segments, sent.packets, sent.packets);
        assert_agree(&format!("{name}: bytes"), bytes, sent.bytes, sent.bytes);
    }
}

#[test]
fn bytes_and_segments_are_what_the_interface_says() {
    let Some(launcher) = network_of_its_own() else {
        let reason = "`unshare -n` and `ip link set lo up` do not work: install util-linux and \
                      iproute2, or run it where network namespaces may be made";
        assert!(std::env::var_os("REQUIRE_WITNESSES").is_none(), "{reason}");
        println!("skipped: {reason}");
        return;
    };
    let workload = r#"
        [workload]
        subscribers = 100
        events_per_second = 5
        payload_bytes = 200
        duration = "3s"
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
    hold_against_loopback(&launcher, 5, &kept);
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
    hold_against_loopback(&launcher, 2, &new);
}
