//! What a scenario expands to: the order of its trials, the intended time of every event, and when
//! every polling subscriber asks. All of it follows from the scenario alone, on every
//! machine of a kind: what is random or log-normal takes functions whose last bit a platform may round
//! otherwise.

mod random;

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

pub use random::{ReconnectWaits, first_long_poll_timeouts, polling_phases};
pub(super) use random::{Stream, generator};

use super::workload::{Nominal, PoissonEvents, Sent, Span, Timeline, Upstreams, events_within};
use super::{Arrivals, ContenderId, Membership, PayloadBytes, Scenario, Workload};

/// One trial to come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PlannedTrial {
    /// The block that it belongs to, counted from 1.
    pub block: u32,
    /// What it measures.
    pub contender: ContenderId,
}

/// One trial of a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CellTrial {
    /// The cell, as an index into [`Scenario::cells`].
    pub cell: usize,
    /// What is measured of it.
    pub trial: PlannedTrial,
}

/// The trials of a run in their order: block after block, in each block every contender once in
/// every cell, shuffled from the seed. More blocks lengthen the list and leave its beginning as it was.
///
/// Interleaving is what keeps a machine that gets slower from being read as a slower contender
/// (Abedi & Brecht, ICPE 2017).
#[must_use]
pub fn trials(scenario: &Scenario) -> Vec<CellTrial> {
    let compared = |cell| scenario.contender_ids().map(move |contender| (cell, contender.clone()));
    let all: Vec<_> = (0..scenario.cells().len()).flat_map(compared).collect();
    let mut rng = generator(scenario.seed, Stream::TrialOrder);
    (1..=scenario.blocks)
        .flat_map(|block| {
            let mut order = all.clone();
            order.shuffle(&mut rng);
            order.into_iter().map(move |(cell, contender)| CellTrial {
                cell,
                trial: PlannedTrial { block, contender },
            })
        })
        .collect()
}

/// The open-loop plan of one trial: when each event is meant to be published, by whom, on which
/// channel, and how large it is.
///
/// Every channel has the same rate, so nominal time is cut into gaps of 1/rate, and warm-up and window
/// hold whole gaps. With constant arrivals, event k of a channel falls into gap k: in its middle where
/// there is one channel, and otherwise where the channels divide the gap evenly, so that publishing is
/// not bunched. No event ever falls on the edge of a gap, so the window, which starts and ends on
/// edges, never cuts through one. Then a [`Timeline`] puts bursts and phases into it.
#[derive(Clone, Debug)]
pub struct Schedule {
    workload: Arc<Workload>,
    membership: Arc<Membership>,
    seed: u64,
    timeline: Timeline,
    /// Where the window begins and ends, in nominal nanoseconds.
    window: [f64; 2],
}

/// One event that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// When, in nanoseconds from the start of the schedule.
    pub offset_ns: u64,
    /// On which channel, from 0.
    pub channel: u32,
    /// Who publishes it.
    pub source: Source,
    /// Which event of that source on that channel, from 0, warm-up included.
    pub sequence: u32,
    /// Its size.
    pub payload_bytes: usize,
    /// Whether it falls into the measured window.
    pub is_measured: bool,
}

/// Who publishes an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The publisher.
    Backend,
    /// A subscriber, over one of its connections, as [`Membership::connections`] counts them.
    Connection(u32),
}

/// The events of one publisher on one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeasuredRange {
    /// As stamps have it: 0 is the publisher, n the n-th subscriber.
    pub publisher: u16,
    /// The sequences of those that are measured.
    pub measured: Range<u32>,
}

/// What the window holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Planned {
    /// Events.
    pub events: u64,
    /// Their deliveries, over all connections; those to their senders are among them.
    pub deliveries: u64,
}

impl Schedule {
    /// The schedule of a workload; `seed` decides what is left to chance.
    #[must_use]
    pub fn new(workload: &Workload, seed: u64) -> Self {
        let (window, timeline) = nominal_window(workload);
        Self {
            membership: Arc::new(Membership::new(workload, seed)),
            workload: Arc::new(workload.clone()),
            seed,
            timeline,
            window,
        }
    }

    /// Who subscribes to what.
    #[must_use]
    pub fn membership(&self) -> &Arc<Membership> {
        &self.membership
    }

    /// Every event in the order of its time, warm-up first.
    pub fn events(&self) -> impl Iterator<Item = Due> + use<> {
        Merged { one: self.backend().peekable(), other: self.upstream().peekable() }
    }

