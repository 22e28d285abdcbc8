//! The scenario as a file: the twin of [`Scenario`] that mirrors the TOML. The JSON Schema that
//! editors use comes from the same types.
//!
//! Its fields are as wide as TOML's own types, so that a value out of range gets here, where its
//! key, line and range are known.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pushbench_wire::Transport;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, Deserializer};

use super::error::{Problem, Problems, ScenarioError};
use super::gates::{GateSchema, GatesFile};
use super::literature::LiteratureFile;
use super::sweep::{self, SweptValuesSchema};
use super::thresholds::ThresholdsFile;
use super::workload::file::WorkloadFile;
use super::workload::{check_together, check_trace};
use super::{Connection, Role, Rows, Scenario, duration, shape, values};

/// A scenario is a page of text; whatever is larger was named by mistake.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

const NAME_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$";
pub(super) const MAX_BLOCKS: u32 = 100;
pub(super) const MAX_SUBSCRIBERS: u32 = 1_000_000;
/// What one publisher thread could ever send; the 1 µs between two events keeps their order.
pub(super) const MAX_EVENTS_PER_SECOND: u32 = 1_000_000;
/// Delivery trackers and stamps count events in 32 bits and keep them in memory.
pub(super) const MAX_EVENTS_PER_CHANNEL: u32 = 10_000_000;
/// The server's bound on any size, the log of a channel among them.
pub(crate) const MAX_LOG_BYTES: u64 = 1 << 30;
/// The server's default limit on one event.
pub(super) const MAX_PAYLOAD_BYTES: usize = 64 * 1024;

/// Beyond, connections are more than a machine has ports for.
pub(super) const MAX_CHANNELS_PER_SUBSCRIBER: u32 = 100;
/// Stamps tell publishers apart by 16 bits, and the first of them is ours.
pub(super) const MAX_SENDERS: u32 = 65_535;

pub(super) const TICK: Duration = Duration::from_millis(1);
/// An event waits up to an interval to be asked for; latencies are recorded up to 60 s, and what
/// delays it further must fit as well.
pub(super) const MAX_POLLING_INTERVAL: Duration = Duration::from_secs(50);
pub(super) const HOUR: Duration = Duration::from_secs(3600);

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
    /// What else to compare: a transport with settings of its own, under a name of its own.
    #[serde(default)]
    pub(super) contender: Vec<ContenderFile>,
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
    /// How polling asks.
    #[serde(default)]
    pub(super) polling: PollingFile,
    /// How long polling asks.
    #[serde(default, rename = "long-polling")]
    pub(super) long_polling: LongPollingFile,
    /// How SSE is kept alive, by comments.
    #[serde(default)]
    pub(super) sse: StreamFile,
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
    /// How it asks, if it polls.
    #[schemars(with = "PollingFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) polling: Option<Spanned<PollingFile>>,
    /// How it asks, if it is long polling.
    #[serde(rename = "long-polling")]
    #[schemars(with = "LongPollingFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) long_polling: Option<Spanned<LongPollingFile>>,
    /// How it is kept alive, if it is SSE.
    #[schemars(with = "StreamFile")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sse: Option<Spanned<StreamFile>>,
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

pub(super) fn one() -> Spanned<i64> {
    unwritten(1)
}

fn five() -> Spanned<i64> {
    unwritten(5)
}

/// A value that stands nowhere in the file. It never needs a line: every default is right alone.
pub(super) fn unwritten<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
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

impl Scenario {
    /// Reads the scenario at `path`, and gives its text too, as the results keep it.
    ///
    /// # Errors
    /// When the file cannot be read, or its text is no scenario.
    pub fn load(path: &Path) -> Result<(Self, String), ScenarioError> {
        let unreadable = |reason| ScenarioError::Unreadable { path: path.to_owned(), reason };
        let text = read(path).map_err(unreadable)?;
        let mut scenario = Self::parse(&text, path)?;
        if let Err(message) = scenario.load_trace(path) {
            let problems = vec![Problem { line: None, message }];
            return Err(ScenarioError::Invalid { path: path.to_owned(), problems });
        }
        Ok((scenario, text))
    }

    /// Reads the trace that it names, which lies beside `path`, and those of its cells.
    fn load_trace(&mut self, path: &Path) -> Result<(), String> {
        let mut loaded: HashMap<PathBuf, Arc<Rows>> = HashMap::new();
        let folder = path.parent().unwrap_or(Path::new(""));
        let cells = self.sweep.iter_mut().map(|cell| &mut cell.scenario.workload);
        for workload in cells.chain([&mut self.workload]) {
            let Some(trace) = &workload.trace else { continue };
            let file = folder.join(&trace.file);
            let rows = match loaded.get(&file) {
                Some(rows) => Arc::clone(rows),
                None => Arc::new(Rows::load(&file)?),
            };
            loaded.insert(file, Arc::clone(&rows));
            check_trace(workload, &rows)?;
            workload.channels = rows.channels();
            if let Some(trace) = &mut workload.trace {
                trace.rows = rows;
            }
        }
        Ok(())
    }

    /// Reads a scenario from its text; `path` is where messages say that it came from. A trace that
    /// it names is not read: what follows from results needs none.
    ///
    /// # Errors
    /// When the text is no scenario: with every problem of the first kind that is found, in the
    /// order syntax, keys and types, values, values that contradict each other.
    pub fn parse(text: &str, path: impl AsRef<Path>) -> Result<Self, ScenarioError> {
        parse(text)
            .map_err(|problems| ScenarioError::Invalid { path: path.as_ref().to_owned(), problems })
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    // `take`, because a device or a pipe would never end.
    let read = File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    if read as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other("is larger than 1 MiB, so it is no scenario"));
    }
    Ok(text)
}

fn parse(text: &str) -> Result<Scenario, Vec<Problem>> {
    let mut problems = Problems::new(text);
    let table = DeTable::parse(text).map_err(|error| problems.only(&error))?;
    let schema = schema();
    let mut scenario = checked(table.clone(), &schema, &mut problems)?;
    scenario.sweep = sweep::cells(text, table, &schema, &mut problems)?;
    Ok(scenario)
}

/// The scenario that `table` holds, apart from its sweep.
pub(super) fn checked(
    table: Spanned<DeTable<'_>>,
    schema: &serde_json::Value,
    problems: &mut Problems<'_>,
) -> Result<Scenario, Vec<Problem>> {
    shape::check(&table, schema, problems);
    problems.none_so_far()?;
    let file = ScenarioFile::deserialize(Deserializer::from(table))
        .map_err(|error| problems.only(&error))?;
    let scenario = values::scenario(&file, problems);
    problems.none_so_far()?;
    check_together(&file.workload, &scenario, problems);
    problems.none_so_far()?;
    Ok(scenario)
}
