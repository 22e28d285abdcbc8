//! The sockets of subscribers' connections at both of their ends, those that have closed and wait among
//! them: who closes a connection first keeps its addresses for a minute (TIME-WAIT, RFC 9293 §3.3.2).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;

use pushbench_wire::clock;

use super::socket_table::{LISTEN, Row, TIME_WAIT, sockets_seen_by};
use super::{Deployment, PartRole};

/// The calling thread, which may be in another network than the rest of its process.
const SELF: &str = "/proc/thread-self";

/// How long a socket waits in TIME-WAIT (the kernel's `TCP_TIMEWAIT_LEN`).
const WAITS_NS: u64 = 60_000_000_000;

/// The sockets at both ends. Where nobody can tell, there is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sockets {
    /// When they were counted.
    pub(crate) at_ns: u64,
    /// At the end of whoever takes the connections: the server, or the proxy before it.
    pub(crate) at_server: Option<EndSockets>,
    pub(crate) at_subscribers: Option<EndSockets>,
}

/// The sockets at one end, each by the address that a subscriber has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EndSockets {
    /// In whatever state.
    pub(crate) all: BTreeSet<SocketAddr>,
    /// Those of them that wait in TIME-WAIT, and since when.
    pub(crate) time_wait: BTreeMap<SocketAddr, u64>,
}

impl Deployment {
    /// The sockets of connections to where subscribers connect to. It reads tables of all sockets, which may
    /// take some milliseconds.
    pub(crate) fn sockets(&self) -> Sockets {
        let at_ns = clock::now_ns();
        Sockets { at_ns, at_server: self.at_server(), at_subscribers: self.at_subscribers() }
    }

    fn at_subscribers(&self) -> Option<EndSockets> {
        let rows = match self.network().and_then(super::Network::clients) {
            Some(clients) => clients.within(|| Ok(sockets_seen_by(Path::new(SELF)))).ok()?,
            None => sockets_seen_by(Path::new(SELF)),
        };
        let is_meant = |row: &&Row| self.subscribe.iter().any(|to| is(row.remote, *to));
        Some(ends(rows?.iter().filter(is_meant), |row| row.local))
    }

    /// Of the network in which somebody listens there. It may be a container's, whose port is another one.
    fn at_server(&self) -> Option<EndSockets> {
        // A relay is in between, which belongs to neither.
        if self.network().is_some_and(super::Network::is_a_relay) {
            return None;
        }
        let has_proxy = self.parts.iter().any(|part| matches!(part.role, PartRole::Proxy(_)));
        let serves = |role: PartRole| match role {
            PartRole::Proxy(_) => true,
            PartRole::Server(_) => !has_proxy,
            PartRole::Broker(_) | PartRole::Generator(_) | PartRole::Browser(_) => false,
        };
        let mut serving = self.parts.iter().filter(|part| serves(part.role));
        // All of a part are in one network.
        let process = serving.find_map(|part| part.observe.processes().first().copied())?;
        let rows = sockets_seen_by(&Path::new("/proc").join(process.to_string()))?;
        let listens = |to: &SocketAddr| {
            rows.iter().any(|row| row.state == LISTEN && row.local.port() == to.port())
        };
        if self.subscribe.is_empty() || !self.subscribe.iter().all(listens) {
            return None;
        }
        let is_meant =
            |row: &&Row| row.state != LISTEN && self.subscribe.iter().any(|to| is(row.local, *to));
        Some(ends(rows.iter().filter(is_meant), |row| row.remote))
    }
}

/// Whether they are one address, of which a table may say that it is IPv4 in IPv6.
fn is(one: SocketAddr, other: SocketAddr) -> bool {
    canonical(one) == canonical(other)
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn ends<'a>(
    rows: impl Iterator<Item = &'a Row>,
    of_subscriber: impl Fn(&Row) -> SocketAddr,
) -> EndSockets {
    let now_ns = clock::now_ns();
    let mut ends = EndSockets::default();
    for row in rows {
        let address = canonical(of_subscriber(row));
        ends.all.insert(address);
        if row.state == TIME_WAIT {
            let waited_ns = WAITS_NS.saturating_sub(row.timer.as_nanos() as u64);
            ends.time_wait.insert(address, now_ns.saturating_sub(waited_ns));
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::deployment::observe::{Observation, Observe};
    use nix::unistd::Pid;

    /// A part that is this process.
    struct Us;

    impl Observe for Us {
        fn look(&mut self) {}

        fn read(&mut self) -> Observation {
            Observation::default()
        }

        fn processes(&self) -> Vec<Pid> {
            vec![Pid::this()]
        }

        fn count_instructions(&mut self, _: bool) {}
    }

    fn deployment(at: SocketAddr) -> Deployment {
        let mut deployment = Deployment::default();
        deployment.subscribe.push(at);
        deployment.add_part(PartRole::Server(0), Box::new(Us));
        deployment
    }

    /// How many there are at each end, and how many of them wait.
    fn counts(deployment: &Deployment) -> [[usize; 2]; 2] {
        let Sockets { at_server, at_subscribers, .. } = deployment.sockets();
        [at_server, at_subscribers].map(|end| {
            let end = end.unwrap();
            [end.all.len(), end.time_wait.len()]
        })
    }

    #[test]
    fn whoever_closes_first_waits() {
        // At an address where nobody has left a connection that waits.
        let listener = TcpListener::bind("127.0.0.4:0").unwrap();
        let deployment = deployment(listener.local_addr().unwrap());
        assert_eq!(counts(&deployment), [[0, 0]; 2], "a zero that is one");
        let connect = || {
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (client, listener.accept().unwrap().0)
        };
        // The kernel counts hundredths of a second.
        let begin_ns = clock::now_ns() - 20_000_000;
        let [kept, (client, server), other] = [connect(), connect(), connect()];
        assert_eq!(counts(&deployment), [[3, 0]; 2]);
        // A socket is in the table until the other end has answered to its end.
        let closed = |expected| {
            let is_there = || {
                std::thread::park_timeout(std::time::Duration::from_millis(10));
                counts(&deployment) == expected
            };
            assert!((0..500).any(|_| is_there()), "{:?}", counts(&deployment));
        };
        drop(server);
        drop(client);
        closed([[3, 1], [2, 0]]);
        let waiting = deployment.sockets().at_server.unwrap().time_wait;
        let since_ns = *waiting.first_key_value().unwrap().1;
        assert!(since_ns > begin_ns, "it has begun to wait behind {begin_ns}: {since_ns}");
        drop(other.0);
        drop(other.1);
        closed([[2, 1], [2, 1]]);
        drop(kept);
    }

    #[test]
    fn where_nobody_listens_nobody_tells() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        drop(listener);
        let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_ne!(elsewhere.local_addr().unwrap(), at);
        assert_eq!(deployment(at).sockets().at_server, None);
        assert_eq!(Deployment::default().sockets().at_server, None);
    }
}
