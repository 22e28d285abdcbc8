//! What one trial says about its load. This is the one place that decides whether a trial which did
//! not go well speaks against the server, against the generator or against the machine.

use crate::analysis::thresholds::{self, Judgement};
use crate::results::Side;
use crate::results::capacity::{Answer, Miss, Obstacle};
use crate::results::{Trial, Warning};
use crate::scenario::Threshold;

/// What a warning means to someone who asks how much a server can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// Something else used the machine, or its clocks are wrong.
    Disturbed,
    /// Others took some of the CPU time that the server could have used. What it met it met all the
    /// same; a miss may be theirs, so one alone is not enough.
    Crowded,
    /// The generator had no CPU left: its own queues may be what is measured.
    GeneratorFull,
    /// It had little left, so a late delivery may be its fault. One that is in time is not.
    GeneratorBusy,
    /// The server had no CPU left.
    ServerFull,
    /// Events were published too late, or too few. Either the generator had no time, or the server
    /// took none, or the machine stood still.
    Behind,
    /// Latencies grew while they were measured.
    Growing,
    /// Latencies are beyond what is recorded, and so beyond any objective.
    Endless,
    /// Deliveries did not come.
    Lost,
    /// It changes nothing: the figures stand as they are.
    Nothing,
}

/// Each kind of warning. A mild one that leaves the trial valid leaves its figures to be judged, too.
fn meaning(warning: &Warning) -> Meaning {
    let severe = warning.invalidates();
    match warning {
        Warning::CpuStolen { .. } | Warning::CpuLimited { .. } | Warning::OtherLoad { .. }
            if severe =>
        {
            Meaning::Disturbed
        }
        Warning::NegativeLatency { .. }
        | Warning::NetworkOff { .. }
        | Warning::BrowserClock { contradicts: true, .. } => Meaning::Disturbed,
        // The network is the generator's.
        Warning::NetworkLate { .. } | Warning::NetworkOverflown { .. } => Meaning::GeneratorFull,
        Warning::CpuStolen { .. }
        | Warning::CpuLimited { .. }
        | Warning::OtherLoad { side: Side::Server, .. } => Meaning::Crowded,
        Warning::GeneratorSaturated { .. } if severe => Meaning::GeneratorFull,
        // Ports are its own, too.
        Warning::GeneratorSaturated { .. } | Warning::PortsNearlyUsedUp { .. } => {
            Meaning::GeneratorBusy
        }
        Warning::ServerSaturated { .. } => Meaning::ServerFull,
        Warning::PublisherLate { .. } | Warning::FewerEventsThanPlanned { .. } if severe => {
            Meaning::Behind
        }
        Warning::Drift { first_ms, last_ms } if last_ms > first_ms => Meaning::Growing,
        Warning::BeyondRange { .. } => Meaning::Endless,
        Warning::DeliveriesLost { .. } => Meaning::Lost,
        // Latency that falls is that of a longer warm-up. A shared core shows in the CPU of the
        // generator, which then has both sides'. The rest is about figures, or told by them.
        Warning::OtherLoad { side: Side::Generator, .. }
        | Warning::PublisherLate { .. }
        | Warning::FewerEventsThanPlanned { .. }
        | Warning::Drift { .. }
        | Warning::SharedCore
        | Warning::NoServerCpu { .. }
        | Warning::NoServerMemory
        | Warning::ServerChildrenUnseen
        | Warning::ListenerUntold
        | Warning::ServerKilled
        | Warning::LogInMemory
        | Warning::TooFewSamples { .. }
        | Warning::CountsDisagree { .. }
        | Warning::BytesDisagree { .. }
        | Warning::BrowserClock { .. }
        | Warning::Unchecked { .. }
        | Warning::Reconnected { .. } => Meaning::Nothing,
    }
}

