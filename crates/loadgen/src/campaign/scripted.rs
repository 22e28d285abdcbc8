//! A runner that measures nothing: it answers from a script, at once. So what plans decide, and what
//! becomes of it, is tested in milliseconds.

use std::cell::RefCell;
use std::io::{self, Write};
use std::path::PathBuf;
use std::rc::Rc;

use super::{Detail, Interrupted, Invocation, Progress, Setup, TrialOutput, TrialRunner};
use crate::engine::{Cores, Phase};
use crate::results::{Outcome, Trial, Warning, fixture};

/// Answers each trial by a function, and remembers what it was asked.
pub(crate) struct ScriptedRunner<F> {
    cores: Cores,
    script: F,
    /// What was to be measured, in order.
    pub(crate) asked: Vec<Setup>,
}

impl<F: FnMut(&Setup, usize) -> Result<TrialOutput, Interrupted>> ScriptedRunner<F> {
    /// `script` gets what is to be measured, and how many trials there were before.
    pub(crate) fn new(script: F) -> Self {
        Self { cores: Cores { server: vec![0], generator: vec![1] }, script, asked: Vec::new() }
    }
}

impl<F: FnMut(&Setup, usize) -> Result<TrialOutput, Interrupted>> TrialRunner
    for ScriptedRunner<F>
{
    fn cores(&self) -> &Cores {
        &self.cores
    }

    fn trial(
        &mut self,
        setup: &Setup,
        _: u64,
        progress: &mut dyn FnMut(Phase),
    ) -> Result<TrialOutput, Interrupted> {
        progress(Phase::Start);
        progress(Phase::Measure(0));
        let before = self.asked.len();
        self.asked.push(setup.clone());
        (self.script)(setup, before)
    }
}

/// How a command was called whose results go to `out`.
pub(crate) fn invocation(out: PathBuf) -> Invocation {
    let command_line = ["pushbench", "run"].map(str::to_owned).to_vec();
    Invocation {
        out: Some(out),
        server: None,
        allow_remote: Vec::new(),
        command_line,
        version: "0.1.0",
        revision: None,
    }
}

/// A valid trial with plausible values.
pub(crate) fn valid(setup: &Setup) -> TrialOutput {
    let (run, _) = fixture::run();
    // The reference is not in the fixture; its values are as plausible as others.
    let of_contender = run.trials.iter().find(|trial| trial.contender == setup.contender);
    let mut trial = Trial {
        cell: setup.cell.to_string(),
        contender: setup.contender.clone(),
        block: setup.block,
        ..of_contender.unwrap_or(&run.trials[0]).clone()
    };
    trial.warnings.clear();
    TrialOutput { trial, intervals: Vec::new(), server_started: true }
}

/// A trial that a busy machine disturbed.
pub(crate) fn disturbed(setup: &Setup) -> TrialOutput {
    let mut output = valid(setup);
    output.trial.outcome = Outcome::Invalid;
    output.trial.warnings.push(Warning::CpuStolen { percent: 12.0 });
    output
}

/// A trial of a server that ended before its time.
pub(crate) fn failed(setup: &Setup) -> TrialOutput {
    TrialOutput::failed(setup, "the server ended with exit code 7: no room".to_owned())
}

/// A trial whose server could not be started.
pub(crate) fn not_started(setup: &Setup) -> TrialOutput {
    TrialOutput { server_started: false, ..failed(setup) }
}

/// What a progress has said.
#[derive(Clone, Default)]
pub(crate) struct Said(Rc<RefCell<Vec<u8>>>);

impl Said {
    /// A progress that says it here. Of a trial it says its outcome.
    pub(crate) fn progress(&self, detail: Detail) -> Progress {
        Progress::lines(self.clone(), detail, |trial| match &trial.outcome {
            Outcome::Valid => "valid".to_owned(),
            Outcome::Invalid => "invalid".to_owned(),
            Outcome::Failed { reason } => reason.clone(),
        })
    }

    /// All of it.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }
}

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
