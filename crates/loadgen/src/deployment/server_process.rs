//! A server under test, or a proxy before it, that is a process of ours: a fresh one for every trial, with a line that says
//! when it is ready and routes that say how it is. It must not know how it is observed.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use pushbench_wire::endpoint::{METRICS_PATH, TOKEN_VARIABLE};
use tokio::process::{Child, ChildStdin, Command};

use super::Cores;
use super::announcement::Announced;
use super::control::{answering, get, sample};
use super::elsewhere::elsewhere;
use super::ends::{ended_with, has_ended, suspect};
use super::family::{Mark, Started};
use super::group::Group;
use super::guard::Guard;
use super::output::Complaint;
use super::patience::within;
use super::readiness::{Readiness, ServerStart, usable};

/// How long a server may take to stop before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// How long one may that another one replaces, which may write down all that it has: some take longer than it
/// takes to let clients go, for which ours gives them 5 s.
const END_WITHIN: Duration = Duration::from_secs(10);

/// How long those may take that a server which has stopped leaves behind.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// How long a server that ends may take to be reaped.
const DYING: Duration = Duration::from_millis(500);

/// How often it is looked whether all processes of a server have gone.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A running server, and all processes of its group. Dropping it kills them; should this process be
/// killed, a guard does. A server that watches its standard input notices its end and stops by itself.
pub(super) struct ServerProcess {
    /// Whether it is one that has the routes of ours.
    is_announced: bool,
    /// How another one like it is started, where it is.
    again: ServerStart,
    /// Whether it was ended on purpose, and another one will take its place.
    is_replaced: bool,
    /// What messages call it.
    what: String,
    child: Child,
    /// Held open: its end tells the server that nobody needs it any more.
    _stdin: Option<ChildStdin>,
    complaint: Complaint,
    address: SocketAddr,
    tls: Option<SocketAddr>,
    http3: Option<SocketAddr>,
    group: Group,
    _started: Started,
    _guard: Option<Guard>,
    client: reqwest::Client,
}

