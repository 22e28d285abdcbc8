//! A proxy before the servers of a trial: its folder with all that it needs and writes, its port, and its
//! process.

use std::env;
use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use super::certificate::Certificate;
use super::{Cores, Deployment, NotStarted, PartRole, Readiness, ServerStart};
use crate::scenario::Proxy;

/// Where programs of administrators are, which not everybody's `PATH` names.
const MORE_PATHS: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// How much of a version is kept.
const MAX_VERSION: usize = 120;

impl Deployment {
    /// Starts `proxy` on `host` before the only server, which may listen at a `second` address, or before all that are one
    /// to their subscribers, on its cores.
    /// Subscribers go there from now on, and the publisher goes to the server as before. The answer is the
    /// file that has whom to trust there; none without TLS.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(crate) async fn put_before(
        &mut self,
        proxy: &Proxy,
        second: Option<SocketAddr>,
        host: Ipv4Addr,
        cores: &Cores,
    ) -> Result<Option<PathBuf>, NotStarted> {
        self.put(proxy, second, host, cores).await.map_err(NotStarted)
    }

    async fn put(
        &mut self,
        proxy: &Proxy,
        second: Option<SocketAddr>,
        host: Ipv4Addr,
        cores: &Cores,
    ) -> anyhow::Result<Option<PathBuf>> {
        ensure!(self.publish.len() == 1, "a proxy can stand before one server only");
        let upstream = self.publish[0];
        // Servers that are one to their subscribers are behind it, all of them.
        let nodes = self.subscribe.get(1..).unwrap_or_default();
        let folder = tempfile::tempdir().context("cannot make a folder for a proxy")?;
        // Some leave their rights behind, and then still want to write into folders in it.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o711))
            .context("cannot open the folder of a proxy")?;
        let certificate = proxy.tls.then(|| Certificate::make(folder.path(), host)).transpose()?;
        let config = folder.path().join(&proxy.config_name);
        let port = free_port()?;
        let address = SocketAddr::from((host, port));
        let path = |path: &Path| path.display().to_string();
        let mut values = vec![
            ("listen", address.to_string()),
            ("listen_host", host.to_string()),
            ("port", port.to_string()),
            ("upstream", upstream.to_string()),
            ("upstream_host", upstream.ip().to_string()),
            ("upstream_port", upstream.port().to_string()),
            ("folder", path(folder.path())),
            ("config", path(&config)),
        ];
        values.extend(second.map(|second| ("upstream_2", second.to_string())));
        let names: Vec<_> = (2..).take(nodes.len()).map(|of| format!("upstream_{of}")).collect();
        values
            .extend(names.iter().map(|name| &name[..]).zip(nodes.iter().map(ToString::to_string)));
        if let Some(made) = &certificate {
            let of_certificate =
                [("certificate", &made.file), ("key", &made.key), ("pem", &made.both)];
            values.extend(of_certificate.map(|(name, file)| (name, path(file))));
        }
        if let Some(text) = &proxy.config {
            let text = Proxy::grown(text, nodes.len() + 1);
            fs::write(&config, Proxy::fill(&text, &values))
                .context("cannot write the configuration of a proxy")?;
        }
        let mut command: Vec<_> =
            proxy.command.iter().map(|word| Proxy::fill(word, &values)).collect();
        if let Some(program) = command.first_mut() {
            *program = program_of(program);
        }
        let start = ServerStart {
            what: format!("the proxy {}", proxy.label),
            command,
            folder: match &proxy.folder {
                None => Some(folder.path().to_owned()),
                Some(own) if own.as_os_str().is_empty() => None,
                Some(own) => Some(own.clone()),
            },
            ready: Readiness::Port { at: address.to_string() },
            scratch: Some(folder.path().to_owned()),
            install: proxy.install,
        };
        // It goes with the deployment, whatever becomes of the proxy.
        self.folders.push(folder);
        self.start(PartRole::Proxy(0), &start, cores).await?;
        self.subscribe = vec![address];
        Ok(certificate.map(|made| made.file))
    }
}

/// The first line that a proxy's program says of its version; nothing where it is not there.
pub(crate) fn proxy_version(proxy: &Proxy) -> Option<String> {
    let asked = Command::new(program_of(proxy.command.first()?))
        .arg(proxy.version?)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let said = [asked.stdout, asked.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().take(MAX_VERSION).collect())
}

/// Where a program is that is called by its name alone; as it is called, where nobody has it.
pub(super) fn program_of(name: &str) -> String {
    if name.contains('/') {
        return name.to_owned();
    }
    let paths = env::var_os("PATH").unwrap_or_default();
    let is_there = |folder: &PathBuf| folder.join(name).is_file();
    if env::split_paths(&paths).any(|folder| is_there(&folder)) {
        return name.to_owned();
    }
    let found = MORE_PATHS.map(PathBuf::from).into_iter().find(is_there);
    found.map_or_else(|| name.to_owned(), |folder| folder.join(name).display().to_string())
}

/// One that is free now. Nobody can promise it to a process that is yet to be started.
///
/// # Errors
/// When there is none.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    Ok(listener.local_addr().context("no port is free")?.port())
}
