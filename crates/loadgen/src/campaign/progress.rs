//! Live progress on standard error: a bar on a terminal, plain lines elsewhere.

use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use pushbench_wire::clock;

use crate::engine::{Phase, planned_length};
use crate::results::Trial;
use crate::scenario::Scenario;
use crate::text::{obeys_escapes, plain};

/// Trials, and about how long they take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ToCome {
    /// How many.
    pub(crate) trials: u32,
    /// All together.
    pub(crate) time: Duration,
}

impl ToCome {
    /// So many trials of `scenario`.
    pub(crate) fn of(scenario: &Scenario, trials: u32) -> Self {
        let (_, trial) = planned_length(scenario);
        Self { trials, time: trial * trials }
    }
}

impl std::iter::Sum for ToCome {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            trials: sum.trials + one.trials,
            time: sum.time + one.time,
        })
    }
}

/// Of what a line stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Nothing but what a plan says: its trials are too many.
    Plan,
    /// Each trial.
    Trials,
    /// Each trial, and where there is no terminal each of its phases.
    Phases,
}

enum Output {
    /// One unit of the bar is a millisecond of planned time.
    Terminal(ProgressBar),
    Lines(Box<dyn Write>),
}

/// Shows how trials come along.
pub(crate) struct Progress {
    output: Output,
    detail: Detail,
    trial_line: fn(&Trial) -> String,
    ended: ToCome,
    /// The trial that is being measured, and those of its plan behind it.
    to_come: ToCome,
    later: ToCome,
    current: Option<Current>,
}

struct Current {
    name: String,
    phase: Option<Phase>,
    since_ns: u64,
    before_window: Duration,
    length: Duration,
    idle: Duration,
}

impl Progress {
    /// On standard error. `trial_line` says what became of a trial.
    pub(crate) fn new(detail: Detail, trial_line: fn(&Trial) -> String) -> Self {
        let output = match obeys_escapes(&io::stderr()) {
            true => Output::Terminal(bar()),
            false => Output::Lines(Box::new(io::stderr())),
        };
        Self::with(output, detail, trial_line)
    }

    /// As plain lines, wherever they go.
    #[cfg(test)]
    pub(crate) fn lines(
        to: impl Write + 'static,
        detail: Detail,
        trial_line: fn(&Trial) -> String,
    ) -> Self {
        Self::with(Output::Lines(Box::new(to)), detail, trial_line)
    }

    fn with(output: Output, detail: Detail, trial_line: fn(&Trial) -> String) -> Self {
        let [ended, to_come, later] = [ToCome::default(); 3];
        Self { output, detail, trial_line, ended, to_come, later, current: None }
    }

    /// What other plans will measure, behind the next one.
    pub(crate) fn set_later(&mut self, later: ToCome) {
        self.later = later;
    }

    /// A trial begins.
    pub(super) fn begin(&mut self, name: String, scenario: &Scenario, to_come: ToCome) {
        let (before_window, length) = planned_length(scenario);
        self.to_come = to_come;
        self.current = Some(Current {
            name,
            phase: None,
            since_ns: clock::now_ns(),
            before_window,
            length,
            idle: scenario.workload.idle,
        });
    }

    /// The trial goes on.
    pub(super) fn step(&mut self, phase: Phase) {
        let Some(mut current) = self.current.take() else { return };
        let is_new = current.phase.map(word) != Some(word(phase));
        if is_new {
            current.phase = Some(phase);
            current.since_ns = clock::now_ns();
        }
        match &self.output {
            Output::Terminal(bar) => self.draw(bar, &current, phase),
            Output::Lines(_) => {
                let is_shown = !matches!(phase, Phase::Connect(_) | Phase::Drain(_));
                if self.detail == Detail::Phases && is_new && is_shown {
                    self.line(&format!("{}: {}", self.place(&current), word(phase)));
                }
            }
        }
        self.current = Some(current);
    }

    fn draw(&self, bar: &ProgressBar, current: &Current, phase: Phase) {
        let in_phase = Duration::from_nanos(clock::now_ns() - current.since_ns);
        let in_trial = match phase {
            Phase::Start | Phase::Connect(_) => Duration::ZERO,
            Phase::Idle => in_phase.min(current.before_window),
            Phase::WarmUp => (current.idle + in_phase).min(current.before_window),
            Phase::Measure(_) => current.before_window + in_phase,
            Phase::Measured | Phase::Drain(_) => current.length,
        };
        let detail = match phase {
            Phase::Start | Phase::Idle | Phase::WarmUp | Phase::Measured => String::new(),
            Phase::Connect(connected) => format!(", {connected} connected"),
            Phase::Measure(deliveries) => format!(", {deliveries} deliveries"),
            Phase::Drain(missing) => format!(", {missing} deliveries to come"),
        };
        let done = self.ended.time + in_trial.min(current.length);
        let left = self.planned().time.saturating_sub(done);
        bar.set_length(self.planned().time.as_millis() as u64);
        bar.set_prefix(format!("about {} s left", left.as_millis().div_ceil(1000)));
        bar.set_message(format!("{}: {}{detail}", self.place(current), word(phase)));
        bar.set_position(done.as_millis() as u64);
    }

    /// A trial has ended: what became of it stays on the screen.
    pub(super) fn end(&mut self, trial: &Trial) {
        let Some(current) = self.current.take() else { return };
        let place = self.place(&current);
        self.ended.trials += 1;
        self.ended.time += current.length;
        self.to_come.trials = self.to_come.trials.saturating_sub(1);
        self.to_come.time = self.to_come.time.saturating_sub(current.length);
        if self.detail == Detail::Plan {
            return;
        }
        let mut line = format!("{place}: {}", (self.trial_line)(trial));
        // Phases say that it goes on, and a bar says how long all the time.
        if self.detail == Detail::Trials && matches!(self.output, Output::Lines(_)) {
            let left = self.to_come.time + self.later.time;
            line += &format!("; about {} s left", left.as_secs());
        }
        self.line(&line);
    }

    fn planned(&self) -> ToCome {
        [self.ended, self.to_come, self.later].into_iter().sum()
    }

    fn place(&self, current: &Current) -> String {
        format!("[{}/{}] {}", self.ended.trials + 1, self.planned().trials, current.name)
    }

    /// Writes a line that stays.
    pub(crate) fn line(&mut self, text: &str) {
        match &mut self.output {
            Output::Terminal(bar) => bar.println(plain(text)),
            // Nobody may be left who reads it, which is no reason to stop measuring.
            Output::Lines(to) => drop(writeln!(to, "{}", plain(text))),
        }
    }

    /// Removes the bar. Lines go on.
    pub(crate) fn finish(&mut self) {
        if let Output::Terminal(bar) = &self.output {
            bar.finish_and_clear();
            self.output = Output::Lines(Box::new(io::stderr()));
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    // The template is a constant: it parses, or no test passes.
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {percent:>3} %  {msg}  ({prefix})") {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar
}

/// A time that nobody takes for exact.
pub(crate) fn roughly(time: Duration) -> String {
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