    /// What the publisher publishes.
    fn backend(&self) -> impl Iterator<Item = Due> + use<> {
        let Workload { channels, arrivals, events_per_second: rate, .. } = *self.workload;
        let warm_up = self.workload.warm_up_events_per_channel();
        let measured = self.workload.events_per_channel();
        let constant = (rate > 0.0 && arrivals == Arrivals::Constant).then(|| {
            (0..warm_up.saturating_add(measured)).flat_map(move |sequence| {
                (0..channels).map(move |channel| {
                    let within_gap = (f64::from(channel) + 0.5) / f64::from(channels);
                    // Computed afresh from its index: adding up gaps would add up their rounding.
                    let at_ns = (f64::from(sequence) + within_gap) * 1e9 / rate;
                    Nominal { at_ns, channel, sequence }
                })
            })
        });
        let poisson = (rate > 0.0 && arrivals == Arrivals::Poisson).then(|| {
            let [start, end] = self.window.map(|ns| Duration::from_nanos(ns.round() as u64));
            let spans = [Span { end: start, events: warm_up }, Span { end, events: measured }];
            PoissonEvents::new(self.seed, channels, spans)
        });
        let (timeline, mut sizes) = (self.timeline.clone(), self.sizes());
        let workload = Arc::clone(&self.workload);
        let made = constant.into_iter().flatten().chain(poisson.into_iter().flatten());
        let made = made.map(move |Nominal { at_ns, channel, sequence }| Due {
            offset_ns: timeline.at_ns(at_ns),
            channel,
            source: Source::Backend,
            sequence,
            payload_bytes: sizes.of(&workload.payload_bytes, channel, 0, sequence),
            is_measured: sequence >= warm_up,
        });
        made.chain(self.trace())
    }

    fn trace(&self) -> impl Iterator<Item = Due> + use<> {
        let trace = self.workload.trace.clone();
        let [start, end] = self.window;
        let mut sequences = vec![0; self.workload.channels as usize];
        let speed = trace.as_ref().map_or(1.0, |trace| trace.speed);
        let rows = trace.map(|trace| trace.rows).unwrap_or_default();
        (0..rows.rows.len()).map_while(move |index| {
            let row = rows.rows[index];
            let offset_ns = (row.offset_ns as f64 / speed).round();
            let next = sequences.get_mut(row.channel as usize)?;
            *next += 1;
            (offset_ns < end).then(|| Due {
                offset_ns: offset_ns as u64,
                channel: row.channel,
                source: Source::Backend,
                sequence: *next - 1,
                payload_bytes: row.payload_bytes as usize,
                is_measured: offset_ns >= start,
            })
        })
    }

    /// What subscribers send.
    fn upstream(&self) -> impl Iterator<Item = Due> + use<> {
        let (workload, membership) = (Arc::clone(&self.workload), Arc::clone(&self.membership));
        let sent = self.workload.upstream.as_ref().map(|upstream| {
            let (arrivals, subscribers) = (workload.arrivals, workload.subscribers);
            let membership = Arc::clone(&membership);
            Upstreams::new(upstream, arrivals, subscribers, membership, self.window, self.seed)
        });
        let (timeline, mut sizes) = (self.timeline.clone(), self.sizes());
        let mut sequences =
            vec![0; if sent.is_some() { membership.connections().len() } else { 0 }];
        sent.into_iter().flatten().filter_map(
            move |Sent { nominal_ns, connection, is_measured }| {
                let channel = *membership.connections().get(connection as usize)?;
                let sequence = sequences.get_mut(connection as usize)?;
                *sequence += 1;
                let of = &workload.upstream.as_ref()?.payload_bytes;
                Some(Due {
                    offset_ns: timeline.at_ns(nominal_ns),
                    channel,
                    source: Source::Connection(connection),
                    sequence: *sequence - 1,
                    payload_bytes: sizes.of(of, channel, connection + 1, *sequence - 1),
                    is_measured,
                })
            },
        )
    }

    fn sizes(&self) -> Sizes {
        Sizes { rng: generator(self.seed, Stream::PayloadBytes) }
    }

