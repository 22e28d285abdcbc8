//! What is compressed for whom: who takes gzip, and what becomes of a stream that has it. An event is compressed
//! once, by itself, and shared as its frames are (`framing`); what each stream has of its own is the sum of
//! what it was sent.

use std::sync::LazyLock;

use bytes::Bytes;
use hyper::header::{ACCEPT_ENCODING, HeaderName, HeaderValue, VARY};
use hyper::http::request::Parts;
use pushbench_wire::deflate::push_flushed;
use pushbench_wire::{gzip, sse};

use crate::Server;
use crate::framing::{Form, Framing};
use crate::http::request::list;

/// What every answer says that may be compressed: another client may get it otherwise (RFC 9110 §12.5.5).
pub(crate) const VARIES: (HeaderName, HeaderValue) =
    (VARY, HeaderValue::from_static("Accept-Encoding"));

/// The value of `Content-Encoding`.
pub(crate) const GZIP: &str = "gzip";

impl Server {
    /// Whether the answer to `request` may come as gzip.
    pub(crate) fn compresses_for(&self, request: &Parts) -> bool {
        self.config.compression && accepts_gzip(request)
    }
}

/// RFC 9110 §12.5.3.
fn accepts_gzip(request: &Parts) -> bool {
    let mut any = false;
    for item in list(request, ACCEPT_ENCODING) {
        let mut parts = item.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        let is_wanted = parts.all(|parameter| {
            let weight =
                parameter.split_once('=').filter(|(name, _)| name.eq_ignore_ascii_case("q"));
            // A weight of 0 excludes; what is none says nothing.
            weight.is_none_or(|(_, weight)| weight.parse().map_or(true, |weight: f32| weight > 0.0))
        });
        match coding {
            _ if coding.eq_ignore_ascii_case(GZIP) || coding.eq_ignore_ascii_case("x-gzip") => {
                return is_wanted;
            }
            "*" => any = is_wanted,
            _ => {}
        }
    }
    any
}

/// How what a stream is sent is compressed.
#[derive(Debug, Default)]
pub(crate) enum Compression {
    #[default]
    None,
    /// Each message by itself (RFC 7692).
    Messages,
    /// All of it is one member, in which every event ends with a flush.
    Gzip(gzip::Member),
}

impl Compression {
    /// gzip that begins with `first`, and what that becomes.
    pub(crate) fn gzip(first: &[u8]) -> (Self, Bytes) {
        let mut member = gzip::Member::default();
        member.add(first);
        let mut out = gzip::HEAD.to_vec();
        push_flushed(first, &mut out);
        (Self::Gzip(member), out.into())
    }

    /// What events are sent as that would be in `framing`.
    pub(crate) fn form(&self, framing: Framing) -> Form {
        match self {
            Self::None => framing.into(),
            Self::Messages | Self::Gzip(_) => framing.deflated(),
        }
    }

    /// Counts events that are sent, each with its frame as it is without.
    pub(crate) fn add<'f>(&mut self, frames: impl IntoIterator<Item = &'f Bytes>) {
        if let Self::Gzip(member) = self {
            frames.into_iter().for_each(|frame| member.add(frame));
        }
    }

    /// The comment that keeps an event stream alive, which is sent now.
    pub(crate) fn heartbeat(&mut self) -> Bytes {
        static COMPRESSED: LazyLock<Bytes> = LazyLock::new(|| {
            let mut out = Vec::new();
            push_flushed(sse::HEARTBEAT.as_bytes(), &mut out);
            out.into()
        });
        let Self::Gzip(member) = self else {
            return Bytes::from_static(sse::HEARTBEAT.as_bytes());
        };
        member.add(sse::HEARTBEAT.as_bytes());
        COMPRESSED.clone()
    }

    /// What ends an event stream, if anything does.
    pub(crate) fn end(&self) -> Option<Bytes> {
        match self {
            Self::Gzip(member) => Some(Bytes::copy_from_slice(&member.end())),
            Self::None | Self::Messages => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    #[test]
    fn gzip_is_for_those_who_take_it() {
        let accepts = |values: &[&str]| {
            let mut request = Request::builder();
            for value in values {
                request = request.header(ACCEPT_ENCODING, *value);
            }
            accepts_gzip(&request.body(()).unwrap().into_parts().0)
        };
        for yes in [
            "gzip",
            "GZIP",
            "x-gzip",
            "gzip, deflate, br, zstd",
            "br;q=1.0, gzip;q=0.8, *;q=0.1",
            "*",
            "identity, *;q=0.5",
            "gzip ; Q=0.001",
            "gzip;q=?",
        ] {
            assert!(accepts(&[yes]), "{yes}");
        }
        assert!(accepts(&["br", "gzip"]), "several lines");
        for no in ["", "identity", "br, deflate", "gzip;q=0", "gzip;q=0.000, *", "*;q=0", "gzipped"]
        {
            assert!(!accepts(&[no]), "{no}");
        }
        assert!(!accepts(&[]), "who says nothing gets what everybody can read");
    }
}
