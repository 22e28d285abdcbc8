//! How many servers of pushbench's own a contender has, and what tells each of them what the others have published.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::values::Values;

/// More than share a machine in any deployment.
pub(super) const MOST_NODES: u32 = 16;

/// Servers that are one to their subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nodes {
    /// How many.
    pub count: u32,
    /// What is between them.
    pub broker: Option<Broker>,
}

impl Nodes {
    /// One that needs nobody.
    pub const ALONE: Self = Self { count: 1, broker: None };
}

impl Default for Nodes {
    fn default() -> Self {
        Self::ALONE
    }
}

/// What servers share their events by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broker {
    /// Redis, by Pub/Sub.
    Redis,
    /// Redis, by Pub/Sub and a Redis Stream for each channel.
    RedisStreams,
    /// Redis, by sharded Pub/Sub.
    RedisSharded,
}

impl Broker {
    /// What a server's `--broker-mode` calls it.
    #[must_use]
    pub const fn mode(self) -> &'static str {
        match self {
            Self::Redis => "pubsub",
            Self::RedisStreams => "streams",
            Self::RedisSharded => "sharded",
        }
    }

    /// What the file calls it.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::RedisStreams => "redis-streams",
            Self::RedisSharded => "redis-sharded",
        }
    }

    /// The first version of Redis that has it.
    #[must_use]
    pub const fn least_version(self) -> u32 {
        match self {
            Self::Redis | Self::RedisStreams => 6,
            Self::RedisSharded => 7,
        }
    }
}

/// The same in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum BrokerFile {
    /// Nothing.
    None,
    /// Redis, by Pub/Sub, which keeps nothing.
    Redis,
    /// Redis, by Pub/Sub and a Redis Stream for each channel, from which servers fetch what they missed.
    RedisStreams,
    /// Redis 7, by sharded Pub/Sub, which keeps nothing either.
    RedisSharded,
}

impl From<BrokerFile> for Option<Broker> {
    fn from(file: BrokerFile) -> Self {
        match file {
            BrokerFile::None => None,
            BrokerFile::Redis => Some(Broker::Redis),
            BrokerFile::RedisStreams => Some(Broker::RedisStreams),
            BrokerFile::RedisSharded => Some(Broker::RedisSharded),
        }
    }
}

impl Values<'_, '_> {
    /// What a table says of servers, and as usual for the rest.
    pub(super) fn nodes(
        &mut self,
        count: Option<&Spanned<i64>>,
        broker: Option<&Spanned<BrokerFile>>,
        usual: Nodes,
    ) -> Nodes {
        let nodes = Nodes {
            count: count.map_or(usual.count, |count| {
                self.count("nodes", count, 1..=MOST_NODES, ": each is a process")
            }),
            broker: broker.map_or(usual.broker, |broker| (*broker.get_ref()).into()),
        };
        let span = count.map(Spanned::span).or_else(|| broker.map(Spanned::span));
        if let (Some(span), true) = (span, nodes.count > 1 && nodes.broker.is_none()) {
            let message = format!(
                "{} servers need something between them, or subscribers of one miss what is published on another: \
                 add `broker = \"redis\"`",
                nodes.count
            );
            self.problems.at(span, message);
        }
        nodes
    }
}
