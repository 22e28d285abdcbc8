//! How a server is started, and when it can be used.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use pushbench_wire::endpoint::READY_PREFIX;
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout};

use super::announcement::{Announced, addresses, announced};
use super::group::Group;
use super::output::Lines;

/// How long a server of ours may take until it is ready, and until it has answered a control request.
pub(super) const READY_WITHIN: Duration = Duration::from_secs(10);

/// How long a server may take that is not ours: some have to start a virtual machine.
const FOREIGN_WITHIN: Duration = Duration::from_secs(30);

/// How often it is tried.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// How a server, or a proxy, is started.
#[derive(Clone, Debug)]
pub(crate) struct ServerStart {
    /// What messages call it, such as "the server".
    pub(crate) what: String,
    /// Program and arguments.
    pub(crate) command: Vec<String>,
    /// Where; here if it is none.
    pub(crate) folder: Option<PathBuf>,
    /// When it can be used.
    pub(crate) ready: Readiness,
    /// A folder that goes when it ends, even if nobody is left to remove it.
    pub(crate) scratch: Option<PathBuf>,
    /// How a program is had that is missing.
    pub(crate) install: Option<&'static str>,
}

impl ServerStart {
    /// A server that is started by `command` here.
    pub(crate) fn server(command: Vec<String>, ready: Readiness) -> Self {
        let what = "the server".to_owned();
        Self { what, command, folder: None, ready, scratch: None, install: None }
    }

    /// Another one like it, at the addresses that it has by now.
    pub(super) fn again(&self, address: SocketAddr, tls: Option<SocketAddr>) -> Self {
        let mut again = self.clone();
        if let Readiness::Announced = self.ready {
            for (flag, at) in [("--listen", Some(address)), ("--tls", tls)] {
                let value = again.command.iter().position(|word| word == flag).map(|at| at + 1);
                if let (Some(at), Some(value)) =
                    (at, value.and_then(|value| again.command.get_mut(value)))
                {
                    *value = at.to_string();
                }
            }
        }
        again
    }
}

/// When a server can be used.
#[derive(Clone, Debug)]
pub(crate) enum Readiness {
    /// It has announced its address as ours does, and is well there.
    Announced,
    /// Its port takes connections.
    Port { at: String },
    /// It has written a line with this.
    Line { text: String, at: String },
    /// This answers 2xx.
    Answers { asked: String, at: String },
    /// It calls there, and whoever listens there knows when.
    Calls { at: SocketAddr },
}

impl Readiness {
    /// How long that may take.
    pub(super) fn within(&self) -> Duration {
        match self {
            Self::Announced => READY_WITHIN,
            _ => FOREIGN_WITHIN,
        }
    }

    /// Where it has to listen, if that is known before it has said anything.
    pub(super) fn at(&self) -> Option<&str> {
        match self {
            Self::Port { at } | Self::Answers { at, .. } => Some(at),
            Self::Announced | Self::Line { .. } | Self::Calls { .. } => None,
        }
    }

    /// What it has not done, when that takes longer.
    pub(super) fn unmet(&self) -> String {
        match self {
            Self::Announced => format!("did not print `{READY_PREFIX}…`"),
            Self::Port { at } => format!("did not take connections at {at}"),
            Self::Line { text, .. } => format!("did not print a line with {text:?}"),
            Self::Answers { asked, .. } => format!("did not answer {asked} with 2xx"),
            Self::Calls { at } => format!("did not call {at}"),
        }
    }
}

/// Waits until a server can be used, and gives its addresses. What it writes is read and forgotten: a
/// full pipe would stop it.
///
/// # Errors
/// When it ends before that.
pub(super) async fn usable(
    ready: &Readiness,
    stdout: ChildStdout,
    child: &mut Child,
    group: &Group,
) -> anyhow::Result<Announced> {
    let mut lines = Lines::of(stdout);
    let at = match ready {
        Readiness::Announced => return announced(lines).await,
        Readiness::Line { text, at } => {
            loop {
                match lines.next().await {
                    Some(line) if line.contains(text) => break,
                    Some(_) => {}
                    None => bail!("its output ended without a line with {text:?}"),
                }
            }
            tokio::spawn(lines.drain());
            return Ok(addresses(at).await?.into());
        }
        Readiness::Calls { at } => {
            tokio::spawn(lines.drain());
            return Ok(vec![*at].into());
        }
        Readiness::Port { at } | Readiness::Answers { at, .. } => at,
    };
    tokio::spawn(lines.drain());
    let addresses = addresses(at).await?;
    tokio::select! {
        biased;
        address = connects(ready, &addresses) => Ok(vec![address].into()),
        ended = ended(child, group) => bail!(ended),
    }
}

/// Waits until it ends without having left anybody.
async fn ended(child: &mut Child, group: &Group) -> &'static str {
    match child.wait().await {
        Ok(status) if status.success() && group.is_there() => std::future::pending().await,
        _ => "it ended",
    }
}

/// The first address that takes a connection, and answers if it has to.
async fn connects(ready: &Readiness, addresses: &[SocketAddr]) -> SocketAddr {
    loop {
        for &address in addresses {
            let connected = TcpStream::connect(address).await.is_ok_and(|to| !is_its_own(&to));
            let answers = match ready {
                Readiness::Answers { asked, .. } if connected => answers(asked).await,
                _ => connected,
            };
            if answers {
                return address;
            }
        }
        tokio::time::sleep(TRY_AGAIN).await;
    }
}

/// Whether a connection leads to itself: that can happen at a port at which nobody listens, when the kernel
/// takes the same one for this end (RFC 9293 §3.5, simultaneous open).
fn is_its_own(stream: &TcpStream) -> bool {
    stream.local_addr().ok() == stream.peer_addr().ok()
}

async fn answers(url: &str) -> bool {
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .build();
    let Ok(client) = client else { return false };
    client.get(url).send().await.is_ok_and(|answer| answer.status().is_success())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpSocket;

    use super::*;

    #[tokio::test]
    async fn a_connection_to_itself_is_no_server() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = socket.local_addr().unwrap();
        assert!(is_its_own(&socket.connect(address).await.unwrap()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        assert!(!is_its_own(&stream));
    }
}
