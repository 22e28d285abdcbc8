//! Several servers of ours that are one to their subscribers, with the broker between them.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;

use super::observe::gone;
use super::{Cores, Deployment, NotStarted, Part, PartRole, ServerStart};
use crate::scenario::Nodes;

impl Deployment {
    /// Starts a broker on `host`, and servers that are started by `start` and share their events by it. Events are
    /// published to the first one, so that those for subscribers of the others go by the broker in any case.
    ///
    /// # Errors
    /// Why one of them did not get ready.
    pub(crate) async fn of_nodes(
        nodes: Nodes,
        start: &ServerStart,
        host: Ipv4Addr,
        cores: &Cores,
    ) -> Result<Self, NotStarted> {
        let mut deployment = Self::default();
        deployment.add_nodes(nodes, start, host, cores).await.map_err(NotStarted)?;
        Ok(deployment)
    }

    async fn add_nodes(
        &mut self,
        nodes: Nodes,
        start: &ServerStart,
        host: Ipv4Addr,
        cores: &Cores,
    ) -> anyhow::Result<()> {
        let mut start = start.clone();
        if let Some(broker) = nodes.broker {
            let at = self.add_broker(broker, host, cores).await?;
            let flags = ["--broker", &format!("redis://{at}"), "--broker-mode", broker.mode()]
                .map(str::to_owned);
            start.command.extend(flags);
        }
        for index in 0..nodes.count {
            self.add_server(index, &start, cores)
                .await
                .with_context(|| format!("server {} of {}", index + 1, nodes.count))?;
        }
        self.publish.truncate(1);
        Ok(())
    }

    /// Where a subscriber with this number goes, and then goes on where nobody answers; `channel` is that of its first
    /// subscription.
    pub(crate) fn ring(&self, subscriber: u32, channel: u32) -> Vec<SocketAddr> {
        let Some(first) = self.subscribe(subscriber, channel) else { return Vec::new() };
        // Servers that have a share of the channels each cannot stand in for one another.
        if self.publish.len() > 1 {
            return vec![first];
        }
        let mut ring = self.subscribe.clone();
        let at = ring.iter().position(|address| *address == first).unwrap_or_default();
        ring.rotate_left(at);
        ring
    }

    /// Kills the last server that is still there. The first one, to which events are published, is not for that.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn kill_node(&mut self) -> anyhow::Result<()> {
        let last = (0..self.processes.len()).rev().find(|index| {
            matches!(self.parts[*index].role, PartRole::Server(1..)) && !self.killed.contains(index)
        });
        let last = last.context("there is no server left that could be killed")?;
        let Part { role, mut observe } = self.parts.remove(last);
        observe.look();
        // When it has ended, it has neither threads nor memory.
        let alive = observe.read();
        self.processes[last].kill(&observe.processes());
        self.parts.insert(last, Part { role, observe: gone(alive, observe) });
        self.killed.insert(last);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_finds_nobody_goes_to_the_next_server() {
        let addresses: Vec<SocketAddr> = [1, 2, 3].map(|port| ([127, 0, 0, 1], port).into()).into();
        let mut deployment = Deployment::default();
        deployment.publish = addresses[..1].to_vec();
        deployment.subscribe = addresses.clone();
        let ports = |deployment: &Deployment, subscriber| -> Vec<_> {
            deployment.ring(subscriber, 0).iter().map(SocketAddr::port).collect()
        };
        assert_eq!(ports(&deployment, 0), [1, 2, 3]);
        assert_eq!(ports(&deployment, 4), [2, 3, 1]);
        deployment.publish = addresses;
        assert_eq!(ports(&deployment, 4), [1], "nobody else has its channel");
        assert_eq!(ports(&Deployment::default(), 0), [0; 0]);
        assert!(deployment.kill_node().is_err());
    }
}
