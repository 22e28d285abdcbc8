//! How often each client may do something. A client is an IPv4 address or an IPv6 network of 64 bits,
//! which is what one household or host has.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Clients that are told apart at the same time. Any more share one allowance.
const MAX_CLIENTS: usize = 4_096;

/// A second's worth may come at once.
const BURST: Duration = Duration::from_secs(1);

/// A rate that each client has to itself.
#[derive(Debug)]
pub(super) struct RateLimit {
    per_second: NonZero<u32>,
    /// When each client will have used up what it did: the generic cell rate algorithm. Whoever is in
    /// the past is as good as new.
    busy_until: Mutex<HashMap<IpAddr, Instant>>,
}

impl RateLimit {
    /// Nobody has done anything yet.
    pub(super) fn new(per_second: NonZero<u32>) -> Self {
        Self { per_second, busy_until: Mutex::default() }
    }

    /// How often a client may do it.
    pub(super) fn per_second(&self) -> NonZero<u32> {
        self.per_second
    }

    /// Whether `client` may do it now, which is counted if so.
    pub(super) fn admits(&self, client: IpAddr) -> bool {
        let now = Instant::now();
        let mut busy_until = self.busy_until.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = network(client);
        if busy_until.len() >= MAX_CLIENTS && !busy_until.contains_key(&key) {
            busy_until.retain(|_, until| *until > now);
            if busy_until.len() >= MAX_CLIENTS {
                key = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
            }
        }
        let until = busy_until.entry(key).or_insert(now);
        let next = (*until).max(now) + BURST / self.per_second.get();
        let admitted = next <= now + BURST;
        if admitted {
            *until = next;
        }
        admitted
    }
}

fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn each_client_has_its_own_allowance() {
        let limit = RateLimit::new(NonZero::new(3).unwrap());
        let admitted = |client, tries| (0..tries).filter(|_| limit.admits(ip(client))).count();
        assert_eq!(admitted("10.0.0.1", 9), 3, "a second's worth at once");
        assert_eq!(admitted("10.0.0.2", 9), 3);
        assert_eq!(admitted("::ffff:10.0.0.2", 9), 0, "the same client");
        assert_eq!(admitted("2001:db8::1", 2), 2);
        assert_eq!(admitted("2001:db8::2", 2), 1, "the same network");
        tokio::time::advance(Duration::from_millis(334)).await;
        assert_eq!(admitted("10.0.0.1", 9), 1);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(admitted("10.0.0.1", 9), 3, "silence is not saved up");
    }

    #[tokio::test(start_paused = true)]
    async fn no_number_of_clients_needs_more_memory() {
        let limit = RateLimit::new(NonZero::new(2).unwrap());
        for client in 0..10_000_u32 {
            limit.admits(IpAddr::from(client.to_be_bytes()));
        }
        assert!(limit.busy_until.lock().unwrap().len() <= MAX_CLIENTS + 1);
        tokio::time::advance(BURST).await;
        assert!(limit.admits(ip("10.9.9.9")));
        assert_eq!(limit.busy_until.lock().unwrap().len(), 1, "those in the past are forgotten");
    }
}
