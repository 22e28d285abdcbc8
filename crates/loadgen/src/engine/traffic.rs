//! What has gone over the subscribers' connections by two accounts, which must agree.

use super::pool::Traffic;
use crate::results::Warning;

/// Sockets and TCP may differ by this share of the bytes.
const DISAGREEMENT: f64 = 0.001;

/// What may be on its way between TCP and a socket when both are asked, in bytes.
const ON_ITS_WAY_BYTES: u64 = 4 << 10;

/// What has gone over the subscribers' connections, by the kernel's account too.
#[derive(Default)]
pub(super) struct TrafficReadings {
    /// Just before the window.
    pub(super) before: Option<Traffic>,
    /// Just after it.
    pub(super) after: Option<Traffic>,
    /// When the drain has ended, and hardly anything is on its way.
    pub(super) at_end: Option<Traffic>,
}

impl TrafficReadings {
    /// Whether the sockets and TCP tell the same of the whole trial.
    pub(super) fn warning(&self) -> Option<Warning> {
        let Traffic { tcp, stream_bytes_before, stream_bytes_after } = self.at_end?;
        let allowed = ON_ITS_WAY_BYTES.max((stream_bytes_after as f64 * DISAGREEMENT) as u64);
        let agreed = stream_bytes_before.saturating_sub(allowed)..=stream_bytes_after + allowed;
        (!agreed.contains(&tcp.bytes()))
            .then(|| Warning::BytesDisagree { sockets: stream_bytes_after, tcp: tcp.bytes() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::TcpTotals;

    /// What the warning says when the sockets saw so much before and after TCP saw ten million.
    fn warning(stream_bytes_before: u64, stream_bytes_after: u64) -> Option<Warning> {
        let tcp = TcpTotals { bytes_in: 900_000, bytes_out: 9_100_000, ..TcpTotals::default() };
        let traffic = Traffic { tcp, stream_bytes_before, stream_bytes_after };
        TrafficReadings { at_end: Some(traffic), ..TrafficReadings::default() }.warning()
    }

    #[test]
    fn sockets_and_tcp_must_agree() {
        for sockets in [10_000_000, 10_009_000, 9_991_000] {
            assert_eq!(warning(sockets, sockets), None);
        }
        for sockets in [10_011_000, 9_989_000, 0] {
            let expected = Warning::BytesDisagree { sockets, tcp: 10_000_000 };
            assert_eq!(warning(sockets, sockets), Some(expected));
        }
        assert_eq!(warning(9_000_000, 11_000_000), None, "they went on while TCP was asked");
        assert!(warning(9_000_000, 9_100_000).is_some());
    }
}
