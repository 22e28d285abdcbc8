//! Who subscribes to which channels.

use std::collections::BTreeSet;

use rand::seq::SliceRandom as _;

use super::model::{Popularity, Workload};
use crate::scenario::schedule::{Stream, generator};

/// The channels of every subscriber.
#[derive(Clone, Debug, PartialEq)]
pub struct Membership {
    /// Subscriber after subscriber, [`Self::each`] channels for each.
    channels: Vec<u32>,
    each: usize,
    /// Subscribers of every channel, in their order.
    subscribers: Vec<Vec<u32>>,
}

impl Membership {
    /// That of a workload; `seed` decides what is left to chance.
    #[must_use]
    pub fn new(workload: &Workload, seed: u64) -> Self {
        let each = workload.channels_per_subscriber as usize;
        let channels = match workload.popularity {
            Popularity::Even if each == 1 => {
                (0..workload.channels).cycle().take(workload.subscribers as usize).collect()
            }
            Popularity::Even | Popularity::Zipf(_) => deal(workload, seed),
        };
        let mut subscribers = vec![Vec::new(); workload.channels as usize];
        for (connection, channel) in channels.iter().enumerate() {
            subscribers[*channel as usize].push((connection / each) as u32);
        }
        Self { channels, each, subscribers }
    }

    /// The channel of every connection: those of the first subscriber come first.
    #[must_use]
    pub fn connections(&self) -> &[u32] {
        &self.channels
    }

    /// Channels of each subscriber.
    #[must_use]
    pub fn each(&self) -> usize {
        self.each
    }

    /// The subscribers of a channel, in ascending order.
    #[must_use]
    pub fn of_channel(&self, channel: u32) -> &[u32] {
        self.subscribers.get(channel as usize).map_or(&[], Vec::as_slice)
    }
}

/// Deals places in channels to subscribers. Channel after channel gives away its places, to
/// subscribers in a random order; each order is used up before the next one begins, so that
/// everyone gets equally many.
fn deal(workload: &Workload, seed: u64) -> Vec<u32> {
    let subscribers = workload.subscribers as usize;
    let each = workload.channels_per_subscriber as usize;
    let mut rng = generator(seed, Stream::Membership);
    let mut of_subscriber: Vec<Vec<u32>> = vec![Vec::with_capacity(each); subscribers];
    let mut order: Vec<usize> = Vec::new();
    for (channel, places) in (0..).zip(places(workload)) {
        let mut members = BTreeSet::new();
        while members.len() < places as usize {
            if order.is_empty() {
                order = (0..subscribers).collect();
                order.shuffle(&mut rng);
                // A channel that spans two orders takes nobody twice: its members come last now,
                // and are dealt first to the next channels, as the order is dealt from its end.
                let (others, these): (Vec<_>, Vec<_>) =
                    order.into_iter().partition(|subscriber| !members.contains(subscriber));
                order = these.into_iter().chain(others).collect();
            }
            let Some(subscriber) = order.pop() else { break };
            members.insert(subscriber);
            of_subscriber[subscriber].push(channel);
        }
    }
    of_subscriber.into_iter().flatten().collect()
}

/// How many places every channel has: as many in all as subscribers have channels, in proportion to
/// their popularity, at least one and at most one for each subscriber.
fn places(workload: &Workload) -> Vec<u32> {
    let weight = |rank: u32| match workload.popularity {
        Popularity::Even => 1.0,
        Popularity::Zipf(exponent) => f64::from(rank).powf(-exponent),
    };
    let weights: Vec<f64> = (1..=workload.channels).map(weight).collect();
    let all = u64::from(workload.subscribers) * u64::from(workload.channels_per_subscriber);
    let most = f64::from(workload.subscribers);
    // The scale at which the bounded shares add up to all of them, between two that do not.
    let share = |scale: f64, weight: f64| (scale * weight).clamp(1.0, most);
    let sum = |scale: f64| weights.iter().map(|weight| share(scale, *weight)).sum::<f64>();
    let (mut low, mut high) = (0.0, most / weights.last().copied().unwrap_or(1.0));
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if sum(middle) < all as f64 { low = middle } else { high = middle }
    }
    // Rounded along the running sum, so that the places add up.
    let (mut running, mut given) = (0.0, 0);
    weights
        .iter()
        .map(|weight| {
            running += share(high, *weight);
            let until = (running + 1e-6).floor() as u64;
            let places = (until - given).clamp(1, u64::from(workload.subscribers));
            given += places;
            places as u32
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scenario::tests::plain;

    fn workload(subscribers: u32, channels: u32, each: u32, popularity: Popularity) -> Workload {
        Workload { subscribers, channels, channels_per_subscriber: each, popularity, ..plain() }
    }

    #[test]
    fn one_channel_each_is_dealt_in_turn() {
        let membership = Membership::new(&workload(5, 2, 1, Popularity::Even), 1);
        assert_eq!(membership.connections(), [0, 1, 0, 1, 0]);
        assert_eq!(membership.of_channel(0), [0, 2, 4]);
    }

    #[test]
    fn rooms_of_a_hundred_are_mixed() {
        let membership = Membership::new(&workload(1_000, 100, 10, Popularity::Even), 1);
        assert!((0..100).all(|channel| membership.of_channel(channel).len() == 100));
        // Two rooms share about ten members by chance, and not all of them.
        let [one, other] = [0, 10].map(|c| BTreeSet::from_iter(membership.of_channel(c)));
        let shared = one.intersection(&other).count();
        assert!((1..40).contains(&shared), "{shared}");
        assert_ne!(membership, Membership::new(&workload(1_000, 100, 10, Popularity::Even), 2));
    }

    /// The slope of log(subscribers) over log(rank), by least squares.
    fn exponent(membership: &Membership, ranks: std::ops::RangeInclusive<u32>) -> f64 {
        let points: Vec<(f64, f64)> = ranks
            .map(|rank| {
                let subscribers = membership.of_channel(rank - 1).len() as f64;
                (f64::from(rank).ln(), subscribers.ln())
            })
            .collect();
        let n = points.len() as f64;
        let [x, y] = [|p: &(f64, f64)| p.0, |p: &(f64, f64)| p.1]
            .map(|of| points.iter().map(of).sum::<f64>() / n);
        let above: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
        let below: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
        -above / below
    }

    #[test]
    fn popularity_has_the_exponent_asked_for() {
        for asked in [0.5, 1.0, 1.4] {
            let workload = workload(100_000, 100, 1, Popularity::Zipf(asked));
            let found = exponent(&Membership::new(&workload, 1), 1..=100);
            assert!((found - asked).abs() < 0.02, "{found} for {asked}");
        }
    }

    proptest! {
        #[test]
        fn everyone_has_as_many_different_channels(
            subscribers in 1_u32..300, channels in 1_u32..60, each in 1_u32..8,
            zipf in proptest::option::of(0.1_f64..3.0), seed: u64,
        ) {
            let channels = channels.min(subscribers);
            let each = each.min(channels);
            let popularity = zipf.map_or(Popularity::Even, Popularity::Zipf);
            let membership = Membership::new(&workload(subscribers, channels, each, popularity), seed);
            let connections = membership.connections();
            prop_assert_eq!(connections.len(), (subscribers * each) as usize);
            for channels in connections.chunks(each as usize) {
                let different: BTreeSet<_> = channels.iter().collect();
                prop_assert_eq!(different.len(), each as usize);
            }
            for channel in 0..channels {
                prop_assert!(!membership.of_channel(channel).is_empty());
                prop_assert!(membership.of_channel(channel).is_sorted());
            }
        }
    }
}
