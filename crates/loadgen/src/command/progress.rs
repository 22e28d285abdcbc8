//! Live progress on standard error: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use pushbench_wire::clock;

use crate::document::trial_line;
use crate::engine::{Phase, planned_length};
use crate::results::Trial;
use crate::scenario::Workload;

/// Shows how trials come along. One unit of the bar is a millisecond of planned time.
pub(super) struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
    lines: Lines,
    /// All trials that are planned, and those that have ended.
    planned: Share,
    ended: Share,
    current: Option<Current>,
}

/// What leaves a line behind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lines {
    /// Nothing.
    None,
    /// Each trial.
    Trials,
    /// Each trial, and where there is no terminal each of its phases.
    Phases,
}

/// Some of the trials.
#[derive(Clone, Copy, Default)]
struct Share {
    trials: u32,
    ms: u64,
}

struct Current {
    name: String,
    phase: Option<Phase>,
    since_ns: u64,
    /// From the start of the trial to its window, and its length.
    before_window_ms: u64,
    trial_ms: u64,
    idle_ms: u64,
}

impl Progress {
    /// Nothing is planned yet.
    pub(super) fn new() -> Self {
        let bar = ProgressBar::new(0);
        // The template is a constant: it parses, or no test passes.
        if let Ok(style) =
            ProgressStyle::with_template("{bar:24} {percent:>3} %  {msg}  ({prefix})")
        {
            bar.set_style(style.progress_chars("━╸─"));
        }
        let is_terminal = std::io::stderr().is_terminal();
        let (planned, ended) = (Share::default(), Share::default());
        Self { bar, is_terminal, lines: Lines::Phases, planned, ended, current: None }
    }

    /// The same for trials that are too many to say more of each than what became of it.
    pub(super) fn without_phases() -> Self {
        Self { lines: Lines::Trials, ..Self::new() }
    }

    /// The same for trials that are too many to leave a line each.
    pub(super) fn without_trials() -> Self {
        Self { lines: Lines::None, ..Self::new() }
    }

    /// So many trials of `workload` will come.
    pub(super) fn plan(&mut self, workload: &Workload, trials: u32) {
        let (_, trial) = planned_length(workload);
        self.planned.trials += trials;
        self.planned.ms += trial.as_millis() as u64 * u64::from(trials);
        self.bar.set_length(self.planned.ms);
    }

    /// So many trials of `workload` will come, as far as anyone can tell now: it takes the place of
    /// what was planned.
    pub(super) fn expect(&mut self, workload: &Workload, trials: u32) {
        self.planned = self.ended;
        self.plan(workload, trials);
    }

    /// How long what is planned and has not ended will take.
    pub(super) fn left(&self) -> Duration {
        Duration::from_millis(self.planned.ms.saturating_sub(self.ended.ms))
    }

    /// A trial begins.
    pub(super) fn begin(&mut self, name: String, workload: &Workload) {
        let (before_window, trial) = planned_length(workload);
        self.current = Some(Current {
            name,
            phase: None,
            since_ns: clock::now_ns(),
            before_window_ms: before_window.as_millis() as u64,
            trial_ms: trial.as_millis() as u64,
            idle_ms: workload.idle.as_millis() as u64,
        });
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
            let is_shown = !matches!(phase, Phase::Connect(_) | Phase::Drain(_));
            if self.lines == Lines::Phases && is_new && is_shown {
                eprintln!("{place}: {}", word(phase));
            }
            return;
        }
        let in_phase_ms = (clock::now_ns() - current.since_ns) / 1_000_000;
        let in_trial_ms = match phase {
            Phase::Start | Phase::Connect(_) => 0,
            Phase::Idle => in_phase_ms.min(current.before_window_ms),
            Phase::WarmUp => (current.idle_ms + in_phase_ms).min(current.before_window_ms),
            Phase::Measure(_) => current.before_window_ms + in_phase_ms,
            Phase::Measured | Phase::Drain(_) => current.trial_ms,
        };
        let done_ms = self.ended.ms + in_trial_ms.min(current.trial_ms);
        let left_s = self.planned.ms.saturating_sub(done_ms).div_ceil(1000);
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
        let Some(current) = self.current.take() else { return };
        let place = self.place(&current);
        self.ended.trials += 1;
        self.ended.ms += current.trial_ms;
        match self.lines {
            Lines::None => {}
            // A bar says it all the time.
            Lines::Trials if !self.is_terminal => {
                let left_s = self.left().as_secs();
                self.line(&format!("{place}: {}; about {left_s} s left", trial_line(trial)));
            }
            Lines::Trials | Lines::Phases => {
                self.line(&format!("{place}: {}", trial_line(trial)));
            }
        }
    }

    fn place(&self, current: &Current) -> String {
        format!("[{}/{}] {}", self.ended.trials + 1, self.planned.trials, current.name)
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

/// A time that nobody takes for exact.
pub(super) fn roughly(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    match seconds {
        0..120 => format!("{seconds} s"),
        _ => format!("{} min {} s", seconds / 60, seconds % 60),
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
