//! The scenario as a file: the twin of [`Scenario`](super::Scenario) that mirrors the TOML. The JSON Schema that
//! editors use comes from the same types.
//!
//! Its fields are as wide as TOML's own types, so that a value out of range gets here, where its
//! key, line and range are known.

use std::collections::BTreeMap;

use pushbench_wire::Transport;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::HttpVersion;
use super::defaults::{not, one, unwritten};
use super::fallback::FallbackFile;
use super::gates::{GateSchema, GatesFile};
use super::limits::MAX_BLOCKS;
use super::literature::LiteratureFile;
use super::needs::NeedsFile;
use super::network::NetworkFile;
use super::nodes::{BrokerFile, MOST_NODES};
use super::proxy::ProxySchema;
use super::server::ServerFile;
use super::thresholds::ThresholdsFile;
use super::workload::file::WorkloadFile;
use super::{Client, Connection, Log, Role, SseFraming, duration};

const NAME_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$";

/// A question about a workload, asked of every contender.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "pushbench scenario")]
pub(super) struct ScenarioFile {
    /// Names the results folder: letters, digits, `.`, `_` and `-`; at most 64, the first a letter
    /// or digit.
    #[schemars(with = "String", regex(pattern = NAME_PATTERN), example = "stock-ticker")]
    pub(super) name: Spanned<String>,
    /// Whose problem this is, in a sentence or more.
    #[schemars(with = "String", length(min = 1), example = "Prices for a trading screen.")]
    pub(super) description: Spanned<String>,
    /// The transports to compare as they are. Left out, it is all of them, or none where there are
    /// contenders.
    #[schemars(with = "Vec<Transport>", extend("uniqueItems" = true))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) compare: Option<Spanned<Vec<Spanned<Transport>>>>,
    /// The servers on which `compare` is done: names of [server.NAME], and "pushbench", which is the
    /// only one when this is left out.
    #[schemars(with = "Vec<String>", extend("uniqueItems" = true))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) servers: Option<Spanned<Vec<Spanned<String>>>>,
    /// What else to compare: a transport with settings of its own, under a name of its own.
    #[serde(default)]
    pub(super) contender: Vec<ContenderFile>,
    /// What runs the subscribers: "pushbench", its own client, which it is when this is left out; or a page in a
    /// headless browser, "chromium" or "firefox".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Client")]
    pub(super) client: Option<Spanned<Client>>,
    /// Whether pushbench's own server is spoken to by TLS 1.3.
    #[serde(default = "not")]
    #[schemars(with = "bool")]
    pub(super) tls: Spanned<bool>,
    /// Whether connections behind the first of a subscriber resume its TLS session instead of a whole
    /// handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    pub(super) tls_resumption: Option<Spanned<bool>>,
    /// What is spoken to pushbench's own server: "1.1", or "2" or "3", which need TLS; or for event streams
    /// "webtransport-draft", likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "HttpVersion")]
    pub(super) http: Option<Spanned<HttpVersion>>,
    /// Whether pushbench's own server compresses what it sends: gzip for polls and SSE, permessage-deflate for
    /// WebSocket. Raw TCP stays as it is.
    #[serde(default = "not")]
    #[schemars(with = "bool")]
    pub(super) compression: Spanned<bool>,
    /// Where pushbench's own server keeps its log: "memory", or "disk", synced before a publisher is answered,
    /// "disk-each-second" or "disk-unsynced".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Log")]
    pub(super) log: Option<Spanned<Log>>,
    /// The proxy through which subscribers reach their server: "nginx", "nginx-tls", `{ preset = "nginx",
    /// profile = "tuned" }`, `{ command = "…", config = "./file" }`; or a list of them, and "none": then
    /// every contender is measured through each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ProxySchema")]
    pub(super) proxy: Option<Spanned<toml::Value>>,
    /// How many servers of pushbench's own a contender has, behind one address or not; 1 when left out. More
    /// than one need a `broker`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = MOST_NODES))]
    pub(super) nodes: Option<Spanned<i64>>,
    /// What such servers share their events by: "redis", "redis-streams", "redis-sharded", or "none".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "BrokerFile")]
    pub(super) broker: Option<Spanned<BrokerFile>>,
    /// The network between clients and server; loopback when left out.
    #[schemars(with = "NetworkFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) network: Option<Spanned<NetworkFile>>,
    /// How often every contender is measured. In each block all of them run once, in shuffled
    /// order.
    #[serde(default = "five")]
    #[schemars(with = "u32", range(min = 1, max = MAX_BLOCKS))]
    pub(super) blocks: Spanned<i64>,
    /// Decides the order of trials and when each subscriber polls: the same seed repeats them.
    #[serde(default = "one")]
    #[schemars(with = "u64", range(min = 0, max = i64::MAX))]
    pub(super) seed: Spanned<i64>,
    pub(super) workload: WorkloadFile,
    /// Servers that are not pushbench: how each is started, published to and subscribed to.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, ServerFile>")]
    pub(super) server: BTreeMap<Spanned<String>, ServerFile>,
    /// What the files say that servers name as presets, and proxies as configurations. Whoever reads the scenario adds it, so that
    /// results need no other file.
    #[serde(default)]
    pub(super) preset_files: BTreeMap<String, String>,
    /// How polling asks.
    #[serde(default)]
    pub(super) polling: PollingFile,
    /// How long polling asks.
    #[serde(default, rename = "long-polling")]
    pub(super) long_polling: LongPollingFile,
    /// How SSE is served, and kept alive by comments.
    #[serde(default)]
    pub(super) sse: SseFile,
    /// How WebSocket is kept alive, by pings.
    #[serde(default)]
    pub(super) websocket: StreamFile,
    /// How raw TCP is kept alive, by empty frames.
    #[serde(default)]
    pub(super) tcp: StreamFile,
    /// What figures must keep to. Each key is a metric (`"latency"` for every contender that is no
    /// reference, `"sse.latency"` for one, `"*.lost"` for all) and each value a list of comparisons
    /// as in k6: `"p(99)<25ms"`, `"count==0"`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    pub(super) thresholds: ThresholdsFile,
    /// What a contender has to reach to be of use, written as thresholds are. Reports mark each
    /// contender as meeting them or not, and `capacity` searches for the largest load that does.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    pub(super) objectives: ThresholdsFile,
    /// What a choice must have beside that. `guide` recommends nothing that was not shown to have it.
    #[serde(default)]
    pub(super) needs: NeedsFile,
    /// By how much a metric may get worse from one build to the next, as `compare` measures it:
    /// `"5%"`, `{ share = "25%", floor = "500us" }`, `true` for its usual gate, `false` for none.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, GateSchema>")]
    pub(super) gates: GatesFile,
    /// What to vary: paths of keys of this file, each with two values or more
    /// (`"workload.subscribers" = [50, 100, 200]`). Every combination of them is a cell, which is
    /// measured like a scenario of its own.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, SweptValuesSchema>")]
    pub(super) sweep: BTreeMap<String, toml::Value>,
    /// Figures that others have published for this setup. Reports show them beside the measured ones.
    #[serde(default)]
    pub(super) published: Vec<LiteratureFile>,
}