/// Whether the load of `trial` meets `objectives`, which are those of its contender.
///
/// The causes that are not the server's come first. A saturated server is no reason to doubt a
/// trial: it is what a search for capacity looks for.
#[must_use]
pub fn answer(trial: &Trial, objectives: &[Threshold]) -> Answer {
    if trial.has_failed() {
        return Answer::Failed;
    }
    let has = |wanted| trial.warnings.iter().any(|warning| meaning(warning) == wanted);
    let unknown = |obstacle| Answer::Unknown { obstacle };
    let is_crowded = has(Meaning::Crowded);
    let server_is_full = has(Meaning::ServerFull);
    if has(Meaning::Disturbed) {
        return unknown(Obstacle::Machine);
    }
    if has(Meaning::GeneratorFull) {
        return unknown(Obstacle::Generator);
    }
    if has(Meaning::Behind) && !server_is_full {
        // With CPU to spare on both sides, neither is the reason.
        let is_busy = has(Meaning::GeneratorBusy);
        return unknown(if is_busy { Obstacle::Generator } else { Obstacle::Machine });
    }
    if has(Meaning::Lost) {
        return Answer::Missed { why: Miss::Lost, certain: true };
    }
    if has(Meaning::Behind) || has(Meaning::Endless) || (has(Meaning::Growing) && server_is_full) {
        return Answer::Missed { why: Miss::Unsustained, certain: !is_crowded };
    }
    if !trial.is_valid() {
        return unknown(Obstacle::Machine);
    }
    let checked = thresholds::check(objectives, &[trial]);
    match thresholds::standing(&checked, &trial.contender) {
        Some(Judgement::Kept) => Answer::Met,
        Some(Judgement::Crossed) if !server_is_full && has(Meaning::GeneratorBusy) => {
            unknown(Obstacle::Generator)
        }
        Some(Judgement::Crossed) => {
            Answer::Missed { why: Miss::Objective, certain: server_is_full && !is_crowded }
        }
        Some(Judgement::Unknown(_)) | None => unknown(Obstacle::Unmeasured),
    }
}

#[cfg(test)]
mod tests {
    use pushbench_wire::Transport;

    use super::*;
    use crate::results::{Metric, Outcome, fixture};
    use crate::scenario::Scenario;
    use crate::scenario::template::TEMPLATE;

    /// What an SSE trial says that has a p99 of so many ms and these warnings.
    fn said(p99_ms: f64, warnings: Vec<Warning>) -> Answer {
        let (run, _) = fixture::run();
        let mut trial = run.trials[2].clone();
        assert_eq!(trial.contender, Transport::Sse);
        trial.values.insert(Metric::LatencyP99, p99_ms * 1e6);
        let is_invalid = warnings.iter().any(Warning::invalidates);
        trial.outcome = if is_invalid { Outcome::Invalid } else { Outcome::Valid };
        for warning in &warnings {
            if let Warning::DeliveriesLost { lost } = warning {
                trial.values.insert(Metric::Lost, *lost as f64);
            }
        }
        trial.warnings = warnings;
        answer(&trial, &objectives())
    }

    fn objectives() -> Vec<Threshold> {
        let text = TEMPLATE
            .replace("[objectives]\n", "[objectives]\n\"sse.latency\" = [\"p(99)<100ms\"]\n");
        Scenario::parse(&text, "").unwrap().objectives
    }

    const MISSED: Answer = Answer::Missed { why: Miss::Objective, certain: false };
    const GENERATOR: Answer = Answer::Unknown { obstacle: Obstacle::Generator };
    const MACHINE: Answer = Answer::Unknown { obstacle: Obstacle::Machine };

    fn certainly(why: Miss) -> Answer {
        Answer::Missed { why, certain: true }
    }

    fn server_full() -> Warning {
        Warning::ServerSaturated { busy_percent: 98.0 }
    }

    fn generator(busy_percent: f64) -> Warning {
        Warning::GeneratorSaturated { busy_percent }
    }

    fn growing() -> Warning {
        Warning::Drift { first_ms: 5.0, last_ms: 50.0 }
    }

    #[test]
    fn figures_alone_decide_when_all_is_well() {
        assert_eq!(said(99.0, vec![]), Answer::Met);
        assert_eq!(said(101.0, vec![]), MISSED);
    }

    #[test]
    fn a_saturated_server_is_judged_and_never_excused() {
        assert_eq!(said(99.0, vec![server_full()]), Answer::Met, "it copes");
        assert_eq!(said(101.0, vec![server_full()]), certainly(Miss::Objective));
        let late = || Warning::PublisherLate { p99_ms: 40.0 };
        let few = || Warning::FewerEventsThanPlanned { published: 50, planned: 100 };
        for warning in [late(), few(), growing()] {
            let unsustained = said(20.0, vec![server_full(), warning]);
            assert_eq!(unsustained, certainly(Miss::Unsustained));
        }
        let endless = Warning::BeyondRange { count: 3, limit_s: 60 };
        assert_eq!(said(20.0, vec![endless]), certainly(Miss::Unsustained));
        let lost = Warning::DeliveriesLost { lost: 1 };
        assert_eq!(said(20.0, vec![lost]), certainly(Miss::Lost));
    }

