//! A server under test that is a process of ours: a fresh one for every trial, with a line that says
//! when it is ready and routes that say how it is. It must not know how it is observed.

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pushbench_wire::endpoint::{HEALTH_PATH, METRICS_PATH, READY_PREFIX, TOKEN_VARIABLE};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long a server may take until it is ready, and until it has answered a control request.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// How long a server may take to stop before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// How long a server that ends may take to be reaped, and its last words to be read.
const DYING: Duration = Duration::from_millis(500);

/// How much of what the server writes on its standard error is kept for the reason of a failure.
const MAX_COMPLAINT_BYTES: usize = 2_000;

/// A running server. Dropping it kills the process; should this process be killed, the server
/// notices the end of its standard input and stops.
pub(super) struct ServerProcess {
    child: Child,
    /// Held open: its end tells the server that nobody needs it any more.
    _stdin: Option<ChildStdin>,
    complaint: Complaint,
    address: SocketAddr,
    process: Pid,
    client: reqwest::Client,
}

/// The end of what a server writes on its standard error.
struct Complaint(Option<JoinHandle<String>>);

impl ServerProcess {
    /// Starts `command` and waits until it answers.
    pub(super) async fn start(command: &[String]) -> anyhow::Result<Self> {
        let (program, arguments) =
            command.split_first().context("the server's command is empty")?;
        let mut child = Command::new(program)
            .args(arguments)
            // Subscribers and publishers have no token.
            .env_remove(TOKEN_VARIABLE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C goes to the whole group of a terminal; the server must outlive the drain.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start the server `{program}`"))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("the server has no standard output")?;
        let stderr = child.stderr.take().context("the server has no standard error")?;
        let mut complaint = Complaint(Some(tokio::spawn(tail(stderr))));
        let process = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let process = process.context("the server ended at once")?;

        let address = match timeout(READY_WITHIN, ready_line(stdout)).await {
            Ok(Ok(address)) => address,
            // It has closed its output: how it ended, and what it wrote on standard error, say why.
            Ok(Err(error)) => match timeout(DYING, child.wait()).await {
                Ok(Ok(status)) => bail!(
                    "the server {} before it was ready{}",
                    ended_with(status),
                    complaint.words().await
                ),
                _ => return Err(error.context("the server did not get ready")),
            },
            Err(_) => bail!("the server did not print `{READY_PREFIX}…` within {READY_WITHIN:?}"),
        };
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(READY_WITHIN)
            // A kept connection would be one more subscriber in the server's memory.
            .pool_max_idle_per_host(0)
            .build()
            .context("cannot make a client for the server's control routes")?;
        let server = Self { child, _stdin: stdin, complaint, address, process, client };
        server.get(HEALTH_PATH).await?;
        Ok(server)
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its number.
    pub(super) fn process(&self) -> Pid {
        self.process
    }

    /// Waits until the process ends, which it should not do by itself, and says how it did.
    pub(super) async fn ended(&mut self) -> anyhow::Error {
        match self.child.wait().await {
            Ok(status) => {
                anyhow!("the server {}{}", ended_with(status), self.complaint.words().await)
            }
            Err(error) => anyhow::Error::new(error).context("cannot wait for the server"),
        }
    }

    /// Asks it to stop, and kills it when it does not.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait().context("cannot wait for the server")? {
            bail!("the server {} unexpectedly{}", ended_with(status), self.complaint.words().await);
        }
        kill(self.process, Signal::SIGTERM).context("cannot signal the server")?;
        let Ok(status) = timeout(STOP_WITHIN, self.child.wait()).await else {
            self.child.kill().await.context("cannot kill the server")?;
            bail!("the server did not stop within {STOP_WITHIN:?} of SIGTERM and was killed");
        };
        let status = status.context("cannot wait for the server")?;
        if !status.success() {
            bail!("the server {}{}", ended_with(status), self.complaint.words().await);
        }
        Ok(())
    }

    /// The value of `series` in its own metrics; empty when it does not say.
    pub(super) async fn sample(&self, series: &str) -> Option<f64> {
        sample(&self.get(METRICS_PATH).await.ok()?, series)
    }

    async fn get(&self, path: &str) -> anyhow::Result<String> {
        let url = format!("http://{}{path}", self.address);
        let asked = async { self.client.get(&url).send().await?.error_for_status()?.text().await };
        asked.await.with_context(|| format!("the server does not answer {url}"))
    }
}

/// The value of one series in Prometheus text.
fn sample(metrics: &str, series: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

async fn ready_line(stdout: impl AsyncRead + Unpin + Send + 'static) -> anyhow::Result<SocketAddr> {
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await.context("cannot read the server's output")? {
        if let Some(url) = line.strip_prefix(READY_PREFIX) {
            let address = url.trim().trim_start_matches("http://").parse();
            let address = address.with_context(|| format!("the server listens on {url:?}?"))?;
            // A full pipe would block the server.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(address);
        }
    }
    bail!("its output ended without a line `{READY_PREFIX}…`")
}

impl Complaint {
    /// What was written, once the process has ended, as the end of a sentence.
    async fn words(&mut self) -> String {
        let Some(reader) = self.0.take() else { return String::new() };
        match timeout(DYING, reader).await {
            Ok(Ok(text)) if !text.trim().is_empty() => format!("; it said: {}", text.trim()),
            _ => String::new(),
        }
    }
}

/// Reads `stderr` to its end and keeps the last of it.
async fn tail(stderr: impl AsyncRead + Unpin) -> String {
    let mut lines = BufReader::new(stderr).lines();
    let mut tail = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        tail.push_str(&line);
        tail.push('\n');
        if let Some(excess) = tail.len().checked_sub(MAX_COMPLAINT_BYTES) {
            let cut = (excess..tail.len()).find(|&at| tail.is_char_boundary(at));
            tail.drain(..cut.unwrap_or_default());
        }
    }
    tail
}

fn ended_with(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    let signal = status.signal().and_then(|number| Signal::try_from(number).ok());
    match (signal, status.code()) {
        (Some(signal), _) => format!("was ended by {signal}"),
        (None, Some(code)) => format!("ended with exit code {code}"),
        (None, None) => format!("ended with {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(str::to_owned).to_vec()
    }

    async fn failure(script: &str) -> String {
        match ServerProcess::start(&shell(script)).await {
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
        let missing = ServerProcess::start(&["/no/such/server".to_owned()]).await;
        assert!(missing.is_err_and(|error| error.to_string().contains("/no/such/server")));
    }

    #[test]
    fn prometheus_samples() {
        let text = "# HELP a b\na{t=\"x\"} 12\na{t=\"y\"} 3e2\n";
        assert_eq!(sample(text, "a{t=\"y\"}"), Some(300.0));
        assert_eq!(sample(text, "a{t=\"z\"}"), None);
    }
}