impl ServerProcess {
    /// Starts it, marked, on the server's cores, and waits until it can be used.
    pub(super) async fn start(
        start: &ServerStart,
        mark: &Mark,
        cores: &Cores,
    ) -> anyhow::Result<Self> {
        let what = &start.what;
        let (program, arguments) = start
            .command
            .split_first()
            .with_context(|| format!("the command of {what} is empty"))?;
        let (variable, value) = mark.variable();
        let mut command = Command::new(program);
        if let Some(folder) = &start.folder {
            command.current_dir(folder);
        }
        command
            .args(arguments)
            .env(variable, value)
            // Subscribers and publishers have no token.
            .env_remove(TOKEN_VARIABLE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C goes to the whole group of a terminal; the server must outlive the drain. And so
            // whatever it starts can be ended with it.
            .process_group(0)
            .kill_on_drop(true);
        let mut child = cores.on_those_of_server(|| command.spawn())?.map_err(|error| {
            match (error.kind(), start.install) {
                (ErrorKind::NotFound, Some(how)) => {
                    anyhow!("there is no program `{program}` on this machine: {how}")
                }
                _ => anyhow::Error::new(error).context(format!("cannot start {what} `{program}`")),
            }
        })?;
        let process = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let group = Group::of(process.with_context(|| format!("{what} ended at once"))?);
        let started = Started::note(group.leader());
        let guard = Guard::of(group.leader(), mark, start.scratch.as_deref());
        let stdin = child.stdin.take();
        let stdout =
            child.stdout.take().with_context(|| format!("{what} has no standard output"))?;
        let stderr =
            child.stderr.take().with_context(|| format!("{what} has no standard error"))?;
        let mut complaint = Complaint::of(stderr);

        let ready = usable(&start.ready, stdout, &mut child, &group);
        let Announced { addresses, tls, http3 } = match within(start.ready.within(), ready).await {
            Some(Ok(announced)) => announced,
            // It has closed its output: how it ended, and what it wrote on standard error, say why.
            Some(Err(error)) => match within(DYING, child.wait()).await {
                Some(Ok(status)) => bail!(
                    "{what} {} before it was ready{}",
                    ended_with(status),
                    complaint.words().await
                ),
                _ => return Err(error.context(format!("{what} did not get ready"))),
            },
            None => {
                // A proxy has its address from its configuration.
                let at = start.ready.at().filter(|_| start.scratch.is_none());
                let at = at.map(|at| elsewhere(mark, at));
                drop(group);
                bail!(
                    "{what} {} within {:?}{}{}",
                    start.ready.unmet(),
                    start.ready.within(),
                    at.unwrap_or_default(),
                    complaint.words().await
                );
            }
        };
        let client = reqwest::Client::builder()
            .no_proxy()
            // A kept connection would be one more subscriber in the server's memory.
            .pool_max_idle_per_host(0)
            .build()
            .context("cannot make a client for the server's control routes")?;
        let found = match start.ready {
            Readiness::Announced => answering(&client, &addresses).await,
            _ => addresses.first().copied().with_context(|| format!("{what} has no address")),
        };
        let address = match found {
            Ok(address) => address,
            Err(error) => {
                drop(group);
                bail!("{error:#}{}", complaint.words().await);
            }
        };
        let is_announced = matches!(start.ready, Readiness::Announced);
        Ok(Self {
            is_announced,
            again: start.again(address, tls),
            is_replaced: false,
            what: what.clone(),
            child,
            _stdin: stdin,
            complaint,
            address,
            tls,
            http3,
            group,
            _started: started,
            _guard: guard,
            client,
        })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens by TLS, if it does.
    pub(super) fn tls(&self) -> Option<SocketAddr> {
        self.tls
    }

    /// Where it listens by HTTP/3, if it does.
    pub(super) fn http3(&self) -> Option<SocketAddr> {
        self.http3
    }

    /// Its number, and that of its group.
    pub(super) fn process(&self) -> Pid {
        self.group.leader()
    }

    /// Waits until the process ends, which it should not do by itself, and says how it did.
    pub(super) async fn ended(&mut self) -> anyhow::Error {
        if self.is_replaced {
            return std::future::pending().await;
        }
        match self.child.wait().await {
            // It has only started others, which go on.
            Ok(status) if status.success() && self.group.is_there() => std::future::pending().await,
            Ok(status) => {
                let said = self.complaint.words().await;
                anyhow!("{} {}{}{said}", self.what, ended_with(status), suspect(status))
            }
            Err(error) => {
                anyhow::Error::new(error).context(format!("cannot wait for {}", self.what))
            }
        }
    }

    /// How another one like it is started, with the same addresses.
    pub(super) fn again(&self) -> &ServerStart {
        &self.again
    }

    /// Ends it by `signal`, and all of its processes, so that another one can take its place. It is not
    /// waited for yet: what it used can still be read. Says whether it had to be killed, as it did not end in time.
    pub(super) async fn end(
        &mut self,
        signal: Signal,
        mut family: impl FnMut() -> Vec<Pid>,
    ) -> bool {
        self.is_replaced = true;
        self.signal(signal, &family());
        let leader = self.group.leader();
        // Who has only started others has ended before them.
        let gone = async |family: &mut dyn FnMut() -> Vec<Pid>| {
            while !(has_ended(leader) && family().is_empty()) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        if within(END_WITHIN, gone(&mut family)).await.is_some() {
            return false;
        }
        self.signal(Signal::SIGKILL, &family());
        // The others, too: they may hold what the next one needs.
        let _ = within(LEAVE_WITHIN, gone(&mut family)).await;
        signal != Signal::SIGKILL
    }

    /// Takes notice of its end, behind which nobody knows it any more.
    pub(super) async fn bury(&mut self, family: &[Pid]) {
        let is_over = within(DYING, self.child.wait()).await.is_some();
        self.reap(family);
        if is_over && !self.group.is_there() {
            // Its number may soon be another's.
            self.group.is_over();
        }
    }

    /// Ends it and all of its processes, which `family` tells: it asks them to, and kills those that do
    /// not in time. How they end is not looked at: what was measured is over.
    ///
    /// # Errors
    /// When it had ended before, and nobody of its family goes on serving.
    pub(super) async fn stop(mut self, mut family: impl FnMut() -> Vec<Pid>) -> anyhow::Result<()> {
        let ended = self.child.try_wait().context("cannot wait for the server")?;
        let outcome = match ended {
            Some(status) if !status.success() || family().is_empty() => Err(anyhow!(
                "{} {} unexpectedly{}{}",
                self.what,
                ended_with(status),
                suspect(status),
                self.complaint.words().await
            )),
            _ => Ok(()),
        };
        let mut seen = family();
        self.signal(Signal::SIGTERM, &seen);
        let has_stopped = within(STOP_WITHIN, self.child.wait()).await.is_some()
            && within(LEAVE_WITHIN, self.left(&mut family, &mut seen)).await.is_some();
        if !has_stopped {
            self.signal(Signal::SIGKILL, &family());
            let _ = within(DYING, self.child.wait()).await;
            self.reap(&seen);
        }
        outcome
    }

    /// Waits until everyone has gone whom the server has left behind, and adds them to `seen`.
    async fn left(&self, mut family: impl FnMut() -> Vec<Pid>, seen: &mut Vec<Pid>) {
        loop {
            let left = family();
            self.reap(seen);
            if left.is_empty() && self.group.signal(None) == Err(Errno::ESRCH) {
                return;
            }
            let new: Vec<_> = left.into_iter().filter(|of| !seen.contains(of)).collect();
            seen.extend(new);
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Kills it and `family` at once.
    pub(super) fn kill(&mut self, family: &[Pid]) {
        self.signal(Signal::SIGKILL, family);
    }

    /// Stops it and `family` where they are, or lets them go on.
    pub(super) fn pause(&self, is_paused: bool, family: &[Pid]) {
        self.signal(if is_paused { Signal::SIGSTOP } else { Signal::SIGCONT }, family);
    }

    /// To the group, and to those of `family` that have left it.
    fn signal(&self, signal: Signal, family: &[Pid]) {
        // Who has gone in the meantime needs no signal.
        let _ = self.group.signal(signal);
        for &process in family {
            if nix::unistd::getpgid(Some(process)).is_ok_and(|group| group != self.group.leader()) {
                let _ = kill(process, signal);
            }
        }
    }

    /// Takes notice of the end of those that we have adopted: of the group, and of `others`.
    fn reap(&self, others: &[Pid]) {
        let group = Pid::from_raw(-self.group.leader().as_raw());
        let others = others.iter().filter(|process| **process != self.group.leader());
        for &process in others.chain([&group]) {
            // Most have another parent, who does it.
            while waitpid(process, Some(WaitPidFlag::WNOHANG)).is_ok_and(|end| end.pid().is_some())
            {
            }
        }
    }

    /// The value of `series` in its own metrics; empty when it does not say.
    pub(super) async fn sample(&self, series: &str) -> Option<f64> {
        if !self.is_announced {
            return None;
        }
        sample(&get(&self.client, self.address, METRICS_PATH).await.ok()?, series)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(command: &[&str]) -> ServerStart {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        ServerStart::server(command, Readiness::Announced)
    }

    async fn failure(script: &str) -> String {
        match ServerProcess::start(
            &start(&["sh", "-c", script]),
            &Mark::new(),
            &Cores::divide().unwrap(),
        )
        .await
        {
            Ok(_) => panic!("{script} is no server"),
            Err(error) => format!("{error:#}"),
        }
    }

    #[tokio::test]
    async fn a_server_that_is_none_says_why() {
        assert_eq!(
            failure("echo no room >&2; exit 3").await,
            "the server ended with exit code 3 before it was ready; it said: no room"
        );
        assert!(
            failure("echo 'pushbench serve: listening on nowhere'; sleep 2")
                .await
                .contains("nowhere")
        );
        assert!(
            failure("kill -9 $$").await.starts_with("the server was ended by SIGKILL before"),
            "a signal is named"
        );
        let missing = start(&["/no/such/server"]);
        let cores = Cores::divide().unwrap();
        let missing = ServerProcess::start(&missing, &Mark::new(), &cores).await;
        assert!(missing.is_err_and(|error| error.to_string().contains("/no/such/server")));
    }
}
