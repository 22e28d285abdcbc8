//! The steps of a trial as data: what follows what, and what is done at which time in each. It must
//! not know how any of it is done.

use std::time::Duration;

use super::slow_account::slow_subscribers;
use crate::scenario::schedule::window;
use crate::scenario::{FAULTS_END, FaultKind, Workload};

/// From the last connection to the first event: the server finishes what connecting began.
pub(super) const LEAD: Duration = Duration::from_millis(200);

/// How long nothing may come in the drain, beyond a polling interval, before it is given up. As
/// long as a backlog shrinks, it is late and not lost.
const DRAIN: Duration = Duration::from_secs(3);

/// How long the drain goes on after the last expected delivery, for duplicates to show up.
const LINGER: Duration = Duration::from_millis(100);

/// A part of a trial. It begins when the one before it has ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) kind: StepKind,
    /// In the order of their times.
    pub(super) actions: Vec<(When, Action)>,
    pub(super) until: Until,
}

/// What a step is for: what the trial's progress is called meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepKind {
    /// Subscribers connect.
    Connect,
    /// All are connected, and nothing is published.
    Idle,
    /// Events flow, unmeasured.
    WarmUp,
    /// Events flow and are measured.
    Measure,
    /// The last deliveries are awaited.
    Drain,
}

/// When an action is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum When {
    /// So long after the beginning of its step.
    After(Duration),
    /// So early that it is done when a step of a fixed length ends.
    AheadOfEnd,
}

/// Something that is done once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Action {
    /// Finds out what belongs to each part, which costs more than observing it.
    LookAtParts,
    /// Takes a snapshot.
    Observe(Moment),
    /// Asks how much went over the subscribers' connections, which costs a system call for each.
    AskTraffic(Moment),
    /// Counts the sockets of subscribers' connections, which reads the tables of all sockets.
    CountSockets,
    /// Asks the servers what they delivered.
    AskServers,
    /// Begins or ends counting instructions.
    CountInstructions(bool),
    /// Connects the publisher.
    OpenPublisher,
    /// Starts the schedule, whose first event is [`LEAD`] later at the earliest.
    Publish,
    /// Breaks something, and makes it whole again.
    Break(FaultKind),
    Mend(FaultKind),
    /// Has slow subscribers read as fast as they can.
    ReadOn,
    /// Waits until everything is published, if the trial can still be used.
    FinishPublishing,
}

/// What a snapshot is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Moment {
    /// All are connected.
    Connected,
    /// The idle phase begins, and ends.
    IdleStart,
    IdleEnd,
    /// The measured window begins, and ends.
    WindowStart,
    WindowEnd,
    /// The drain has ended.
    End,
}

/// What ends a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Until {
    /// So many connections.
    Connected(u64),
    /// A time from its beginning, on the spot: steps that follow each other do not drift.
    Passed(Duration),
    /// What there is to do is done.
    Done,
    /// All that was published has been delivered, or nothing has come for so long.
    Delivered(Duration),
    /// Slow subscribers have caught up: nothing has come to them for so long.
    CaughtUp(Duration),
}

