//! What limits the trust in a trial, in words.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::metric::Metric;

/// One of the two sides of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The server under test.
    Server,
    /// Publisher and subscribers.
    Generator,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "server",
            Self::Generator => "generator",
        })
    }
}

/// What limits the trust in a trial. `Display` says it in words, with a way out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Warning {
    /// Events were published later than the schedule wanted.
    #[error(
        "the publisher was {p99_ms:.1} ms late at its 99th percentile{}",
        self.limit("10 ms", "latencies include that; lower the event rate, or give the generator a core that nobody else uses")
    )]
    PublisherLate {
        /// 99th percentile of the lateness.
        p99_ms: f64,
    },
    /// Not all events that were planned for the window had been published at its end.
    #[error(
        "only {published} of the {planned} events of the window were published by its end (at least 99 % are needed): the load was lower than requested; lower `events_per_second`"
    )]
    FewerEventsThanPlanned {
        /// Published by the end of the window.
        published: u64,
        /// Planned.
        planned: u64,
    },
    /// Latencies were others at the end of the window than at its start. `Display` tells a load
    /// that is not sustained from a trial that had not warmed up.
    #[error("{}", drift(*first_ms, *last_ms))]
    Drift {
        /// Median of the first third of the window.
        first_ms: f64,
        /// Median of its last third.
        last_ms: f64,
    },
    /// The generator used its cores nearly whole.
    #[error(
        "the generator was {}saturated: using its CPU and waiting for it took {busy_percent:.0} % of the time{}",
        if self.invalidates() { "" } else { "nearly " },
        self.limit("95 %", "latencies may be its own; give it more cores, or lower `subscribers` or `events_per_second`")
    )]
    GeneratorSaturated {
        /// CPU time, and what it waited while others had its cores, over the time that they offered.
        busy_percent: f64,
    },
    /// The server used its cores nearly whole.
    #[error(
        "the server was saturated: using its CPU and waiting for it took {busy_percent:.0} % of the time, so latencies are those of a queue; lower `subscribers` or `events_per_second`"
    )]
    ServerSaturated {
        /// As for the generator.
        busy_percent: f64,
    },
    /// The server served, and yet is said to have used no CPU time.
    #[error(
        "the kernel reports no CPU time of the server, which delivered {deliveries} events: another process has served, or this kernel does not account for it; so its CPU is empty, not 0"
    )]
    NoServerCpu {
        /// Deliveries of the window.
        deliveries: u64,
    },
    /// The kernel keeps no account of processes that the server started.
    #[error(
        "the server ignores SIGCHLD, so the CPU time of processes that it started and that have ended may be missing: let it wait for them, or run it in a control group of its own"
    )]
    ServerChildrenUnseen,
    /// The server is said to have no memory.
    #[error("the kernel reports no memory of the server, so it is empty, not 0")]
    NoServerMemory,
    /// Nobody knows whose address the server has announced.
    #[error(
        "the kernel does not say which process listens at the server's address: if it is not one that was started here, CPU and memory are those of another one"
    )]
    ListenerUntold,
    /// A server that was to be restarted did not end when it was asked to.
    #[error(
        "the server did not end within 10 s of SIGTERM, and was killed: its restart took as long as that, and was not what `how = \"terminate\"` says"
    )]
    ServerKilled,
    /// The log is on no disk.
    #[error(
        "the server's log is in a file system in memory, so it costs less than on a disk: set TMPDIR to a folder on the disk that is meant"
    )]
    LogInMemory,
    /// The hypervisor gave CPU time to others.
    #[error(
        "{percent:.1} % of the CPU time was stolen by other machines on this host{}",
        self.limit("10 %", "repeat at a quieter time")
    )]
    CpuStolen {
        /// Stolen time over the time of all cores.
        percent: f64,
    },
    /// Too few deliveries for a percentile that the report would show.
    #[error(
        "{delivered} deliveries are too few for a 99th percentile, which needs {needed}: lengthen `duration`"
    )]
    TooFewSamples {
        /// Deliveries measured.
        delivered: u64,
        /// Deliveries that the percentile takes.
        needed: u64,
    },
    /// A latency outside the histogram's range.
    #[error("{count} latencies exceeded the histogram's range of {limit_s} s and count as that")]
    BeyondRange {
        /// How many.
        count: u64,
        /// The range.
        limit_s: u64,
    },
    /// Both sides ran on the same core.
    #[error(
        "server and generator shared a core, so each waited for the other: use a machine with at least two cores, or compare only bytes and losses"
    )]
    SharedCore,
    /// Something else ran on the machine.
    #[error("{}{}", other_load(*side, *percent, *waited_percent), self.limit(if waited_percent.is_some() { "20 %" } else { "25 %" }, "costs and latencies may be theirs; stop them and repeat"))]
    OtherLoad {
        /// Whose cores.
        side: Side,
        /// CPU time that was not the side's own over the time of its cores.
        percent: f64,
        /// Of the time in which the side wanted a core, how much others had it; empty where the kernel
        /// does not say, and in files of earlier versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waited_percent: Option<f64>,
    },
    /// The limit of a control group stopped the processes.
    #[error(
        "the limit of {cores:.1} cores on this container stopped it for {percent:.1} % of the time{}",
        self.limit("1 %", "raise it (`docker run --cpus`, `resources.limits.cpu`), or lower `subscribers` or `events_per_second`")
    )]
    CpuLimited {
        /// The limit, in cores.
        cores: f64,
        /// How long it stopped them over the length of the window.
        percent: f64,
    },
    /// The system does not say what it takes to find out whether something went wrong.
    #[error("not checked, because this system does not say: {}", checks.join(", "))]
    Unchecked {
        /// What was not checked, in words.
        checks: Vec<String>,
    },
    /// Deliveries that seem to precede their publication.
    #[error(
        "{count} deliveries arrived before they were published: a clock or the server is broken, so latencies mean nothing"
    )]
    NegativeLatency {
        /// How many.
        count: u64,
    },
    /// The clock of a browser's page is not known well enough for latencies as short.
    #[error(
        "the clock of the browser's page may be off by {uncertainty_ms:.2} ms, which is {percent:.0} % of the median latency: {}",
        if *contradicts { "it was moved while it was compared, so latencies mean nothing; repeat" } else { "differences that small mean nothing" }
    )]
    BrowserClock {
        /// How far a latency may be off.
        uncertainty_ms: f64,
        /// That, over the median latency.
        percent: f64,
        /// Whether no difference of the clocks agrees with all that was seen of them.
        contradicts: bool,
    },
    /// Server and subscribers disagree.
    #[error("the server reports {server} deliveries, but subscribers received {received}")]
    CountsDisagree {
        /// By the server's own account.
        server: u64,
        /// By the subscribers' account.
        received: u64,
    },
    /// The generator's sockets and the kernel's TCP disagree.
    #[error(
        "the sockets carried {sockets} bytes by the generator's count, but {tcp} by the kernel's (limit 0.1 % apart): do not use this trial's bytes; if it happens again, report it as a bug"
    )]
    BytesDisagree {
        /// Read from sockets and written to them.
        sockets: u64,
        /// The same by TCP_INFO.
        tcp: u64,
    },
    /// Packets went on later than the network wanted.
    #[error(
        "the network delayed packets by up to {p99_ms:.2} ms more than it should (99th percentile; limit {limit_ms:.2} ms, which is 5 % of the way): latencies include that; give the generator a core that nobody else uses, or lower the load"
    )]
    NetworkLate {
        /// 99th percentile of the lateness.
        p99_ms: f64,
        /// More is too much.
        limit_ms: f64,
    },
    /// The network lost packets because it did not keep up.
    #[error(
        "{count} packets were lost because the network that is imitated did not keep up: TCP sent them again, so latencies and bytes are not those of this network; lower the load"
    )]
    NetworkOverflown {
        /// How many.
        count: u64,
    },
    /// The network is not as long as it was to be.
    #[error(
        "a round trip took {measured_ms:.2} ms before the trial instead of {claimed_ms:.2} ms (limit 5 % or 1 ms apart): latencies are those of another network; repeat at a quieter time"
    )]
    NetworkOff {
        /// Of the scenario.
        claimed_ms: f64,
        /// By TCP.
        measured_ms: f64,
    },
    /// Events did not come although they were expected, so percentiles lack the worst.
    #[error(
        "{lost} deliveries had not arrived when the drain ended: percentiles do not include them, and would be worse with them"
    )]
    DeliveriesLost {
        /// How many.
        lost: u64,
    },
    /// Connections, closed ones among them, have nearly all ports that there are.
    #[error(
        "subscribers' connections had {used} of the {ports} local ports of `net.ipv4.ip_local_port_range`, closed ones included, which keep theirs for a minute: soon none can connect, and looking for a free one costs CPU; widen the range (`sysctl -w net.ipv4.ip_local_port_range='1024 65535'`, as root), poll with `keep-alive`, or lower `subscribers`"
    )]
    PortsNearlyUsedUp {
        /// Taken when the window ended.
        used: u64,
        /// That there are.
        ports: u64,
    },
    /// Connections broke and were opened again.
    #[error("subscribers had to reconnect {count} times: the first reason was {reason}")]
    Reconnected {
        /// How often.
        count: u64,
        /// The first reason.
        reason: String,
    },
}

