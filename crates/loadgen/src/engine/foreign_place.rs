//! Where a server is that is not ours in one trial, and the values that follow from it.

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, ensure};
use pushbench_wire::clock;
use tokio::net::TcpStream;

use super::remote::hosts;
use super::token::token;
use crate::client::foreign::{Location, Values};
use crate::client::{Foreign, PublishForm, RedisPlace, Tls};
use crate::deployment::{Cores, Deployment, NotStarted, Readiness, ServerStart};
use crate::scenario::{Publish, Ready, Server, Start, Template, websocket_url};

/// A server that is not ours, for one trial.
pub(crate) struct ForeignPlace {
    /// The file that has the number of the process of one that runs already.
    pub(crate) pid_file: Option<PathBuf>,
    /// Where it is: host and port.
    pub(crate) at: String,
    /// How it is started; none that runs already.
    pub(crate) start: Option<ServerStart>,
    /// What its description is filled with.
    pub(crate) values: Values,
    /// How the names of channels begin: a server that runs already may hold what an earlier trial has
    /// published.
    pub(crate) channel_prefix: String,
    /// Whom to trust; none where it is not reached through TLS.
    pub(crate) tls: Option<Tls>,
}

impl ForeignPlace {
    /// Chooses a port for a server that is to be started.
    ///
    /// # Errors
    /// When its token is not there, or no port is free.
    pub(crate) fn of(server: &Server) -> anyhow::Result<Self> {
        let runs = matches!(server.start, Start::Running { .. });
        let port = if runs { String::new() } else { free_port()?.to_string() };
        let url = fill(&server.url, &[("port", &port)])?;
        let url = url.trim_end_matches('/').to_owned();
        let websocket = websocket_url(&url);
        let mut values = vec![("url", url.clone()), ("ws", websocket), ("port", port.clone())];
        if let Some(from) = &server.token {
            let token = token(from).with_context(|| format!("no token for `{}`", server.name))?;
            values.push(("token", token));
        }
        let location =
            Location::of(&url).map_err(|why| anyhow!("`url` of `{}`: {why}", server.name))?;
        let at = location.host_and_port();
        let known = [("port", &port[..]), ("url", &url[..])];
        let start = match &server.start {
            Start::Running { .. } => None,
            Start::Command { words, folder, ready } => Some(ServerStart {
                command: words
                    .iter()
                    .map(|word| fill(word, &known))
                    .collect::<anyhow::Result<_>>()?,
                folder: (!folder.as_os_str().is_empty()).then(|| folder.clone()),
                ready: match ready {
                    Ready::Port => Readiness::Port { at },
                    Ready::Line(text) => Readiness::Line { text: text.clone(), at },
                    Ready::Url(asked) => {
                        let asked = fill(asked, &known)?;
                        ensure!(
                            !asked.starts_with("https"),
                            "whether the server is ready cannot be asked by https: use `ready = {{ line = … }}`"
                        );
                        Readiness::Answers { asked, at }
                    }
                },
            }),
        };
        let channel_prefix = if runs { format!("pb{:x}-", clock::now_ns()) } else { String::new() };
        let tls = hosts(server).iter().any(|host| host.is_secure);
        let trust = &server.trust;
        let tls = tls.then(|| Tls::new(trust.ca.as_deref(), trust.insecure)).transpose()?;
        let pid_file = match &server.start {
            Start::Running { pid_file } => pid_file.clone(),
            Start::Command { .. } => None,
        };
        Ok(Self {
            pid_file,
            at: location.host_and_port(),
            start,
            values: Values::new(values),
            channel_prefix,
            tls,
        })
    }

    /// Starts it, or finds it.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(crate) async fn deployment(&self, cores: &Cores) -> Result<Deployment, NotStarted> {
        match &self.start {
            Some(start) => Deployment::of_servers(std::slice::from_ref(start), cores).await,
            None => Deployment::of_running(&self.at, self.pid_file.as_deref()).await,
        }
    }

    /// An error of a trial with it, in which a server may have been quoted.
    pub(crate) fn without_secrets(&self, error: &anyhow::Error) -> anyhow::Error {
        let said = self.values.redact(&format!("{error:#}"));
        match error.is::<NotStarted>() {
            true => NotStarted::saying(said).into(),
            false => anyhow!(said),
        }
    }

    /// How events are published on these channels: in several forms, the first channel in the first one
    /// and so on, where each channel has a connection of its own.
    ///
    /// # Errors
    /// When a URL is none, or its host is not known.
    pub(crate) async fn publish_forms(
        &self,
        server: &Server,
        channels: &[String],
    ) -> anyhow::Result<Vec<PublishForm>> {
        let of_channel = |channel: &String| self.values.with([("channel", channel.clone())]);
        let first = channels.first().map(of_channel).context("there is no channel")?;
        let tls = self.tls.clone();
        match &server.publish {
            Publish::Request(publish) => {
                let url = self.put_into(&publish.url, &first)?;
                let location = Location::of(&url).map_err(|why| self.cannot_publish(&why))?;
                let address = self.reachable(location.addresses().await).await?;
                let (publish, values) = (publish.clone(), self.values.clone());
                Ok(vec![PublishForm::Requests { address, publish, values, tls }])
            }
            Publish::Redis(publish) => {
                let url = self.put_into(&publish.url, &first)?;
                let place = RedisPlace::of(&url).map_err(|why| self.cannot_publish(&why))?;
                let address = self.reachable(place.location.addresses().await).await?;
                let (publish, values) = (publish.clone(), self.values.clone());
                Ok(vec![PublishForm::Redis { address, publish, values, tls }])
            }
            Publish::Socket(publish) => {
                let form = |values| PublishForm::Socket {
                    publish: publish.clone(),
                    foreign: Foreign {
                        recipe: Arc::clone(&publish.recipe),
                        values,
                        tls: tls.clone(),
                        trace: None,
                    },
                };
                Ok(match publish.each_channel {
                    true => channels.iter().map(of_channel).map(form).collect(),
                    false => vec![form(first)],
                })
            }
        }
    }

    fn put_into(&self, url: &Template, values: &Values) -> anyhow::Result<String> {
        let url = values.put_into(url);
        url.map_err(|name| anyhow!("nobody has said the value of {{{name}}}"))
    }

    fn cannot_publish(&self, why: &str) -> anyhow::Error {
        anyhow!("cannot publish: {}", self.values.redact(why))
    }

    /// One of `found` at which somebody listens: a name may have an address at which nobody does.
    async fn reachable(
        &self,
        found: Result<Vec<SocketAddr>, String>,
    ) -> anyhow::Result<SocketAddr> {
        let addresses = found.map_err(|why| self.cannot_publish(&why))?;
        if let [_, _, ..] = addresses[..] {
            for address in &addresses {
                if TcpStream::connect(address).await.is_ok() {
                    return Ok(*address);
                }
            }
        }
        addresses.first().copied().context("there is nowhere to publish")
    }
}

fn fill(template: &Template, known: &[(&str, &str)]) -> anyhow::Result<String> {
    let value = |name: &str| {
        known.iter().find(|(of, _)| *of == name).map(|(_, value)| Cow::Borrowed(*value))
    };
    template.render(value).map_err(|name| anyhow!("nobody has said the value of {{{name}}}"))
}

/// One that is free now. Nobody can promise it to a server that is yet to be started.
fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    Ok(listener.local_addr().context("no port is free")?.port())
}
