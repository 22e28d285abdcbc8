//! What the requests look like that publish: on our server the events of a channel that go out together
//! are one, and elsewhere each event is, as the server's description has it. It must not know when they
//! are sent.

use std::borrow::Cow;
use std::io::Write as _;
use std::net::SocketAddr;

use anyhow::{Context as _, anyhow, bail};
use hyper::header::HOST;
use pushbench_wire::endpoint::{BINARY_TYPE, PUBLISHER, Resource, SEQUENCE, SPLIT};

use super::foreign::{Location, Values};
use super::http_answer::Told;
use super::publish_link::Requests;
use super::publish_path::{PublishForm, PublishTarget};
use super::publish_stream::Secure;
use crate::scenario::{Content, PublishRequest, Template};

/// The most events in one request, in bytes: half of what a server takes by default, so that a
/// publisher that has fallen behind is late and not refused.
pub(super) const MAX_BATCH_BYTES: usize = 512 << 10;

/// How a target is published to.
pub(super) struct Requested {
    pub(super) address: SocketAddr,
    pub(super) secure: Option<Secure>,
    /// The requests of each channel.
    pub(super) channels: Vec<ChannelRequests>,
    /// What was said of answers.
    pub(super) told: Told,
}

/// Puts values into the form of a target.
pub(super) fn requests(target: &PublishTarget<'_>) -> anyhow::Result<Requested> {
    let &PublishTarget { channels, content, ref form, ref returns_as } = target;
    match form {
        &PublishForm::Own(address) => {
            let together = |channel: &String| {
                let batch = Batch::new(address, channel, content, returns_as.as_deref());
                ChannelRequests::Together(batch)
            };
            let channels = channels.iter().map(together).collect();
            Ok(Requested { address, secure: None, channels, told: Told::default() })
        }
        PublishForm::Requests { address, publish, values, tls } => {
            let each = |channel: &String| {
                let each = Each::new(publish, &values.with([("channel", channel.clone())]));
                each.map(ChannelRequests::Each)
            };
            let first = values.with([("channel", channels.first().cloned().unwrap_or_default())]);
            let location = location(publish, &first)?;
            let secure = location
                .is_secure()
                .then(|| tls.clone().map(|tls| Secure { tls, host: location.host.clone() }));
            let channels = channels.iter().map(each).collect::<anyhow::Result<_>>()?;
            let told = Told {
                refused: publish.refused.clone(),
                json: publish.body.advice_on_json("payload"),
                secrets: Some(values.clone()),
            };
            Ok(Requested { address: *address, secure: secure.flatten(), channels, told })
        }
        PublishForm::Socket { .. } | PublishForm::Redis { .. } => {
            bail!("the server does not take events by requests")
        }
    }
}

/// The events of one channel, as requests.
pub(super) enum ChannelRequests {
    Together(Batch),
    Each(Each),
}

impl ChannelRequests {
    /// Adds an event. Says whether it waits for [`Self::finish`] from now on.
    pub(super) fn push(&mut self, payload: &[u8], requests: &mut Requests) -> bool {
        match self {
            Self::Together(batch) => {
                let is_first = batch.events.is_empty();
                if !is_first && batch.events.len() + payload.len() >= MAX_BATCH_BYTES {
                    requests.add(|requests, number| batch.take_into(requests, number));
                }
                batch.push(payload);
                is_first
            }
            Self::Each(each) => {
                each.write(payload, requests);
                false
            }
        }
    }

    /// How much waits.
    #[cfg(test)]
    pub(super) fn waiting_bytes(&self) -> usize {
        match self {
            Self::Together(batch) => batch.events.len(),
            Self::Each(_) => 0,
        }
    }

    /// Makes a request of what waits.
    pub(super) fn finish(&mut self, requests: &mut Requests) {
        if let Self::Together(batch) = self {
            requests.add(|requests, number| batch.take_into(requests, number));
        }
    }
}

/// The events of one channel that are due together, as one request.
pub(super) struct Batch {
    /// What comes before the number of a request, if it has one, and behind that.
    target: String,
    is_numbered: bool,
    head: String,
    content: Content,
    events: Vec<u8>,
}