impl ScenarioFile {
    /// Where each server has its name.
    pub(super) fn server_spans(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.server.keys()
    }
}

/// One `[[contender]]` of the file. Settings that it leaves out are those of the transport's own
/// table.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ContenderFile {
    /// Unique among the contenders. Results, thresholds and objectives know it by this: letters,
    /// digits, `.`, `_` and `-`; at most 64, the first a letter or digit.
    #[schemars(with = "String", regex(pattern = NAME_PATTERN), example = &"poll-5s")]
    pub(super) name: Spanned<String>,
    /// What reports call it; its name when left out.
    #[schemars(with = "String", length(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) label: Option<Spanned<String>>,
    /// Whether it is a choice, or a reference that the others are held against. Raw TCP is a
    /// reference when this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Role")]
    pub(super) role: Option<Role>,
    /// The mechanism of its client.
    #[schemars(with = "Transport", example = &"polling")]
    pub(super) transport: Spanned<Transport>,
    /// What runs its subscribers; as at the top of the file when this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Client")]
    pub(super) client: Option<Spanned<Client>>,
    /// The [server.NAME] that it is of; pushbench's own when left out.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) server: Option<Spanned<String>>,
    /// Whether a subscriber of several channels has one connection for all of them; as in [workload] when
    /// this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    pub(super) multiplex: Option<Spanned<bool>>,
    /// Whether pushbench's own server is spoken to by TLS; as at the top of the file when this is left
    /// out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    pub(super) tls: Option<Spanned<bool>>,
    /// Whether connections behind the first of a subscriber resume its TLS session; as at the top of the
    /// file when this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    pub(super) tls_resumption: Option<Spanned<bool>>,
    /// What is spoken to pushbench's own server; as at the top of the file when this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "HttpVersion")]
    pub(super) http: Option<Spanned<HttpVersion>>,
    /// Whether pushbench's own server compresses what it sends; as at the top of the file when this is left
    /// out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    pub(super) compression: Option<Spanned<bool>>,
    /// Where pushbench's own server keeps its log; as at the top of the file when this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Log")]
    pub(super) log: Option<Spanned<Log>>,
    /// What it goes on with where it is refused its WebSocket: `{ order = ["sse", "long-polling"] }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "FallbackFile")]
    pub(super) fallback: Option<Spanned<FallbackFile>>,
    /// The proxy through which it is reached, or several; as at the top of the file when this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ProxySchema")]
    pub(super) proxy: Option<Spanned<toml::Value>>,
    /// How many servers it has; as at the top of the file when this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = MOST_NODES))]
    pub(super) nodes: Option<Spanned<i64>>,
    /// What they share their events by; as at the top of the file when this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "BrokerFile")]
    pub(super) broker: Option<Spanned<BrokerFile>>,
    /// The network between its clients and its server; what is left out is as in [network].
    #[schemars(with = "NetworkFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) network: Option<Spanned<NetworkFile>>,
    /// How it asks, if it polls.
    #[schemars(with = "PollingFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) polling: Option<Spanned<PollingFile>>,
    /// How it asks, if it is long polling.
    #[serde(rename = "long-polling")]
    #[schemars(with = "LongPollingFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) long_polling: Option<Spanned<LongPollingFile>>,
    /// How it is served, if it is SSE.
    #[schemars(with = "SseFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sse: Option<Spanned<SseFile>>,
    /// How it is kept alive, if it is WebSocket.
    #[schemars(with = "StreamFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) websocket: Option<Spanned<StreamFile>>,
    /// How it is kept alive, if it is raw TCP.
    #[schemars(with = "StreamFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tcp: Option<Spanned<StreamFile>>,
}

