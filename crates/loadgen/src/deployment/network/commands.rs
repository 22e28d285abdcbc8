//! The programs that set up a network, and what they are told.

use std::io::{ErrorKind, Write as _};
use std::process::{Command, Stdio};

use anyhow::{Context as _, anyhow, bail};

use super::nfqueue;
use crate::scenario::Network;

/// The end of the line between both networks, in each of them.
pub(super) const INTERFACE: &str = "pushbench";

/// Packets that netem may hold: more than ever are on their way.
const NETEM_LIMIT: u32 = 200_000;

/// A program, the package of Debian that has it, and what else that is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program {
    name: &'static str,
    package: &'static str,
}

pub(super) const IP: Program = Program { name: "ip", package: "iproute2" };
pub(super) const TC: Program = Program { name: "tc", package: "iproute2" };
pub(super) const IPTABLES: Program = Program { name: "iptables", package: "iptables" };
/// Takes many rules at once.
pub(super) const IPTABLES_RESTORE: Program =
    Program { name: "iptables-restore", package: "iptables" };

/// Where they are when the path does not say: it often lacks what is for administrators.
const FOLDERS: &str = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";

impl Program {
    /// Runs it in the network of the calling thread.
    ///
    /// # Errors
    /// When it is missing, or what it complains of.
    pub(super) fn run(self, arguments: &[String], input: &str) -> anyhow::Result<()> {
        self.said(arguments, input).map(drop)
    }

