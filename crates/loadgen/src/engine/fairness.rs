//! The fairness sheet: what could favour a transport, and how every one of them had it. It goes
//! into the manifest, so that a report says what was equal when its figures were made.

use std::fs;

use crate::client::READ_BUFFER_BYTES;
use crate::deployment::Cores;
use crate::results::model::Setting;

/// The settings of a run. Those of a server that is not ours are not known.
pub(crate) fn settings(cores: &Cores, own_server: bool) -> Vec<Setting> {
    let setting = |name: &str, server: &str, subscribers: String| Setting {
        name: name.to_owned(),
        server: own_server.then(|| server.to_owned()),
        subscribers,
    };
    let same = |name: &str, both: &str| setting(name, both, both.to_owned());
    // The kernel's settings hold for whichever server runs on it.
    let kernel = |name: &str, file: &str| {
        let value = fs::read_to_string(file).ok()?;
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(Setting { name: name.to_owned(), server: Some(value.clone()), subscribers: value })
    };
    let threads = |cores: &[usize]| format!("{}, on cores of their own", cores.len());
    let own = [
        same("Nagle's algorithm", "off on every socket (TCP_NODELAY)"),
        setting(
            "Read buffer",
            "one size for all; a stream's input is hardly any",
            format!("{READ_BUFFER_BYTES} bytes"),
        ),
        setting(
            "Events",
            "one log, one cursor per subscriber; framed once per framing, shared by all",
            "one recorder and one delivery tracker for all transports".to_owned(),
        ),
        setting(
            "Receive time",
            "–",
            "CLOCK_MONOTONIC, once per socket read, before anything is decoded".to_owned(),
        ),
        same("Connections", "kept, unless the scenario wants a new one per poll"),
        setting(
            "HTTP, TLS, compression",
            "HTTP/1.1, or HTTP/2 where a contender has it; TLS 1.3 with TLS_AES_128_GCM_SHA256 likewise; no \
             compression",
            "the same; with servers of others whatever TLS both have; a whole handshake for every connection that \
             does not resume a session"
                .to_owned(),
        ),
        setting("Threads", &threads(&cores.server), threads(&cores.generator)),
        setting("Process", "a fresh one for every trial", "one for the whole run".to_owned()),
    ];
    let kernels = [
        kernel("Congestion control", "/proc/sys/net/ipv4/tcp_congestion_control"),
        kernel("Receive buffer of a socket (least, default, most)", "/proc/sys/net/ipv4/tcp_rmem"),
        kernel("Send buffer of a socket (least, default, most)", "/proc/sys/net/ipv4/tcp_wmem"),
        kernel("MTU of the loopback interface", "/sys/class/net/lo/mtu"),
    ];
    own.into_iter().chain(kernels.into_iter().flatten()).collect()
}

/// What of that is otherwise where a browser runs subscribers.
pub(crate) fn of_browsers() -> Setting {
    Setting {
        name: "In a browser".to_owned(),
        server: Some("–".to_owned()),
        subscribers: "its own sockets, buffers and versions of TLS; the receive time is that of its page, before it \
                      looks at an event; the same recorder and delivery tracker"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_claimed_of_a_foreign_server() {
        let cores = Cores { server: vec![0], generator: vec![1] };
        let ours = settings(&cores, true);
        assert!(ours.iter().all(|setting| setting.server.is_some()));
        let nagle = settings(&cores, false).remove(0);
        assert_eq!(nagle.server, None);
        assert!(ours.iter().any(|setting| setting.subscribers == "8192 bytes"));
    }
}
