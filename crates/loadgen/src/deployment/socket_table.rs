//! The kernel's tables of TCP sockets, `/proc/net/tcp` and `tcp6`, see proc_net(5).

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// The states of sockets that matter here, as the kernel numbers them (`include/net/tcp_states.h`).
pub(super) const TIME_WAIT: u8 = 6;
pub(super) const LISTEN: u8 = 10;

/// A socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) state: u8,
    /// When its timer ends, from now on: of one in TIME-WAIT, when it goes.
    pub(super) timer: Duration,
    /// The number of its file; 0 where nobody has one open.
    pub(super) inode: u64,
}

/// The sockets of the network of `process`, a folder of `/proc`; `None` when we may not know.
pub(super) fn sockets_seen_by(process: &Path) -> Option<Vec<Row>> {
    let net = process.join("net");
    let mut sockets: Vec<Row> = rows(&fs::read_to_string(net.join("tcp")).ok()?).collect();
    // A machine may have no IPv6.
    let of_ipv6 = fs::read_to_string(net.join("tcp6")).unwrap_or_default();
    sockets.extend(rows(&of_ipv6));
    Some(sockets)
}

/// The rows of a table.
pub(super) fn rows(table: &str) -> impl Iterator<Item = Row> {
    table.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, remote, state) = (fields.next()?, fields.next()?, fields.next()?);
        // Which timer it is, and when it ends in hundredths of a second (USER_HZ).
        let (_, timer) = fields.nth(1)?.split_once(':')?;
        let hundredths = u64::from_str_radix(timer, 16).ok()?;
        let inode = fields.nth(3)?.parse().ok()?;
        Some(Row {
            local: address_in(local)?,
            remote: address_in(remote)?,
            state: u8::from_str_radix(state, 16).ok()?,
            timer: Duration::from_millis(hundredths.saturating_mul(10)),
            inode,
        })
    })
}

fn address_in(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    Some(SocketAddr::new(ip_in(ip)?, u16::from_str_radix(port, 16).ok()?))
}

/// An address as the kernel writes it: words of 32 bits, whose bytes are as they lie in memory.
fn ip_in(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = u32::from_str_radix(hex.get(at * 8..at * 8 + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            Some(Ipv6Addr::from(<[u8; 16]>::try_from(words.concat()).ok()?).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0xF00 hundredths of a second.
    const LEFT: Duration = Duration::from_millis(38_400);

    #[test]
    fn tables() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0 0 10 0\n   \
            1: 0100007F:1F90 0100007F:9999 06 00000000:00000000 03:00000F00 00000000     0        0 0 3 0\n";
        let found: Vec<_> = rows(table).collect();
        if cfg!(target_endian = "little") {
            let local = ([127, 0, 0, 1], 8080).into();
            let [anybody, peer] = [([0; 4], 0).into(), ([127, 0, 0, 1], 0x9999).into()];
            assert_eq!(
                found,
                [
                    Row {
                        local,
                        remote: anybody,
                        state: LISTEN,
                        timer: Duration::ZERO,
                        inode: 4711
                    },
                    Row { local, remote: peer, state: TIME_WAIT, timer: LEFT, inode: 0 },
                ]
            );
            let v6 = ip_in("00000000000000000000000001000000").unwrap();
            assert_eq!(v6, IpAddr::from(Ipv6Addr::LOCALHOST));
        }
        assert_eq!(ip_in("7F"), None);
        assert_eq!(rows("nonsense\n1: 2 3\n").count(), 0);
    }
}
