//! A server that runs already, and how its processes are found on this machine.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use nix::unistd::Pid;

use super::family::Mark;
use super::listener::{Listener, listener};
use super::observe::Observe;
use super::{Deployment, NotStarted, PartRole, announcement, observe};
use crate::input;
use crate::scenario::SeenBy;

/// A number, and perhaps a line end.
const MAX_PID_FILE_BYTES: u64 = 100;

impl Deployment {
    /// Finds a server that runs already. Its processes are observed if it is said how they are found.
    ///
    /// # Errors
    /// When its host is not known, or the processes are not there or another server's.
    pub(crate) async fn of_running(at: &str, seen: Option<&SeenBy>) -> Result<Self, NotStarted> {
        let mut deployment = Self::default();
        let address = announcement::addresses(at).await.map_err(NotStarted)?;
        deployment.publish.extend(address.first());
        deployment.subscribe.extend(address.first());
        if let Some(seen) = seen {
            deployment.see(seen, &address).map_err(NotStarted)?;
        }
        Ok(deployment)
    }

    fn see(&mut self, seen: &SeenBy, addresses: &[SocketAddr]) -> anyhow::Result<()> {
        let (who, mut observe) = match seen {
            SeenBy::PidFile(file) => of_pid_file(file)?,
            SeenBy::Cgroup(folder) => of_cgroup(folder)?,
        };
        observe.look();
        let processes = observe.processes();
        ensure!(observe.read().cpu_ns.is_some(), "{who}, which is not there or not to be seen");
        self.add_part(PartRole::Server(0), observe);
        let mut other = None;
        for &address in addresses {
            match listener(address, &processes) {
                Listener::Known | Listener::Untold => return Ok(()),
                Listener::Other(who) => drop(other.get_or_insert((address, who))),
            }
        }
        let Some((address, other)) = other else { return Ok(()) };
        bail!("{who}, but at {address}, {other}: CPU and memory would be those of another process")
    }
}

/// What a file names, in words, and how that is observed.
fn of_pid_file(file: &Path) -> anyhow::Result<(String, Box<dyn Observe>)> {
    let shown = file.display();
    let text = input::text(file, MAX_PID_FILE_BYTES)
        .with_context(|| format!("cannot read the process of the server from {shown}"))?;
    let process: i32 = text
        .trim()
        .parse()
        .with_context(|| format!("{shown} should hold the number of a process"))?;
    ensure!(process > 0, "{shown} should hold the number of a process, found {process}");
    let observe = observe::started_process(Pid::from_raw(process), Mark::new());
    Ok((format!("{shown} names the process {process}"), observe))
}

/// The same of a control group.
fn of_cgroup(folder: &Path) -> anyhow::Result<(String, Box<dyn Observe>)> {
    let shown = folder.display();
    let observe = observe::control_group(folder);
    let processes = observe.processes();
    ensure!(
        !processes.is_empty(),
        "no process is in the control group {shown}: `cgroup` must be its folder, such as \
         \"/sys/fs/cgroup/system.slice/nginx.service\""
    );
    ensure!(
        !processes.contains(&Pid::this()),
        "pushbench itself is in the control group {shown}: name one in which only the server runs"
    );
    Ok((format!("the control group is {shown}"), observe))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::TcpListener;
    use std::process::{Command, Stdio};

    use super::*;

    /// What is said of a control group with this process and a CPU account, of a server at `at`.
    async fn said(at: &str, process: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cgroup.procs"), format!("{process}\n")).unwrap();
        fs::write(folder.path().join("cpu.stat"), "usage_usec 1500\n").unwrap();
        let seen = SeenBy::Cgroup(folder.path().to_owned());
        let found = Deployment::of_running(at, Some(&seen)).await;
        let said = found.err().map(|error| error.to_string()).unwrap_or_default();
        said.replace(&folder.path().display().to_string(), "GROUP")
    }

    #[tokio::test]
    async fn a_control_group_must_be_the_servers_own() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap().to_string();
        assert!(
            said(&at, "")
                .await
                .starts_with("no process is in the control group GROUP: `cgroup` must")
        );
        let ours = said(&at, &Pid::this().to_string()).await;
        assert!(ours.starts_with("pushbench itself is in the control group GROUP"), "{ours}");

        let mut other = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let others = said(&at, &other.id().to_string()).await;
        let who = format!("the control group is GROUP, but at {at}, process {} (", Pid::this());
        assert!(others.starts_with(&who), "{others}");
        drop(other.stdin.take());
        other.wait().unwrap();
    }
}