impl Warning {
    /// What follows from a value: beyond its limit, what may be done, and otherwise that it counts.
    fn limit(&self, limit: &str, advice: &str) -> String {
        match self.invalidates() {
            true => format!(" (limit {limit}): {advice}"),
            false => format!(": counted, since the limit is {limit}"),
        }
    }

    /// Whether the trial's figures must not be used.
    #[must_use]
    pub fn invalidates(&self) -> bool {
        match self {
            Self::PublisherLate { p99_ms } => *p99_ms > 10.0,
            Self::FewerEventsThanPlanned { published, planned } => {
                (*published as f64) < 0.99 * *planned as f64
            }
            Self::GeneratorSaturated { busy_percent } => *busy_percent > 95.0,
            Self::CpuStolen { percent } => *percent > 10.0,
            Self::OtherLoad { percent, waited_percent, .. } => match waited_percent {
                Some(waited) => *waited > 20.0,
                None => *percent > 25.0,
            },
            Self::CpuLimited { percent, .. } => *percent > 1.0,
            Self::BrowserClock { contradicts, .. } => *contradicts,
            Self::BeyondRange { .. }
            | Self::NegativeLatency { .. }
            | Self::NetworkLate { .. }
            | Self::NetworkOverflown { .. }
            | Self::NetworkOff { .. } => true,
            Self::ServerSaturated { .. }
            | Self::NoServerCpu { .. }
            | Self::NoServerMemory
            | Self::ServerChildrenUnseen
            | Self::ListenerUntold
            | Self::ServerKilled
            | Self::LogInMemory
            | Self::Drift { .. }
            | Self::SharedCore
            | Self::TooFewSamples { .. }
            | Self::CountsDisagree { .. }
            | Self::BytesDisagree { .. }
            | Self::DeliveriesLost { .. }
            | Self::Unchecked { .. }
            | Self::PortsNearlyUsedUp { .. }
            | Self::Reconnected { .. } => false,
        }
    }

