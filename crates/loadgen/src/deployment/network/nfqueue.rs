//! A queue in which the kernel keeps packets until somebody says what becomes of each: its netlink messages,
//! see linux/netfilter/nfnetlink_queue.h. It must not know why a packet waits.

use std::io::PipeReader;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, sendto,
    setsockopt, socket, sockopt,
};

/// The number of the only queue of a network.
pub(super) const NUMBER: u16 = 0;

const PACKET: u8 = 0;
const VERDICT: u8 = 1;
const CONFIG: u8 = 2;
const VERDICT_BATCH: u8 = 3;

const SUBSYSTEM: u8 = 3;
const REQUEST: u16 = 1;
const ACKNOWLEDGE: u16 = 4;
const ERROR: u16 = 2;

const HEADER_BYTES: usize = 16;
/// Of a message, with the four bytes that every one of this subsystem begins with.
const HEAD_BYTES: usize = HEADER_BYTES + 4;

/// Packets that the kernel keeps before it drops the next one: a minute of what we can follow.
const LONGEST_QUEUE: u32 = 200_000;

/// What the kernel may keep for us to read: a packet takes less than 2 KiB of it.
const UNREAD_BYTES: usize = 256 << 20;

/// Of a packet, when its connection matters: the headers of IPv4, with all options, and the ports of TCP.
const COPIED_BYTES: u32 = 64;

/// Packets that are read before those that are due are looked at again.
const READ_AT_ONCE: usize = 64;

/// A packet that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    /// Numbers ascend.
    pub(super) id: u32,
    /// When it came, in nanoseconds since 1970; none where the kernel does not say.
    pub(super) arrived_ns: Option<u64>,
    /// Tells connections apart; 0 where nobody asked.
    pub(super) connection: u32,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Drop,
    Accept,
}

/// The end of the queue at which verdicts are given.
pub(super) struct PacketQueue {
    socket: OwnedFd,
    buffer: Vec<u8>,
    /// As long as somebody wants to know when packets came, the kernel writes it down for all.
    _wants_times: UdpSocket,
}

