//! Whether a network is still as it was laid. Whoever is root may change it from outside, and then latencies
//! are those of another one, or nothing comes any more.

use std::fs;

use anyhow::{Context as _, bail, ensure};

use super::commands::{self, INTERFACE, IPTABLES, TC};
use super::{By, Network};

/// The routes of the calling thread's network. An interface that is gone, or down, has none.
const ROUTES: &str = "/proc/thread-self/net/route";

impl Network {
    /// Makes sure that nobody has changed it.
    ///
    /// # Errors
    /// When somebody has: what is no more, and what to do about it.
    pub(crate) fn ensure_intact(&self) -> anyhow::Result<()> {
        let By::Packets { server, clients, delays, discipline } = &self.by else { return Ok(()) };
        for (whose, end) in [("server's", server), ("clients'", clients)] {
            end.within(|| what_is_left(!delays.is_empty(), *discipline)).with_context(|| {
                format!(
                    "somebody has changed the network of this trial while it went on, at the {whose} end: leave \
                     its namespaces alone, and measure again"
                )
            })?;
        }
        Ok(())
    }
}

/// Looks at the calling thread's network, in which packets wait, or which has a discipline to send.
fn what_is_left(queues: bool, discipline: Option<&str>) -> anyhow::Result<()> {
    let routes = fs::read_to_string(ROUTES).with_context(|| format!("cannot read {ROUTES}"))?;
    let is_ours = |line: &str| line.split_whitespace().next() == Some(INTERFACE);
    ensure!(routes.lines().any(is_ours), "the interface `{INTERFACE}` is gone, or down");
    if queues && IPTABLES.run(&commands::is_queueing(), "").is_err() {
        bail!("the rule is gone by which packets wait (`iptables -t mangle`, NFQUEUE)");
    }
    if let Some(discipline) = discipline {
        let said = TC.said(&commands::disciplines(), "")?;
        ensure!(said.contains(discipline), "`{discipline}` is gone, which shapes what is sent");
    }
    Ok(())
}
