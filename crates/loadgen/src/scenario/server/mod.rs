//! A server that is not ours, as a scenario describes it: how it is started, how an event is published,
//! and how one subscribes over each transport. It must not know how any of that is done.

mod file;
mod file_publish;
mod file_recipe;
mod overlay;
mod presets;
mod publish;
mod read;
mod read_preset;
mod read_publish;
mod read_recipe;
mod read_start;
mod read_url;
mod recipe;
mod several;
mod template;
#[cfg(test)]
mod tests;
mod used;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use pushbench_wire::Transport;

pub(super) use file::ServerFile;
pub(super) use presets::is_preset_file;
pub use presets::{preset_names, preset_text};
pub use publish::{Publish, PublishRedis, PublishRequest, PublishSocket};
pub(super) use read::{check_together, servers};
pub(super) use read_preset::Presets;
pub use recipe::{Ask, Match, Ping, Recipe, Reply, Request, Resume, Source, Split, Step};
pub use template::Template;
pub(super) use used::{check_used, on_any_of};

/// The server that every scenario has without naming it.
pub const OWN_SERVER: &str = "pushbench";

/// The placeholder for the second port of a server that listens at two.
pub const SECOND_PORT: &str = "port_2";

/// A server, and how it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// How the scenario calls it.
    pub name: String,
    /// What reports call it.
    pub label: String,
    /// What it promises a subscriber, in a few words; none that is not known.
    pub promises: Option<String>,
    /// How it comes to be there.
    pub start: Start,
    /// Where it is: the value of `{url}`.
    pub url: Template,
    /// The value of `{token}`.
    pub token: Option<Token>,
    /// Whom to trust where it is `https`.
    pub trust: Trust,
    /// How an event is published.
    pub publish: Publish,
    /// How one subscribes.
    pub subscribe: BTreeMap<Transport, Arc<Recipe>>,
}

/// Where a token comes from. It is read in each trial, and never kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// An environment variable.
    Variable(String),
    /// A JSON Web Token (RFC 7519), signed by HMAC with SHA-256 (RFC 7518 §3.2).
    Signed {
        /// The environment variable with the key.
        key_variable: String,
        /// The JSON object that it claims.
        claims: String,
    },
}

/// The value of `{ws}` for one of `{url}`: the same place by WebSocket, and as safe.
#[must_use]
pub fn websocket_url(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest))
            if ["https", "wss"].iter().any(|of| scheme.eq_ignore_ascii_case(of)) =>
        {
            format!("wss://{rest}")
        }
        Some((_, rest)) => format!("ws://{rest}"),
        None => url.to_owned(),
    }
}

/// `found`, and both loopback addresses if the host is `localhost`: that name is this machine's, whatever a
/// resolver says of it (RFC 6761 §6.3).
#[must_use]
pub fn with_loopback(
    host: &str,
    port: u16,
    found: impl Iterator<Item = SocketAddr>,
) -> Vec<SocketAddr> {
    let mut found: Vec<_> = found.collect();
    if host.eq_ignore_ascii_case("localhost") {
        let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        found.extend(loopback.map(|ip| SocketAddr::new(ip, port)));
        found.sort_unstable();
        found.dedup();
    }
    found
}

/// Whose certificates are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// A file with certificates in PEM form, beside those that the system trusts.
    pub ca: Option<PathBuf>,
    /// Whether anybody is.
    pub insecure: bool,
}

/// How a server comes to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// It is started for each trial.
    Command {
        /// Program and arguments.
        words: Vec<Template>,
        /// Where it is started: the folder of the scenario.
        folder: PathBuf,
        /// When it can be used.
        ready: Ready,
    },
    /// It runs already.
    Running {
        /// How its processes are found; nobody sees them without.
        seen: Option<SeenBy>,
    },
}

/// How the processes of a server are found that runs on this machine already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeenBy {
    /// By the file that has the number of its process.
    PidFile(PathBuf),
    /// By the folder of their control group (version 2), in which nothing else runs.
    Cgroup(PathBuf),
}

/// When a server that was started can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// As soon as its port takes connections.
    Port,
    /// As soon as it has written a line with this on its standard output.
    Line(String),
    /// As soon as `GET` of this answers 2xx.
    Url(Template),
}
