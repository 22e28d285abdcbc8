//! The flags for who may use the server, and what a server that others can reach has to be told.

use std::net::SocketAddr;
use std::num::NonZero;

use anyhow::bail;
use pushbench_loadgen::command::say;
use pushbench_server::{Access, AllowedHost, AllowedOrigin, Token};
use pushbench_wire::endpoint::TOKEN_VARIABLE;

/// A flag for everything that decides who may use the server.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Access")]
pub(super) struct AccessFlags {
    /// Origin whose pages may publish and read, such as https://app.example, or * for any; repeat the
    /// flag for several [default: the server's own]
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<AllowedOrigin>,

    /// Host to answer for on loopback, or * for any; repeat the flag for several [default: localhost
    /// and loopback addresses]
    #[arg(long, value_name = "HOST")]
    allow_host: Vec<AllowedHost>,

    /// Token that a client has to send, as Authorization: Bearer TOKEN or as ?token=TOKEN. Every user
    /// of this machine can see a flag; the environment is private
    #[arg(long, value_name = "TOKEN", env = TOKEN_VARIABLE, hide_env_values = true)]
    token: Option<Token>,

    /// Listen on an address that other machines can reach, although there is no token
    #[arg(long)]
    public: bool,

    /// Requests per second that one client (an IPv4 address or IPv6 /64) may send [default: any number]
    #[arg(long, value_name = "N")]
    client_requests_per_second: Option<NonZero<u32>>,

    /// Connections per second that one client may open [default: any number]
    #[arg(long, value_name = "N")]
    client_connections_per_second: Option<NonZero<u32>>,
}

impl AccessFlags {
    /// Who may use a server that listens on `addresses`.
    ///
    /// # Errors
    /// When everybody could, and nobody has said that they may.
    pub(super) fn check(
        self,
        addresses: impl Iterator<Item = SocketAddr>,
    ) -> anyhow::Result<Access> {
        let reachable: Vec<_> = addresses
            .filter(|address| !address.ip().to_canonical().is_loopback())
            .map(|address| address.to_string())
            .collect();
        if !reachable.is_empty() && self.token.is_none() {
            let reachable = reachable.join(" and ");
            if !self.public {
                bail!(
                    "other machines can reach {reachable}, and there everyone could publish and read; \
                     set a token with {TOKEN_VARIABLE} or --token, or say --public if everyone may, \
                     or listen on 127.0.0.1"
                );
            }
            say(&format!(
                "pushbench: everyone who can reach {reachable} can publish and read, because of --public"
            ));
        }
        Ok(Access {
            origins: self.allow_origin,
            hosts: self.allow_host,
            token: self.token,
            client_requests_per_second: self.client_requests_per_second,
            client_connections_per_second: self.client_connections_per_second,
        })
    }
}
