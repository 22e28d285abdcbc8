//! What the kernel has counted of a TCP connection: `getsockopt(TCP_INFO)`, see tcp(7). It owns the
//! only unsafe code of the project. It must not know whose connection it reads.
//!
//! The option fills a buffer with `struct tcp_info` of the kernel's `include/uapi/linux/tcp.h`, as
//! far as the kernel knows the struct, and says how far that was. Fields are only ever added at its
//! end, so an offset holds for good. The struct of the C library ends before what is read here.

#![expect(unsafe_code, reason = "the kernel fills a buffer of ours, and no library does it for us")]

use std::os::fd::RawFd;

/// Room for `struct tcp_info`, which has 280 bytes in Linux 6.18. The kernel leaves off what does
/// not fit.
const ROOM_BYTES: usize = 512;

const STATE: usize = 0;
const OPTIONS: usize = 5;
const BYTES_RECEIVED: usize = 128;
const SEGS_OUT: usize = 136;
const SEGS_IN: usize = 140;
const BYTES_SENT: usize = 200;
const BYTES_RETRANS: usize = 208;

/// `TCPI_OPT_TIMESTAMPS`: every segment carries timestamps (RFC 7323 §3).
const OPT_TIMESTAMPS: u8 = 1;

/// The IPv4 header (RFC 791 §3.1) and the TCP header (RFC 9293 §3.1), both without options.
const HEADER_BYTES: u64 = 20 + 20;

/// The timestamps option with its padding (RFC 7323, appendix A).
const TIMESTAMPS_BYTES: u64 = 12;

/// What a handshake carries beyond other segments: maximum segment size, window scale and
/// permission for selective acknowledgements, on the SYN and on its answer.
const HANDSHAKE_BYTES: u64 = 2 * 8;

/// The states that a connection can be in when its socket is closed, by the kernel's numbers.
const ESTABLISHED: u8 = 1;
const FIN_WAIT1: u8 = 4;
const FIN_WAIT2: u8 = 5;
const CLOSE_WAIT: u8 = 8;

/// What TCP has done for some connections. Segments are all segments: acknowledgements and
/// handshakes too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TcpTotals {
    /// Segments sent.
    pub(crate) segments_out: u64,
    /// Segments received.
    pub(crate) segments_in: u64,
    /// Bytes of the stream sent, each once, however often TCP had to repeat it.
    pub(crate) bytes_out: u64,
    /// Bytes of the stream received.
    pub(crate) bytes_in: u64,
    /// TCP and IP headers of all segments, estimated: IPv4, and of the options only those that
    /// every segment carries and those of a usual handshake.
    pub(crate) header_bytes: u64,
}

impl TcpTotals {
    /// What the connection of `socket` has done so far; `None` when the kernel does not say all of
    /// it, as before Linux 4.19.
    pub(crate) fn read(socket: RawFd) -> Option<Self> {
        let mut room = [0; ROOM_BYTES];
        Self::parse(tcp_info(socket, &mut room)?)
    }

    /// The same for a socket that is about to be closed, with the segments that closing takes:
    /// nobody can ask for them afterwards.
    pub(crate) fn read_last(socket: RawFd) -> Option<Self> {
        let mut room = [0; ROOM_BYTES];
        let info = tcp_info(socket, &mut room)?;
        let mut totals = Self::parse(info)?;
        let (out, incoming) = closing_segments(*info.get(STATE)?);
        totals.segments_out += out;
        totals.segments_in += incoming;
        totals.header_bytes += (out + incoming) * segment_header_bytes(info)?;
        Some(totals)
    }

    fn parse(info: &[u8]) -> Option<Self> {
        let segments_out = u64::from(u32_at(info, SEGS_OUT)?);
        let segments_in = u64::from(u32_at(info, SEGS_IN)?);
        let header_bytes =
            (segments_out + segments_in) * segment_header_bytes(info)? + HANDSHAKE_BYTES;
        Some(Self {
            segments_out,
            segments_in,
            bytes_out: u64_at(info, BYTES_SENT)?.checked_sub(u64_at(info, BYTES_RETRANS)?)?,
            bytes_in: u64_at(info, BYTES_RECEIVED)?,
            header_bytes,
        })
    }

    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            segments_out: self.segments_out + other.segments_out,
            segments_in: self.segments_in + other.segments_in,
            bytes_out: self.bytes_out + other.bytes_out,
            bytes_in: self.bytes_in + other.bytes_in,
            header_bytes: self.header_bytes + other.header_bytes,
        }
    }

    /// What has come since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            segments_out: self.segments_out - earlier.segments_out,
            segments_in: self.segments_in - earlier.segments_in,
            bytes_out: self.bytes_out - earlier.bytes_out,
            bytes_in: self.bytes_in - earlier.bytes_in,
            header_bytes: self.header_bytes - earlier.header_bytes,
        }
    }

    /// Segments in both directions.
    pub(crate) fn segments(self) -> u64 {
        self.segments_out + self.segments_in
    }

    /// Bytes of the stream in both directions.
    pub(crate) fn bytes(self) -> u64 {
        self.bytes_out + self.bytes_in
    }
}

