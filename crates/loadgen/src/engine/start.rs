//! How a trial comes to its servers and proxies, and how subscribers reach them.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, ensure};
use pushbench_wire::Transport;
use pushbench_wire::endpoint::{HTTP3_PREFIX, TLS_PREFIX};

use super::execution::NotAllConnected;
use super::foreign_place::ForeignPlace;
use super::pool::Page;
use super::trial::TrialPlan;
use crate::client::{Fingerprints, Tls};
use crate::deployment::network::Network;
use crate::deployment::{
    BrowserPage, Deployment, FreshCopy, OwnFiles, Readiness, ServerStart, server_command,
};
use crate::scenario::{Browser, HttpVersion, Nodes};

/// How subscribers reach what was started.
pub(super) struct Reach {
    /// By TLS, if it is not the description of a server that says so.
    pub(super) tls: Option<Tls>,
    /// Where whom to trust then is written down.
    certificate: Option<PathBuf>,
    /// A described server as they know it who go through a proxy.
    pub(super) behind: Option<ForeignPlace>,
    /// What a server of ours needs while it runs.
    _own: Option<OwnServer>,
}

/// What a server of ours needs while it runs.
struct OwnServer {
    /// Of its program, if it has one.
    _copy: Option<FreshCopy>,
    /// How it is spoken to by TLS, if it is, and whom to trust then.
    tls: Option<Tls>,
    certificate: Option<PathBuf>,
}

impl TrialPlan<'_> {
    /// Starts the server, or finds it, and the proxy before it, and lets subscribers come through `network`, and the
    /// page of a browser from where it is.
    pub(super) async fn deployment(
        &self,
        place: Option<&ForeignPlace>,
        network: Option<Network>,
        page: Option<&Page>,
    ) -> anyhow::Result<(Deployment, Reach)> {
        let host = network.as_ref().map_or(Ipv4Addr::LOCALHOST, Network::server_address);
        let (mut deployment, own) = match place {
            Some(place) => (place.deployment(self.cores).await?, None),
            None => {
                let (deployment, own) = self.own_server(host, page).await?;
                (deployment, Some(own))
            }
        };
        let tls = own.as_ref().and_then(|own| own.tls.clone());
        let certificate = own.as_ref().and_then(|own| own.certificate.clone());
        let mut reach = Reach { tls, certificate, behind: None, _own: own };
        if let Some(proxy) = &self.contender.road.proxy {
            let second = place.and_then(|place| place.second);
            let certificate = deployment.put_before(proxy, second, host, self.cores).await?;
            reach.tls = certificate.as_deref().map(|file| self.trust(file)).transpose()?;
            reach.certificate = certificate;
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

    /// Where a browser finds its page, where it is one that runs subscribers.
    pub(super) fn page(&self, network: Option<&Network>) -> anyhow::Result<Option<Page>> {
        if self.contender.id.client().browser().is_none() {
            return Ok(None);
        }
        Page::bind(network.and_then(Network::clients).as_ref()).map(Some)
    }

    /// Starts the browser of a page, if there is one, which will open it.
    pub(super) async fn open_browser(
        &self,
        deployment: &mut Deployment,
        reach: &Reach,
        page: Option<Page>,
    ) -> anyhow::Result<Option<Page>> {
        let Some((mut page, browser)) = page.zip(self.contender.id.client().browser()) else {
            return Ok(None);
        };
        let http = self.contender.http();
        let server = deployment.subscribe(0, 0).context("there is nowhere to subscribe")?;
        let trusted = reach.certificate.as_deref().map(Fingerprints::of).transpose()?;
        let start = BrowserPage {
            browser,
            url: &page.url(),
            address: page.address(),
            trusted_key: trusted.as_ref().map(Fingerprints::key_in_base64),
            http2: http == HttpVersion::Http2,
            http3_at: http.is_by_udp().then_some(server),
        };
        deployment.add_browser(&start, self.cores).await?;
        page.certificate = trusted.map(|trusted| trusted.certificate);
        Ok(Some(page))
    }

    /// An error that may be the proxy's, or of a browser that opens no more connections.
    pub(super) fn on_the_road(&self, error: anyhow::Error) -> anyhow::Error {
        let contender = self.contender;
        let proxy = contender.road.proxy.as_ref();
        let browser = contender.id.client().browser();
        let error = match (browser, error.downcast_ref::<NotAllConnected>()) {
            (Some(browser), Some(short)) => match self.why_short(browser, short) {
                Some(why) => anyhow!("{error}: {why}"),
                None => error,
            },
            _ => error,
        };
        match proxy {
            Some(proxy) => error.context(format!("through the proxy {}", proxy.label)),
            None => error,
        }
    }

    /// Why a browser may have connected only some of its subscribers.
    fn why_short(&self, browser: Browser, short: &NotAllConnected) -> Option<String> {
        let NotAllConnected { connected, wanted } = *short;
        let contender = self.contender;
        let transport = contender.id.transport();
        if connected == 0 {
            // Of the head of its answer nobody knows whether a proxy held it back.
            let proxy = contender.road.proxy.as_ref().filter(|_| transport == Transport::Sse)?;
            return Some(format!(
                "{} opens an event stream with the head of its answer, which {} may hold back until there is an event",
                browser.label(),
                proxy.label
            ));
        }
        let holds_connections = contender.settings.polling_interval().is_none()
            && transport != Transport::WebSocket
            && contender.http() == HttpVersion::Http1;
        // Each server is an origin of its own; one with fewer subscriptions than others got is not short of any.
        let of_one = wanted.div_ceil(u64::from(contender.nodes().count));
        (holds_connections && of_one >= connected).then(|| {
            format!(
                "{} probably opens no more connections to one origin over HTTP/1.1, whose event streams and long \
                 polls hold one each; HTTP/2 has no such limit",
                browser.label()
            )
        })
    }

    /// A server of ours, and what it needs.
    async fn own_server(
        &self,
        host: Ipv4Addr,
        page: Option<&Page>,
    ) -> anyhow::Result<(Deployment, OwnServer)> {
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
        let mut command = server_command(server, scenario, contender, &files, cores, host);
        // Another server than ours may not know it.
        if let Some(page) = page {
            command.extend(["--allow-origin".to_owned(), page.origin()]);
        }
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
        let certificate = certificate.map(Path::to_owned);
        Ok((deployment, OwnServer { _copy: copy, tls, certificate }))
    }
}
