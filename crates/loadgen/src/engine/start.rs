//! How a trial comes to its servers and proxies, and how subscribers reach them.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context as _, ensure};
use pushbench_wire::endpoint::{HTTP3_PREFIX, TLS_PREFIX};

use super::foreign_place::ForeignPlace;
use super::trial::TrialPlan;
use crate::client::Tls;
use crate::deployment::network::Network;
use crate::deployment::{Deployment, FreshCopy, OwnFiles, Readiness, ServerStart, server_command};
use crate::scenario::Nodes;

/// How subscribers reach what was started.
pub(super) struct Reach {
    /// By TLS, if it is not the description of a server that says so.
    pub(super) tls: Option<Tls>,
    /// A described server as they know it who go through a proxy.
    pub(super) behind: Option<ForeignPlace>,
    /// What a server of ours needs while it runs.
    _own: Option<OwnServer>,
}

/// What a server of ours needs while it runs.
struct OwnServer {
    /// Of its program, if it has one.
    _copy: Option<FreshCopy>,
    /// How it is spoken to by TLS, if it is.
    tls: Option<Tls>,
}

impl TrialPlan<'_> {
    /// Starts the server, or finds it, and the proxy before it, and lets subscribers come through `network`.
    pub(super) async fn deployment(
        &self,
        place: Option<&ForeignPlace>,
        network: Option<Network>,
    ) -> anyhow::Result<(Deployment, Reach)> {
        let host = network.as_ref().map_or(Ipv4Addr::LOCALHOST, Network::server_address);
        let (mut deployment, own) = match place {
            Some(place) => (place.deployment(self.cores).await?, None),
            None => {
                let (deployment, own) = self.own_server(host).await?;
                (deployment, Some(own))
            }
        };
        let tls = own.as_ref().and_then(|own| own.tls.clone());
        let mut reach = Reach { tls, behind: None, _own: own };
        if let Some(proxy) = &self.contender.road.proxy {
            let second = place.and_then(|place| place.second);
            let certificate = deployment.put_before(proxy, second, host, self.cores).await?;
            reach.tls = certificate.map(|file| self.trust(&file)).transpose()?;
        }
        network.map(|network| deployment.put_behind(network)).transpose()?;
        if let Some(place) = place.filter(|_| self.contender.road.proxy.is_some()) {
            let address = deployment.subscribe(0, 0).context("there is nowhere to subscribe")?;
            reach.behind = Some(place.behind(address, reach.tls.clone())?);
        }
        Ok((deployment, reach))
    }

    /// TLS with whoever has the certificate in `file`.
    fn trust(&self, file: &Path) -> anyhow::Result<Tls> {
        Tls::trusting(file, self.contender.http())
    }

    /// An error that may be the proxy's.
    pub(super) fn on_the_road(&self, error: anyhow::Error) -> anyhow::Error {
        match &self.contender.road.proxy {
            Some(proxy) => error.context(format!("through the proxy {}", proxy.label)),
            None => error,
        }
    }

    /// A server of ours, and what it needs.
    async fn own_server(&self, host: Ipv4Addr) -> anyhow::Result<(Deployment, OwnServer)> {
        let Self { server, scenario, contender, cores, .. } = *self;
        let folder = match contender.road.tls || contender.road.log.sync().is_some() {
            false => None,
            true => Some(tempfile::tempdir().context("cannot make a folder for a server's files")?),
        };
        let files = match &folder {
            None => OwnFiles::default(),
            Some(folder) => OwnFiles::within(folder.path(), scenario, contender, host)?,
        };
        let certificate = files.certificate.as_deref();
        let command = server_command(server, scenario, contender, &files, cores, host);
        let copy = match command.first() {
            Some(program) if self.copied => Some(FreshCopy::of(program.as_ref())?),
            _ => None,
        };
        let mut start = ServerStart {
            scratch: folder.as_ref().map(|folder| folder.path().to_owned()),
            ..ServerStart::server(command, Readiness::Announced)
        };
        if let Some(copy) = &copy {
            start.command[0] = copy.path().to_string_lossy().into_owned();
        }
        let mut deployment = match contender.nodes() {
            Nodes::ALONE => Deployment::of_servers(&[start], self.cores).await?,
            nodes => Deployment::of_nodes(nodes, &start, host, self.cores).await?,
        };
        if let Some(folder) = folder {
            if contender.road.log.sync().is_some() {
                deployment.has_log_in(folder.path());
            }
            deployment.keep(folder);
        }
        ensure!(
            certificate.is_some() == deployment.has_tls(),
            "the server does not say where it is by TLS: it should print `{TLS_PREFIX}…` first"
        );
        ensure!(
            contender.wants_udp() == deployment.has_http3(),
            "the server does not say where it is by HTTP/3: it should print `{HTTP3_PREFIX}…` with the port of \
             `{TLS_PREFIX}…`"
        );
        let tls = certificate.map(|file| self.trust(file)).transpose()?;
        Ok((deployment, OwnServer { _copy: copy, tls }))
    }
}