    #[test]
    fn a_saturated_generator_is_never_taken_for_the_servers_limit() {
        for p99_ms in [20.0, 500.0] {
            assert_eq!(said(p99_ms, vec![generator(97.0)]), GENERATOR);
            assert_eq!(said(p99_ms, vec![generator(97.0), server_full()]), GENERATOR);
            let lost = Warning::DeliveriesLost { lost: 1 };
            assert_eq!(said(p99_ms, vec![generator(97.0), lost]), GENERATOR);
        }
        // Nearly saturated: what it makes late may be its own doing, unless the server is full.
        assert_eq!(said(20.0, vec![generator(90.0)]), Answer::Met);
        assert_eq!(said(500.0, vec![generator(90.0)]), GENERATOR);
        assert_eq!(said(500.0, vec![generator(90.0), server_full()]), certainly(Miss::Objective));
    }

    #[test]
    fn a_late_publisher_is_whose_cpu_is_gone() {
        let late = || Warning::PublisherLate { p99_ms: 40.0 };
        assert_eq!(said(20.0, vec![late(), generator(90.0)]), GENERATOR);
        assert_eq!(said(500.0, vec![late()]), MACHINE, "nobody's");
        let a_little = Warning::PublisherLate { p99_ms: 4.0 };
        assert_eq!(said(20.0, vec![a_little]), Answer::Met);
    }

    #[test]
    fn a_disturbed_machine_says_nothing_about_the_server() {
        let other =
            |percent| Warning::OtherLoad { side: Side::Server, percent, waited_percent: None };
        for warning in [
            Warning::CpuStolen { percent: 12.0 },
            other(40.0),
            Warning::NegativeLatency { count: 1 },
        ] {
            assert_eq!(said(500.0, vec![warning, server_full()]), MACHINE);
        }
        assert_eq!(said(20.0, vec![Warning::CpuStolen { percent: 4.0 }]), Answer::Met);
        assert_eq!(said(500.0, vec![other(12.0)]), MISSED);
    }

    #[test]
    fn a_miss_that_others_may_have_caused_is_not_certain() {
        let other = |side| Warning::OtherLoad { side, percent: 15.0, waited_percent: None };
        for warning in [Warning::CpuStolen { percent: 4.0 }, other(Side::Server)] {
            assert_eq!(said(500.0, vec![warning.clone(), server_full()]), MISSED);
            let unsustained = Answer::Missed { why: Miss::Unsustained, certain: false };
            assert_eq!(said(20.0, vec![warning.clone(), server_full(), growing()]), unsustained);
            assert_eq!(said(20.0, vec![warning, server_full()]), Answer::Met, "in spite of them");
        }
        let elsewhere = said(500.0, vec![other(Side::Generator), server_full()]);
        assert_eq!(elsewhere, certainly(Miss::Objective));
    }

    #[test]
    fn latency_that_grows_or_falls_with_cpu_to_spare_is_left_to_the_figures() {
        assert_eq!(said(20.0, vec![growing()]), Answer::Met);
        let falling = Warning::Drift { first_ms: 50.0, last_ms: 5.0 };
        assert_eq!(said(20.0, vec![falling, server_full()]), Answer::Met);
    }

    #[test]
    fn a_trial_that_failed_or_lacks_a_figure_says_so() {
        let (run, _) = fixture::run();
        let mut trial = run.trials[2].clone();
        trial.values.remove(&Metric::LatencyP99);
        let unmeasured = Answer::Unknown { obstacle: Obstacle::Unmeasured };
        assert_eq!(answer(&trial, &objectives()), unmeasured);
        assert_eq!(answer(&run.trials[2], &[]), unmeasured, "nothing was asked");
        trial.outcome = Outcome::Failed { reason: String::new() };
        assert_eq!(answer(&trial, &objectives()), Answer::Failed);
    }
}
