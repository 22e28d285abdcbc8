//! Who listens at an address, by the kernel's tables of sockets and the files that processes have open.
//! What a server announces may be the address of another one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use nix::unistd::Pid;

use super::socket_table::{LISTEN, sockets_seen_by as sockets_of_network};

/// Who listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Listener {
    /// One of the processes asked about.
    Known,
    /// The kernel does not let us see that.
    Untold,
    /// Nobody on this machine, or another process; in words.
    Other(String),
}

/// A socket that listens, by the number of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Socket {
    address: SocketAddr,
    inode: u64,
}

/// Whether one of `processes` listens at `address`, in our network or in its own.
pub(super) fn listener(address: SocketAddr, processes: &[Pid]) -> Listener {
    let proc = Path::new("/proc");
    let sockets = sockets_seen_by(proc, processes);
    if sockets.is_empty() {
        return Listener::Untold;
    }
    let there = at(address, &sockets);
    let Some(first) = there.first() else {
        return Listener::Other("no process of this machine listens there".to_owned());
    };
    let mut open = BTreeSet::new();
    let mut is_complete = true;
    for process in processes {
        match sockets_of(&proc.join(process.to_string())) {
            Some(theirs) => open.extend(theirs),
            None => is_complete = false,
        }
    }
    // Of several sockets at one address (SO_REUSEPORT), each gets a share of the connections.
    if there.iter().all(|inode| open.contains(inode)) {
        return Listener::Known;
    }
    if !is_complete {
        return Listener::Untold;
    }
    let other = there.iter().find(|inode| !open.contains(inode)).unwrap_or(first);
    Listener::Other(match holder(proc, *other) {
        Some((number, name)) => format!("process {number} ({name}) listens there"),
        None => "a process of somebody else listens there".to_owned(),
    })
}

/// Where any of `processes` listens, as far as that can be seen.
pub(super) fn addresses_of(processes: &[Pid]) -> Vec<SocketAddr> {
    let proc = Path::new("/proc");
    let theirs = processes.iter().filter_map(|of| sockets_of(&proc.join(of.to_string())));
    let open: BTreeSet<u64> = theirs.flatten().collect();
    let sockets = sockets_seen_by(proc, processes).into_iter();
    let theirs = sockets.filter(|socket| open.contains(&socket.inode));
    theirs.map(|socket| socket.address).collect()
}

/// All that listen in our network, and in those of `processes`.
fn sockets_seen_by(proc: &Path, processes: &[Pid]) -> BTreeSet<Socket> {
    // A process may have a network of its own; there are few, and most share one.
    let mut networks = BTreeMap::from([(network_of(&proc.join("self")), "self".to_owned())]);
    for process in processes {
        let name = process.to_string();
        networks.entry(network_of(&proc.join(&name))).or_insert(name);
    }
    let rows = networks.values().filter_map(|process| sockets_of_network(&proc.join(process)));
    let listening = rows.flatten().filter(|row| row.state == LISTEN);
    listening.map(|row| Socket { address: row.local, inode: row.inode }).collect()
}

/// The files of the sockets that get connections to `address`: those at this very address, and
/// otherwise those at all.
fn at(address: SocketAddr, sockets: &BTreeSet<Socket>) -> Vec<u64> {
    let ip = address.ip().to_canonical();
    let with_port = || sockets.iter().filter(|socket| socket.address.port() == address.port());
    let inodes = |is_meant: &dyn Fn(IpAddr) -> bool| -> Vec<u64> {
        let meant = with_port().filter(|socket| is_meant(socket.address.ip().to_canonical()));
        meant.map(|socket| socket.inode).collect()
    };
    let exact = inodes(&|listens| listens == ip);
    // Whoever connects to the unspecified address connects to this machine.
    let loopback = |listens: IpAddr| ip.is_unspecified() && listens.is_loopback();
    match exact.is_empty() {
        false => exact,
        // `::` takes IPv4 as well, unless it is told not to, which the table does not say.
        true => inodes(&|listens| listens.is_unspecified() || loopback(listens)),
    }
}

fn network_of(process: &Path) -> Option<String> {
    Some(fs::read_link(process.join("ns/net")).ok()?.to_str()?.to_owned())
}

/// The sockets that a process has open; `None` when we may not know.
fn sockets_of(process: &Path) -> Option<Vec<u64>> {
    let files = fs::read_dir(process.join("fd")).ok()?;
    let socket = |file: std::io::Result<fs::DirEntry>| {
        let target = fs::read_link(file.ok()?.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    Some(files.filter_map(socket).collect())
}

/// Who has that socket open, by number and name.
fn holder(proc: &Path, inode: u64) -> Option<(i32, String)> {
    fs::read_dir(proc).ok()?.find_map(|entry| {
        let entry = entry.ok()?;
        let number = entry.file_name().to_str()?.parse().ok()?;
        let name = fs::read_to_string(entry.path().join("comm")).ok()?;
        let has = sockets_of(&entry.path())?.contains(&inode);
        has.then(|| (number, name.trim().to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;

    #[test]
    fn whoever_has_the_socket_open_listens() {
        for ip in ["127.0.0.1:0", "0.0.0.0:0"] {
            let socket = TcpListener::bind(ip).unwrap();
            let port = socket.local_addr().unwrap().port();
            let address: SocketAddr = ([127, 0, 0, 1], port).into();
            assert_eq!(listener(address, &[Pid::this()]), Listener::Known, "{ip}");
            let Listener::Other(who) = listener(address, &[]) else { panic!("{ip}") };
            let me = format!("process {} (", Pid::this());
            assert!(who.starts_with(&me), "{who}");
            drop(socket);
            let other = TcpListener::bind("127.0.0.1:0").unwrap();
            assert!(other.local_addr().unwrap().port() != port, "so that there are others");
            // What another test is just starting has our files until it is another program.
            let nobody = (0..100).any(|_| {
                let Listener::Other(who) = listener(address, &[Pid::this()]) else { return false };
                std::thread::park_timeout(Duration::from_millis(10));
                who == "no process of this machine listens there"
            });
            assert!(nobody, "{ip}");
        }
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        assert!(addresses_of(&[Pid::this()]).contains(&address));
        let gone = Pid::from_raw(i32::MAX);
        assert_eq!(listener(address, &[gone]), Listener::Untold, "its files cannot be seen");
    }

    #[test]
    fn the_nearest_address_gets_the_connections() {
        let socket = |address: &str, inode| Socket { address: address.parse().unwrap(), inode };
        let sockets = BTreeSet::from([
            socket("127.0.0.1:80", 1),
            socket("0.0.0.0:80", 2),
            socket("[::]:81", 3),
            socket("127.0.0.1:82", 4),
        ]);
        let at = |address: &str| at(address.parse().unwrap(), &sockets);
        assert_eq!(at("127.0.0.1:80"), [1]);
        assert_eq!(at("127.0.0.2:80"), [2]);
        assert_eq!(at("127.0.0.1:81"), [3], "IPv6 takes IPv4 as well");
        assert_eq!(at("0.0.0.0:82"), [4]);
        assert!(at("127.0.0.1:83").is_empty());
    }
}
