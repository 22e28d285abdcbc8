//! Publishing by Redis: each event is a command, commands follow each other without waiting, and an
//! answer that refuses one is an error.
//!
//! The `redis` crate would not make it shorter: its connection sends and receives by one `&mut self`, so
//! no other thread can take answers while events go out, and what it would still do is the ten lines that
//! write a command.

use std::borrow::Cow;
use std::io::{ErrorKind, Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use pushbench_wire::clock;

use super::foreign::Values;
use super::publish_link::{MOMENT, TIMEOUT, is_end};
use super::publish_path::{
    Acknowledgements, OpenPath, PublishForm, PublishPath, PublishTarget, TcpProbe,
};
use super::publish_stream::{PublishStream, Secure};
use super::redis_place::RedisPlace;
use super::redis_reply::{Reply, parse};
use crate::scenario::Template;

/// How long Redis may take to let somebody in.
const LOGIN_WITHIN: Duration = Duration::from_secs(10);

/// How much of an answer an error quotes.
const QUOTED_CHARS: usize = 200;

/// One connection, on which everything is published.
pub(crate) struct RedisPublish {
    stream: PublishStream,
    command: Vec<Template>,
    channels: Vec<String>,
    values: Values,
    /// What goes out next, and how many commands that is.
    bytes: Vec<u8>,
    count: u64,
    sent: Arc<AtomicU64>,
}

/// The answers on it.
pub(crate) struct RedisAnswers {
    stream: PublishStream,
    /// Where, for errors.
    at: String,
    /// What Redis is asked to take.
    what: &'static str,
    unread: Vec<u8>,
    sent: Arc<AtomicU64>,
    answered: u64,
    /// How long an answer has been waited for.
    silence: Duration,
    patience: Duration,
    values: Values,
}

/// Appends a command.
fn write_command(bytes: &mut Vec<u8>, words: &[Cow<'_, str>]) {
    // Writing to a `Vec` cannot fail.
    let _ = write!(bytes, "*{}\r\n", words.len());
    for word in words {
        let _ = write!(bytes, "${}\r\n{word}\r\n", word.len());
    }
}

impl PublishPath for RedisPublish {
    type Acknowledgements = RedisAnswers;

    fn open(target: &PublishTarget<'_>) -> anyhow::Result<OpenPath<Self>> {
        let PublishForm::Redis { address, publish, values, tls } = &target.form else {
            bail!("the server does not take events by Redis");
        };
        let url = values.put_into(&publish.url);
        let url = url.map_err(|name| anyhow!("nobody has said the value of {{{name}}}"))?;
        let place = RedisPlace::of(&url)
            .map_err(|why| anyhow!("cannot publish by Redis: {}", values.redact(&why)))?;
        let location = &place.location;
        let at = location.host_and_port();
        let secure = tls.clone().filter(|_| location.is_secure());
        let secure = secure.map(|tls| Secure { tls, host: location.host.clone() });
        let connect = || {
            let stream = PublishStream::open(*address, secure.as_ref(), TIMEOUT, MOMENT)?;
            Ok::<_, std::io::Error>((stream.try_clone()?, stream.tcp()?, stream))
        };
        let (reading, tcp, stream) = connect()
            .with_context(|| format!("the publisher cannot connect to Redis at {address}"))?;
        let probe = TcpProbe::default();
        probe.open(tcp);
        let sent = Arc::<AtomicU64>::default();
        let mut path = Self {
            stream,
            command: publish.command.clone(),
            channels: target.channels.to_vec(),
            values: values.clone(),
            bytes: Vec::new(),
            count: 0,
            sent: Arc::clone(&sent),
        };
        let mut answers = RedisAnswers {
            stream: reading,
            at,
            what: "the password",
            unread: Vec::new(),
            sent,
            answered: 0,
            silence: Duration::ZERO,
            patience: LOGIN_WITHIN,
            values: values.clone(),
        };
        path.log_in(&place, &mut answers)?;
        (answers.what, answers.patience) = ("an event", TIMEOUT);
        Ok(OpenPath { path, acknowledgements: answers, probe: Some(probe) })
    }

    fn push(&mut self, channel: usize, payload: &[u8]) {
        // A scenario with such a server has text only.
        let payload = String::from_utf8_lossy(payload);
        let value = |name: &str| match name {
            "payload" => Some(payload.clone()),
            "channel" => self.channels.get(channel).map(|channel| Cow::Borrowed(&channel[..])),
            other => self.values.get(other).map(Cow::Owned),
        };
        // All names were known when the scenario was read.
        let words = self.command.iter().map(|word| word.render(value).unwrap_or_default().into());
        write_command(&mut self.bytes, &words.collect::<Vec<_>>());
        self.count += 1;
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        // Counted first, so that no answer can come before its command is known.
        self.sent.fetch_add(std::mem::take(&mut self.count), Ordering::Release);
        let written = self.stream.write_all(&self.bytes).and_then(|()| self.stream.flush());
        self.bytes.clear();
        match written {
            // Whoever takes the answers sees it, and perhaps why.
            Err(error) if is_end(&error) => Ok(()),
            written => written.context("Redis does not take what is published"),
        }
    }
}

impl RedisPublish {
    /// Says who publishes, and where, and waits until Redis agrees.
    fn log_in(&mut self, place: &RedisPlace, answers: &mut RedisAnswers) -> anyhow::Result<()> {
        let RedisPlace { user, password, database, .. } = place;
        if user.is_some() || password.is_some() {
            let words = ["AUTH"].into_iter().chain(user.as_deref());
            let words = words.chain([password.as_deref().unwrap_or_default()]);
            self.ask(words, answers)?;
        }
        if let Some(database) = database {
            answers.what = "the database";
            self.ask(["SELECT", &database.to_string()].into_iter(), answers)?;
        }
        Ok(())
    }

    fn ask<'w>(
        &mut self,
        words: impl Iterator<Item = &'w str>,
        answers: &mut RedisAnswers,
    ) -> anyhow::Result<()> {
        write_command(&mut self.bytes, &words.map(Cow::Borrowed).collect::<Vec<_>>());
        self.count += 1;
        self.flush()?;
        while answers.acknowledge()? > 0 {}
        Ok(())
    }
}

impl Acknowledgements for RedisAnswers {
    fn acknowledge(&mut self) -> anyhow::Result<u64> {
        self.read()?;
        let to_come = self.sent.load(Ordering::Acquire).saturating_sub(self.answered);
        if to_come == 0 {
            self.silence = Duration::ZERO;
        }
        ensure!(
            self.silence < self.patience,
            "Redis at {} has not answered {to_come} command{} of the publisher within {:?}: is it Redis?",
            self.at,
            if to_come == 1 { "" } else { "s" },
            self.patience
        );
        Ok(to_come)
    }
}

impl RedisAnswers {
    /// Reads what has come within a moment.
    fn read(&mut self) -> anyhow::Result<()> {
        let mut piece = [0; 4096];
        let begin_ns = clock::now_ns();
        let read = loop {
            match self.stream.read(&mut piece) {
                // Somebody has stopped this process for a while, in which much may have come.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        // No longer than it waits: time in which this process was stopped is not the server's.
        self.silence += Duration::from_nanos(clock::now_ns() - begin_ns).min(MOMENT);
        match read {
            Ok(0) => self.ended(),
            Ok(bytes) => {
                self.unread.extend_from_slice(&piece[..bytes]);
                self.take()
            }
            Err(error) if is_end(&error) => self.ended(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(())
            }
            Err(error) => Err(error).context("Redis does not answer the publisher"),
        }
    }

    fn ended(&self) -> anyhow::Result<()> {
        bail!("Redis at {} closed the publisher's connection", self.at)
    }

    fn take(&mut self) -> anyhow::Result<()> {
        let mut taken = 0;
        loop {
            let rest = &self.unread[taken..];
            let parsed = parse(rest).with_context(|| {
                format!(
                    "what the server at {} answers is not from Redis: {:?}: is this the right port?",
                    self.at,
                    self.quoted(rest)
                )
            });
            let Some((length, reply)) = parsed.map_err(|error| anyhow!("{error}"))? else { break };
            taken += length;
            if let Reply::Refused(words) = reply {
                let hint = match words.split(' ').next() {
                    Some("NOAUTH") => {
                        "; put the password into `url`: \"redis://:{token|url}@HOST:PORT\""
                    }
                    Some("WRONGPASS") => "; is it the right one?",
                    _ => "",
                };
                bail!("Redis refused {}: {}{hint}", self.what, self.quoted(words.as_bytes()));
            }
            if self.answered == self.sent.load(Ordering::Acquire) {
                bail!("Redis answers what nobody has asked");
            }
            self.answered += 1;
            self.silence = Duration::ZERO;
        }
        self.unread.drain(..taken);
        Ok(())
    }

    /// The beginning of what it said, without secrets.
    fn quoted(&self, said: &[u8]) -> String {
        let said = self.values.redact(&String::from_utf8_lossy(said));
        said.chars().take(QUOTED_CHARS).collect()
    }
}
