//! What every command that measures needs: the cores, the signals that end it, and a way to run one
//! trial that gives a row of results whatever becomes of it. It must not know what is compared.

use std::collections::BTreeMap;

use anyhow::Context as _;
use pushbench_wire::clock;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::engine::{Cores, Phase, TrialPlan, machine};
use crate::results::latency_log::Interval;
use crate::results::{Outcome, Trial};
use crate::scenario::schedule::PlannedTrial;
use crate::scenario::{BASE_CELL, Scenario};

/// The command line of the server in this program. It is the file of this very process: its path
/// may hold a newer build before all trials are over.
pub(super) fn own_server() -> Vec<String> {
    vec!["/proc/self/exe".to_owned(), "serve".to_owned()]
}

/// What is measured, whatever the contender.
#[derive(Clone, Debug)]
pub(super) struct Setup<'a> {
    /// The question.
    pub(super) scenario: &'a Scenario,
    /// The server's program and first arguments.
    pub(super) server: Vec<String>,
    /// Whether deliveries are recorded or only counted, as [`TrialPlan::record`] has it.
    pub(super) record: bool,
}

/// What a trial left.
#[derive(Clone, Debug)]
pub(super) struct Ran {
    /// Its row.
    pub(super) trial: Trial,
    /// Its latencies over time; none of a trial that failed.
    pub(super) intervals: Vec<Interval>,
}

/// The user wants it to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub(super) struct Interrupted;

/// Runs trials, one at a time. From its making on, this process runs on the generator's cores.
pub(super) struct Bench {
    cores: Cores,
    runtime: Runtime,
    interrupt: Signal,
    terminate: Signal,
    start_ns: u64,
}

impl Bench {
    /// For trials of at most so many subscribers. Ctrl-C and SIGTERM no longer end the process but
    /// the trial.
    ///
    /// # Errors
    /// When the machine cannot run them, with what to do about it.
    pub(super) fn new(sockets: u32) -> anyhow::Result<Self> {
        let cores = Cores::divide()?;
        machine::reserve_files(u64::from(sockets))?;
        cores.confine_generator()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        let within = runtime.enter();
        let interrupt = signal(SignalKind::interrupt()).context("cannot watch for Ctrl-C")?;
        let terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
        drop(within);
        Ok(Self { cores, runtime, interrupt, terminate, start_ns: clock::now_ns() })
    }

    /// From now on, times count from here.
    pub(super) fn begin_run(&mut self) {
        self.start_ns = clock::now_ns();
    }

    /// Who runs where.
    pub(super) fn cores(&self) -> &Cores {
        &self.cores
    }

    /// Runs one trial. One that fails has the reason in its outcome. Times count from the last
    /// [`Self::begin_run`], or else from the making of the bench.
    ///
    /// # Errors
    /// [`Interrupted`]: then its server and its subscribers have ended, too.
    pub(super) fn trial(
        &mut self,
        setup: &Setup<'_>,
        planned: PlannedTrial,
        progress: impl FnMut(Phase),
    ) -> Result<Ran, Interrupted> {
        let PlannedTrial { block, contender: id } = planned;
        let contender = setup.scenario.contender(&id);
        let measured = async {
            let contender =
                contender.with_context(|| format!("the scenario has no contender `{id}`"))?;
            let plan = TrialPlan {
                scenario: setup.scenario,
                contender,
                server: &setup.server,
                cores: &self.cores,
                record: setup.record,
            };
            plan.run(progress).await
        };
        let measurement = self.runtime.block_on(async {
            tokio::select! {
                measurement = measured => Ok(measurement),
                _ = self.interrupt.recv() => Err(Interrupted),
                _ = self.terminate.recv() => Err(Interrupted),
            }
        })?;
        let warm_up = setup.scenario.workload.warm_up;
        let (trial, intervals) = match measurement {
            Ok(measurement) => measurement.into_trial(id, block, warm_up, self.start_ns),
            Err(error) => {
                let trial = Trial {
                    cell: BASE_CELL.into(),
                    contender: id,
                    block,
                    outcome: Outcome::Failed { reason: format!("{error:#}") },
                    warnings: Vec::new(),
                    measured_from_s: None,
                    warm_up_s: warm_up.as_secs_f64(),
                    values: BTreeMap::new(),
                    parts: Vec::new(),
                    schedule_sha256: None,
                };
                (trial, Vec::new())
            }
        };
        Ok(Ran { trial, intervals })
    }
}