    /// Which figures must not be used, if it [invalidates](Self::invalidates) any.
    #[must_use]
    pub fn touches(&self, metric: Metric) -> bool {
        match self {
            Self::BeyondRange { .. }
            | Self::NegativeLatency { .. }
            | Self::BrowserClock { .. }
            | Self::NetworkLate { .. }
            | Self::NetworkOff { .. } => metric.is_delivery_latency(),
            Self::NetworkOverflown { .. } => !metric.is_account(),
            // Another load has other costs. A few events that came late change no bytes.
            Self::FewerEventsThanPlanned { published, planned }
                if (*published as f64) < 0.9 * *planned as f64 =>
            {
                !metric.is_account()
            }
            _ => metric.depends_on_others(),
        }
    }
}

fn other_load(side: Side, percent: f64, waited_percent: Option<f64>) -> String {
    let waited = waited_percent.map_or_else(String::new, |waited| {
        format!(", and it waited for them in {waited:.0} % of the time")
    });
    format!("other processes used {percent:.0} % of the {side}'s cores{waited}")
}

fn drift(first_ms: f64, last_ms: f64) -> String {
    let (verb, meaning) = if last_ms > first_ms {
        ("grew", "the load is not sustained, so a longer window would give other figures; lower it")
    } else {
        ("fell", "the trial was not warmed up; lengthen `warm_up`")
    };
    format!(
        "median latency {verb} from {first_ms:.1} ms in the first third of the window to \
         {last_ms:.1} ms in the last: {meaning}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_within_its_limit_counts() {
        for (within, beyond, limit) in [
            (
                Warning::PublisherLate { p99_ms: 1.4 },
                Warning::PublisherLate { p99_ms: 14.0 },
                "10 ms",
            ),
            (Warning::CpuStolen { percent: 2.0 }, Warning::CpuStolen { percent: 20.0 }, "10 %"),
            (
                Warning::CpuLimited { cores: 1.0, percent: 0.5 },
                Warning::CpuLimited { cores: 1.0, percent: 5.0 },
                "1 %",
            ),
        ] {
            let within = within.to_string();
            assert!(
                within.ends_with(&format!(": counted, since the limit is {limit}")),
                "{within}"
            );
            let beyond = beyond.to_string();
            assert!(beyond.contains(&format!(" (limit {limit}): ")), "{beyond}");
        }
    }

    #[test]
    fn a_warning_touches_what_it_is_about() {
        let touched = |warning: Warning| {
            let metrics =
                [Metric::LatencyP50, Metric::ServerCpu, Metric::BytesPerDelivery, Metric::Lost];
            metrics.map(|metric| warning.touches(metric))
        };
        let fewer = |published| Warning::FewerEventsThanPlanned { published, planned: 100 };
        assert_eq!(touched(Warning::CpuStolen { percent: 20.0 }), [true, true, false, false]);
        assert_eq!(touched(Warning::NegativeLatency { count: 1 }), [true, false, false, false]);
        assert_eq!(touched(fewer(98)), [true, true, false, false]);
        assert_eq!(touched(fewer(80)), [true, true, true, false]);
    }
}
