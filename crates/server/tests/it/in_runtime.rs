//! What the tests with asynchronous clients share.

use std::time::Duration;

use pushbench_server::Config;
use tokio::runtime;
use tokio::time::timeout;

/// Far longer than anything here takes.
pub(crate) const HANG: Duration = Duration::from_secs(20);

/// Runs a test's clients.
pub(crate) fn run(test: impl Future<Output = ()>) {
    runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

/// Streams on which nothing comes but events, however long a test takes.
pub(crate) fn without_heartbeats() -> Config {
    Config { heartbeat: Duration::from_secs(3_600), ..Config::default() }
}

/// Waits until `still` is false. `what` then is.
pub(crate) async fn wait_while(what: &str, still: impl Fn() -> bool) {
    let ended = async {
        while still() {
            tokio::task::yield_now().await;
        }
    };
    timeout(HANG, ended).await.expect(what);
}