impl Batch {
    /// Of a publisher that `returns_as` somebody, requests have numbers: a server of ours knows by these what
    /// it has already.
    fn new(address: SocketAddr, channel: &str, content: Content, returns_as: Option<&str>) -> Self {
        let path = Resource::Events.path(channel);
        let (split, kind) = match content {
            Content::Text | Content::Json => ("lines", "text/plain"),
            Content::Binary => ("lengths", BINARY_TYPE),
        };
        let name = returns_as.map(|name| format!("&{PUBLISHER}={name}&{SEQUENCE}="));
        let target = format!("POST {path}?{SPLIT}={split}{}", name.as_deref().unwrap_or_default());
        let head =
            format!(" HTTP/1.1\r\nhost: {address}\r\ncontent-type: {kind}\r\ncontent-length: ");
        Self { target, is_numbered: name.is_some(), head, content, events: Vec::new() }
    }

    fn push(&mut self, payload: &[u8]) {
        match self.content {
            // No record has a line break in it.
            Content::Text | Content::Json => {
                self.events.extend_from_slice(payload);
                self.events.push(b'\n');
            }
            Content::Binary => {
                self.events.extend_from_slice(&(payload.len() as u32).to_be_bytes());
                self.events.extend_from_slice(payload);
            }
        }
    }

    fn take_into(&mut self, requests: &mut Vec<u8>, number: u64) {
        requests.extend_from_slice(self.target.as_bytes());
        // Writing to a `Vec` cannot fail.
        if self.is_numbered {
            let _ = write!(requests, "{number}");
        }
        requests.extend_from_slice(self.head.as_bytes());
        let _ = write!(requests, "{}\r\n\r\n", self.events.len());
        requests.append(&mut self.events);
    }
}

fn location(publish: &PublishRequest, values: &Values) -> anyhow::Result<Location> {
    let url = values.put_into(&publish.url);
    let url =
        url.map_err(|name| anyhow!("cannot publish: nobody has said the value of {{{name}}}"))?;
    Location::of(&url).map_err(|why| anyhow!("cannot publish: {}", values.redact(&why)))
}

/// A request for each event.
pub(super) struct Each {
    head: String,
    /// None when it is the payload as it is.
    body: Option<Template>,
    values: Values,
    written: String,
}

impl Each {
    fn new(publish: &PublishRequest, values: &Values) -> anyhow::Result<Self> {
        let fill = |template: &Template| {
            let filled = values.put_into(template);
            filled.map_err(|name| anyhow!("nobody has said the value of {{{name}}}"))
        };
        let location = location(publish, values)?;
        let mut head = format!("{} {} HTTP/1.1\r\n", publish.method, location.path());
        if !publish.headers.iter().any(|(name, _)| name == HOST) {
            head += &format!("host: {}\r\n", location.authority());
        }
        for (name, value) in &publish.headers {
            let value = fill(value).context("cannot publish")?;
            anyhow::ensure!(
                hyper::header::HeaderValue::try_from(&value).is_ok(),
                "cannot publish: the value of the header field `{name}` holds characters that it must not"
            );
            head += &format!("{name}: {value}\r\n");
        }
        if !publish.headers.iter().any(|(name, _)| name == "content-type") {
            head += "content-type: text/plain\r\n";
        }
        head += "content-length: ";
        let body = (!publish.body.is_only("payload")).then(|| publish.body.clone());
        Ok(Self { head, body, values: values.clone(), written: String::new() })
    }

    fn write(&mut self, payload: &[u8], requests: &mut Requests) {
        let body = match &self.body {
            None => payload,
            Some(template) => {
                self.written.clear();
                // A scenario with such a server has text only.
                let payload = String::from_utf8_lossy(payload);
                let value = |name: &str| match name {
                    "payload" => Some(payload.clone()),
                    other => self.values.get(other).map(Cow::Owned),
                };
                // All its names were known when the scenario was read.
                let _ = template.write(&mut self.written, value);
                self.written.as_bytes()
            }
        };
        requests.add(|requests, _| {
            requests.extend_from_slice(self.head.as_bytes());
            // Writing to a `Vec` cannot fail.
            let _ = write!(requests, "{}\r\n\r\n", body.len());
            requests.extend_from_slice(body);
        });
    }
}
