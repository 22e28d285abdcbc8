//! Connections of which the network carries nothing more, in neither direction, while it carries all others:
//! as where a router has lost its state. The rules go with the network.

use std::collections::BTreeMap;

use anyhow::anyhow;
use pushbench_wire::clock;

use super::commands::{INTERFACE, IPTABLES_RESTORE, restoring};
use super::{By, Network};

/// Ports that one rule may have: what the kernel's `multiport` takes.
const PORTS_OF_A_RULE: usize = 15;

/// Where packets come.
#[derive(Clone, Copy)]
enum To {
    /// Their source is the client.
    Server,
    /// Their source is the server.
    Clients,
}

impl Network {
    /// Loses all packets of connections between these ports, the clients' and the server's, for good. Another
    /// server may be connected to the same port. The answer is since when nothing comes to the clients.
    ///
    /// # Errors
    /// Where it does not carry packets, or the kernel refuses.
    pub(crate) fn carry_nothing_of(&self, ports: &[[u16; 2]]) -> anyhow::Result<u64> {
        let By::Packets { server, clients, .. } = &self.by else {
            return Err(anyhow!("a relay cannot lose packets"));
        };
        let mut since_ns = clock::now_ns();
        if ports.is_empty() {
            return Ok(since_ns);
        }
        let drop_at = |to| IPTABLES_RESTORE.run(&restoring(), &rules(ports, to));
        clients.within(|| {
            drop_at(To::Clients)?;
            since_ns = clock::now_ns();
            Ok(())
        })?;
        server.within(|| drop_at(To::Server))?;
        Ok(since_ns)
    }
}

/// What drops packets before any of them is queued, as `iptables-restore` reads it.
fn rules(ports: &[[u16; 2]], to: To) -> String {
    let mut of_servers: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for [client, server] in ports {
        of_servers.entry(*server).or_default().push(client.to_string());
    }
    let (of_server, of_clients) = match to {
        To::Server => ("--dport", "--sports"),
        To::Clients => ("--sport", "--dports"),
    };
    let mut rules = String::from("*mangle\n");
    for (server, clients) in of_servers {
        for some in clients.chunks(PORTS_OF_A_RULE) {
            let some = some.join(",");
            rules += &format!(
                "-I PREROUTING -i {INTERFACE} -p tcp {of_server} {server} -m multiport {of_clients} {some} -j DROP\n"
            );
        }
    }
    rules + "COMMIT\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_iptables_is_told() {
        assert_eq!(
            rules(&[[40_000, 80], [40_000, 81], [40_001, 80]], To::Server),
            "*mangle\n\
             -I PREROUTING -i pushbench -p tcp --dport 80 -m multiport --sports 40000,40001 -j DROP\n\
             -I PREROUTING -i pushbench -p tcp --dport 81 -m multiport --sports 40000 -j DROP\n\
             COMMIT\n"
        );
        let ports: Vec<_> = (1..=31).map(|client| [client, 80]).collect();
        let many = rules(&ports, To::Clients);
        assert_eq!(many.matches(" --dports ").count(), 3, "{many}");
        assert!(many.contains(" --dports 31 -j DROP\nCOMMIT\n"), "{many}");
    }
}