/// Segments that are yet to be sent and received when a socket in `state` is closed (RFC 9293
/// §3.6), if the other side closes at once and acknowledges with its own FIN.
fn closing_segments(state: u8) -> (u64, u64) {
    match state {
        ESTABLISHED => (2, 1),
        FIN_WAIT1 | FIN_WAIT2 | CLOSE_WAIT => (1, 1),
        _ => (0, 0),
    }
}

fn segment_header_bytes(info: &[u8]) -> Option<u64> {
    let has_timestamps = info.get(OPTIONS)? & OPT_TIMESTAMPS != 0;
    Some(HEADER_BYTES + if has_timestamps { TIMESTAMPS_BYTES } else { 0 })
}

fn u32_at(info: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(info.get(offset..)?.first_chunk().copied()?))
}

fn u64_at(info: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(info.get(offset..)?.first_chunk().copied()?))
}

/// As much of `struct tcp_info` as the kernel has; `None` when `socket` is no TCP socket.
fn tcp_info(socket: RawFd, room: &mut [u8; ROOM_BYTES]) -> Option<&[u8]> {
    let mut length = ROOM_BYTES as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, which `room` has, and then the number that
    // it wrote to `length`. It keeps neither pointer, and any bytes make a valid `[u8]`.
    let outcome = unsafe {
        libc::getsockopt(
            socket,
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            room.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if outcome == 0 { room.get(..length as usize) } else { None }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::AsRawFd as _;

    use super::*;
    use proptest::prelude::*;

    /// A client's connection, and the server's end of it.
    fn connection() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_nodelay(true).unwrap();
        (client, listener.accept().unwrap().0)
    }

    #[test]
    fn the_kernel_counts_what_was_sent() {
        let (mut client, mut server) = connection();
        for _ in 0..10 {
            client.write_all(&[7; 100]).unwrap();
            server.read_exact(&mut [0; 100]).unwrap();
            server.write_all(&[8; 300]).unwrap();
            client.read_exact(&mut [0; 300]).unwrap();
        }
        let totals = TcpTotals::read(client.as_raw_fd()).unwrap();
        assert_eq!((totals.bytes_out, totals.bytes_in), (1_000, 3_000));
        // A SYN and its acknowledgement, and ten requests; a SYN and ten answers.
        assert!((12..=23).contains(&totals.segments_out), "{totals:?}");
        assert!((11..=23).contains(&totals.segments_in), "{totals:?}");
        let per_segment = (totals.header_bytes - HANDSHAKE_BYTES) / totals.segments();
        assert!([40, 52].contains(&per_segment), "{totals:?}");
        let mirrored = TcpTotals::read(server.as_raw_fd()).unwrap();
        assert_eq!((mirrored.bytes_out, mirrored.bytes_in), (3_000, 1_000));
    }

    #[test]
    fn closing_is_counted_although_nobody_can_ask_then() {
        let (client, mut server) = connection();
        let before = TcpTotals::read(client.as_raw_fd()).unwrap();
        let last = TcpTotals::read_last(client.as_raw_fd()).unwrap();
        let closing = last.since(before);
        assert_eq!((closing.segments_out, closing.segments_in), (2, 1));
        assert_eq!(closing.header_bytes % closing.segments(), 0);

        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(server.read(&mut [0]).unwrap(), 0);
        let half = TcpTotals::read(client.as_raw_fd()).unwrap();
        assert_eq!(half.segments_out, before.segments_out + 1, "the FIN");
        let last = TcpTotals::read_last(client.as_raw_fd()).unwrap().since(half);
        assert_eq!((last.segments_out, last.segments_in), (1, 1));

        drop(server);
        let mut end = [0];
        assert_eq!((&client).read(&mut end).unwrap(), 0);
        let done = TcpTotals::read(client.as_raw_fd()).unwrap();
        assert_eq!(TcpTotals::read_last(client.as_raw_fd()), Some(done), "nothing is to come");
    }

    #[test]
    fn what_the_kernel_does_not_say_is_empty() {
        let (client, _server) = connection();
        let mut room = [0; ROOM_BYTES];
        let info = tcp_info(client.as_raw_fd(), &mut room).unwrap();
        assert!(info.len() >= BYTES_RETRANS + 8, "this kernel says {} bytes", info.len());
        for length in 0..BYTES_RETRANS + 8 {
            assert_eq!(TcpTotals::parse(&info[..length]), None, "{length} bytes are too few");
        }
        assert_eq!(TcpTotals::read(-1), None);
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(TcpTotals::read(datagrams.as_raw_fd()), None);
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_panic(info: Vec<u8>) {
            let _ = TcpTotals::parse(&info);
        }
    }
}
