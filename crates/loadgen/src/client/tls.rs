//! TLS to a server, above the meter: bytes are counted and reads are timed as they go over the network.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use anyhow::{Context as _, ensure};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use pushbench_wire::clock;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, HandshakeKind, RootCertStore,
    SignatureScheme, version,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::ClientError;
use super::meter::ConnectionMeter;
use super::socket::Stream;
use super::tls_refusal::NothingChosen;
use crate::scenario::HttpVersion;

/// HTTP/2 as TLS names it (RFC 9113 §3.2).
const HTTP_2: &[u8] = b"h2";

/// How certificates are checked; connections of one trial share it.
#[derive(Clone)]
pub(crate) struct Tls(Arc<ClientConfig>);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Trusts what this system trusts, and the certificates of `ca`, a PEM file; or anybody, if
    /// `insecure`.
    ///
    /// # Errors
    /// When the file holds no certificate, or this system trusts nobody.
    pub(crate) fn new(ca: Option<&Path>, insecure: bool) -> anyhow::Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .context("cannot set up TLS")?;
        let algorithms = provider.signature_verification_algorithms;
        let checked_by = |usual, own| {
            let trusted = Arc::new(Trusted { usual, own, algorithms });
            let builder = builder.dangerous().with_custom_certificate_verifier(trusted);
            let mut config = builder.with_no_client_auth();
            // Every connection has a whole handshake, as towards a server of ours.
            config.resumption = Resumption::disabled();
            Self(Arc::new(config))
        };
        if insecure {
            return Ok(checked_by(None, Vec::new()));
        }
        let mut roots = RootCertStore::empty();
        let mut own = Vec::new();
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
        if let Some(ca) = ca {
            let shown = ca.display();
            let certificates = certificates(ca)?;
            own.clone_from(&certificates);
            for certificate in certificates {
                roots
                    .add(certificate)
                    .with_context(|| format!("{shown} holds a certificate that cannot be used"))?;
            }
        }
        ensure!(
            !roots.is_empty(),
            "this system trusts no certificate: install ca-certificates, or name a file in \
             `tls = {{ ca = \"…\" }}`"
        );
        let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .context("cannot set up TLS")?;
        Ok(checked_by(Some(usual), own))
    }

    /// Trusts the certificate in `file` and nobody else, and speaks this HTTP by TLS 1.3.
    ///
    /// # Errors
    /// When the file holds none.
    pub(crate) fn trusting(file: &Path, http: HttpVersion) -> anyhow::Result<Self> {
        let own = certificates(file)?;
        let mut roots = RootCertStore::empty();
        for certificate in &own {
            roots.add(certificate.clone()).context("the server's certificate cannot be used")?;
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&version::TLS13])
            .context("cannot set up TLS")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // What a proxy offers is not taken unless it is asked for: every connection has a whole handshake.
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![match http {
            HttpVersion::Http1 => b"http/1.1".to_vec(),
            HttpVersion::Http2 => HTTP_2.to_vec(),
            HttpVersion::Http3 | HttpVersion::WebTransport => b"h3".to_vec(),
        }];
        Ok(Self(Arc::new(config)))
    }

    /// The same for one subscriber, who remembers the sessions of his connections and resumes them.
    pub(crate) fn remembering(&self) -> Self {
        let mut config = (*self.0).clone();
        config.resumption = Resumption::in_memory_sessions(1);
        Self(Arc::new(config))
    }

    /// For connections that are not asynchronous.
    pub(super) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }

    pub(super) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        host: &str,
        stream: S,
        meter: &ConnectionMeter,
    ) -> io::Result<Secured<S>> {
        let begun_ns = clock::now_ns();
        let connector = TlsConnector::from(self.config());
        let secured = connector.connect(server_name(host)?, stream).await?;
        // Who says nothing speaks HTTP/1.1, and would take HTTP/2 for a bad request (RFC 9113 §3.2).
        let chosen = secured.get_ref().1.alpn_protocol();
        if self.0.alpn_protocols == [HTTP_2] && chosen != Some(HTTP_2) {
            return Err(io::Error::other(NothingChosen));
        }
        let is_resumed = secured.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        meter.note_handshake(is_resumed, clock::now_ns() - begun_ns);
        Ok(Secured::Tls(Box::new(secured)))
    }
}

/// Those of a PEM file; at least one.
pub(super) fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let shown = file.display();
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot read the certificates of {shown}"))?;
    ensure!(!certificates.is_empty(), "{shown} holds no certificate in PEM form");
    Ok(certificates)
}

/// A host as certificates name it.
pub(super) fn server_name(host: &str) -> io::Result<ServerName<'static>> {
    ServerName::try_from(host.to_owned()).map_err(io::Error::other)
}

/// Who may answer.
#[derive(Debug)]
struct Trusted {
    /// None: anybody.
    usual: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates that the user names. A server that has signed its own, as tools make them for tests,
    /// is trusted when its certificate is one of them.
    own: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Trusted {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(usual) = &self.usual else { return Ok(ServerCertVerified::assertion()) };
        match usual.verify_server_cert(certificate, chain, name, ocsp, now) {
            // The only objection that nobody can meet who signs for oneself: whoever signs may be no
            // server (RFC 5280 §4.2.1.9).
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(other)))
                if other.to_string().contains("CaUsedAsEndEntity")
                    && self.own.iter().any(|own| own == certificate) =>
            {
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// What every client of a server of ours speaks over.
pub(super) type Line = Secured<Stream>;

impl Line {
    /// Connects, with TLS if that is said.
    pub(super) async fn open(
        address: SocketAddr,
        tls: Option<&Tls>,
        meter: &Rc<ConnectionMeter>,
    ) -> Result<Self, ClientError> {
        let stream = Stream::open(address, meter).await?;
        let Some(tls) = tls else { return Ok(Self::Plain(stream)) };
        let secured = tls.connect(&address.ip().to_string(), stream, meter).await;
        secured.map_err(|source| ClientError::Tls { address, source })
    }
}

/// A connection with TLS or without.
#[derive(Debug)]
pub(super) enum Secured<S> {
    Plain(S),
    Tls(Box<TlsStream<S>>),
    /// A stream of HTTP/2, which is encrypted below.
    Stream(TokioIo<Upgraded>),
}

/// Does the same with whichever of them it is.
macro_rules! with_line {
    ($secured:expr, $line:ident => $does:expr) => {
        match $secured {
            Secured::Plain($line) => $does,
            Secured::Tls($line) => $does,
            Secured::Stream($line) => $does,
        }
    };
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Secured<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        with_line!(self.get_mut(), line => Pin::new(line).poll_read(cx, buffer))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Secured<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        with_line!(self.get_mut(), line => Pin::new(line).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        with_line!(self.get_mut(), line => Pin::new(line).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        with_line!(self, line => line.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_line!(self.get_mut(), line => Pin::new(line).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_line!(self.get_mut(), line => Pin::new(line).poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests;
