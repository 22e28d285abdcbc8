//! Which hosts a scenario sends to, before anything is sent.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::{IpAddr, ToSocketAddrs as _};

use crate::client::RedisPlace;
use crate::client::foreign::Location;
use crate::scenario::{Publish, Ready, Recipe, Server, Start, Step, Template, websocket_url};

/// A host that a server's description names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Host {
    /// Its name, or its address.
    pub(crate) name: String,
    /// Its port.
    pub(crate) port: u16,
    /// Whether it is reached through TLS.
    pub(crate) is_secure: bool,
    /// Whether it is a Redis, which gets events and nothing else.
    pub(crate) is_redis: bool,
}

/// What stands for the host of a server that is started here: it may be in a network of ours.
const LOOPBACK: &str = "127.0.0.1";

/// All hosts that a server's description names. Those whose URL is only known later, such as from a
/// message, are not among them.
pub(crate) fn hosts(server: &Server) -> BTreeSet<Host> {
    let port = match server.start {
        // It will be a free one of this machine.
        Start::Command { .. } => "0",
        Start::Running { .. } => "",
    };
    let own = [("host", LOOPBACK), ("port", port)];
    let url = render(&server.url, &own);
    let url = url.trim_end_matches('/');
    let websocket = websocket_url(url);
    let known = [("url", url), ("ws", &websocket[..]), ("host", LOOPBACK), ("port", port)];
    let recipes = server.subscribe.values().flat_map(|recipe| urls(recipe));
    let ready = match &server.start {
        Start::Command { ready: Ready::Url(asked), .. } => Some(asked),
        _ => None,
    };
    let (publish, redis) = match &server.publish {
        Publish::Request(publish) => (vec![&publish.url], None),
        Publish::Socket(publish) => (urls(&publish.recipe).collect(), None),
        Publish::Redis(publish) => (Vec::new(), RedisPlace::of(&render(&publish.url, &known)).ok()),
    };
    let all = [&server.url].into_iter().chain(publish).chain(ready).chain(recipes);
    let all = all.filter_map(|template| Location::of(&render(template, &known)).ok());
    let all = all.map(|location| (location, false));
    let redis = redis.map(|place| (place.location, true));
    let host = |(location, is_redis): (Location, bool)| {
        let is_secure = location.is_secure();
        Host { name: location.host, port: location.port, is_secure, is_redis }
    };
    all.chain(redis).map(host).collect()
}

fn urls(recipe: &Recipe) -> impl Iterator<Item = &Template> {
    fn of_steps(steps: &[Step]) -> impl Iterator<Item = &Template> {
        steps.iter().filter_map(|step| step.request.as_ref()).map(|request| &request.url)
    }
    let resume = recipe.resume.as_ref();
    let again = resume.and_then(|resume| resume.steps.as_deref()).unwrap_or_default();
    let before_again = resume.and_then(|resume| resume.before.as_deref()).unwrap_or_default();
    let replies = recipe.replies.iter().filter_map(|reply| reply.request.as_ref());
    let pings = recipe.ping.iter().filter_map(|ping| ping.request.as_ref());
    [&recipe.ask.url]
        .into_iter()
        .chain(of_steps(&recipe.before))
        .chain(of_steps(&recipe.steps))
        .chain(of_steps(before_again))
        .chain(of_steps(again))
        .chain(replies.chain(pings).map(|request| &request.url))
        .chain(resume.and_then(|resume| resume.url.as_ref()))
}

/// With the names of other values in their places: they are no hosts.
fn render(template: &Template, known: &[(&str, &str)]) -> String {
    let value = |name: &str| {
        let known = known.iter().find(|(of, _)| *of == name);
        Some(
            known.map_or(Cow::Owned(name.to_owned()), |(_, value)| Cow::Owned((*value).to_owned())),
        )
    };
    template.render(value).unwrap_or_default()
}

impl Host {
    /// Its first address that is neither of this machine nor of its private network; none if all are, or
    /// if nobody knows it: then there is nowhere to send to.
    pub(crate) fn remote_address(&self) -> Option<IpAddr> {
        let addresses = (self.name.as_str(), self.port).to_socket_addrs().ok()?;
        addresses.map(|address| address.ip()).find(|address| !is_near(*address))
    }
}

/// This machine, private (RFC 1918, RFC 4193) or of the link (RFC 3927, RFC 4291 §2.5.6).
fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || address.is_unspecified()
        }
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.is_unspecified()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_networks_are_near() {
        for near in
            ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.1.1", "::1", "fd00::1"]
        {
            assert!(is_near(near.parse().unwrap()), "{near}");
        }
        for far in ["8.8.8.8", "172.32.0.1", "2001:db8::1", "::ffff:8.8.8.8"] {
            assert!(!is_near(far.parse().unwrap()), "{far}");
        }
    }
}