impl PacketQueue {
    /// The queue of the calling thread's network. Connections are told apart if that is asked for.
    ///
    /// # Errors
    /// A kernel without such queues, or one that refuses.
    pub(super) fn bind(connections: bool) -> anyhow::Result<Self> {
        let wants_times = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        setsockopt(&wants_times, sockopt::ReceiveTimestampns, &true)
            .context("cannot ask for the times of packets")?;
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkNetFilter,
        )
        .context("cannot open a netlink socket")?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))
            .context("cannot bind a netlink socket")?;
        // Without the right to more, it is what the system allows.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &UNREAD_BYTES);
        let mut queue = Self { socket, buffer: vec![0; 64 << 10], _wants_times: wants_times };
        let whole = |number: u32| number.to_be_bytes().to_vec();
        let (mode, range) = if connections { (2, COPIED_BYTES) } else { (1, 0) };
        let parameters = [&range.to_be_bytes()[..], &[mode]].concat();
        /// What is one packet to TCP stays one.
        const GSO: u32 = 4;
        for attributes in [
            // The command to bind, of which protocol does not matter any more.
            vec![(1, vec![1, 0, 0, 2])],
            vec![(2, parameters), (3, whole(LONGEST_QUEUE)), (4, whole(GSO)), (5, whole(GSO))],
        ] {
            queue.ask(&message(CONFIG, REQUEST | ACKNOWLEDGE, &attributes)).context(
                "this kernel has no queues for packets that we can use (CONFIG_NETFILTER_NETLINK_QUEUE)",
            )?;
        }
        Ok(queue)
    }

    /// Waits until there are packets, for so long at most; false when `stop` has ended.
    pub(super) fn wait(
        &self,
        patience: Option<Duration>,
        stop: &PipeReader,
    ) -> anyhow::Result<bool> {
        let mut ends = [
            PollFd::new(self.socket.as_fd(), PollFlags::POLLIN),
            PollFd::new(stop.as_fd(), PollFlags::POLLIN),
        ];
        match ppoll(&mut ends, patience.map(Into::into), None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).context("cannot wait for packets"),
        }
        Ok(!ends[1].any().unwrap_or_default())
    }

    /// Takes note of packets that are there.
    pub(super) fn read(&mut self, mut note: impl FnMut(Packet)) -> anyhow::Result<()> {
        for _ in 0..READ_AT_ONCE {
            let read = match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_DONTWAIT)
            {
                Ok(read) => read,
                Err(Errno::EAGAIN) => return Ok(()),
                // What did not fit has been dropped, which the kernel counts.
                Err(Errno::ENOBUFS | Errno::EINTR) => continue,
                Err(errno) => return Err(errno).context("cannot read packets"),
            };
            for (kind, body) in messages(&self.buffer[..read]) {
                match kind {
                    ERROR => not_an_error(body)?,
                    _ if kind == of_subsystem(PACKET) => {
                        if let Some(packet) = packet(body) {
                            note(packet);
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Says what becomes of a packet.
    pub(super) fn decide(&self, id: u32, verdict: Verdict) -> anyhow::Result<()> {
        self.send(&message(VERDICT, REQUEST, &[verdict_attribute(id, verdict)]))
    }

    /// Lets all packets go up to this one.
    pub(super) fn accept_up_to(&self, id: u32) -> anyhow::Result<()> {
        self.send(&message(VERDICT_BATCH, REQUEST, &[verdict_attribute(id, Verdict::Accept)]))
    }

    fn send(&self, message: &[u8]) -> anyhow::Result<()> {
        let kernel = NetlinkAddr::new(0, 0);
        sendto(self.socket.as_raw_fd(), message, &kernel, MsgFlags::empty())
            .context("cannot speak to the queue of packets")?;
        Ok(())
    }

    /// Sends, and waits for the answer.
    fn ask(&mut self, message: &[u8]) -> anyhow::Result<()> {
        self.send(message)?;
        loop {
            let read = recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty())?;
            if let Some((_, body)) = messages(&self.buffer[..read]).find(|(kind, _)| *kind == ERROR)
            {
                return not_an_error(body);
            }
        }
    }
}

fn of_subsystem(message: u8) -> u16 {
    u16::from_be_bytes([SUBSYSTEM, message])
}

/// An error message with the number 0 is none.
fn not_an_error(body: &[u8]) -> anyhow::Result<()> {
    match body.first_chunk().map(|number| i32::from_ne_bytes(*number)) {
        Some(0) => Ok(()),
        // Whoever is asked about a packet that has gone says so.
        Some(number) if Errno::from_raw(-number) == Errno::ENOENT => Ok(()),
        Some(number) => Err(anyhow::Error::new(Errno::from_raw(-number))),
        None => bail!("a netlink message was cut off"),
    }
}

/// A message of the subsystem, see netlink(7).
fn message(kind: u8, flags: u16, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut message = vec![0; HEADER_BYTES];
    // Any protocol, version 0, and the number of the queue.
    message.extend([0, 0]);
    message.extend(NUMBER.to_be_bytes());
    for (kind, value) in attributes {
        message.extend((value.len() as u16 + 4).to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(value);
        message.resize(message.len().next_multiple_of(4), 0);
    }
    let length = (message.len() as u32).to_ne_bytes();
    message[..4].copy_from_slice(&length);
    message[4..6].copy_from_slice(&of_subsystem(kind).to_ne_bytes());
    message[6..8].copy_from_slice(&flags.to_ne_bytes());
    message
}

fn verdict_attribute(id: u32, verdict: Verdict) -> (u16, Vec<u8>) {
    let number = match verdict {
        Verdict::Drop => 0_u32,
        Verdict::Accept => 1,
    };
    (2, [number.to_be_bytes(), id.to_be_bytes()].concat())
}

/// The messages of a datagram: the kind of each, and what is behind its header.
fn messages(mut datagram: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*datagram.first_chunk()?) as usize;
        let kind = u16::from_ne_bytes(datagram.get(4..6)?.try_into().ok()?);
        let body = datagram.get(HEADER_BYTES..length)?;
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, body))
    })
}

