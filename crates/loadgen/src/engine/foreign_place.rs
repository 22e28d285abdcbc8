//! Where a server is that is not ours in one trial, and the values that follow from it.

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, ensure};
use pushbench_wire::clock;
use tokio::net::TcpStream;

use super::remote::hosts;
use super::token::token;
use crate::client::foreign::{Location, Values};
use crate::client::{Foreign, PublishForm, RedisPlace, Tls};
use crate::deployment::{Cores, Deployment, NotStarted, Readiness, ServerStart, free_port};
use crate::scenario::{
    Publish, Ready, SECOND_PORT, SeenBy, Server, Start, Template, websocket_url,
};

/// A server that is not ours, for one trial.
#[derive(Clone)]
pub(crate) struct ForeignPlace {
    /// How the processes of one are found that runs already.
    pub(crate) seen: Option<SeenBy>,
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
    /// The address at which it has to listen.
    host: Ipv4Addr,
    port: String,
    /// Where it listens as well, if it does.
    pub(crate) second: Option<SocketAddr>,
    /// The proxy through which subscribers reach it, if there is one.
    front: Option<FrontOf>,
}

/// What subscribers know of a server behind a proxy.
#[derive(Clone)]
struct FrontOf {
    values: Values,
    tls: Option<Tls>,
}

impl ForeignPlace {
    /// Chooses a port for a server that is to be started, and shall listen on `host`.
    ///
    /// # Errors
    /// When its token is not there, or no port is free.
    pub(crate) fn of(server: &Server, host: Ipv4Addr) -> anyhow::Result<Self> {
        let runs = matches!(server.start, Start::Running { .. });
        let port = if runs { String::new() } else { free_port()?.to_string() };
        let host_text = host.to_string();
        let url = fill(&server.url, &[("host", &host_text), ("port", &port)])?;
        let url = url.trim_end_matches('/').to_owned();
        let websocket = websocket_url(&url);
        let mut values = vec![
            ("url", url.clone()),
            ("ws", websocket),
            ("host", host_text.clone()),
            ("port", port.clone()),
        ];
        if let Some(from) = &server.token {
            let token = token(from).with_context(|| format!("no token for `{}`", server.name))?;
            values.push(("token", token));
        }
        let location =
            Location::of(&url).map_err(|why| anyhow!("`url` of `{}`: {why}", server.name))?;
        let at = location.host_and_port();
        let second = match &server.start {
            Start::Command { words, .. }
                if words.iter().any(|word| word.names().any(|name| name == SECOND_PORT)) =>
            {
                Some(free_port()?)
            }
            _ => None,
        };
        let second_port = second.map(|port| port.to_string()).unwrap_or_default();
        let known = [
            ("host", &host_text[..]),
            ("port", &port[..]),
            ("url", &url[..]),
            (SECOND_PORT, &second_port[..]),
        ];
        let start = match &server.start {
            Start::Running { .. } => None,
            Start::Command { words, folder, ready } => {
                let words = words.iter().map(|word| fill(word, &known));
                let ready = match ready {
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
                };
                Some(ServerStart {
                    folder: (!folder.as_os_str().is_empty()).then(|| folder.clone()),
                    ..ServerStart::server(words.collect::<anyhow::Result<_>>()?, ready)
                })
            }
        };
        let channel_prefix = if runs { format!("pb{:x}-", clock::now_ns()) } else { String::new() };
        let tls = hosts(server).iter().any(|host| host.is_secure);
        let trust = &server.trust;
        let tls = tls.then(|| Tls::new(trust.ca.as_deref(), trust.insecure)).transpose()?;
        let seen = match &server.start {
            Start::Running { seen } => seen.clone(),
            Start::Command { .. } => None,
        };
        Ok(Self {
            seen,
            at: location.host_and_port(),
            start,
            values: Values::new(values),
            channel_prefix,
            tls,
            host,
            port,
            second: second.map(|port| SocketAddr::from((host, port))),
            front: None,
        })
    }

    /// The same as subscribers know it who reach it at `address`, by TLS if that is said.
    ///
    /// # Errors
    /// When its URL is none.
    pub(crate) fn behind(&self, address: SocketAddr, tls: Option<Tls>) -> anyhow::Result<Self> {
        let url = self.values.get("url").unwrap_or_default();
        let location = Location::of(&url).map_err(|why| anyhow!(why))?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{address}{}", location.path());
        let url = url.trim_end_matches('/').to_owned();
        let ws = websocket_url(&url);
        let values =
            self.values.with([("url", url), ("ws", ws), ("port", address.port().to_string())]);
        Ok(Self { front: Some(FrontOf { values, tls }), ..self.clone() })
    }

    /// Whom subscribers trust.
    pub(crate) fn tls_of_subscribers(&self) -> Option<&Tls> {
        self.front.as_ref().map_or(self.tls.as_ref(), |front| front.tls.as_ref())
    }

    /// Starts it, or finds it.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(crate) async fn deployment(&self, cores: &Cores) -> Result<Deployment, NotStarted> {
        match &self.start {
            Some(start) => {
                let started = Deployment::of_servers(std::slice::from_ref(start), cores).await;
                started.map_err(|error| match self.host.is_loopback() {
                    true => error,
                    false => NotStarted::saying(format!(
                        "{error}; behind a network it has to listen on {} (`{{host}}` in `command`), or on \
                         all addresses",
                        self.host
                    )),
                })
            }
            None => Deployment::of_running(&self.at, self.seen.as_ref()).await,
        }
    }

    /// What its description is filled with for subscribers, whose way to it begins at `way`.
    pub(crate) fn values_over(&self, way: SocketAddr) -> Values {
        if let Some(front) = &self.front {
            return front.values.clone();
        }
        let port = way.port().to_string();
        if port == self.port || self.start.is_none() {
            return self.values.clone();
        }
        let there = |template: &str| {
            let value =
                Template::parse(template).ok().and_then(|of| self.values.put_into(&of).ok());
            let [old, new] = [&self.port, &port].map(|port| format!(":{port}"));
            value.unwrap_or_default().replacen(&old, &new, 1)
        };
        self.values.with([("url", there("{url}")), ("ws", there("{ws}")), ("port", port)])
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
