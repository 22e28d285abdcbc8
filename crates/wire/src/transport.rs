//! The table of transports. A new transport starts with a row here; the compiler then lists every
//! `match` that must handle it.

use std::fmt;
use std::str::FromStr;

macro_rules! transports {
    ($($(#[doc = $doc:literal])+ $variant:ident {
        name: $name:literal, path: $path:literal, label: $label:literal,
        reference: $reference:literal
    })+) => {
        /// A way to get events from a server to its clients.
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

            const NAMES: &'static [&'static str] = &[$($name),+];

            /// The name used in files and on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The last segment of its path below a channel.
            #[must_use]
            pub const fn path(self) -> &'static str {
                match self { $(Self::$variant => $path),+ }
            }

            /// The name in reports.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label),+ }
            }

            /// Whether it is a reference for the others rather than a choice, because it is not
            /// available to browsers. Its cost is that of sending events over TCP at all; what
            /// another transport costs more is the cost of its framing and of HTTP.
            #[must_use]
            pub const fn is_reference(self) -> bool {
                match self { $(Self::$variant => $reference),+ }
            }
        }
    };
}

transports! {
    /// The client sends a request every interval, and the server responds at once.
    Polling { name: "polling", path: "poll", label: "Polling", reference: false }
    /// The client sends a request, and the server responds when there are new events or after a
    /// time-out.
    LongPolling { name: "long-polling", path: "long-poll", label: "Long polling", reference: false }
    /// Server-Sent Events: one HTTP response that does not end (WHATWG HTML §9.2).
    Sse { name: "sse", path: "sse", label: "SSE", reference: false }
    /// Frames in both directions on one upgraded connection (RFC 6455).
    WebSocket { name: "websocket", path: "ws", label: "WebSocket", reference: false }
    /// Length-prefixed frames on the socket that is left after an HTTP upgrade (RFC 9110 §7.8). This
    /// is the reference; it is not available to browsers.
    Tcp { name: "tcp", path: "tcp", label: "Raw TCP", reference: true }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// No transport has this name.
#[derive(Debug, thiserror::Error)]
#[error("unknown transport `{0}`; expected one of {names}", names = Transport::NAMES.join(", "))]
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
            assert!(
                error.contains(transport.name()),
                "the message must name every transport: {error}"
            );
        }
    }

    #[test]
    fn only_raw_tcp_is_a_reference() {
        let references: Vec<_> =
            Transport::ALL.iter().filter(|transport| transport.is_reference()).collect();
        assert_eq!(references, [&Transport::Tcp]);
    }
}