/// The packet that a message is about.
fn packet(body: &[u8]) -> Option<Packet> {
    let mut attributes = body.get(HEAD_BYTES - HEADER_BYTES..)?;
    let (mut id, mut arrived_ns, mut connection) = (None, None, 0);
    while let Some(length) = attributes.first_chunk() {
        let length = usize::from(u16::from_ne_bytes(*length));
        // The upper bits are flags.
        let kind = u16::from_ne_bytes(attributes.get(2..4)?.try_into().ok()?) & 0x3FFF;
        let value = attributes.get(4..length)?;
        match kind {
            1 => id = value.first_chunk().map(|id| u32::from_be_bytes(*id)),
            4 => arrived_ns = time(value),
            10 => connection = ports(value).unwrap_or_default(),
            _ => {}
        }
        attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(Packet { id: id?, arrived_ns, connection })
}

/// Seconds and microseconds, as nanoseconds.
fn time(value: &[u8]) -> Option<u64> {
    let seconds = u64::from_be_bytes(*value.first_chunk()?);
    let micros = u64::from_be_bytes(*value.get(8..)?.first_chunk()?);
    seconds.checked_mul(1_000_000_000)?.checked_add(micros.checked_mul(1_000)?)
}

/// Both ports of a packet of IPv4: it has one address at each end.
fn ports(packet: &[u8]) -> Option<u32> {
    let header = usize::from(packet.first()? & 0x0F) * 4;
    packet.get(header..)?.first_chunk().map(|ports| u32::from_be_bytes(*ports))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_the_kernel_reads() {
        let verdict = message(VERDICT, REQUEST, &[verdict_attribute(7, Verdict::Accept)]);
        let expected = [
            &32_u32.to_ne_bytes()[..],
            &0x0301_u16.to_ne_bytes(),
            &1_u16.to_ne_bytes(),
            &[0; 8],
            &[0, 0, 0, 0],
            &12_u16.to_ne_bytes(),
            &2_u16.to_ne_bytes(),
            &[0, 0, 0, 1, 0, 0, 0, 7],
        ];
        assert_eq!(verdict, expected.concat());
        let odd = message(CONFIG, 0, &[(2, vec![0, 0, 0, 64, 2])]);
        assert_eq!(odd.len(), 32, "a value of five bytes takes eight");
    }

    #[test]
    fn packets_are_read_back() {
        let mut value = 5_u64.to_be_bytes().to_vec();
        value.extend(250_u64.to_be_bytes());
        let mut ip = vec![0x46; 24];
        ip.extend([0x1F, 0x90, 0xC0, 0x00]);
        let attributes = [(1, vec![0, 0, 0, 9, 8, 0, 0]), (4, value), (10, ip)];
        let datagram = message(PACKET, 0, &attributes);
        let (kind, body) = messages(&datagram).next().unwrap();
        assert_eq!(kind, of_subsystem(PACKET));
        let arrived_ns = Some(5_000_250_000);
        assert_eq!(packet(body), Some(Packet { id: 9, arrived_ns, connection: 0x1F90_C000 }));
        assert_eq!(messages(&datagram[..datagram.len() - 1]).count(), 0, "it was cut off");
        assert_eq!(messages(&[datagram.clone(), datagram].concat()).count(), 2);
        assert_eq!(packet(&[0; 4]), None, "a packet without a number");
        assert_eq!(packet(&[0, 0, 0, 0, 0, 0, 0, 0]), None, "an attribute shorter than its head");
    }

    #[test]
    fn errors_are_told() {
        let body = |errno: Errno| (-(errno as i32)).to_ne_bytes();
        assert!(not_an_error(&[0; 4]).is_ok());
        assert!(not_an_error(&body(Errno::ENOENT)).is_ok());
        assert!(not_an_error(&body(Errno::EPERM)).is_err());
        assert!(not_an_error(&[]).is_err());
    }
}
