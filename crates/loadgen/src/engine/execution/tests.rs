use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use super::*;
use crate::client::Totals;
use crate::deployment::PartRole;
use crate::deployment::observe::{Observation, Observe};
use crate::engine::fixture::{ScriptedPath, due, publish_plan, recorder};
use crate::engine::steps::steps;
use crate::scenario::template::TEMPLATE;
use crate::scenario::{CutHow, Scenario};

/// What happened, and when, in virtual time.
type Log = Arc<Mutex<Vec<(String, Instant)>>>;

fn note(log: &Log, what: &str) {
    log.lock().unwrap().push((what.to_owned(), Instant::now()));
}

struct ScriptedPool {
    log: Log,
    signals: Vec<Signal>,
    /// How long it takes to ask the kernel.
    asking: Duration,
    begin: Instant,
    /// Measured deliveries after so long.
    measured: fn(Duration) -> u64,
}

impl SubscriberPool for ScriptedPool {
    fn connect(_: PoolPlan) -> anyhow::Result<Self> {
        bail!("it is scripted")
    }

    async fn signal(&mut self) -> Signal {
        match self.signals.pop() {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }

    fn totals(&self) -> Totals {
        Totals { measured: (self.measured)(self.begin.elapsed()), ..Totals::default() }
    }

    async fn traffic(&self) -> Option<Traffic> {
        note(&self.log, "asking");
        tokio::time::sleep(self.asking).await;
        note(&self.log, "asked");
        None
    }

    fn cut(&self, how: CutHow, share: f64) {
        note(&self.log, &format!("cut {how:?} {share}"));
    }

    async fn ports_to_silence(&self, share: f64) -> anyhow::Result<Vec<[u16; 2]>> {
        note(&self.log, &format!("silence {share}"));
        Ok(Vec::new())
    }

    fn are_silenced(&self, _: u64) {}

    fn read_on(&self) {
        note(&self.log, "read on");
    }

    fn stop(self) -> anyhow::Result<Recorder> {
        Ok(recorder(|_| 1))
    }
}

struct ScriptedPart(Log);

impl Observe for ScriptedPart {
    fn look(&mut self) {
        note(&self.0, "look");
    }

    fn read(&mut self) -> Observation {
        note(&self.0, "read");
        Observation::default()
    }

    fn processes(&self) -> Vec<nix::unistd::Pid> {
        Vec::new()
    }