    /// The publishers of every channel, in ascending order.
    #[must_use]
    pub fn measured_ranges(&self) -> Vec<Vec<MeasuredRange>> {
        let each = self.membership.each() as u32;
        let mut counts = vec![BTreeMap::<u16, Range<u32>>::new(); self.workload.channels as usize];
        let mut count = |channel: u32, publisher: u16, sequence: u32, is_measured: bool| {
            let Some(ranges) = counts.get_mut(channel as usize) else { return };
            let measured = ranges.entry(publisher).or_default();
            measured.end = sequence + 1;
            if !is_measured {
                measured.start = sequence + 1;
            }
        };
        if self.workload.trace.is_some() {
            for due in self.trace() {
                count(due.channel, 0, due.sequence, due.is_measured);
            }
        } else if self.workload.events_per_second > 0.0 {
            let warm_up = self.workload.warm_up_events_per_channel();
            let end = warm_up.saturating_add(self.workload.events_per_channel());
            for channel in 0..self.workload.channels {
                if warm_up > 0 {
                    count(channel, 0, warm_up - 1, false);
                }
                if end > warm_up {
                    count(channel, 0, end - 1, true);
                }
            }
        }
        for due in self.upstream() {
            if let Source::Connection(connection) = due.source {
                let publisher = publisher_of(connection / each);
                count(due.channel, publisher, due.sequence, due.is_measured);
            }
        }
        let ranges = |by_publisher: BTreeMap<u16, Range<u32>>| {
            by_publisher
                .into_iter()
                .map(|(publisher, measured)| MeasuredRange { publisher, measured })
                .collect()
        };
        counts.into_iter().map(ranges).collect()
    }

    /// What the window holds.
    #[must_use]
    pub fn planned(&self) -> Planned {
        let mut planned = Planned::default();
        if self.workload.events_per_second > 0.0 {
            let each = u64::from(self.workload.events_per_channel());
            planned.events += each * u64::from(self.workload.channels);
            planned.deliveries += each * self.membership.connections().len() as u64;
        }
        for due in self.trace().chain(self.upstream()).filter(|due| due.is_measured) {
            planned.events += 1;
            planned.deliveries += self.membership.of_channel(due.channel).len() as u64;
        }
        planned
    }
}

impl Scenario {
    /// Deliveries while measuring, over all subscribers and their channels.
    #[must_use]
    pub fn deliveries(&self) -> u64 {
        Schedule::new(&self.workload, self.seed).planned().deliveries
    }
}

/// From the end of the warm-up to the end of measuring, from the start of the schedule: whole gaps, so
/// warm-up and window may be a little longer than the scenario asks.
#[must_use]
pub fn window(workload: &Workload) -> Range<Duration> {
    let (window, timeline) = nominal_window(workload);
    let [start, end] = window.map(|ns| Duration::from_nanos(timeline.at_ns(ns)));
    // The last phase lasts as long as it says, whether or not an event comes at its end.
    let end = if workload.phases.is_empty() { end } else { start + workload.duration };
    start..end
}

/// Where the window begins and ends, in nominal nanoseconds, and when that is.
fn nominal_window(workload: &Workload) -> ([f64; 2], Timeline) {
    let window = match workload.base_rate() {
        None => {
            let start = workload.warm_up.as_nanos() as f64;
            [start, start + workload.duration.as_nanos() as f64]
        }
        Some(rate) => {
            let start = events_within(workload.warm_up, rate);
            let end = start.saturating_add(workload.events_at(rate));
            [start, end].map(|gaps| f64::from(gaps) * 1e9 / rate)
        }
    };
    (window, Timeline::new(workload, window[0]))
}

/// The publisher in the stamps of a subscriber's events.
pub(crate) fn publisher_of(subscriber: u32) -> u16 {
    u16::try_from(subscriber + 1).unwrap_or(u16::MAX)
}

/// Draws sizes: that of an event follows from the seed and the event alone.
struct Sizes {
    rng: ChaCha8Rng,
}

impl Sizes {
    fn of(&mut self, sizes: &PayloadBytes, channel: u32, source: u32, sequence: u32) -> usize {
        if let PayloadBytes::Fixed(bytes) = sizes {
            return *bytes;
        }
        // A stream for each source, of which a connection has one channel, and two words in it for
        // each number drawn.
        let channel = if source == 0 { u64::from(channel) } else { 0 };
        self.rng.set_stream((2 << 32) + (u64::from(source) << 32) + channel);
        self.rng.set_word_pos(u128::from(sequence) * 16);
        sizes.draw(&mut self.rng)
    }
}

/// Two streams of events as one, in the order of their times.
struct Merged<A: Iterator<Item = Due>, B: Iterator<Item = Due>> {
    one: Peekable<A>,
    other: Peekable<B>,
}

impl<A: Iterator<Item = Due>, B: Iterator<Item = Due>> Iterator for Merged<A, B> {
    type Item = Due;

    fn next(&mut self) -> Option<Due> {
        match (self.one.peek(), self.other.peek()) {
            (Some(one), Some(other)) if other.offset_ns < one.offset_ns => self.other.next(),
            (None, _) => self.other.next(),
            (Some(_), _) => self.one.next(),
        }
    }
}

#[cfg(test)]
mod tests;
