//! How a node comes to its broker: who is there, whether it has what it takes, and where the ids of the deployment are.
//! It must not know what becomes of events.

use std::time::Duration;

use tokio::time::timeout;

use super::link::{Link, words_of};
use super::message::{IDS, JOIN, publish_script};
use super::resp::{Value, push_command};
use super::{BrokerConfig, BrokerError, BrokerMode};

/// How long all of it may take.
const WITHIN: Duration = Duration::from_secs(5);

/// A node that has joined its deployment.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(super) link: Link,
    /// What the ids are valid in.
    pub(super) epoch: String,
    /// The id before the first one.
    pub(super) base: u64,
    /// What the script that publishes is known by.
    pub(super) script: String,
}

/// Whether a server can use this broker.
///
/// # Errors
/// Why it cannot.
pub(crate) async fn check(config: &BrokerConfig) -> Result<(), BrokerError> {
    within(greet(config)).await.map(drop).map_err(|reason| error(config, reason))
}

fn error(config: &BrokerConfig, reason: String) -> BrokerError {
    BrokerError { broker: config.url.clone(), reason }
}

/// Joins the deployment the first time.
///
/// # Errors
/// Why that is not possible.
pub(crate) async fn join_first(config: &BrokerConfig) -> Result<Joined, BrokerError> {
    join(config, "", 0).await.map_err(|reason| error(config, reason))
}

/// Joins the deployment, of which a node knows the epoch and the last position if it was there before.
pub(super) async fn join(config: &BrokerConfig, epoch: &str, last: u64) -> Result<Joined, String> {
    within(async {
        let mut link = greet(config).await?;
        let script = publish_script(config.mode.publish(), config.mode == BrokerMode::Streams);
        push_command(&mut link.outbox, &["SCRIPT", "LOAD", &script]);
        let script = link.ask(|reply| text(&reply)).await?;
        push_command(&mut link.outbox, &["EVAL", JOIN, "1", IDS, epoch, &last.to_string()]);
        let (epoch, base) = link
            .ask(|reply| match reply.list() {
                Some([epoch, base]) => Ok((text(epoch)?, base.number())),
                _ => Err(unexpected(&reply)),
            })
            .await?;
        let base = base.ok_or("its key pushbench:#ids is another's")?;
        Ok(Joined { link, epoch, base, script })
    })
    .await
}

async fn within<T>(done: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    timeout(WITHIN, done)
        .await
        .unwrap_or_else(|_| Err(format!("it did not answer within {WITHIN:?}")))
}

/// Connects, and agrees on the protocol.
async fn greet(config: &BrokerConfig) -> Result<Link, String> {
    let mut link = Link::open(&config.url.address).await.map_err(|error| words_of(&error))?;
    push_command(&mut link.outbox, &["HELLO", "3"]);
    let version = link.ask(|reply| version(&reply)).await?;
    let major: u64 =
        version.split('.').next().and_then(|text| text.parse().ok()).unwrap_or_default();
    let least = config.mode.least_version();
    if major < least {
        return Err(format!(
            "it is Redis {version}, and the mode {} needs Redis {least}",
            config.mode
        ));
    }
    Ok(link)
}

/// The version in the answer to a greeting.
fn version(reply: &Value<'_>) -> Result<String, String> {
    if let Value::Error(words) = reply {
        let words = String::from_utf8_lossy(words);
        return Err(if words.contains("NOAUTH") {
            format!("it wants a password, which is not supported ({words})")
        } else if words.contains("unknown command") || words.contains("NOPROTO") {
            format!("it is older than Redis 6, which knows RESP3 ({words})")
        } else {
            words.into_owned()
        });
    }
    let parts = reply.list().unwrap_or_default();
    let mut pairs = parts.chunks_exact(2);
    let found = pairs.find(|pair| pair[0].bytes() == Some(b"version"));
    found.map_or_else(|| Err(unexpected(reply)), |pair| text(&pair[1]))
}

fn text(reply: &Value<'_>) -> Result<String, String> {
    reply.text().map(str::to_owned).ok_or_else(|| unexpected(reply))
}

/// What an answer is that is not the one that was asked for.
pub(super) fn unexpected(reply: &Value<'_>) -> String {
    match reply {
        Value::Error(words) => String::from_utf8_lossy(words).into_owned(),
        _ => "its answer is not what was asked for: is it Redis?".to_owned(),
    }
}