    /// The same, and what it says.
    ///
    /// # Errors
    /// When it is missing, or what it complains of.
    pub(super) fn said(self, arguments: &[String], input: &str) -> anyhow::Result<String> {
        let path = std::env::var("PATH").unwrap_or_default();
        let started = Command::new(self.name)
            .args(arguments)
            .env("PATH", format!("{path}:{FOLDERS}"))
            // Nobody else changes the rules of our networks, and only root may lock those of the machine.
            .env("XTABLES_LOCKFILE", "/dev/null")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match started {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(self.is_missing()),
            started => started.with_context(|| format!("cannot start `{}`", self.name))?,
        };
        if let Some(mut stdin) = child.stdin.take() {
            // What it says when it reads no more is better than that it does not.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output =
            child.wait_with_output().with_context(|| format!("cannot run `{}`", self.name))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let shown = arguments.join(" ");
            bail!("`{} {shown}` failed: {}", self.name, said.trim().replace('\n', "; "));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Whether it can be started at all.
    ///
    /// # Errors
    /// When it is missing.
    pub(super) fn ensure_there(self) -> anyhow::Result<()> {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut folders = path.split(':').chain(FOLDERS.split(':'));
        let is_there = folders.any(|folder| std::path::Path::new(folder).join(self.name).is_file());
        if is_there { Ok(()) } else { Err(self.is_missing()) }
    }

    fn is_missing(self) -> anyhow::Error {
        let Self { name, package } = self;
        anyhow!(
            "`{name}` is missing, which `[network]` takes: install the package {package} (`apt install \
             {package}`), or write `mode = \"relay\"`, which takes no program"
        )
    }
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// Lets a new network speak to itself.
pub(super) const LOOPBACK_UP: &str = "link set dev lo up\n";

/// What `ip` is told to run a list of commands.
pub(super) fn batch() -> Vec<String> {
    words("-batch -")
}

/// Makes the line between this network and that at `other`, the path of a namespace.
pub(super) fn line_to(other: &str) -> String {
    format!("link add name {INTERFACE} type veth peer name {INTERFACE} netns {other}\n")
}

/// Gives this end of the line an address.
pub(super) fn end_at(address: std::net::Ipv4Addr) -> String {
    format!("{LOOPBACK_UP}address add {address}/30 dev {INTERFACE}\nlink set dev {INTERFACE} up\n")
}

/// Makes packets that come over the line wait in the queue.
pub(super) fn queueing() -> Vec<String> {
    queueing_by("-A")
}

/// Asks whether they do.
pub(super) fn is_queueing() -> Vec<String> {
    queueing_by("-C")
}

fn queueing_by(command: &str) -> Vec<String> {
    let number = nfqueue::NUMBER;
    words(&format!("-t mangle {command} PREROUTING -i {INTERFACE} -j NFQUEUE --queue-num {number}"))
}

/// Asks what this end does to what it sends.
pub(super) fn disciplines() -> Vec<String> {
    words(&format!("qdisc show dev {INTERFACE}"))
}

/// Makes all packets that come over the line get lost, before any is queued, or no more of them.
pub(super) fn dropping(is_out: bool) -> Vec<String> {
    let change = if is_out { "-I" } else { "-D" };
    words(&format!("-t mangle {change} PREROUTING -i {INTERFACE} -j DROP"))
}

/// What `iptables-restore` is told to add to the rules that there are.
pub(super) fn restoring() -> Vec<String> {
    words("--noflush")
}

/// Limits what this end sends. A burst is what goes out within 5 ms; what waits for longer than a second is
/// dropped, as by a router with a large buffer.
pub(super) fn limiting(bits: u64) -> Vec<String> {
    let burst = (bits / 8 / 200).max(3_200);
    words(&format!("qdisc add dev {INTERFACE} root tbf rate {bits}bit burst {burst} latency 1s"))
}

/// Lets netem delay what this end sends; none where it cannot do what the network shall. Its jitter reorders
/// packets of a connection, and what it loses it tells the sender.
pub(super) fn netem(network: &Network) -> Option<Vec<String>> {
    if !network.jitter.is_zero() || network.loss > 0.0 || network.round_trip.is_zero() {
        return None;
    }
    let delay = network.one_way().as_micros();
    let rate = network.bandwidth.map_or_else(String::new, |bits| format!(" rate {bits}bit"));
    Some(words(&format!(
        "qdisc add dev {INTERFACE} root netem delay {delay}us limit {NETEM_LIMIT}{rate}"
    )))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::scenario::Imitation;

    fn network() -> Network {
        Network {
            round_trip: Duration::from_millis(25),
            jitter: Duration::ZERO,
            loss: 0.0,
            bandwidth: Some(10_000_000),
            by: Imitation::Packets,
        }
    }

    #[test]
    fn what_netem_is_told() {
        let said = |network: &Network| netem(network).map(|words| words.join(" "));
        let limited = network();
        assert_eq!(
            said(&limited).unwrap(),
            "qdisc add dev pushbench root netem delay 12500us limit 200000 rate 10000000bit"
        );
        let free = Network { bandwidth: None, ..limited.clone() };
        assert_eq!(
            said(&free).unwrap(),
            "qdisc add dev pushbench root netem delay 12500us limit 200000"
        );
        assert_eq!(said(&Network { jitter: Duration::from_millis(1), ..limited.clone() }), None);
        assert_eq!(said(&Network { loss: 0.01, ..limited.clone() }), None);
        assert_eq!(said(&Network { round_trip: Duration::ZERO, ..limited }), None);
    }

    #[test]
    fn a_limit_lets_more_than_a_packet_through_at_once() {
        let said = |bits| limiting(bits).join(" ");
        assert_eq!(
            said(10_000_000),
            "qdisc add dev pushbench root tbf rate 10000000bit burst 6250 latency 1s"
        );
        assert!(said(10_000).contains(" burst 3200 "), "{}", said(10_000));
    }

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        let missing = Program { name: "no-such-program", package: "things" };
        for error in [missing.run(&[], "").unwrap_err(), missing.ensure_there().unwrap_err()] {
            let error = error.to_string();
            assert!(error.starts_with("`no-such-program` is missing"), "{error}");
            assert!(error.contains("install the package things"), "{error}");
            assert!(error.contains("mode = \"relay\""), "{error}");
        }
        let fails = Program { name: "sh", package: "dash" };
        let error = fails.run(&words("-s"), "echo no way >&2; exit 2").unwrap_err();
        assert_eq!(error.to_string(), "`sh -s` failed: no way");
        fails.ensure_there().unwrap();
    }
}
