//! Servers that are not ours and do not do what was said of them. Whoever described one wrongly has to
//! learn from one sentence what is wrong, and nothing may hang, whatever a server does.

mod answers;
mod commands;
mod frames;
mod patience;
mod polls;
mod probing;
mod publishing;
mod publishing_in_band;
mod redis;
mod secrets;
mod server;
mod sessions;
mod streams;
mod websockets;

use std::fs::{self, File};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::support::{Bench, Row};
use server::Server;

/// How long a run may take: thrice the longest patience that pushbench has with a server, so that only
/// one that hangs takes longer.
const LIMIT: Duration = Duration::from_secs(90);

/// How often it is looked whether one has ended.
const LOOK: Duration = Duration::from_millis(20);

/// How many runs go on at the same time. Most of them wait.
const AT_ONCE: usize = 4;

/// What follows when nothing has come that could be shown.
const NOTHING_CAME: &str =
    "no event was recognised in what the server sent; it sent no message at all behind the opening";

/// The same, when connections have ended again and again, for which there may be more words.
const NOTHING_LASTED: &str = "no event was recognised in what the server sent; …";

/// What is measured on a bad server.
pub(super) struct Case {
    name: &'static str,
    transport: &'static str,
    server: Server,
    /// The tables of the server. `AT` is where it is.
    tables: String,
    /// What follows for the user.
    code: i32,
    /// How a line on standard error ends; with `…` behind it, what it contains. `AT` is where the server
    /// is.
    says: String,
}

impl Case {
    /// A server that is described as one describes such a server, and fails the trial.
    fn new(name: &'static str, transport: &'static str, server: Server, says: &str) -> Self {
        let scheme = if transport == "websocket" { "{ws}" } else { "{url}" };
        let tables = format!(
            "[server.x]\nurl = \"http://AT\"\n\
             [server.x.publish]\nurl = \"{{url}}/publish/{{channel}}\"\n\
             [server.x.{transport}]\nurl = \"{scheme}/events/{{channel}}/{{subscriber}}\"\n"
        );
        Self { name, transport, server, tables, code: 1, says: says.to_owned() }
    }

    /// A server that `command` starts.
    fn command(name: &'static str, command: &str, more: &str, says: &str) -> Self {
        let case = Self::new(name, "sse", Server::nobody(), says);
        let start = format!("[server.x]\ncommand = {command:?}\n{more}");
        Self { tables: case.tables.replace("[server.x]\n", &start), ..case }
    }

    /// With more behind the table of its transport.
    fn with(mut self, tables: &str) -> Self {
        self.tables += tables;
        self
    }

    /// With more in the table that says how an event is published.
    fn publishing(mut self, lines: &str) -> Self {
        self.tables =
            self.tables.replace("[server.x.publish]\n", &format!("[server.x.publish]\n{lines}"));
        self
    }

    /// Publishes as `table` says, and not by requests.
    fn published(mut self, table: &str) -> Self {
        let url = "url = \"{url}/publish/{channel}\"\n";
        self.tables = self.tables.replace(&format!("[server.x.publish]\n{url}"), table);
        self
    }

    /// Publishes to another server.
    fn publish_at(&mut self, address: SocketAddr) {
        let elsewhere = format!("\"http://{address}/publish");
        self.tables = self.tables.replace("\"{url}/publish", &elsewhere);
    }

    fn scenario(&self) -> String {
        let polling = match self.transport {
            "polling" => "[polling]\ninterval = \"50ms\"\n",
            _ => "",
        };
        let tables = self.tables.replace("AT", &self.server.address.to_string());
        format!(
            "name = \"bad\"\ndescription = \"What does a bad server do to a run?\"\n\
             compare = [\"{}\"]\nservers = [\"x\"]\nblocks = 1\n\
             [workload]\nsubscribers = 2\nevents_per_second = 40\npayload_bytes = 64\n\
             duration = \"500ms\"\nwarm_up = \"100ms\"\nidle = \"0s\"\n{polling}{tables}",
            self.transport
        )
    }

