//! How a measurement came about, as its results say it. It must not know what they are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{Source, own_server};
use crate::engine::{Cores, browser_version, fairness, machine, proxy_version};
use crate::results::model::{DescribedServer, LaidNetwork, ScenarioText, SweptCell};
use crate::results::store::ensure_free;
use crate::results::{Manifest, UsedBrowser, UsedProxy};
use crate::scenario::{Imitation, Scenario, Start, hex};

/// What every command that leaves results was asked.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The results folder; by default a new one below `results`.
    pub out: Option<PathBuf>,
    /// The program that serves, with its first arguments; by default the `serve` of this program.
    pub server: Option<Vec<String>>,
    /// Hosts beyond this machine and its private network that may be sent to.
    pub allow_remote: Vec<String>,
    /// The command line, for the manifest.
    pub command_line: Vec<String>,
    /// Version of pushbench.
    pub version: &'static str,
    /// The source revision that pushbench was built from, if it is known.
    pub revision: Option<&'static str>,
}

impl Invocation {
    /// How the server is started.
    pub(crate) fn server(&self) -> Arc<[String]> {
        self.server.clone().unwrap_or_else(own_server).into()
    }

    /// The results folder of what is called `name`.
    ///
    /// # Errors
    /// When it holds results already.
    pub(crate) fn folder(&self, name: &str, started: Timestamp) -> anyhow::Result<PathBuf> {
        let folder = self.out.clone().unwrap_or_else(|| free_folder(&run_name(name, started)));
        ensure_free(&folder)?;
        Ok(folder)
    }

    /// The manifest of a scenario that was `started` then, and of which so many trials are planned.
    /// How servers are set up is known if they are `ours`.
    pub(crate) fn manifest(
        &self,
        source: &Source,
        started: Timestamp,
        planned_trials: u32,
        cores: &Cores,
        ours: bool,
    ) -> Manifest {
        let Source { path, scenario, text } = source;
        let cells = scenario.sweep.iter();
        let servers = described(scenario);
        let own = scenario.contenders.iter().any(|contender| contender.server.is_none());
        let server = match own {
            true => self.server.as_ref().map_or("pushbench serve".to_owned(), shell_words::join),
            false => servers.iter().map(|of| &of.label[..]).collect::<Vec<_>>().join(", "),
        };
        let browsers = browsers(scenario);
        let mut settings = fairness::settings(cores, ours && own);
        settings.extend((!browsers.is_empty()).then(fairness::of_browsers));
        Manifest {
            run: run_name(&scenario.name, started),
            command: shell_words::join(&self.command_line),
            seed: scenario.seed,
            started_at: started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            started_unix_s: started.as_duration().as_secs_f64(),
            planned_trials,
            interrupted: false,
            version: self.version.to_owned(),
            revision: self.revision.map(str::to_owned),
            server,
            servers,
            networks: networks(scenario),
            machine: machine::machine(cores),
            contenders: scenario.contender_ids().cloned().collect(),
            settings,
            proxies: proxies(scenario),
            browsers,
            shortenings: Vec::new(),
            scenario: ScenarioText {
                name: scenario.name.clone(),
                description: scenario.description.clone(),
                path: path.display().to_string(),
                text: text.clone(),
                sha256: hex(&Sha256::digest(text)),
            },
            cells: cells
                .map(|cell| SweptCell { name: cell.name.clone(), settings: cell.settings.clone() })
                .collect(),
        }
    }
}

/// The networks of a scenario, each contender's together.
fn networks(scenario: &Scenario) -> Vec<LaidNetwork> {
    let mut found = Vec::new();
    for id in scenario.contender_ids() {
        for (_, cell) in scenario.cells() {
            let network = cell.contender(id).and_then(|of| of.road.network.as_ref());
            let laid = network.map(|network| LaidNetwork {
                contender: id.clone(),
                network: network.to_string(),
                is_relayed: network.by == Imitation::Relay,
            });
            found.extend(laid.filter(|laid| !found.contains(laid)));
        }
    }
    found
}

/// The servers that a scenario describes and compares.
fn described(scenario: &Scenario) -> Vec<DescribedServer> {
    let mut found = Vec::new();
    for server in scenario.contenders.iter().filter_map(|of| of.server.as_ref()) {
        let described = DescribedServer {
            label: server.label.clone(),
            promises: server.promises.clone(),
            started: matches!(server.start, Start::Command { .. }),
            seen: server.start != Start::Running { seen: None },
            insecure: server.trust.insecure,
        };
        if !found.contains(&described) {
            found.push(described);
        }
    }
    found
}

/// The proxies of a scenario.
fn proxies(scenario: &Scenario) -> Vec<UsedProxy> {
    let mut found: Vec<UsedProxy> = Vec::new();
    for contender in &scenario.contenders {
        let Some(proxy) = &contender.road.proxy else { continue };
        let name = contender.id.name().to_owned();
        match found.iter_mut().find(|of| of.label == proxy.label) {
            Some(known) => known.contenders.push(name),
            None => found.push(UsedProxy {
                label: proxy.label.clone(),
                version: proxy_version(proxy),
                command: shell_words::join(&proxy.command),
                config: proxy.config.clone(),
                contenders: vec![name],
            }),
        }
    }
    found
}

/// The browsers of a scenario.
fn browsers(scenario: &Scenario) -> Vec<UsedBrowser> {
    let mut found: Vec<UsedBrowser> = Vec::new();
    for id in scenario.contender_ids() {
        let Some(browser) = id.client().browser() else { continue };
        let contender = id.label().to_owned();
        match found.iter_mut().find(|of| of.label == browser.label()) {
            Some(known) => known.contenders.push(contender),
            None => found.push(UsedBrowser {
                label: browser.label().to_owned(),
                version: browser_version(browser),
                contenders: vec![contender],
            }),
        }
    }
    found
}

fn run_name(name: &str, started: Timestamp) -> String {
    format!("{name}-{}", started.strftime("%Y%m%d-%H%M%S"))
}

/// Two may start within a second.
fn free_folder(name: &str) -> PathBuf {
    let others = (2..).map(|number| format!("{name}-{number}"));
    let names = std::iter::once(name.to_owned()).chain(others);
    let mut folders = names.map(|name| Path::new("results").join(name));
    folders.find(|folder| !folder.exists()).unwrap_or_default()
}