    fn count_instructions(&mut self, on: bool) {
        note(&self.0, if on { "count" } else { "count-no-more" });
    }
}

fn scenario(idle: &str) -> Scenario {
    let text = TEMPLATE.replace("idle = \"2s\"", &format!("idle = \"{idle}\""));
    Scenario::parse(&text, "").unwrap()
}

/// The steps of the template's scenario, without a publisher.
fn quiet_steps(scenario: &Scenario, record: bool) -> Vec<Step> {
    let mut steps = steps(&scenario.workload, scenario.workload.subscribers.into(), record, None);
    for step in &mut steps {
        step.actions
            .retain(|(_, action)| ![Action::OpenPublisher, Action::Publish].contains(action));
    }
    steps
}

struct Ran {
    outcome: anyhow::Result<()>,
    log: Vec<(String, Instant)>,
    phases: Vec<Phase>,
    moments: Vec<Moment>,
}

async fn run(steps: &[Step], signals: Vec<Signal>, asking: Duration) -> Ran {
    let log = Log::default();
    let mut deployment = Deployment::default();
    deployment.add_part(PartRole::Server(0), Box::new(ScriptedPart(Arc::clone(&log))));
    let pool = ScriptedPool {
        log: Arc::clone(&log),
        signals,
        asking,
        begin: Instant::now(),
        measured: |_| 7,
    };
    let open = Box::new(|| bail!("nothing is published"));
    let mut execution = Execution::new(&mut deployment, pool, 0, String::new(), open);
    let phases = Rc::new(RefCell::new(Vec::<Phase>::new()));
    let outcome = execution
        .run(steps, &mut |phase| {
            let mut phases = phases.borrow_mut();
            if phases.last() != Some(&phase) {
                phases.push(phase);
            }
        })
        .await;
    let (findings, _) = execution.finish().await.unwrap();
    let moments = findings.snapshots.into_keys().collect();
    let log = std::mem::take(&mut *log.lock().unwrap());
    Ran { outcome, log, phases: phases.take(), moments }
}

fn connected(scenario: &Scenario) -> Vec<Signal> {
    (0..scenario.workload.subscribers).map(|_| Signal::Connected).collect()
}

#[tokio::test(start_paused = true)]
async fn subscribers_are_asked_nothing_between_the_edges_of_the_window() {
    let scenario = scenario("0s");
    let asking = Duration::from_millis(40);
    let steps = quiet_steps(&scenario, true);
    let begin = Instant::now();
    let Ran { outcome, log, moments, .. } = run(&steps, connected(&scenario), asking).await;
    outcome.unwrap();
    let names = log.iter().map(|(name, _)| &name[..]).collect::<Vec<_>>().join(" ");
    let expected = "read look asking asked look count asking asked read look read count-no-more asking \
                    asked asking asked look read";
    assert_eq!(names, expected);
    let measured = [Moment::WindowStart, Moment::WindowEnd, Moment::End];
    assert_eq!(moments, [&[Moment::Connected], &measured[..]].concat());
    let span = crate::scenario::schedule::window(&scenario.workload);
    let (start, end) = (begin + LEAD + span.start, begin + LEAD + span.end);
    let at = |index: usize| log[index].1;
    assert!(at(7) <= start, "asked {:?} before the window", start - at(7));
    assert!(start - at(6) < asking * 3, "but not long before");
    let tick = Duration::from_millis(2);
    assert!(at(8) >= start && at(8) < start + tick, "{:?}", at(8) - start);
    assert!(at(10) >= end && at(10) < end + tick, "{:?}", at(10) - end);
}

#[tokio::test(start_paused = true)]
async fn what_was_late_before_it_was_published_is_not_cut_short() {
    let scenario = scenario("0s");
    let steps = quiet_steps(&scenario, true);
    let long = Duration::from_secs(100);
    let Ran { outcome, log, .. } = run(&steps, connected(&scenario), long).await;
    outcome.unwrap();
    let reads: Vec<_> = log.iter().filter(|(name, _)| name == "read").map(|(_, at)| *at).collect();
    let span = crate::scenario::schedule::window(&scenario.workload);
    assert!(reads[2] - reads[1] >= span.end - span.start, "{:?}", reads[2] - reads[1]);
}

#[tokio::test(start_paused = true)]
async fn progress_follows_the_steps() {
    let scenario = scenario("2s");
    let steps = quiet_steps(&scenario, true);
    let Ran { outcome, phases, moments, .. } =
        run(&steps, connected(&scenario), Duration::ZERO).await;
    outcome.unwrap();
    let connections = u64::from(scenario.workload.subscribers);
    let mut expected: Vec<_> = (0..connections).map(Phase::Connect).collect();
    expected.extend([Phase::Idle, Phase::WarmUp, Phase::Measure(7), Phase::Measured]);
    assert_eq!(phases, expected);
    assert_eq!(moments.len(), 6, "{moments:?}");
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_fails_ends_the_trial() {
    let scenario = scenario("0s");
    let steps = quiet_steps(&scenario, true);
    let failed = || Signal::Failed("it broke".to_owned());
    let ran = run(&steps, vec![failed(), Signal::Connected], Duration::ZERO).await;
    let connections = scenario.workload.subscribers;
    let reason = format!("subscriber 2 of {connections} could not connect: it broke");
    assert_eq!(ran.outcome.unwrap_err().to_string(), reason);

    let mut signals = connected(&scenario);
    signals.insert(0, failed());
    let ran = run(&steps, signals, Duration::ZERO).await;
    let reason = "the trial cannot go on: a subscriber failed: it broke";
    assert_eq!(ran.outcome.unwrap_err().to_string(), reason);
    assert_eq!(ran.moments, [Moment::Connected], "nothing was measured");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever_for_a_connection() {
    let scenario = scenario("0s");
    let steps = quiet_steps(&scenario, true);
    let ran = run(&steps, vec![Signal::Connected], Duration::ZERO).await;
    let reason = ran.outcome.unwrap_err().to_string();
    assert!(reason.starts_with("1 of "), "{reason}");
}

/// How long the drain of ten deliveries goes on, of which so many have come after so long.
async fn drained(measured: fn(Duration) -> u64) -> (Duration, Option<Phase>) {
    let mut deployment = Deployment::default();
    let begin = Instant::now();
    let pool = ScriptedPool {
        log: Log::default(),
        signals: Vec::new(),
        asking: Duration::ZERO,
        begin,
        measured,
    };
    let open = Box::new(|| bail!("all is published"));
    let mut execution = Execution::new(&mut deployment, pool, 0, String::new(), open);
    let (lateness, schedule_sha256) = (latency_log::histogram(), None);
    execution.findings.sent = Some(Sent { lateness, deliveries: 10, schedule_sha256, told: None });
    let mut last = None;
    let until = Until::Delivered(Duration::from_secs(3));
    let step = Step { kind: StepKind::Drain, actions: Vec::new(), until };
    execution.run(&[step], &mut |phase| last = Some(phase)).await.unwrap();
    (begin.elapsed(), last)
}

#[tokio::test(start_paused = true)]
async fn a_backlog_that_shrinks_is_waited_for() {
    let (length, last) = drained(|time| (time.as_secs() / 2).min(10)).await;
    assert_eq!(length.as_secs(), 20, "one delivery every two seconds");
    assert_eq!(last, Some(Phase::Drain(1)));
}

#[tokio::test(start_paused = true)]
async fn deliveries_that_do_not_come_are_given_up() {
    let (length, last) = drained(|time| (time.as_secs() / 2).min(4)).await;
    assert_eq!(length.as_secs(), 8 + 3, "three seconds after the last one");
    assert_eq!(last, Some(Phase::Drain(6)));
}

/// What was sent of two events when so many were planned: of more than two, the second one is due only
/// when everyone would take it for a hang.
async fn sent_of_two(planned: u64) -> Sent {
    let mut deployment = Deployment::default();
    let pool = ScriptedPool {
        log: Log::default(),
        signals: Vec::new(),
        asking: Duration::ZERO,
        begin: Instant::now(),
        measured: |_| 0,
    };
    let offset_ns = if planned > 2 { 100_000_000_000 } else { 0 };
    let start: StartPublisher = Box::new(move |start_ns| {
        let schedule = [due(0, 0), due(1, offset_ns)].into_iter();
        Publisher::start(publish_plan(start_ns), schedule, vec![ScriptedPath::default().opened()])
    });
    let open = Box::new(|| Ok(start));
    let mut execution = Execution::new(&mut deployment, pool, planned, String::new(), open);
    execution.perform(Action::OpenPublisher).await.unwrap();
    execution.perform(Action::Publish).await.unwrap();
    while execution.publisher.as_ref().unwrap().published() == 0 {
        tokio::task::yield_now().await;
    }
    execution.perform(Action::Observe(Moment::WindowEnd)).await.unwrap();
    execution.perform(Action::FinishPublishing).await.unwrap();
    execution.findings.sent.take().unwrap()
}

#[tokio::test]
async fn what_cannot_be_used_any_more_is_not_published_to_its_end() {
    let all = sent_of_two(2).await;
    assert_eq!((all.deliveries, all.schedule_sha256.is_some()), (11, true));
    let in_vain = sent_of_two(1_000).await;
    assert_eq!((in_vain.deliveries, in_vain.schedule_sha256), (1, None));
}