    /// Runs it, and says what is not as it should be.
    fn check(&self) -> Result<(), String> {
        let ran = Ran::of(self);
        let says = self.says.replace("AT", &self.server.address.to_string());
        let is_said = ran.said.lines().any(|line| match says.strip_suffix('…') {
            None => line.ends_with(&says),
            Some(begin) => line.contains(begin),
        });
        if ran.code != Some(self.code) || !is_said || ran.said.contains("panicked") {
            let Self { name, code, .. } = self;
            return Err(format!(
                "{name}: exit code {:?}, not {code}; wanted: {says}\n{}",
                ran.code, ran.said
            ));
        }
        Ok(())
    }
}

/// A run on a bad server that has ended.
pub(super) struct Ran {
    bench: Bench,
    code: Option<i32>,
    /// On standard error.
    said: String,
}

impl Ran {
    fn of(case: &Case) -> Self {
        Self::with(case, &["run", "scenario.toml", "--out", "out"], &[])
    }

    fn with(case: &Case, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let bench = Bench::new();
        bench.scenario(&case.scenario());
        let mut command = bench.command(arguments);
        command.envs(variables.iter().copied());
        command.stdout(File::create(bench.path("stdout")).unwrap());
        command.stderr(File::create(bench.path("stderr")).unwrap());
        let mut child = command.spawn().unwrap();
        // Counted in looks: time in which this process was stopped is nobody's.
        let mut looks = LIMIT.as_nanos() / LOOK.as_nanos();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if looks == 0 {
                child.kill().unwrap();
                child.wait().unwrap();
                let said = fs::read_to_string(bench.path("stderr")).unwrap();
                panic!("{}: it hangs\n{said}", case.name);
            }
            looks -= 1;
            thread::park_timeout(LOOK);
        };
        let said = fs::read_to_string(bench.path("stderr")).unwrap();
        Self { bench, code: status.code(), said }
    }
}

/// Checks all of them, several at the same time.
fn check(cases: Vec<Case>) {
    let wrong = Mutex::new(Vec::new());
    each(cases, |case| {
        if let Err(why) = case.check() {
            wrong.lock().unwrap().push(why);
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Does `what` with all of them, several at the same time.
fn each(cases: Vec<Case>, what: impl Fn(Case) + Sync) {
    let (cases, what) = (Mutex::new(cases.into_iter()), &what);
    // It must not be held while `what` is done.
    let next = &|| cases.lock().unwrap().next();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(move || {
                while let Some(case) = next() {
                    what(case);
                }
            });
        }
    });
}

/// What has been measured, on a machine that was not too busy to publish all of it.
fn measured(ran: &Ran) -> Option<Row> {
    assert!(!ran.bench.rows().contains("\"failed\""), "{}\n{}", ran.said, ran.bench.rows());
    let row = ran.bench.trials().into_values().next();
    row.filter(|_| !ran.bench.rows().contains("fewer-events-than-planned"))
}

/// Checks that everything is delivered, once and in order.
fn check_measured(cases: Vec<Case>) {
    each(cases, |case| {
        let ran = Ran::of(&case);
        assert!(matches!(ran.code, Some(0 | 3)), "{}: {}", case.name, ran.said);
        if let Some(row) = measured(&ran) {
            assert_values(&case, &row, &[("delivered", 40.0)]);
        }
    });
}

/// Checks that these are the figures of the trial, and all others 0, and that nobody trusts them.
fn check_trial(case: &Case, figures: &[(&str, f64)]) {
    let ran = Ran::of(case);
    assert_eq!(ran.code, Some(1), "{}: {}", case.name, ran.said);
    if let Some(row) = measured(&ran) {
        assert_values(case, &row, figures);
    }
}

fn assert_values(case: &Case, row: &Row, figures: &[(&str, f64)]) {
    for metric in ["delivered", "lost", "duplicated", "reordered"] {
        let figure =
            figures.iter().find(|(of, _)| *of == metric).map_or(0.0, |(_, figure)| *figure);
        assert_eq!(row.values[metric], figure, "{}: {metric}", case.name);
    }
}
