//! A server on loopback, and a client that sends anything. Both run on the thread of the fuzzer.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use pushbench_server::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

/// Longer than any time-out of the server.
const HANG: Duration = Duration::from_secs(2);

static SERVER: LazyLock<(Runtime, SocketAddr)> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let short = Duration::from_millis(20);
    let config = Config {
        max_channels: 50,
        max_memory: Some(64 << 20),
        header_timeout: short,
        body_timeout: short,
        long_poll_timeout: short,
        keep_alive: short,
        compression: true,
        ..Config::default()
    };
    runtime.spawn(pushbench_server::run(listener, config, std::future::pending()));
    (runtime, address)
});

/// Sends `pieces` on a connection, closes the sending side and returns what comes back.
pub fn exchange(pieces: &[&[u8]]) -> Vec<u8> {
    let (runtime, address) = &*SERVER;
    let exchange = async {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.set_nodelay(true).unwrap();
        // Otherwise the system soon has no port left.
        client.set_zero_linger().unwrap();
        let mut answer = Vec::new();
        for piece in pieces {
            // The server may have closed already.
            let _ = client.write_all(piece).await;
            tokio::task::yield_now().await;
        }
        let _ = client.shutdown().await;
        let _ = client.read_to_end(&mut answer).await;
        answer
    };
    runtime
        .block_on(async { tokio::time::timeout(HANG, exchange).await })
        .expect("the server hangs")
}
