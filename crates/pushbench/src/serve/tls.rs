//! The flags about TLS.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use pushbench_server::{Tls, TlsListeners};

use super::listen_at;

/// How the server is reached by TLS 1.3, beside plain HTTP.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsFlags {
    /// Serve by TLS 1.3 as well, at this address and port, with a certificate made for this run; port 0
    /// selects a free one
    #[arg(long, value_name = "ADDR")]
    tls: Option<SocketAddr>,

    /// Serve by HTTP/3 as well, on the UDP port of the same number
    #[arg(long, requires = "tls")]
    http3: bool,

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

/// Where and how to serve by TLS.
pub(crate) struct Secured {
    pub(crate) at: SocketAddr,
    tls: Tls,
    http3: bool,
}

/// How often a port is looked for that is free for TCP and for UDP.
const TRIES: u32 = 16;

impl Secured {
    /// Listens there.
    ///
    /// # Errors
    /// When somebody else does.
    pub(crate) fn listen(self) -> anyhow::Result<(TlsListeners, SocketAddr)> {
        let Self { at, tls, http3 } = self;
        let mut tries = 1..=TRIES;
        loop {
            let (tcp, bound) = listen_at(at, "--tls")?;
            if !http3 {
                return Ok((TlsListeners { tcp, udp: None, tls }, bound));
            }
            match udp_at(bound) {
                Ok(udp) => return Ok((TlsListeners { tcp, udp: Some(udp), tls }, bound)),
                // Of a port that was chosen for TCP, nobody knows whether it is free for UDP.
                Err(error)
                    if error.kind() == ErrorKind::AddrInUse
                        && at.port() == 0
                        && tries.next().is_some() => {}
                Err(error) => {
                    return Err(error).with_context(|| {
                        format!(
                            "cannot listen on UDP at {bound} for HTTP/3; choose another address with \
                             --tls, or leave out --http3"
                        )
                    });
                }
            }
        }
    }
}

fn udp_at(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Far more than a chain of certificates needs.
const MAX_PEM_BYTES: u64 = 1 << 20;

impl TlsFlags {
    /// Where and how to serve by TLS, if at all. `listen` is where plain HTTP is.
    pub(crate) fn read(&self, listen: SocketAddr) -> anyhow::Result<Option<Secured>> {
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
        Ok(Some(Secured { at, tls, http3: self.http3 }))
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