/// The steps of a trial of `workload` over so many connections that records deliveries or not, with
/// subscribers that ask at this interval if they poll.
pub(super) fn steps(
    workload: &Workload,
    connections: u64,
    record: bool,
    polling: Option<Duration>,
) -> Vec<Step> {
    use Action::{
        AskServers, AskTraffic, Break, CountInstructions, CountSockets, FinishPublishing,
        LookAtParts, Mend, Observe, OpenPublisher, Publish, ReadOn,
    };
    use When::{After, AheadOfEnd};
    let at_once = After(Duration::ZERO);
    let mut steps = vec![Step {
        kind: StepKind::Connect,
        actions: Vec::new(),
        until: Until::Connected(connections),
    }];
    let settled = LEAD + workload.idle;
    if !workload.idle.is_zero() {
        steps.push(Step {
            kind: StepKind::Idle,
            actions: vec![
                (at_once, LookAtParts),
                (at_once, Observe(Moment::Connected)),
                (After(LEAD), Observe(Moment::IdleStart)),
                (AheadOfEnd, LookAtParts),
                (After(settled), Observe(Moment::IdleEnd)),
            ],
            until: Until::Passed(settled),
        });
    }
    let span = window(workload);
    let length = span.end - span.start;
    // After each loss TCP waits twice as long, so it may notice the end of an outage as late as that
    // was long (RFC 6298 §5.5).
    let lengths = workload.faults.iter().filter_map(|fault| fault.kind.length());
    let longest_fault = lengths.max().unwrap_or_default();
    // Who waits before it connects again has not lost anything.
    let longest_away = match workload.faults.is_empty() {
        true => Duration::ZERO,
        false => {
            let noticing = workload.reconnect.dead_after.unwrap_or_default();
            noticing + workload.reconnect.most + longest_fault
        }
    };
    let is_next = |_: &_| workload.idle.is_zero();
    let connected = Some((at_once, Observe(Moment::Connected))).filter(is_next);
    steps.extend([
        Step {
            kind: StepKind::WarmUp,
            actions: connected.into_iter().chain([(at_once, OpenPublisher)]).collect(),
            until: Until::Done,
        },
        Step {
            kind: StepKind::WarmUp,
            actions: vec![
                (at_once, Publish),
                // Only to know how long it takes.
                (at_once, LookAtParts),
                (at_once, AskTraffic(Moment::Connected)),
                // What costs CPU to ask is asked before the window and after it.
                (AheadOfEnd, LookAtParts),
                (AheadOfEnd, CountInstructions(true)),
                (AheadOfEnd, AskTraffic(Moment::WindowStart)),
            ],
            until: Until::Passed(LEAD + span.start),
        },
        Step {
            kind: StepKind::Measure,
            actions: [(at_once, Observe(Moment::WindowStart))]
                .into_iter()
                .chain(workload.faults.iter().flat_map(|fault| {
                    // What is done ahead of the edge must not come late.
                    let before_end = |time: Duration| time.min(length.saturating_sub(FAULTS_END));
                    let end = fault.kind.length().map(|_| fault.end());
                    let mend = end.map(|end| (After(before_end(end)), Mend(fault.kind)));
                    [(After(before_end(fault.at)), Break(fault.kind))].into_iter().chain(mend)
                }))
                .chain([
                    // A process that is new counts at the end.
                    (AheadOfEnd, LookAtParts),
                    (After(length), Observe(Moment::WindowEnd)),
                    (After(length), CountInstructions(false)),
                    (After(length), AskTraffic(Moment::WindowEnd)),
                    (After(length), CountSockets),
                ])
                .collect(),
            until: Until::Passed(length),
        },
        Step {
            kind: StepKind::Drain,
            actions: vec![(at_once, FinishPublishing)],
            until: match record {
                true => Until::Delivered(polling.unwrap_or_default() + DRAIN + longest_away),
                false => Until::Passed(Duration::ZERO),
            },
        },
    ]);
    if record && slow_subscribers(workload) > 0 {
        // Whose stream the server has ended comes back, and whoever polls asks. Of a poll that brings all of
        // a log, nothing has come before all of it is there.
        let back = workload.reconnect.most.max(polling.unwrap_or_default());
        steps.push(Step {
            kind: StepKind::Drain,
            actions: vec![(at_once, ReadOn)],
            until: Until::CaughtUp(back + DRAIN),
        });
    }
    steps.extend([Step {
        kind: StepKind::Drain,
        actions: vec![
            (After(LINGER), AskTraffic(Moment::End)),
            (After(LINGER), LookAtParts),
            (After(LINGER), AskServers),
            (After(LINGER), Observe(Moment::End)),
        ],
        until: Until::Passed(LINGER),
    }]);
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use crate::scenario::template::TEMPLATE;

    fn steps_of(change: [&str; 2], record: bool) -> Vec<Step> {
        let scenario = Scenario::parse(&TEMPLATE.replace(change[0], change[1]), "").unwrap();
        let subscribers = scenario.workload.subscribers.into();
        steps(&scenario.workload, subscribers, record, Some(Duration::from_secs(1)))
    }

    #[test]
    fn slow_readers_are_awaited_where_there_are_any_as_long_as_they_may_wait_to_come_back() {
        let awaited = |share: &str| {
            let slow = format!(
                "[workload.reconnect]\nmost = \"7s\"\n[workload.slow]\nshare = {share}\nreads = \"nothing\"\n[polling]\n"
            );
            let of = |step: Step| match step.until {
                Until::CaughtUp(patience) => Some(patience),
                _ => None,
            };
            steps_of(["[polling]\n", &slow], true).into_iter().find_map(of)
        };
        assert_eq!(awaited("0.1"), Some(Duration::from_secs(7) + DRAIN));
        assert_eq!(awaited("0"), None);
    }

    const IDLE: [&str; 2] = ["idle = \"2s\"", "idle = \"2s\""];
    const NOT_IDLE: [&str; 2] = ["idle = \"2s\"", "idle = \"0s\""];

    #[test]
    fn a_trial_is_a_list_of_steps() {
        let kinds = |steps: &[Step]| steps.iter().map(|step| step.kind).collect::<Vec<_>>();
        use StepKind::{Connect, Drain, Idle, Measure, WarmUp};
        assert_eq!(
            kinds(&steps_of(IDLE, true)),
            [Connect, Idle, WarmUp, WarmUp, Measure, Drain, Drain]
        );
        let steps = steps_of(NOT_IDLE, true);
        assert_eq!(kinds(&steps), [Connect, WarmUp, WarmUp, Measure, Drain, Drain]);
        assert_eq!(steps[0].until, Until::Connected(200));
        assert_eq!(steps[4].until, Until::Delivered(Duration::from_secs(1) + DRAIN));
        let only_counted = steps_of(NOT_IDLE, false);
        assert_eq!(only_counted[4].until, Until::Passed(Duration::ZERO), "nobody waits for it");
    }

    /// Or it would be done late, or a step would be longer than it says.
    #[test]
    fn actions_are_in_the_order_of_their_times() {
        let faults = "[[workload.faults]]\nat = \"9s\"\nkind = \"pause\"\nfor = \"900ms\"\n\
                      [[workload.faults]]\nat = \"2s\"\nkind = \"cut\"\n[polling]\n";
        let broken = steps_of(["[polling]\n", faults], true);
        let breaks =
            |step: &Step| step.actions.iter().any(|(_, of)| matches!(of, Action::Break(_)));
        assert!(broken.iter().any(breaks));
        for step in steps_of(IDLE, true).into_iter().chain(broken) {
            let mut last = Duration::ZERO;
            for (when, action) in &step.actions {
                let time = match (when, step.until) {
                    (When::After(time), _) => *time,
                    (When::AheadOfEnd, Until::Passed(length)) => length,
                    (When::AheadOfEnd, _) => panic!("{action:?}: nobody knows when that ends"),
                };
                assert!(time >= last, "{action:?}");
                last = time;
            }
            if let Until::Passed(length) = step.until {
                assert!(last <= length, "{:?}", step.kind);
            }
        }
    }
}
