//! Where a server is that is not ours in one trial, and the values that follow from it.

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, ensure};
use pushbench_wire::clock;
use tokio::net::TcpStream;

use super::remote::hosts;
use super::token::token;
use crate::client::foreign::{Location, Values};
use crate::client::{PublishForm, Tls};
use crate::deployment::{Cores, Deployment, NotStarted, Readiness, ServerStart};
use crate::scenario::{Ready, Server, Start, Template, websocket_url};

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
    /// The address at which it has to listen.
    host: Ipv4Addr,
    port: String,
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
        let known = [("host", &host_text[..]), ("port", &port[..]), ("url", &url[..])];
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
            host,
            port,
        })
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
            None => Deployment::of_running(&self.at, self.pid_file.as_deref()).await,
        }
    }

    /// What its description is filled with for subscribers, whose way to it begins at `way`.
    pub(crate) fn values_over(&self, way: SocketAddr) -> Values {
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

    /// How events are published.
    pub(crate) fn publish_form(&self, server: &Server) -> PublishForm {
        PublishForm::Described {
            publish: server.publish.clone(),
            values: self.values.clone(),
            tls: self.tls.clone(),
        }
    }

    /// Where events are published.
    ///
    /// # Errors
    /// When the URL is none, or its host is not known.
    pub(crate) async fn publish_address(
        &self,
        server: &Server,
        channel: &str,
    ) -> anyhow::Result<SocketAddr> {
        let values = self.values.with([("channel", channel.to_owned())]);
        let url = values.put_into(&server.publish.url);
        let url = url.map_err(|name| anyhow!("nobody has said the value of {{{name}}}"))?;
        let location = Location::of(&url)
            .map_err(|why| anyhow!("cannot publish: {}", self.values.redact(&why)))?;
        let addresses = location.addresses().await;
        let addresses = addresses.map_err(|why| anyhow!("cannot publish: {why}"))?;
        // A name may have an address at which nobody listens.
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
