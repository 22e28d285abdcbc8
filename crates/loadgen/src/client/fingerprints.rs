//! How a browser is told whom to trust: by hashes. It must not know which browser.

use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::server::ParsedCertificate;
use sha2::{Digest as _, Sha256};

use super::tls::certificates;

/// SHA-256 of a certificate, and of the key in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprints {
    /// Of all of it (W3C WebTransport, serverCertificateHashes).
    pub(crate) certificate: Vec<u8>,
    /// Of its SubjectPublicKeyInfo (RFC 7469 §2.4).
    key: Vec<u8>,
}

impl Fingerprints {
    /// Those of the first certificate in `file`.
    ///
    /// # Errors
    /// When there is none that can be read.
    pub(crate) fn of(file: &Path) -> anyhow::Result<Self> {
        let first = certificates(file)?.into_iter().next();
        let first = first.with_context(|| format!("{} holds no certificate", file.display()))?;
        let parsed = ParsedCertificate::try_from(&first)
            .with_context(|| format!("the certificate in {} cannot be read", file.display()))?;
        let sha256 = |bytes: &[u8]| Sha256::digest(bytes).to_vec();
        Ok(Self { certificate: sha256(&first), key: sha256(&parsed.subject_public_key_info()) })
    }

    /// That of the key, as flags of browsers have it.
    pub(crate) fn key_in_base64(&self) -> String {
        BASE64.encode(&self.key)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PublicKeyData as _};

    use super::*;

    #[test]
    fn hashes_are_those_of_what_is_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("certificate.pem");
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["x".to_owned()]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        std::fs::write(&file, certificate.pem()).unwrap();
        let found = Fingerprints::of(&file).unwrap();
        assert_eq!(found.certificate, Sha256::digest(certificate.der()).to_vec());
        assert_eq!(found.key, Sha256::digest(key.subject_public_key_info()).to_vec());
        std::fs::write(&file, "nothing").unwrap();
        assert!(Fingerprints::of(&file).is_err());
    }
}
