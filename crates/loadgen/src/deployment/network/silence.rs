//! Connections of which the network carries nothing more, in neither direction, while it carries all others:
//! as where a router has lost its state. The rules go with the network.

use anyhow::anyhow;
use pushbench_wire::clock;

use super::commands::{INTERFACE, IPTABLES_RESTORE, restoring};
use super::{By, Network};

/// Ports that one rule may have: what the kernel's `multiport` takes.
const PORTS_OF_A_RULE: usize = 15;

/// Which side of a packet has the client's port.
#[derive(Clone, Copy)]
enum Side {
    /// It is the source of what comes to the server.
    Source,
    /// It is the destination of what comes to the clients.
    Destination,
}

impl Network {
    /// Loses all packets of connections that have one of these ports at the clients' end, and all that comes
    /// of them, for good. The answer is since when nothing comes to the clients.
    ///
    /// # Errors
    /// Where it does not carry packets, or the kernel refuses.
    pub(crate) fn carry_nothing_of(&self, ports: &[u16]) -> anyhow::Result<u64> {
        let By::Packets { server, clients, .. } = &self.by else {
            return Err(anyhow!("a relay cannot lose packets"));
        };
        let mut since_ns = clock::now_ns();
        if ports.is_empty() {
            return Ok(since_ns);
        }
        let drop_at = |side| IPTABLES_RESTORE.run(&restoring(), &rules(ports, side));
        clients.within(|| {
            drop_at(Side::Destination)?;
            since_ns = clock::now_ns();
            Ok(())
        })?;
        server.within(|| drop_at(Side::Source))?;
        Ok(since_ns)
    }
}

/// What drops packets before any of them is queued, as `iptables-restore` reads it.
fn rules(ports: &[u16], side: Side) -> String {
    let side = match side {
        Side::Source => "--sports",
        Side::Destination => "--dports",
    };
    let mut rules = String::from("*mangle\n");
    for some in ports.chunks(PORTS_OF_A_RULE) {
        let some: Vec<_> = some.iter().map(ToString::to_string).collect();
        let some = some.join(",");
        rules +=
            &format!("-I PREROUTING -i {INTERFACE} -p tcp -m multiport {side} {some} -j DROP\n");
    }
    rules + "COMMIT\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_iptables_is_told() {
        assert_eq!(
            rules(&[40_000, 40_001], Side::Source),
            "*mangle\n-I PREROUTING -i pushbench -p tcp -m multiport --sports 40000,40001 -j DROP\n\
             COMMIT\n"
        );
        let ports: Vec<u16> = (1..=31).collect();
        let many = rules(&ports, Side::Destination);
        assert_eq!(many.matches(" --dports ").count(), 3, "{many}");
        assert!(many.contains(" --dports 31 -j DROP\nCOMMIT\n"), "{many}");
    }
}
