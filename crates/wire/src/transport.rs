//! The table of transports. A new transport starts as one row here; the compiler then names every
//! `match` that has to serve it.

use std::fmt;
use std::str::FromStr;

macro_rules! transports {
    ($($(#[doc = $doc:literal])+ $variant:ident { name: $name:literal, label: $label:literal })+) => {
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
        }
    };
}

transports! {
    /// The client asks at every interval, and is answered at once.
    Polling { name: "polling", label: "Polling" }
    /// The client asks, and is answered when there is news or the timeout has passed.
    LongPolling { name: "long-polling", label: "Long polling" }
    /// One HTTP response that never ends (WHATWG HTML §9.2).
    Sse { name: "sse", label: "SSE" }
    /// Frames both ways over one upgraded connection (RFC 6455).
    WebSocket { name: "websocket", label: "WebSocket" }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name is that of no transport.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no transport; there are polling, long-polling, sse and websocket")]
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
}
