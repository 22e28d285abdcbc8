//! A network between clients and server: how it delays, loses and limits what goes over it.

use std::fmt;
use std::time::Duration;

use humantime::format_duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::{Spanned, Value};

use super::duration;
use super::error::quoted;
use super::quantity;
use super::values::Values;

/// A network that nobody has: beyond, trials take longer than anyone waits.
const LONGEST: Duration = Duration::from_secs(10);

/// Bits per second: below, not even handshakes get through; above, it is no limit on any machine.
const SLOWEST: f64 = 10e3;
const FASTEST: f64 = 100e9;

const UNITS: [(&str, f64); 4] = [("kbit", 1e3), ("mbit", 1e6), ("gbit", 1e9), ("bit", 1.0)];

/// The way between clients and server, alike in both directions.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// From a packet to the answer to it, without the time of whoever answers: half of it each way.
    pub round_trip: Duration,
    /// By how much a round trip may be longer or shorter, at most `round_trip`: that of each packet is drawn
    /// evenly, and those of a connection keep their order.
    pub jitter: Duration,
    /// The share of packets that get lost on their way.
    pub loss: f64,
    /// Bits per second each way, for all clients together; as many as they like if it is none.
    pub bandwidth: Option<u64>,
    /// What imitates it.
    pub by: Imitation,
}

/// What imitates a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imitation {
    /// The kernel delays packets, between network namespaces of a trial's own.
    Packets,
    /// A relay delays the bytes of each connection: its handshake takes no time.
    Relay,
}

impl Network {
    /// From one end to the other.
    #[must_use]
    pub fn one_way(&self) -> Duration {
        self.round_trip / 2
    }

    /// Whether packets arrive as they were sent, but later.
    #[must_use]
    pub fn only_delays(&self) -> bool {
        self.jitter.is_zero() && self.loss == 0.0 && self.bandwidth.is_none()
    }
}

/// What a report calls it: "50ms ± 5ms, loss 1 %, 10 Mbit/s".
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", format_duration(self.round_trip))?;
        if !self.jitter.is_zero() {
            write!(f, " ± {}", format_duration(self.jitter))?;
        }
        if self.loss > 0.0 {
            // Rounded to what the eye can take.
            write!(f, ", loss {} %", (self.loss * 1e6).round() / 1e4)?;
        }
        if let Some(bits) = self.bandwidth {
            write!(f, ", {} Mbit/s", bits as f64 / 1e6)?;
        }
        match self.by {
            Imitation::Packets => Ok(()),
            Imitation::Relay => f.write_str(", by a relay"),
        }
    }
}

/// The network between clients and server.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NetworkFile {
    /// How long a packet and the answer to it take on their way, half of it each: "50ms"; "0ms" when left out.
    #[schemars(with = "String", regex(pattern = duration::PATTERN))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) round_trip: Option<Spanned<String>>,
    /// By how much a round trip is longer or shorter at most: "5ms"; "0ms" when left out.
    #[schemars(with = "String", regex(pattern = duration::PATTERN))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) jitter: Option<Spanned<String>>,
    /// The share of packets that get lost, in each direction: "1%", or 0.01; none when left out.
    #[schemars(with = "LossSchema")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) loss: Option<Spanned<Value>>,
    /// Bits per second in each direction, for all clients together: "10mbit"; no limit when left out.
    #[schemars(with = "String", example = &"10mbit")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) bandwidth: Option<Spanned<String>>,
    /// What imitates it; "packets" when left out.
    #[schemars(with = "NetworkMode")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mode: Option<Spanned<NetworkMode>>,
}

/// What imitates a network, as the file says it.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum NetworkMode {
    /// The kernel, packet by packet: it takes root or a user namespace, and iproute2 and iptables.
    Packets,
    /// A relay of pushbench, byte by byte: it delays no handshake and loses nothing.
    Relay,
    /// There is none: clients reach the server over loopback.
    None,
}

/// What a loss may be, for the JSON Schema.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum LossSchema {
    /// Such as "1%".
    Percent(String),
    /// Such as 0.01.
    Share(f64),
}

/// The keys of `[network]` as they were read, each with its default.
#[derive(Clone)]
pub(super) struct Keys {
    round_trip: Duration,
    jitter: Duration,
    loss: f64,
    bandwidth: Option<u64>,
    mode: NetworkMode,
    is_there: bool,
}