/// How polling asks.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PollingFile {
    /// From one request of a subscriber to its next, at most 50 s: "1s", "250ms". "1s" when left
    /// out.
    #[schemars(with = "String", regex(pattern = duration::PATTERN))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) interval: Option<Spanned<String>>,
    /// What carries the requests of a subscriber; "keep-alive" when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Connection")]
    pub(super) connection: Option<Connection>,
}

/// How long polling asks.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LongPollingFile {
    /// The longest that the server holds a request: "30s", which it is when left out.
    #[schemars(with = "String", regex(pattern = duration::PATTERN))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) timeout: Option<Spanned<String>>,
    /// What carries the requests of a subscriber; "keep-alive" when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Connection")]
    pub(super) connection: Option<Connection>,
}

/// How a stream is kept alive.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamFile {
    /// From one heartbeat of the server to the next: "15s", which it is when left out.
    #[schemars(with = "String", regex(pattern = duration::PATTERN))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) heartbeat: Option<Spanned<String>>,
}

/// How SSE is served.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SseFile {
    /// From one heartbeat of the server to the next: "15s", which it is when left out.
    #[schemars(with = "String", regex(pattern = duration::PATTERN))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) heartbeat: Option<Spanned<String>>,
    /// How pushbench's server frames the body: "chunked" as most frameworks do it, or "close", which it is
    /// when left out: the body ends with its connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SseFraming")]
    pub(super) framing: Option<SseFraming>,
    /// Whether pushbench's server sends `X-Accel-Buffering: no`, which tells nginx to pass on at once what
    /// comes; true when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    pub(super) accel_buffering_hint: Option<bool>,
    /// How long pushbench's server asks clients to wait before they come back (`retry`): "1s", which it is
    /// when left out.
    #[schemars(with = "String", regex(pattern = duration::PATTERN))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retry: Option<Spanned<String>>,
}

/// Values of one key of the file, each of which may stand there.
#[derive(JsonSchema)]
#[schemars(extend("minItems" = 2))]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct SweptValuesSchema(Vec<serde_json::Value>);

fn five() -> Spanned<i64> {
    unwritten(5)
}

/// The JSON Schema of a scenario file, as text that ends with a line break.
#[must_use]
pub fn json_schema() -> String {
    // `{:#}` is serde_json's indented form.
    format!("{:#}\n", schema())
}

pub(super) fn schema() -> serde_json::Value {
    // Draft 7 without references is what TOML language servers understand best.
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<ScenarioFile>().to_value()
}
