//! How long a round trip really takes: asked of TCP before a trial begins.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::Context as _;
use pushbench_wire::clock;

/// Connections that are opened.
const CONNECTIONS: u32 = 3;

/// About how long all of it may take.
const ABOUT: Duration = Duration::from_secs(1);

/// How long an answer is waited for: losses take several tries.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was measured, the median of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RoundTrip {
    /// From the first packet of a connection to the answer to it.
    pub(crate) handshake: Duration,
    /// From a byte that is sent to its echo.
    pub(crate) echo: Duration,
}

/// How many bytes are sent over each connection when a round trip takes this long.
fn echoes(round_trip: Duration) -> u32 {
    let fit = ABOUT.as_nanos() / round_trip.as_nanos().max(1) / u128::from(CONNECTIONS);
    (fit as u32).clamp(2, 15)
}

/// About how long measuring takes.
pub(super) fn length(round_trip: Duration) -> Duration {
    round_trip * CONNECTIONS * (1 + echoes(round_trip))
}

/// Sends back whatever comes over the next connections.
pub(super) fn echo(listener: &TcpListener) -> anyhow::Result<()> {
    for _ in 0..CONNECTIONS {
        let (mut stream, _) = listener.accept().context("nobody measures the round trip")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut byte = [0];
        while stream.read(&mut byte)? > 0 {
            stream.write_all(&byte)?;
        }
    }
    Ok(())
}

/// Asks whoever [echoes](echo) at `address`.
pub(super) fn measure(address: SocketAddr, claimed: Duration) -> anyhow::Result<RoundTrip> {
    let (mut handshakes, mut all) = (Vec::new(), Vec::new());
    for _ in 0..CONNECTIONS {
        let begin_ns = clock::now_ns();
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)
            .context("no connection goes through the network")?;
        handshakes.push(since(begin_ns));
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        for _ in 0..echoes(claimed) {
            let begin_ns = clock::now_ns();
            stream.write_all(b"?")?;
            stream.read_exact(&mut [0]).context("no byte comes back through the network")?;
            all.push(since(begin_ns));
        }
    }
    Ok(RoundTrip { handshake: median(handshakes), echo: median(all) })
}

fn since(begin_ns: u64) -> Duration {
    Duration::from_nanos(clock::now_ns() - begin_ns)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_as_long_as_it_is_said_to() {
        for (ms, took_ms) in [(0, 0), (20, 960), (100, 1_200), (300, 2_700)] {
            let (round_trip, took) = (Duration::from_millis(ms), Duration::from_millis(took_ms));
            assert_eq!(length(round_trip), took, "{ms} ms");
        }
    }

    #[test]
    fn a_round_trip_over_loopback_is_timed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || echo(&listener));
        let RoundTrip { handshake, echo } = measure(address, Duration::ZERO).unwrap();
        assert!(handshake > Duration::ZERO && echo > Duration::ZERO);
        thread.join().unwrap().unwrap();
    }
}
