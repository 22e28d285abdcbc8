//! Finds out that a connection is dead by its silence: whoever waits for something, and has heard nothing
//! for too long, gives it up. Nothing else does where the network says nothing.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use pushbench_wire::clock;
use tokio::time::timeout;

use crate::client::{ClientError, ConnectionMeter};

/// How long a stream may take to see that its connection was given up: it is told at once.
const LET_GO_WITHIN: Duration = Duration::from_secs(1);

/// Receives until that fails, or until nothing has come for `dead_after`, and then lets go of the connection.
///
/// # Errors
/// Why it failed.
pub(super) async fn unless_silent(
    meter: &ConnectionMeter,
    dead_after: Option<Duration>,
    is_stream: bool,
    receiving: impl Future<Output = Result<Infallible, ClientError>>,
) -> Result<Infallible, ClientError> {
    let Some(dead_after) = dead_after else { return receiving.await };
    let mut receiving = pin!(receiving);
    tokio::select! {
        // What has come while this thread had no core is read before it counts as missing.
        biased;
        failed = &mut receiving => failed,
        () = silence(meter, dead_after) => {
            meter.give_up();
            if is_stream {
                // It takes note of where it was. A poll would only ask again.
                let _ = timeout(LET_GO_WITHIN, receiving).await;
            }
            Err(ClientError::Silent(dead_after))
        }
    }
}

/// Connects, or lets go of what it has of a connection after so long.
///
/// # Errors
/// Why there is no connection.
pub(super) async fn within<T>(
    meter: &ConnectionMeter,
    dead_after: Duration,
    connecting: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    match timeout(dead_after, connecting).await {
        Ok(connected) => connected,
        Err(_) => {
            meter.give_up();
            Err(ClientError::Silent(dead_after))
        }
    }
}

/// Completes when nothing has come for so long.
async fn silence(meter: &ConnectionMeter, dead_after: Duration) {
    loop {
        let now_ns = clock::now_ns();
        // Whoever waits for nothing now, waits from now on at the earliest.
        let since_ns = meter.life().unheard_since_ns().unwrap_or(now_ns);
        let unheard = Duration::from_nanos(now_ns.saturating_sub(since_ns));
        match dead_after.checked_sub(unheard) {
            None | Some(Duration::ZERO) => return,
            Some(left) => tokio::time::sleep(left).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Arc;

    use super::*;
    use crate::client::Tally;

    const DEAD_AFTER: Duration = Duration::from_millis(40);

    #[tokio::test]
    async fn whoever_hears_nothing_gives_up_and_not_before() {
        let meter = ConnectionMeter::new(Arc::<Tally>::default());
        let waiting = meter.life().waits();
        let begun_ns = meter.life().unheard_since_ns().unwrap();
        let failed = unless_silent(&meter, Some(DEAD_AFTER), false, pending()).await.unwrap_err();
        assert!(matches!(failed, ClientError::Silent(DEAD_AFTER)), "{failed}");
        let took = Duration::from_nanos(clock::now_ns() - begun_ns);
        assert!(took >= DEAD_AFTER, "{took:?}");
        drop(waiting);
    }

    #[tokio::test]
    async fn whoever_comes_back_does_not_wait_for_ever() {
        let meter = ConnectionMeter::new(Arc::<Tally>::default());
        let connecting = pending::<Result<(), _>>();
        let failed = within(&meter, DEAD_AFTER, connecting).await.unwrap_err();
        assert!(matches!(failed, ClientError::Silent(DEAD_AFTER)), "{failed}");
        within(&meter, DEAD_AFTER * 1_000, async { Ok(()) }).await.unwrap();
    }

    #[tokio::test]
    async fn nobody_gives_up_who_waits_for_nothing_or_for_ever() {
        let meter = ConnectionMeter::new(Arc::<Tally>::default());
        let idle = unless_silent(&meter, Some(DEAD_AFTER), false, pending());
        assert!(timeout(DEAD_AFTER * 4, idle).await.is_err(), "between two polls");
        let _waiting = meter.life().waits();
        let patient = unless_silent(&meter, None, true, pending());
        assert!(timeout(DEAD_AFTER * 4, patient).await.is_err(), "an EventSource has no time-out");
        let ended = async { Err(ClientError::Ended) };
        let failed = unless_silent(&meter, Some(DEAD_AFTER * 1_000), true, ended).await;
        assert!(matches!(failed, Err(ClientError::Ended)));
    }
}
