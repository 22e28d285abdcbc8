//! How the rate of events goes over time. Schedules are made in nominal time, in which events come
//! at their mean rate all along; a timeline says when a nominal time really is.

use std::sync::Arc;

use super::model::{Bursts, Workload};

/// Maps nominal time to time.
#[derive(Clone, Debug)]
pub(in crate::scenario) enum Timeline {
    Steady,
    Bursts(Bursts),
    /// In the order of their time; the first begins at 0.
    Phases(Arc<[Piece]>),
}

/// A phase and where it begins, in nanoseconds of both times.
#[derive(Clone, Debug)]
pub(in crate::scenario) struct Piece {
    at_ns: f64,
    nominal_ns: f64,
    length_ns: f64,
    rate: [f64; 2],
}

impl Timeline {
    /// The phases begin after `warm_up`, in which rates are those of the workload.
    pub(in crate::scenario) fn new(workload: &Workload, warm_up_ns: f64) -> Self {
        if let Some(bursts) = workload.bursts {
            return Self::Bursts(bursts);
        }
        if workload.phases.is_empty() {
            return Self::Steady;
        }
        let piece =
            |at_ns, nominal_ns, length_ns, rate| Piece { at_ns, nominal_ns, length_ns, rate };
        let mut pieces = vec![piece(0.0, 0.0, warm_up_ns, [1.0; 2])];
        let (mut at_ns, mut nominal_ns) = (warm_up_ns, warm_up_ns);
        for phase in &workload.phases {
            let length_ns = phase.duration.as_nanos() as f64;
            pieces.push(piece(at_ns, nominal_ns, length_ns, phase.rate));
            at_ns += length_ns;
            nominal_ns += phase.nominal().as_nanos() as f64;
        }
        // What is rounded beyond the last phase goes on at the usual rate.
        pieces.push(piece(at_ns, nominal_ns, f64::INFINITY, [1.0; 2]));
        Self::Phases(pieces.into())
    }

    /// When so much nominal time is over. Where time passes and nominal time does not, that is the
    /// later end.
    pub(in crate::scenario) fn at_ns(&self, nominal_ns: f64) -> u64 {
        let at_ns = match self {
            Self::Steady => nominal_ns,
            Self::Bursts(bursts) => {
                let (on, off) = (bursts.on.as_nanos() as f64, bursts.off.as_nanos() as f64);
                let active_ns = nominal_ns * on / (on + off);
                // What is the end of a burst but for the rounding of floating point is its end.
                let periods = (active_ns / on + 1e-9).floor();
                periods * (on + off) + (active_ns - periods * on).max(0.0)
            }
            Self::Phases(pieces) => {
                let after = pieces.partition_point(|piece| piece.nominal_ns <= nominal_ns);
                pieces.get(after.saturating_sub(1)).map_or(nominal_ns, |piece| {
                    piece.at_ns + piece.within_ns(nominal_ns - piece.nominal_ns)
                })
            }
        };
        at_ns.round() as u64
    }

    /// The most by which it multiplies a rate.
    pub(in crate::scenario) fn peak(workload: &Workload) -> f64 {
        let bursts = workload.bursts.map(|Bursts { on, off }| (on + off).div_duration_f64(on));
        let phases = workload.phases.iter().flat_map(|phase| phase.rate);
        bursts.into_iter().chain(phases).fold(1.0, f64::max)
    }
}

impl Piece {
    /// How long after its beginning so much nominal time is over: the inverse of
    /// a·t + (b - a)·t²/(2·length), in the form that holds for a = b too.
    fn within_ns(&self, nominal_ns: f64) -> f64 {
        let [from, to] = self.rate;
        if nominal_ns <= 0.0 {
            return 0.0;
        }
        let slope = (to - from) / self.length_ns;
        let root = (from * from + 2.0 * slope * nominal_ns).max(0.0).sqrt();
        (2.0 * nominal_ns / (from + root)).min(self.length_ns)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::scenario::Phase;
    use crate::scenario::tests::plain;

    const S: f64 = 1e9;

    fn phase(seconds: u64, rate: [f64; 2]) -> Phase {
        Phase { name: "any".to_owned(), duration: Duration::from_secs(seconds), rate }
    }

    #[test]
    fn without_phases_time_is_nominal() {
        assert_eq!(Timeline::new(&plain(), S).at_ns(1.5 * S), 1_500_000_000);
    }

    #[test]
    fn bursts_hold_all_events() {
        let bursts = Bursts { on: Duration::from_millis(200), off: Duration::from_millis(800) };
        let timeline = Timeline::new(&Workload { bursts: Some(bursts), ..plain() }, S);
        assert_eq!(timeline.at_ns(0.25 * S), 50_000_000, "five times as fast");
        assert_eq!(timeline.at_ns(1.0 * S), 1_000_000_000, "the next burst begins");
        assert_eq!(timeline.at_ns(7.5 * S), 7_100_000_000);
        assert_eq!(timeline.at_ns(30.0 * S), 30_000_000_000);
    }

    #[test]
    fn phases_stretch_and_compress() {
        let phases = vec![phase(10, [2.0; 2]), phase(5, [0.0; 2]), phase(4, [0.0, 1.0])];
        let timeline = Timeline::new(&Workload { phases, ..plain() }, S);
        for (nominal, at) in [
            (0.5, 0.5),
            (1.0, 1.0),
            (3.0, 2.0),
            (20.9, 10.95),
            // All of the idle phase passes at once.
            (21.0, 16.0),
            // A ramp from nothing: half a second of events after two seconds.
            (21.5, 18.0),
            (23.0, 20.0),
            (24.0, 21.0),
        ] {
            let found = timeline.at_ns(nominal * S) as f64 / S;
            assert!((found - at).abs() < 1e-6, "{nominal} is at {found}");
        }
    }

    #[test]
    fn time_never_goes_back() {
        let phases = vec![phase(3, [1.0, 9.0]), phase(2, [9.0, 0.5]), phase(1, [0.0; 2])];
        let timeline = Timeline::new(&Workload { phases, ..plain() }, 2.0 * S);
        let times: Vec<_> = (0..4_000).map(|n| timeline.at_ns(f64::from(n) * 0.01 * S)).collect();
        assert!(times.is_sorted());
    }
}
