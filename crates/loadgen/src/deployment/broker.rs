//! The Redis between several servers of a trial: the distribution's, with a configuration of our own, that keeps nothing
//! and goes with the trial.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};

use anyhow::{Context as _, anyhow, bail, ensure};

use super::proxy::program_of;
use super::{Cores, Deployment, PartRole, Readiness, ServerStart, free_port};
use crate::scenario::Broker;

/// Its program, and how one gets it.
const PROGRAM: &str = "redis-server";
const INSTALL: &str = "apt-get install redis-server";

/// Whatever decides about its figures, so that they are the same wherever it runs: nothing is written to the disk, and
/// one thread does all of it, as by default. The log goes where complaints are read.
const CONFIG: &str = "\
bind {host}
port {port}
protected-mode no
daemonize no
supervised no
pidfile \"\"
logfile /dev/stderr
loglevel warning
dir {folder}
save \"\"
appendonly no
databases 1
io-threads 1
hz 10
tcp-backlog 511
tcp-keepalive 300
timeout 0
maxmemory 0
client-output-buffer-limit pubsub 32mb 8mb 60
";

impl Deployment {
    /// Starts it on `host`, and says where it is.
    pub(super) async fn add_broker(
        &mut self,
        broker: Broker,
        host: Ipv4Addr,
        cores: &Cores,
    ) -> anyhow::Result<SocketAddr> {
        let program = program_of(PROGRAM);
        ensure_version(&program, broker)?;
        let folder = tempfile::tempdir().context("cannot make a folder for Redis")?;
        let config = folder.path().join("redis.conf");
        let port = free_port()?;
        let path = folder.path().display().to_string();
        let text = CONFIG
            .replace("{host}", &host.to_string())
            .replace("{port}", &port.to_string())
            .replace("{folder}", &path);
        fs::write(&config, text).context("cannot write the configuration of Redis")?;
        let at = SocketAddr::from((host, port));
        let start = ServerStart {
            what: "the broker Redis".to_owned(),
            command: vec![program, config.display().to_string()],
            folder: Some(folder.path().to_owned()),
            ready: Readiness::Port { at: at.to_string() },
            scratch: Some(folder.path().to_owned()),
            install: Some(INSTALL),
        };
        // It goes with the deployment, whatever becomes of Redis.
        self.folders.push(folder);
        self.start(PartRole::Broker(0), &start, cores).await?;
        Ok(at)
    }
}

/// Whether the program has what it is used for.
fn ensure_version(program: &str, broker: Broker) -> anyhow::Result<()> {
    let asked = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    let said = asked.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            anyhow!("there is no program `{PROGRAM}` on this machine: {INSTALL}")
        }
        _ => anyhow!(error).context(format!("cannot start `{program}`")),
    })?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let Some(version) = version(&said) else {
        bail!("`{program} --version` does not say which version of Redis it is: {:?}", said.trim())
    };
    let major: u32 =
        version.split('.').next().and_then(|text| text.parse().ok()).unwrap_or_default();
    let least = broker.least_version();
    ensure!(
        major >= least,
        "`{program}` is Redis {version}, and `broker = \"{}\"` needs Redis {least}: install a newer one",
        broker.key()
    );
    Ok(())
}

/// The version in what the program says of itself.
fn version(said: &str) -> Option<&str> {
    said.split_whitespace().find_map(|word| word.strip_prefix("v="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_says_its_version() {
        let said = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=0";
        assert_eq!(version(said), Some("7.0.15"));
        assert_eq!(version("redis 7"), None);
    }
}
