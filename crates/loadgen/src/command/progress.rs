//! Live progress on standard error: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};
use pushbench_wire::clock;

use crate::engine::{Phase, planned_length};
use crate::report::trial_line;
use crate::results::Trial;
use crate::scenario::Scenario;
use crate::scenario::schedule::PlannedTrial;

/// Shows how a run comes along. One unit of the bar is a millisecond of planned time.
pub(super) struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
    /// From the start of a trial to its window, and its length.
    before_window_ms: u64,
    trial_ms: u64,
    idle_ms: u64,
    trials: usize,
    current: Option<Current>,
}

struct Current {
    index: usize,
    name: String,
    phase: Option<Phase>,
    since_ns: u64,
}

impl Progress {
    pub(super) fn new(scenario: &Scenario, trials: usize) -> Self {
        let (before_window, trial) = planned_length(&scenario.workload);
        let trial_ms = trial.as_millis() as u64;
        let bar = ProgressBar::new(trial_ms * trials as u64);
        // The template is a constant: it parses, or no test passes.
        if let Ok(style) =
            ProgressStyle::with_template("{bar:24} {percent:>3} %  {msg}  ({prefix})")
        {
            bar.set_style(style.progress_chars("━╸─"));
        }
        let is_terminal = std::io::stderr().is_terminal();
        Self {
            bar,
            is_terminal,
            before_window_ms: before_window.as_millis() as u64,
            trial_ms,
            idle_ms: scenario.workload.idle.as_millis() as u64,
            trials,
            current: None,
        }
    }

    /// A trial begins.
    pub(super) fn begin(&mut self, index: usize, trial: PlannedTrial) {
        let name = trial.transport.label().to_owned();
        self.current = Some(Current { index, name, phase: None, since_ns: clock::now_ns() });
    }

    /// The trial goes on.
    pub(super) fn step(&mut self, phase: Phase) {
        let Some(current) = &mut self.current else { return };
        let is_new = current.phase.map(word) != Some(word(phase));
        if is_new {
            current.phase = Some(phase);
            current.since_ns = clock::now_ns();
        }
        let Some(current) = &self.current else { return };
        let place = self.place(current);
        if !self.is_terminal {
            if is_new && !matches!(phase, Phase::Connect(_) | Phase::Drain(_)) {
                eprintln!("{place}: {}", word(phase));
            }
            return;
        }
        let in_phase_ms = (clock::now_ns() - current.since_ns) / 1_000_000;
        let in_trial_ms = match phase {
            Phase::Start | Phase::Connect(_) => 0,
            Phase::Idle => in_phase_ms.min(self.before_window_ms),
            Phase::WarmUp => (self.idle_ms + in_phase_ms).min(self.before_window_ms),
            Phase::Measure(_) => self.before_window_ms + in_phase_ms,
            Phase::Measured | Phase::Drain(_) => self.trial_ms,
        };
        let done_ms = self.trial_ms * current.index as u64 + in_trial_ms.min(self.trial_ms);
        let left_s = (self.trial_ms * self.trials as u64).saturating_sub(done_ms).div_ceil(1000);
        let detail = match phase {
            Phase::Start | Phase::Idle | Phase::WarmUp | Phase::Measured => String::new(),
            Phase::Connect(connected) => format!(", {connected} connected"),
            Phase::Measure(deliveries) => format!(", {deliveries} deliveries"),
            Phase::Drain(missing) => format!(", {missing} deliveries to come"),
        };
        self.bar.set_prefix(format!("about {left_s} s left"));
        self.bar.set_message(format!("{place}: {}{detail}", word(phase)));
        self.bar.set_position(done_ms);
    }

    /// A trial has ended: what became of it stays on the screen.
    pub(super) fn end(&mut self, trial: &Trial) {
        if let Some(current) = self.current.take() {
            self.line(&format!("{}: {}", self.place(&current), trial_line(trial)));
        }
    }

    fn place(&self, current: &Current) -> String {
        format!("[{}/{}] {}", current.index + 1, self.trials, current.name)
    }

    /// Writes a line that stays.
    pub(super) fn line(&self, text: &str) {
        if self.is_terminal {
            self.bar.println(text);
        } else {
            eprintln!("{text}");
        }
    }

    /// Removes the bar.
    pub(super) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Start => "starting the server",
        Phase::Connect(_) => "connecting",
        Phase::Idle => "idle",
        Phase::WarmUp => "warming up",
        Phase::Measure(_) => "measuring",
        Phase::Measured => "measured",
        Phase::Drain(_) => "draining",
    }
}
