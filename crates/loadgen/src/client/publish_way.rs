//! Which way events are published goes by how the server takes them.

use super::foreign::{SocketAnswers, SocketPublish};
use super::http_publish::{HttpAnswers, HttpPublish};
use super::publish_path::{Acknowledgements, OpenPath, PublishForm, PublishPath, PublishTarget};
use super::publish_redis::{RedisAnswers, RedisPublish};

/// Any way to publish.
pub(crate) enum PublishWay {
    Http(HttpPublish),
    Socket(Box<SocketPublish>),
    Redis(RedisPublish),
}

/// The answers to it.
pub(crate) enum WayAnswers {
    Http(HttpAnswers),
    Socket(Box<SocketAnswers>),
    Redis(RedisAnswers),
}

impl PublishPath for PublishWay {
    type Acknowledgements = WayAnswers;

    fn open(target: &PublishTarget<'_>) -> anyhow::Result<OpenPath<Self>> {
        Ok(match &target.form {
            PublishForm::Own(_) | PublishForm::Requests { .. } => {
                opened(HttpPublish::open(target)?, Self::Http, WayAnswers::Http)
            }
            PublishForm::Socket { .. } => opened(
                SocketPublish::open(target)?,
                |path| Self::Socket(Box::new(path)),
                |answers| WayAnswers::Socket(Box::new(answers)),
            ),
            PublishForm::Redis { .. } => {
                opened(RedisPublish::open(target)?, Self::Redis, WayAnswers::Redis)
            }
        })
    }

    fn push(&mut self, channel: usize, payload: &[u8]) {
        match self {
            Self::Http(path) => path.push(channel, payload),
            Self::Socket(path) => path.push(channel, payload),
            Self::Redis(path) => path.push(channel, payload),
        }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Http(path) => path.flush(),
            Self::Socket(path) => path.flush(),
            Self::Redis(path) => path.flush(),
        }
    }
}

fn opened<P: PublishPath>(
    path: OpenPath<P>,
    way: impl FnOnce(P) -> PublishWay,
    answers: impl FnOnce(P::Acknowledgements) -> WayAnswers,
) -> OpenPath<PublishWay> {
    let OpenPath { path, acknowledgements, probe } = path;
    OpenPath { path: way(path), acknowledgements: answers(acknowledgements), probe }
}

impl Acknowledgements for WayAnswers {
    fn acknowledge(&mut self) -> anyhow::Result<u64> {
        match self {
            Self::Http(answers) => answers.acknowledge(),
            Self::Socket(answers) => answers.acknowledge(),
            Self::Redis(answers) => answers.acknowledge(),
        }
    }

    fn part(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Http(answers) => answers.part(),
            Self::Socket(answers) => answers.part(),
            Self::Redis(answers) => answers.part(),
        }
    }

    fn told(&self) -> Option<String> {
        match self {
            Self::Http(answers) => answers.told(),
            Self::Socket(answers) => answers.told(),
            Self::Redis(answers) => answers.told(),
        }
    }
}
