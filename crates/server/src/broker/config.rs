//! Which Redis a server shares its events by, and what it is used for. It knows no connection.

use std::fmt;
use std::str::FromStr;

/// The Redis that a server shares its events by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerConfig {
    /// Where it is.
    pub url: BrokerUrl,
    /// What it is used for.
    pub mode: BrokerMode,
}

/// `redis://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerUrl {
    /// Host and port.
    pub(super) address: String,
}

/// What Redis is used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BrokerMode {
    /// Pub/Sub, which keeps nothing: what a node misses is lost for its subscribers, and they are told so.
    #[default]
    PubSub,
    /// Pub/Sub, and a Redis Stream for each channel, from which nodes fetch what they miss.
    Streams,
    /// Sharded Pub/Sub (Redis 7), which keeps nothing either.
    Sharded,
}

impl BrokerMode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::PubSub, Self::Streams, Self::Sharded];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PubSub => "pubsub",
            Self::Streams => "streams",
            Self::Sharded => "sharded",
        }
    }

    /// The first version of Redis that has what it takes.
    pub(super) const fn least_version(self) -> u64 {
        match self {
            // RESP3, by which replies and messages come over one connection.
            Self::PubSub | Self::Streams => 6,
            Self::Sharded => 7,
        }
    }

    pub(super) const fn subscribe(self) -> &'static str {
        match self {
            Self::PubSub | Self::Streams => "SUBSCRIBE",
            Self::Sharded => "SSUBSCRIBE",
        }
    }

    pub(super) const fn unsubscribe(self) -> &'static str {
        match self {
            Self::PubSub | Self::Streams => "UNSUBSCRIBE",
            Self::Sharded => "SUNSUBSCRIBE",
        }
    }

    pub(super) const fn publish(self) -> &'static str {
        match self {
            Self::PubSub | Self::Streams => "PUBLISH",
            Self::Sharded => "SPUBLISH",
        }
    }
}

impl fmt::Display for BrokerMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for BrokerMode {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|mode| mode.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("{name:?} is no mode of a broker; there are {names}")
        })
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redis://{}", self.address)
    }
}

impl FromStr for BrokerUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let bad = |why: &str| format!("{url:?} is no redis://HOST:PORT: {why}");
        let address =
            url.strip_prefix("redis://").ok_or_else(|| bad("it does not begin with redis://"))?;
        let address = address.strip_suffix('/').unwrap_or(address);
        if address.contains('@') {
            return Err("a broker with a password is not supported: others could read it in the \
                        command line"
                .to_owned());
        }
        let (host, port) = address.rsplit_once(':').ok_or_else(|| bad("the port is missing"))?;
        if host.is_empty() || host.contains(['/', ' ']) {
            return Err(bad("the host is missing"));
        }
        match port.parse::<u16>() {
            Ok(1..) => Ok(Self { address: address.to_owned() }),
            _ => Err(bad("the port must be a number from 1 to 65535")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_modes_are_parsed() {
        let url: BrokerUrl = "redis://127.0.0.1:6379/".parse().unwrap();
        assert_eq!(url.to_string(), "redis://127.0.0.1:6379");
        assert!("redis://[::1]:6379".parse::<BrokerUrl>().is_ok());
        for (url, words) in [
            ("127.0.0.1:6379", "it does not begin with redis://"),
            ("redis://localhost", "the port is missing"),
            ("redis://:6379", "the host is missing"),
            ("redis://localhost:0", "from 1 to 65535"),
            ("redis://localhost:6379/1", "from 1 to 65535"),
            ("redis://me:secret@localhost:6379", "a broker with a password is not supported"),
        ] {
            let error = url.parse::<BrokerUrl>().unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        for mode in BrokerMode::ALL {
            assert_eq!(mode.name().parse(), Ok(mode));
        }
        assert!("cluster".parse::<BrokerMode>().unwrap_err().contains("pubsub, streams, sharded"));
    }
}
