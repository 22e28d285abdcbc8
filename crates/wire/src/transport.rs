//! The table of transports. A new transport starts as one row here; the compiler then names every
//! `match` that has to serve it.

use std::fmt;
use std::str::FromStr;

macro_rules! transports {
    ($($(#[doc = $doc:literal])+ $variant:ident {
        name: $name:literal, label: $label:literal, yardstick: $yardstick:literal
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

            /// Whether it is what the others are held against, and not a choice: no browser has
            /// it. What it costs is what events over TCP cost anyhow; what another costs more is
            /// the price of its framing and of HTTP.
            #[must_use]
            pub const fn is_yardstick(self) -> bool {
                match self { $(Self::$variant => $yardstick),+ }
            }
        }
    };
}

transports! {
    /// The client asks at every interval, and is answered at once.
    Polling { name: "polling", label: "Polling", yardstick: false }
    /// The client asks, and is answered when there is news or the timeout has passed.
    LongPolling { name: "long-polling", label: "Long polling", yardstick: false }
    /// One HTTP response that never ends (WHATWG HTML §9.2).
    Sse { name: "sse", label: "SSE", yardstick: false }
    /// Frames both ways over one upgraded connection (RFC 6455).
    WebSocket { name: "websocket", label: "WebSocket", yardstick: false }
    /// Length-prefixed frames on the bare socket that an HTTP upgrade leaves (RFC 9110 §7.8): the
    /// yardstick, no choice for a browser.
    Tcp { name: "tcp", label: "Raw TCP", yardstick: true }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name is that of no transport.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no transport; there are polling, long-polling, sse, websocket and tcp")]
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
    fn only_raw_tcp_is_no_choice() {
        let yardsticks: Vec<_> = Transport::ALL.iter().filter(|of| of.is_yardstick()).collect();
        assert_eq!(yardsticks, [&Transport::Tcp]);
    }
}