impl Keys {
    /// Those of a file without the table.
    pub(super) fn none() -> Self {
        Self {
            round_trip: Duration::ZERO,
            jitter: Duration::ZERO,
            loss: 0.0,
            bandwidth: None,
            mode: NetworkMode::Packets,
            is_there: false,
        }
    }

    /// The network that they describe.
    pub(super) fn network(&self) -> Option<Network> {
        let by = match self.mode {
            NetworkMode::Packets => Imitation::Packets,
            NetworkMode::Relay => Imitation::Relay,
            NetworkMode::None => return None,
        };
        let Self { round_trip, jitter, loss, bandwidth, .. } = *self;
        self.is_there.then_some(Network { round_trip, jitter, loss, bandwidth, by })
    }
}

impl Values<'_, '_> {
    /// The keys of a table, which as a whole stands at `table`; what it leaves out is as in `base`.
    pub(super) fn network(&mut self, table: &Spanned<NetworkFile>, base: &Keys) -> Keys {
        let file = table.get_ref();
        let mut time = |key: &str, own: &Option<Spanned<String>>, base| match own {
            Some(text) => self.duration(key, text, Duration::ZERO..=LONGEST),
            None => base,
        };
        let mut keys = Keys {
            round_trip: time("round_trip", &file.round_trip, base.round_trip),
            jitter: time("jitter", &file.jitter, base.jitter),
            is_there: true,
            ..base.clone()
        };
        if let Some(loss) = &file.loss {
            match share(loss.get_ref()) {
                Some(share) => keys.loss = share,
                None => self.problems.at(
                    loss.span(),
                    "`loss` must be a share of packets from \"0%\" to \"50%\", such as \"1%\" or 0.01"
                        .to_owned(),
                ),
            }
        }
        if let Some(text) = &file.bandwidth {
            match bits(text.get_ref()) {
                Some(bits) => keys.bandwidth = Some(bits),
                None => self.problems.at(
                    text.span(),
                    format!(
                        "`bandwidth` must be bits per second with a unit (bit, kbit, mbit or gbit) from \
                         10kbit to 100gbit, such as \"10mbit\", found {}",
                        quoted(text.get_ref())
                    ),
                ),
            }
        }
        if let Some(mode) = &file.mode {
            keys.mode = *mode.get_ref();
        }
        if keys.jitter > keys.round_trip {
            let at = file.jitter.as_ref().or(file.round_trip.as_ref());
            let message = format!(
                "`jitter` must be at most `round_trip` ({}), found {}: nothing arrives before it is sent",
                format_duration(keys.round_trip),
                format_duration(keys.jitter)
            );
            self.problems.at(at.map_or_else(|| table.span(), Spanned::span), message);
        }
        if keys.mode == NetworkMode::Relay && keys.loss > 0.0 {
            let at = file.loss.as_ref().map(Spanned::span);
            let at = at.or_else(|| file.mode.as_ref().map(Spanned::span));
            let message =
                "a relay cannot lose packets: leave out `loss`, or use `mode = \"packets\"`";
            self.problems.at(at.unwrap_or_else(|| table.span()), message.to_owned());
        }
        keys
    }
}

fn share(value: &Value) -> Option<f64> {
    let share = match value {
        Value::String(text) if text.trim() == "0%" => 0.0,
        Value::String(text) => quantity::parse_share(text)?,
        Value::Float(share) => *share,
        Value::Integer(0) => 0.0,
        _ => return None,
    };
    (0.0..=0.5).contains(&share).then_some(share)
}

