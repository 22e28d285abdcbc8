//! Waiting for others with a limit. It must not know for what.

use std::time::Duration;

use tokio::time::timeout;

/// How much of the patience one look takes.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// Waits for `what` as long as `patience` says; `None` when it takes longer. Time in which this
/// process did not run does not count: whoever stops it (Ctrl-Z, a debugger, a suspended machine)
/// stops its patience as well, and nobody else is to blame.
pub(crate) async fn within<T>(patience: Duration, what: impl Future<Output = T>) -> Option<T> {
    let mut what = std::pin::pin!(what);
    let mut left = patience;
    while !left.is_zero() {
        let look = left.min(LOOK);
        if let Ok(outcome) = timeout(look, &mut what).await {
            return Some(outcome);
        }
        left -= look;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Instant, advance, sleep};

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let begin = Instant::now();
        assert_eq!(within(LOOK * 3, sleep(LOOK * 2)).await, Some(()));
        assert_eq!(within(LOOK * 3, sleep(LOOK * 4)).await, None);
        assert!(begin.elapsed() <= LOOK * 6, "{:?}", begin.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_ran_does_not_count() {
        let (answer, answered) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            // As if both had been stopped: all timers are over when they go on.
            advance(LOOK * 100).await;
            sleep(LOOK).await;
            let _ = answer.send(());
        });
        assert_eq!(within(LOOK * 10, answered).await, Some(Ok(())));
    }
}
