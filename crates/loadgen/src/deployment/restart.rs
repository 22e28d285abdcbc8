//! Ends servers in the middle of a trial, and starts them again as they were: with the same command, on the same
//! cores, at the same addresses. It must not know why, nor what becomes of those who were connected.

use anyhow::Context as _;
use nix::sys::signal::Signal;

use super::family::Mark;
use super::observe::{Observation, follow, started_process};
use super::server_process::ServerProcess;
use super::{Deployment, Ended, PartRole};
use crate::scenario::RestartHow;

impl Deployment {
    /// Ends all servers, and waits until they have.
    pub(crate) async fn end_servers(&mut self, how: RestartHow) {
        let signal = match how {
            RestartHow::Terminate => Signal::SIGTERM,
            RestartHow::Kill => Signal::SIGKILL,
        };
        for (number, (process, part)) in self.processes.iter_mut().zip(&mut self.parts).enumerate()
        {
            if !matches!(part.role, PartRole::Server(_)) {
                continue;
            }
            let observe = &mut part.observe;
            observe.look();
            // When it has ended, it has neither threads nor memory.
            let alive = observe.read();
            let family = observe.processes();
            let family_now = || {
                observe.look();
                observe.processes()
            };
            self.doubts.had_to_be_killed |= process.end(signal, family_now).await;
            let used = Observation {
                threads: alive.threads,
                memory_peak_bytes: alive.memory_peak_bytes,
                ..observe.read()
            };
            process.bury(&family).await;
            self.ended.push(Ended { process: number, used });
        }
    }

    /// Starts those again that were ended, and waits until they can be used.
    ///
    /// # Errors
    /// Why one of them cannot.
    pub(crate) async fn start_servers_again(&mut self) -> anyhow::Result<()> {
        let cores = self.cores.clone().context("there is no server to start again")?;
        for Ended { process: number, used } in std::mem::take(&mut self.ended) {
            let again = self.processes[number].again().clone();
            let mark = Mark::new();
            let process = ServerProcess::start(&again, &mark, &cores)
                .await
                .context("the server did not come back after its restart")?;
            let mut observe = started_process(process.process(), mark);
            observe.look();
            let (address, members) = (process.address(), observe.processes());
            self.parts[number].observe = follow(used, observe);
            self.processes[number] = process;
            self.doubts
                .look_who_listens(&again.what, address, &members)
                .context("the server did not come back after its restart")?;
        }
        Ok(())
    }
}
