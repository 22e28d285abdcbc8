//! Why a handshake of TLS fails, as far as somebody can do something about it.

use std::error::Error;
use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError};

/// A handshake that failed for a reason that has a way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// What answers speaks no TLS.
    NoTls,
    /// Its certificate was valid before today.
    Expired,
    /// Its certificate will be valid.
    NotYet,
    /// Its certificate names others.
    OtherName,
    /// Nobody vouches for its certificate whom we trust, or it is of no use.
    Untrusted,
    /// It speaks no HTTP that was asked for, as TLS says it (ALPN, RFC 7301).
    NoCommonHttp,
}

/// Both sides have TLS, and what was asked for was not chosen.
#[derive(Debug)]
pub(super) struct NothingChosen;

impl fmt::Display for NothingChosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HTTP/2 was offered, and not chosen")
    }
}

impl Error for NothingChosen {}

impl Refusal {
    /// The one that `error` is; none where nobody here knows what helps.
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        let inner = error.get_ref()?;
        if inner.is::<NothingChosen>() {
            return Some(Self::NoCommonHttp);
        }
        match inner.downcast_ref::<rustls::Error>()? {
            rustls::Error::InvalidMessage(_) => Some(Self::NoTls),
            rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
                Some(Self::NoCommonHttp)
            }
            rustls::Error::InvalidCertificate(why) => Some(match why {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    Self::Expired
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    Self::NotYet
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => Self::OtherName,
                _ => Self::Untrusted,
            }),
            _ => None,
        }
    }

    /// What helps with a server of ours, or with the proxy before it: both get their certificate from us,
    /// and the client trusts that one alone.
    pub(super) fn advice_for_ours(self) -> &'static str {
        match self {
            Self::NoTls => "does it speak TLS at this port?",
            Self::Expired => {
                "renew its certificate, or set this machine's clock right; a proxy gets one for each trial, as \
                 {certificate} and {key}"
            }
            Self::NotYet => {
                "set this machine's clock right, or give it a certificate that is valid by now"
            }
            Self::OtherName => {
                "it needs a certificate for the address that clients connect to; a proxy gets one, as \
                 {certificate} and {key}"
            }
            Self::Untrusted => {
                "clients trust nobody but whoever has the certificate of this trial: a proxy gets it as \
                 {certificate} and {key}"
            }
            Self::NoCommonHttp => {
                "turn HTTP/2 on where TLS ends (ALPN `h2`), or write `http = \"1.1\"`"
            }
        }
    }

    /// What helps with a server that the scenario describes.
    pub(super) fn advice_for_described(self) -> &'static str {
        match self {
            Self::NoTls => "does it speak TLS at this port? else use http://",
            Self::Expired => {
                "renew its certificate, or set this machine's clock right, or trust anybody with \
                 `tls = { insecure = true }`"
            }
            Self::NotYet => {
                "set this machine's clock right, or trust anybody with `tls = { insecure = true }`"
            }
            Self::OtherName => {
                "write a `url` with a name that it has, or trust anybody with `tls = { insecure = true }`"
            }
            Self::Untrusted => {
                "trust it with `tls = { ca = \"ca.pem\" }`, or anybody with `tls = { insecure = true }`"
            }
            Self::NoCommonHttp => "let it speak HTTP/1.1 (ALPN `http/1.1`)",
        }
    }
}
