//! When the events of a channel come, within a span that holds a given number of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use crate::scenario::schedule::{Stream, generator};

/// How events are spread over time.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Arrivals {
    /// At equal distances.
    Constant,
    /// At random, independently of each other: a Poisson process, given how many events come.
    Poisson,
}

/// So many events of every channel, up to an end.
#[derive(Clone, Copy, Debug)]
pub(in crate::scenario) struct Span {
    /// Where it ends, from the start of the schedule; it begins where the one before ends.
    pub(in crate::scenario) end: Duration,
    pub(in crate::scenario) events: u32,
}

/// An event of a channel, in nanoseconds of nominal time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::scenario) struct Nominal {
    pub(in crate::scenario) at_ns: f64,
    pub(in crate::scenario) channel: u32,
    pub(in crate::scenario) sequence: u32,
}

/// The events of all channels, at random times, in their order.
///
/// Given their number, the times of a Poisson process are independent and uniform over the span.
/// They are drawn in ascending order, one at a time: of n uniform times on [t, end], the least is
/// t + (end - t)(1 - u^(1/n)) with u uniform on [0, 1]. So a schedule of any length takes no memory.
#[derive(Clone)]
pub(in crate::scenario) struct PoissonEvents {
    channels: Vec<Points>,
    /// The next event of each channel that has one left.
    next: BinaryHeap<Reverse<(u64, u32, u32)>>,
}

/// Random times in ascending order, so many in each span.
#[derive(Clone)]
pub(in crate::scenario) struct Points {
    rng: ChaCha8Rng,
    spans: [Span; 2],
    /// The last one, from the start of the schedule.
    at_ns: f64,
    sequence: u32,
}

impl PoissonEvents {
    /// Of so many channels, each with a stream of its own from `seed`.
    pub(in crate::scenario) fn new(seed: u64, channels: u32, spans: [Span; 2]) -> Self {
        let mut all = Self { channels: Vec::new(), next: BinaryHeap::new() };
        for channel in 0..channels {
            let rng = generator(seed, Stream::Arrivals { channel });
            all.channels.push(Points::new(rng, spans));
            all.draw(channel);
        }
        all
    }

    fn draw(&mut self, channel: u32) {
        let Some(of) = self.channels.get_mut(channel as usize) else { return };
        if let Some((at_ns, sequence)) = of.next() {
            self.next.push(Reverse((at_ns as u64, channel, sequence)));
        }
    }
}

impl Iterator for PoissonEvents {
    type Item = Nominal;

    fn next(&mut self) -> Option<Nominal> {
        let Reverse((at_ns, channel, sequence)) = self.next.pop()?;
        self.draw(channel);
        Some(Nominal { at_ns: at_ns as f64, channel, sequence })
    }
}

impl Points {
    pub(in crate::scenario) fn new(rng: ChaCha8Rng, spans: [Span; 2]) -> Self {
        Self { rng, spans, at_ns: 0.0, sequence: 0 }
    }

    /// The next time in nanoseconds, and which one it is.
    pub(in crate::scenario) fn next(&mut self) -> Option<(f64, u32)> {
        let mut start_ns = 0.0;
        for span in &mut self.spans {
            let end_ns = span.end.as_nanos() as f64;
            if span.events > 0 {
                let from_ns = self.at_ns.max(start_ns);
                let least = self.rng.random::<f64>().powf(f64::from(span.events).recip());
                self.at_ns = from_ns + (end_ns - from_ns) * (1.0 - least);
                span.events -= 1;
                self.sequence += 1;
                return Some((self.at_ns, self.sequence - 1));
            }
            start_ns = end_ns;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPANS: [Span; 2] = [
        Span { end: Duration::from_secs(10), events: 2_000 },
        Span { end: Duration::from_secs(60), events: 10_000 },
    ];

    fn times_s(seed: u64, channel: u32) -> Vec<f64> {
        PoissonEvents::new(seed, 3, SPANS)
            .filter(|due| due.channel == channel)
            .map(|due| due.at_ns / 1e9)
            .collect()
    }

    /// Uniform within each span by Kolmogorov and Smirnov, at the level of 1 in 1,000.
    #[test]
    fn times_are_uniform_given_their_number() {
        for (seed, channel) in [(1, 0), (1, 2), (7, 1)] {
            let times = times_s(seed, channel);
            let (first, second) = times.split_at(2_000);
            for (times, start_s, length_s) in [(first, 0.0, 10.0), (second, 10.0, 50.0)] {
                let n = times.len() as f64;
                let distances = times.iter().enumerate().map(|(index, time)| {
                    let share = (time - start_s) / length_s;
                    (share - index as f64 / n).abs().max((share - (index + 1) as f64 / n).abs())
                });
                let distance = distances.fold(0.0, f64::max);
                assert!(distance < 1.95 / n.sqrt(), "seed {seed}: {distance}");
            }
        }
    }

    /// The gaps of a Poisson process are exponential: their deviation is their mean, and 1/e of them
    /// are longer than that.
    #[test]
    fn gaps_are_exponential() {
        let times = times_s(3, 0);
        let gaps: Vec<f64> = times[2_000..].windows(2).map(|pair| pair[1] - pair[0]).collect();
        let n = gaps.len() as f64;
        let mean = gaps.iter().sum::<f64>() / n;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / n;
        assert!((mean - 0.005).abs() < 0.000_05, "{mean}");
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.05, "{}", variance.sqrt() / mean);
        let longer = gaps.iter().filter(|gap| **gap > mean).count() as f64 / n;
        assert!((longer - (-1.0_f64).exp()).abs() < 0.02, "{longer}");
    }

    #[test]
    fn every_channel_has_its_own_times_in_order() {
        let all: Vec<Nominal> = PoissonEvents::new(1, 3, SPANS).collect();
        assert_eq!(all.len(), 36_000);
        assert!(all.is_sorted_by(|one, next| one.at_ns <= next.at_ns));
        for channel in 0..3 {
            let of = all.iter().filter(|due| due.channel == channel);
            assert!(of.map(|due| due.sequence).eq(0..12_000));
        }
        assert_ne!(times_s(1, 0), times_s(1, 1));
        assert_ne!(times_s(1, 0), times_s(2, 0));
        assert_eq!(times_s(1, 0), times_s(1, 0));
    }
}
