//! How one trial is measured, whatever becomes of it. It must not know what is compared.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::engine::{
    Cores, NotStarted, Phase, TrialPlan, adopt_orphans, machine, prepare_networks,
};
use crate::results::{ContenderId, Interval, Outcome, Trial};
use crate::scenario::{Imitation, Scenario};

/// The command line of the server in this program. It is the file of this very process: its path
/// may hold a newer build before all trials are over.
pub(crate) fn own_server() -> Vec<String> {
    vec!["/proc/self/exe".to_owned(), "serve".to_owned()]
}

/// What is measured in a trial.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// The question: of a sweep that of one cell.
    pub(crate) scenario: Arc<Scenario>,
    /// What is measured of it.
    pub(crate) contender: ContenderId,
    /// The server's program and first arguments.
    pub(crate) server: Arc<[String]>,
    /// Whether it is a copy of the program that is started, as [`TrialPlan::copied`] has it.
    pub(crate) copied: bool,
    /// Whether deliveries are recorded or only counted, as [`TrialPlan::record`] has it.
    pub(crate) record: bool,
    /// The cell, for the trial's row.
    pub(crate) cell: Arc<str>,
    /// The block, for the trial's row.
    pub(crate) block: u32,
}

/// What a trial left.
#[derive(Clone, Debug)]
pub(crate) struct TrialOutput {
    /// What was found.
    pub(crate) trial: Trial,
    /// Its latencies over time; none of a trial that failed.
    pub(crate) intervals: Vec<Interval>,
    /// Whether its server could be started.
    pub(crate) server_started: bool,
}

impl TrialOutput {
    /// What is left of a trial that could not be run to its end.
    pub(crate) fn failed(setup: &Setup, reason: String) -> Self {
        let trial = Trial {
            cell: setup.cell.to_string(),
            contender: setup.contender.clone(),
            block: setup.block,
            outcome: Outcome::Failed { reason },
            warnings: Vec::new(),
            measured_from_s: None,
            warm_up_s: setup.scenario.workload.warm_up.as_secs_f64(),
            values: BTreeMap::new(),
            parts: Vec::new(),
            repeated: false,
            schedule_sha256: None,
        };
        Self { trial, intervals: Vec::new(), server_started: true }
    }
}

/// How long it looks at the machine before anything is measured.
const LOOK: Duration = Duration::from_millis(250);

/// The user wants it to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub(crate) struct Interrupted;

/// Measures trials, one at a time.
pub(crate) trait TrialRunner {
    /// Who runs where.
    fn cores(&self) -> &Cores;

    /// How much of the machine's CPU time others use, in per cent, before anything is measured. None
    /// where nobody says.
    fn busy_percent(&mut self) -> Option<f64> {
        None
    }

    /// Measures one trial. One that fails has the reason in its outcome. Its times count from
    /// `started_ns`.
    ///
    /// # Errors
    /// [`Interrupted`]: then its server and its subscribers have ended, too.
    fn trial(
        &mut self,
        setup: &Setup,
        started_ns: u64,
        progress: &mut dyn FnMut(Phase),
    ) -> Result<TrialOutput, Interrupted>;
}

/// Measures on this machine. From its making on, this process runs on the generator's cores.
pub(crate) struct LocalRunner {
    cores: Cores,
    runtime: Runtime,
    interrupt: Signal,
    terminate: Signal,
}

impl LocalRunner {
    /// For trials of at most so many sockets. To lay the networks of `scenarios` it may have to become the root
    /// of a user namespace, for which it has to be called before any thread is started. Ctrl-C and SIGTERM no
    /// longer end the process but the trial.
    ///
    /// # Errors
    /// When the machine cannot run them, with what to do about it.
    pub(crate) fn new<'a>(
        sockets: u32,
        scenarios: impl Iterator<Item = &'a Scenario>,
    ) -> anyhow::Result<Self> {
        let scenarios: Vec<_> = scenarios.collect();
        let home = prepare_networks(scenarios.iter().flat_map(|of| of.networks()))?;
        let reaches_outside = home.as_ref().is_none_or(|home| !home.is_apart);
        ensure!(
            reaches_outside || !scenarios.iter().any(|of| of.has_running_servers()),
            "who is not root leaves the network of this machine to lay others, and reaches no server that \
             runs already: run it as root, or leave out `[network]` or these servers"
        );
        let cores = Cores::divide()?;
        let mut networks = scenarios.iter().flat_map(|of| of.networks());
        // A relay has both ends of a connection, and a port for that to the server.
        let is_relayed = networks.any(|network| network.by == Imitation::Relay);
        let [files, ports] = if is_relayed { [3, 2] } else { [1, 1] };
        machine::reserve_files(u64::from(sockets) * files)?;
        machine::check_ports(u64::from(sockets) * ports)?;
        cores.confine_generator()?;
        // Without it, less is known of what a server leaves in the background.
        let _ = adopt_orphans();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            // Threads that the runtime keeps would stay in the network of the trial that they were made in.
            .on_thread_start(move || home.iter().for_each(|home| drop(home.namespace.move_in())))
            .build()
            .context("cannot start the runtime")?;
        let within = runtime.enter();
        let interrupt = signal(SignalKind::interrupt()).context("cannot watch for Ctrl-C")?;
        let terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
        drop(within);
        Ok(Self { cores, runtime, interrupt, terminate })
    }
}

impl TrialRunner for LocalRunner {
    fn cores(&self) -> &Cores {
        &self.cores
    }

    fn busy_percent(&mut self) -> Option<f64> {
        self.runtime.block_on(machine::busy_percent(LOOK))
    }

    fn trial(
        &mut self,
        setup: &Setup,
        started_ns: u64,
        progress: &mut dyn FnMut(Phase),
    ) -> Result<TrialOutput, Interrupted> {
        let Setup { scenario, contender: id, server, copied, record, cell, block } = setup;
        let measured = async {
            let contender = scenario.contender(id);
            let contender = contender.with_context(|| format!("the scenario has no `{id}`"))?;
            let (cores, copied, record) = (&self.cores, *copied, *record);
            let plan = TrialPlan { scenario, contender, server, copied, cores, record };
            plan.run(progress).await
        };
        let measurement = self.runtime.block_on(async {
            tokio::select! {
                measurement = measured => Ok(measurement),
                _ = self.interrupt.recv() => Err(Interrupted),
                _ = self.terminate.recv() => Err(Interrupted),
            }
        })?;
        Ok(match measurement {
            Ok(measurement) => {
                let warm_up = scenario.workload.warm_up;
                let (trial, intervals) =
                    measurement.into_trial(cell, id.clone(), *block, warm_up, started_ns);
                TrialOutput { trial, intervals, server_started: true }
            }
            Err(error) => TrialOutput {
                server_started: !error.is::<NotStarted>(),
                ..TrialOutput::failed(setup, format!("{error:#}"))
            },
        })
    }
}
