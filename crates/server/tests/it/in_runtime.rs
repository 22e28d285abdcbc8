//! What the tests with asynchronous clients share.

use std::time::Duration;

use tokio::runtime;
use tokio::time::timeout;

/// Far longer than anything here takes.
pub(crate) const HANG: Duration = Duration::from_secs(20);

/// Runs a test's clients.
pub(crate) fn run(test: impl Future<Output = ()>) {
    runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
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
