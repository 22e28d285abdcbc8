//! A certificate for what a trial starts, in files of its folder.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use rcgen::{CertificateParams, DnType, KeyPair};

/// How long before and after now it is valid.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Where it is.
pub(super) struct Certificate {
    /// The certificate alone.
    pub(super) file: PathBuf,
    pub(super) key: PathBuf,
    /// Certificate and key in one file.
    pub(super) both: PathBuf,
}

impl Certificate {
    /// Makes one for `host` and localhost, whose key (ECDSA, P-256) nobody else may read.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub(super) fn make(folder: &Path, host: Ipv4Addr) -> anyhow::Result<Self> {
        let names = ["localhost".to_owned(), host.to_string()];
        let mut params = CertificateParams::new(names).context("no certificate could be made")?;
        params.distinguished_name.push(DnType::CommonName, "pushbench");
        #[expect(clippy::disallowed_methods, reason = "certificates are dated by the wall clock")]
        let now = std::time::SystemTime::now();
        params.not_before = (now - DAY).into();
        params.not_after = (now + DAY).into();
        let signing_key = KeyPair::generate().context("no key could be made")?;
        let certificate =
            params.self_signed(&signing_key).context("no certificate could be made")?.pem();
        let key = signing_key.serialize_pem();
        let file = |name: &str| folder.join(name);
        let made =
            Self { file: file("certificate.pem"), key: file("key.pem"), both: file("both.pem") };
        let written = fs::write(&made.file, &certificate)
            .and_then(|()| write_secret(&made.key, &key))
            .and_then(|()| write_secret(&made.both, &format!("{certificate}{key}")));
        written.context("cannot write a certificate")?;
        Ok(made)
    }
}

fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
