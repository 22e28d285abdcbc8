//! The flags about TLS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use pushbench_server::Tls;

/// How the server is reached by TLS 1.3, beside plain HTTP.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsFlags {
    /// Serve by TLS 1.3 as well, at this address and port, with a certificate made for this run; port 0
    /// selects a free one
    #[arg(long, value_name = "ADDR")]
    tls: Option<SocketAddr>,

    /// Its certificate instead, and those that vouch for it, as PEM
    #[arg(long, value_name = "FILE", requires = "tls", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The private key of that certificate, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Let clients resume their session, with a ticket for each connection, instead of a whole handshake
    #[arg(long, requires = "tls")]
    tls_resumption: bool,

    /// Write the certificate that is made to this file, for those who are to trust it
    #[arg(long, value_name = "FILE", requires = "tls", conflicts_with = "tls_cert")]
    tls_cert_out: Option<PathBuf>,
}

/// Far more than a chain of certificates needs.
const MAX_PEM_BYTES: u64 = 1 << 20;

impl TlsFlags {
    /// Where and how to serve by TLS, if at all. `listen` is where plain HTTP is.
    pub(crate) fn read(&self, listen: SocketAddr) -> anyhow::Result<Option<(SocketAddr, Tls)>> {
        let Some(at) = self.tls else { return Ok(None) };
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                let texts = (pem(certificate)?, pem(key)?);
                Tls::new(&texts.0, &texts.1).with_context(|| {
                    format!("cannot use {} with {}", certificate.display(), key.display())
                })?
            }
            _ => self.made(at, listen)?,
        };
        let tls = match self.tls_resumption {
            true => tls.with_resumption().context("no tickets can be issued")?,
            false => tls,
        };
        Ok(Some((at, tls)))
    }

    fn made(&self, at: SocketAddr, listen: SocketAddr) -> anyhow::Result<Tls> {
        let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let own = [at.ip(), listen.ip()].into_iter().filter(|ip| !ip.is_unspecified());
        let mut names: Vec<_> = loopback.into_iter().chain(own).map(|ip| ip.to_string()).collect();
        names.sort_unstable();
        names.dedup();
        names.push("localhost".to_owned());
        let (tls, certificate) = Tls::self_signed(names)?;
        if let Some(file) = &self.tls_cert_out {
            std::fs::write(file, certificate)
                .with_context(|| format!("cannot write the certificate to {}", file.display()))?;
        }
        Ok(tls)
    }
}

fn pem(path: &Path) -> anyhow::Result<Vec<u8>> {
    let shown = path.display();
    let is_large = std::fs::metadata(path).is_ok_and(|about| about.len() > MAX_PEM_BYTES);
    ensure!(!is_large, "{shown} is larger than certificates and keys are");
    std::fs::read(path).with_context(|| format!("cannot read {shown}"))
}