fn bits(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, size) = UNITS.iter().find_map(|(unit, size)| {
        let number = text.strip_suffix(unit)?.trim_end();
        let is_plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        is_plain.then(|| number.parse::<f64>().ok()).flatten().map(|number| (number, *size))
    })?;
    let bits = number * size;
    (SLOWEST..=FASTEST).contains(&bits).then(|| bits.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{ContenderId, Scenario};

    const WORKLOAD: &str = r#"
        name = "x"
        description = "x"
        compare = ["sse"]
        [workload]
        subscribers = 1
        events_per_second = 1
        payload_bytes = 128
        duration = "1s"
        warm_up = "1s"
    "#;

    fn networks(tables: &str) -> Result<Vec<Option<Network>>, String> {
        let scenario = Scenario::parse(&format!("{WORKLOAD}{tables}"), "x");
        let scenario = scenario.map_err(|error| error.to_string())?;
        Ok(scenario.contenders.into_iter().map(|of| of.road.network).collect())
    }

    #[test]
    fn contenders_change_what_they_name() {
        let found = networks(
            r#"
            [network]
            round_trip = "50ms"
            jitter = "5ms"
            loss = "1%"
            bandwidth = "10mbit"
            [[contender]]
            name = "near"
            transport = "sse"
            network = { round_trip = "10ms", loss = 0 }
            [[contender]]
            name = "here"
            transport = "sse"
            network = { mode = "none" }
            "#,
        )
        .unwrap();
        let far = Network {
            round_trip: Duration::from_millis(50),
            jitter: Duration::from_millis(5),
            loss: 0.01,
            bandwidth: Some(10_000_000),
            by: Imitation::Packets,
        };
        let near = Network { round_trip: Duration::from_millis(10), loss: 0.0, ..far.clone() };
        assert_eq!(far.to_string(), "50ms ± 5ms, loss 1 %, 10 Mbit/s");
        assert_eq!(found, [Some(far), Some(near), None]);
        assert_eq!(networks("").unwrap(), [None]);
        let relay = networks("[network]\nmode = \"relay\"").unwrap();
        assert_eq!(relay[0].as_ref().unwrap().to_string(), "0s, by a relay");
    }

    #[test]
    fn a_round_trip_can_be_swept() {
        let text = format!("{WORKLOAD}[sweep]\n\"network.round_trip\" = [\"0ms\", \"20ms\"]");
        let scenario = Scenario::parse(&text, "x").unwrap();
        let of = |cell: &Scenario| cell.contenders[0].road.network.as_ref().map(|of| of.round_trip);
        let cells: Vec<_> =
            scenario.cells().into_iter().map(|(name, cell)| (name, of(cell))).collect();
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(cells, [("round_trip=0ms", ms(0)), ("round_trip=20ms", ms(20))]);
        assert!(scenario.contender(&ContenderId::from(pushbench_wire::Transport::Sse)).is_some());
    }

    #[test]
    fn what_no_network_does_is_refused_in_words() {
        for (tables, message) in [
            ("round_trip = \"11s\"", "`round_trip` must be at most 10s, found \"11s\""),
            (
                "round_trip = \"2ms\"\njitter = \"3ms\"",
                "`jitter` must be at most `round_trip` (2ms), found 3ms: nothing arrives before it is sent",
            ),
            (
                "loss = 1",
                "`loss` must be a share of packets from \"0%\" to \"50%\", such as \"1%\" or 0.01",
            ),
            (
                "loss = \"60%\"",
                "`loss` must be a share of packets from \"0%\" to \"50%\", such as \"1%\" or 0.01",
            ),
            (
                "bandwidth = \"10MB\"",
                "`bandwidth` must be bits per second with a unit (bit, kbit, mbit or gbit) from 10kbit to \
                 100gbit, such as \"10mbit\", found \"10MB\"",
            ),
            (
                "mode = \"relay\"\nloss = 0.1",
                "a relay cannot lose packets: leave out `loss`, or use `mode = \"packets\"`",
            ),
        ] {
            let error = networks(&format!("[network]\n{tables}")).unwrap_err();
            assert!(error.ends_with(&format!(": {message}")), "{error}");
            assert!(error.starts_with("x:1"), "{error}");
        }
        let running = "[server.mine]\nurl = \"http://127.0.0.1:1\"\npublish.url = \"{url}\"\nsse.url = \"{url}\"\n";
        let of = "[[contender]]\nname = \"mine\"\ntransport = \"sse\"\nserver = \"mine\"\n";
        let error = networks(&format!("{of}network = {{ loss = 0.1 }}\n{running}")).unwrap_err();
        assert!(error.contains("runs already"), "{error}");
        let everywhere = format!("{of}{running}[network]\nround_trip = \"1ms\"\n");
        assert!(networks(&everywhere).unwrap_err().contains("runs already"));
    }

    #[test]
    fn bandwidths() {
        assert_eq!(bits("10mbit"), Some(10_000_000));
        assert_eq!(bits("1.5 kbit"), None, "too slow");
        assert_eq!(bits("2gbit"), Some(2_000_000_000));
        assert_eq!(bits("64000bit"), Some(64_000));
        for text in ["10", "mbit", "-1mbit", "infmbit", "1e3mbit", ""] {
            assert_eq!(bits(text), None, "{text}");
        }
    }
}
