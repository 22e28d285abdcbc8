//! What lies between a contender's clients and its server.

use super::Network;

/// The way from a client to its server, and back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Road {
    /// Whether pushbench's own server is spoken to by TLS. Others say it in their URL.
    pub tls: bool,
    /// The network; loopback if there is none.
    pub network: Option<Network>,
}
