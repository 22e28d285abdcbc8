//! The table of transports. A new transport starts as one row here; the compiler then names every
//! `match` that has to serve it.

use std::fmt;
use std::str::FromStr;

macro_rules! transports {
    ($($(#[doc = $doc:literal])+ $variant:ident {
        name: $name:literal, label: $label:literal, reference: $reference:literal
    })+) => {
        /// A way in which a server gets updates to its clients.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize, schemars::JsonSchema,
        )]
        pub enum Transport {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)+
        }

        impl Transport {
            /// Every transport, in the order in which reports show them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name used in files and on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The name that people read.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label),+ }
            }

            /// Whether it is a reference unless a scenario says otherwise: browsers cannot use it.
            /// What it costs is what events over TCP cost at least; what another costs more is the
            /// price of its framing and of HTTP.
            #[must_use]
            pub const fn is_reference(self) -> bool {
                match self { $(Self::$variant => $reference),+ }
            }
        }
    };
}

transports! {
    /// The client asks at every interval, and is answered at once.
    Polling { name: "polling", label: "Polling", reference: false }
    /// The client asks, and is answered when there is news or the timeout has passed.
    LongPolling { name: "long-polling", label: "Long polling", reference: false }
    /// One HTTP response that never ends (WHATWG HTML §9.2).
    Sse { name: "sse", label: "SSE", reference: false }
    /// Frames both ways over one upgraded connection (RFC 6455).
    WebSocket { name: "websocket", label: "WebSocket", reference: false }
    /// Length-prefixed frames on the bare socket that an HTTP upgrade leaves (RFC 9110 §7.8). Not
    /// available to browsers: a reference.
    Tcp { name: "tcp", label: "Raw TCP", reference: true }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name of no transport.
#[derive(Debug, thiserror::Error)]
#[error("unknown transport `{0}`; expected one of {names}", names = Transport::ALL.iter().map(|known| known.name()).collect::<Vec<_>>().join(", "))]
pub struct UnknownTransport(String);

impl FromStr for Transport {
    type Err = UnknownTransport;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|transport| transport.name() == name)
            .ok_or_else(|| UnknownTransport(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for &transport in Transport::ALL {
            assert_eq!(transport.name().parse::<Transport>().unwrap(), transport);
        }
        let error = "carrier-pigeon".parse::<Transport>().unwrap_err().to_string();
        for transport in Transport::ALL {
            assert!(error.contains(transport.name()), "the message names every transport: {error}");
        }
    }

    #[test]
    fn only_raw_tcp_is_a_reference() {
        let references: Vec<_> =
            Transport::ALL.iter().filter(|transport| transport.is_reference()).collect();
        assert_eq!(references, [&Transport::Tcp]);
    }
}
