//! How long theory says that it takes to notice a connection that has gone silent: a given patience counts
//! from the last sign of life, so what is left of it depends on how long ago that was.

use std::time::Duration;

use super::cell::{Cell, Figures, Notice};
use crate::results::Metric;
use crate::scenario::{
    Arrivals, Connection, Contender, FaultKind, HttpVersion, Scenario, Settings, Workload,
};

/// What theory says of the contenders of `cell`, whose scenario this is, beside what was measured.
pub(super) fn notices(scenario: &Scenario, cell: &Cell) -> Vec<Notice> {
    let of = |of: &Figures| {
        let contender = scenario.contender(&of.contender)?;
        let (theory, law) = theory(&scenario.workload, contender)?;
        let measured = of.estimate(Metric::NoticeTimeMean)?.median;
        Some(Notice { contender: of.contender.clone(), theory, law, measured })
    };
    cell.contenders.iter().filter_map(of).collect()
}

/// The mean time to notice in nanoseconds, and why; none where theory has no answer.
fn theory(workload: &Workload, contender: &Contender) -> Option<(f64, &'static str)> {
    let dead_after = ns(workload.reconnect.dead_after?);
    // Of one silence alone: after another one, people are on their way back.
    let [fault] = &workload.faults[..] else { return None };
    let FaultKind::Silence { .. } = fault.kind else { return None };
    // By HTTP/2, PINGs are signs of life, too. Of other servers nobody knows when they give one.
    if contender.http() != HttpVersion::Http1
        || contender.server.is_some()
        || contender.fallback.is_some()
        || workload.upstream.is_some()
    {
        return None;
    }
    match &contender.settings {
        // Whoever opens a connection for each poll has none in between.
        Settings::Polling(of) if of.connection == Connection::New => None,
        Settings::LongPolling(of) if of.connection == Connection::New => None,
        Settings::Polling(polling) => {
            let law = "half an interval until it asks next, and dead_after";
            Some((ns(polling.interval) / 2.0 + dead_after, law))
        }
        Settings::LongPolling(polling) => {
            let rate = own_rate_per_ns(workload)?;
            let law = "dead_after less the age of the last answer, by event or time-out";
            Some((dead_after - age_of_answer(rate, ns(polling.timeout)), law))
        }
        Settings::Stream(stream) => {
            let rate = own_rate_per_ns(workload)?;
            let law = "dead_after less the age of the last event or heartbeat";
            Some((dead_after - age_of_sign(rate, ns(stream.heartbeat)), law))
        }
    }
}

/// Events of a connection per nanosecond, where they come at random.
fn own_rate_per_ns(workload: &Workload) -> Option<f64> {
    let is_plain = workload.trace.is_none()
        && workload.bursts.is_none()
        && workload.phases.is_empty()
        && workload.channels_per_subscriber == 1
        && workload.arrivals == Arrivals::Poisson;
    is_plain.then_some(workload.events_per_second / 1e9)
}

/// The mean time since the last event or heartbeat at any time, of events at random at this rate and of
/// heartbeats at equal distances, at a phase of its own: the integral of exp(-rate·a)·(1 - a/heartbeat).
fn age_of_sign(rate: f64, heartbeat: f64) -> f64 {
    let signs = rate * heartbeat;
    if signs < 1e-6 {
        return heartbeat / 2.0;
    }
    (1.0 - (1.0 - (-signs).exp()) / signs) / rate
}

/// The mean time since the last answer, which comes with an event or when the time is out, counted from the
/// answer before: of intervals min(X, timeout), E[interval²] / 2 E[interval].
fn age_of_answer(rate: f64, timeout: f64) -> f64 {
    let events = rate * timeout;
    if events < 1e-6 {
        return timeout / 2.0;
    }
    let none = (-events).exp();
    (1.0 - none * (1.0 + events)) / (rate * (1.0 - none))
}

fn ns(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::scenario::template::TEMPLATE;

    const TIMES: usize = 200_000;

    /// The mean age of the last sign of life, tried out.
    fn tried(rate: f64, mut next: impl FnMut(&mut ChaCha8Rng, f64, f64) -> f64) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let (mut at, mut sum, mut total) = (0.0, 0.0, 0.0);
        for _ in 0..TIMES {
            let event = -(1.0 - rng.random::<f64>()).ln() / rate;
            let gap = next(&mut rng, at, event);
            at += gap;
            // The age grows from nothing to the gap.
            sum += gap * gap / 2.0;
            total += gap;
        }
        sum / total
    }

    #[test]
    fn ages_are_those_of_trying_it_out() {
        for (rate, every) in [(1.0, 1.0), (0.2, 1.0), (4.0, 0.5), (1e-9, 2.0)] {
            // A heartbeat comes at every whole multiple, whatever else came.
            let of_stream = tried(rate, |_, at, event| {
                let next = ((at / every).floor() + 1.0) * every - at;
                event.min(if next < 1e-9 { every } else { next })
            });
            let age = age_of_sign(rate, every);
            assert!((age / of_stream - 1.0).abs() < 0.01, "{rate} {every}: {age} {of_stream}");
            let of_poll = tried(rate, |_, _, event| event.min(every));
            let age = age_of_answer(rate, every);
            assert!((age / of_poll - 1.0).abs() < 0.01, "{rate} {every}: {age} {of_poll}");
        }
    }

    #[test]
    fn every_transport_has_its_law() {
        let text = TEMPLATE
            .replace("heartbeat = \"15s\"", "heartbeat = \"1s\"")
            .replace("timeout = \"30s\"", "timeout = \"1s\"")
            + "\n[network]\nround_trip = \"1ms\"\n[[workload.faults]]\nat = \"1s\"\nkind = \"silence\"\n\
               [workload.reconnect]\ndead_after = \"2500ms\"\n";
        let seconds = |text: &str| {
            let scenario = Scenario::parse(text, "").unwrap();
            let mean = |of: &Contender| theory(&scenario.workload, of).map(|(mean, _)| mean / 1e9);
            scenario.contenders.iter().map(mean).collect::<Vec<_>>()
        };
        let only_polling = seconds(&text);
        assert_eq!(only_polling[0], Some(3.0));
        assert_eq!(only_polling[1..], [None; 4], "of events at equal distances");
        let rate = "events_per_second = 10.0";
        assert!(text.contains(rate));
        let poisson = text
            .replace(rate, "events_per_second = 1.0")
            .replace("arrivals = \"constant\"", "arrivals = \"poisson\"");
        let all: Vec<_> = seconds(&poisson).into_iter().map(Option::unwrap).collect();
        assert!((all[1] - 2.082).abs() < 0.001, "long polling: {all:?}");
        for stream in &all[2..] {
            assert!((stream - 2.132).abs() < 0.001, "{all:?}");
        }
    }
}
