//! TLS of the server: its certificate, and what it agrees to. It knows no connection.

use std::fmt;
use std::sync::Arc;

use quinn::crypto::rustls::{NoInitialCipherSuite, QuicServerConfig};
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::crypto::ring;
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, version};
use tokio_rustls::TlsAcceptor;

/// The one cipher suite of every connection, so that all that is compared encrypts alike. Every
/// implementation of TLS 1.3 has it (RFC 8446 §9.1).
const CIPHER_SUITE: rustls::SupportedCipherSuite = TLS13_AES_128_GCM_SHA256;

/// HTTP/2 as TLS names it (RFC 9113 §3.2).
pub(crate) const HTTP_2: &[u8] = b"h2";

/// HTTP/3 (RFC 9114 §3.1).
const HTTP_3: &[u8] = b"h3";

/// How long a certificate is valid that is made for a run: browsers pin no longer ones.
const VALID_DAYS: i64 = 13;

/// How connections are secured.
#[derive(Clone)]
pub struct Tls(Arc<ServerConfig>);

impl fmt::Debug for Tls {
    /// Without its key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The text holds none.
    #[error("there is no certificate in PEM form (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// The text holds none.
    #[error("there is no private key in PEM form (-----BEGIN PRIVATE KEY-----)")]
    NoKey(#[source] rustls::pki_types::pem::Error),
    /// It cannot be used.
    #[error("the certificate and its key cannot be used")]
    Unusable(#[from] rustls::Error),
    /// None could be made.
    #[error("no certificate could be made")]
    Made(#[from] rcgen::Error),
}

impl Tls {
    /// With a chain of certificates, the server's own first, and its private key, both as PEM.
    ///
    /// # Errors
    /// What they lack.
    pub fn new(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError::NoCertificate)?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        Self::of(chain, PrivateKeyDer::from_pem_slice(key).map_err(TlsError::NoKey)?)
    }

    /// With a certificate of its own for these host names and addresses, and that certificate as PEM,
    /// for those who are to trust it.
    ///
    /// # Errors
    /// When none can be made.
    pub fn self_signed(names: Vec<String>) -> Result<(Self, String), TlsError> {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "pushbench");
        #[expect(clippy::disallowed_methods, reason = "certificates are dated by the wall clock")]
        let now = std::time::SystemTime::now();
        let day = std::time::Duration::from_secs(24 * 60 * 60);
        params.not_before = (now - day).into();
        params.not_after = (now + day * VALID_DAYS as u32).into();
        let signing_key = KeyPair::generate()?;
        let cert = params.self_signed(&signing_key)?;
        let key = PrivateKeyDer::try_from(signing_key.serialize_der())
            .map_err(|why| rustls::Error::General(why.to_owned()))?;
        Ok((Self::of(vec![cert.der().clone()], key)?, cert.pem()))
    }

    fn of(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsError> {
        let mut provider = ring::default_provider();
        provider.cipher_suites = vec![CIPHER_SUITE];
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![HTTP_2.to_vec(), b"http/1.1".to_vec()];
        // Every connection has a whole handshake, whatever came before it.
        config.send_tls13_tickets = 0;
        Ok(Self(Arc::new(config)))
    }

    /// The same, whose clients may resume their session: each connection gets one ticket (RFC 8446 §4.6.1),
    /// which the server does not have to remember.
    ///
    /// # Errors
    /// When there is no randomness for the key of tickets.
    pub fn with_resumption(self) -> Result<Self, TlsError> {
        let mut config = (*self.0).clone();
        config.send_tls13_tickets = 1;
        config.ticketer = ring::Ticketer::new()?;
        Ok(Self(Arc::new(config)))
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.0))
    }

    /// The same for QUIC, whose handshake is that of TLS 1.3 (RFC 9001). Nothing is taken before it is over
    /// (0-RTT), as by TCP.
    pub(crate) fn for_quic(&self) -> Result<QuicServerConfig, NoInitialCipherSuite> {
        let mut config = (*self.0).clone();
        config.alpn_protocols = vec![HTTP_3.to_vec()];
        QuicServerConfig::try_from(config)
    }
}
