//! What a contender has of its own beside its settings, and through which proxies it is measured: one that is
//! named for several is measured through each.

use std::ops::Range;
use std::sync::Arc;

use pushbench_wire::Transport;
use toml::{Spanned, Value};

use super::error::quoted;
use super::file::{ContenderFile, ScenarioFile};
use super::network::Keys;
use super::values::Values;
use super::{
    Connection, Fallback, HttpVersion, Identity, Imitation, Log, Nodes, Proxy, Road, SECOND_PORT,
    Server, Settings, Start, Template, Way, proxy,
};

/// A contender before it has its key: and whether it has one connection for all channels, its road, and what
/// it falls back to.
pub(super) type Measured = (Identity, Settings, Option<Arc<Server>>, bool, Road, Option<Fallback>);

/// What the file says for all contenders.
#[derive(Clone)]
pub(super) struct Usual {
    pub(super) multiplex: bool,
    pub(super) tls: bool,
    pub(super) resumes_tls: bool,
    pub(super) http: HttpVersion,
    pub(super) compression: bool,
    pub(super) log: Log,
    pub(super) ways: Vec<Way>,
    pub(super) network: Keys,
    pub(super) nodes: Nodes,
    /// None for all.
    pub(super) fallback: Option<Fallback>,
}

/// What is measured of a contender through each of its ways. Of several, each has the name of its proxy.
pub(super) fn through(
    (identity, settings, server, usual): (Identity, Settings, Option<Arc<Server>>, Usual),
) -> Vec<Measured> {
    let Usual {
        multiplex,
        tls,
        resumes_tls,
        http,
        compression,
        log,
        ways,
        network,
        nodes,
        fallback,
    } = usual;
    let are_several = ways.len() > 1;
    let of = |proxy: Way| {
        let mut identity = identity.clone();
        if let Some(proxy) = proxy.as_ref().filter(|_| are_several) {
            identity.name = format!("{}-{}", identity.name, proxy.name);
            identity.label = format!("{} · {}", identity.label, proxy.label);
        }
        let network = network.network();
        let road = Road { tls, resumes_tls, http, compression, log, proxy, network, nodes };
        (identity, settings.clone(), server.clone(), multiplex, road, fallback.clone())
    };
    ways.into_iter().map(of).collect()
}

impl Values<'_, '_> {
    /// What a contender has of its own, and as usual for the rest.
    pub(super) fn own(
        &mut self,
        file: &ContenderFile,
        usual: &Usual,
        is_described: bool,
        scenario: &ScenarioFile,
    ) -> Usual {
        fn or(own: Option<&Spanned<bool>>, usual: bool) -> bool {
            own.map_or(usual, |own| *own.get_ref())
        }
        if let Some(tls) = file.tls.as_ref().filter(|_| is_described) {
            let message = "`tls` is about pushbench's own server: write `https://` in the `url` of \
                           another one";
            self.problems.at(tls.span(), message.to_owned());
        }
        let transport = *file.transport.get_ref();
        let may_fall_back = !is_described && transport == Transport::WebSocket;
        let usual = Usual {
            multiplex: or(file.multiplex.as_ref(), usual.multiplex),
            tls: or(file.tls.as_ref(), usual.tls),
            resumes_tls: or(file.tls_resumption.as_ref(), usual.resumes_tls),
            http: file.http.as_ref().map_or(usual.http, |http| *http.get_ref()),
            compression: or(file.compression.as_ref(), usual.compression),
            log: file.log.as_ref().map_or(usual.log, |log| *log.get_ref()),
            ways: match &file.proxy {
                Some(own) => self.ways(Some(own), scenario),
                None => usual.ways.clone(),
            },
            network: match &file.network {
                Some(own) => self.network(own, &usual.network),
                None => usual.network.clone(),
            },
            nodes: self.own_nodes(file, usual.nodes, is_described),
            fallback: file.fallback.as_ref().map(|of| self.fallback(of.get_ref(), may_fall_back)),
        };
        if let Some(log) = file.log.as_ref().filter(|_| is_described) {
            let message =
                "`log` is about pushbench's own server: another one is told by its command";
            self.problems.at(log.span(), message.to_owned());
        }
        let has_none = is_described || transport == Transport::Tcp;
        if let Some(http) = file.http.as_ref().filter(|_| has_none) {
            let message =
                "`http` is about pushbench's own server, and raw TCP has none of it: remove it";
            self.problems.at(http.span(), message.to_owned());
        }
        if let Some(compression) = file.compression.as_ref().filter(|_| has_none) {
            let message =
                "`compression` is about pushbench's own server, and raw TCP has none: remove it";
            self.problems.at(compression.span(), message.to_owned());
        }
        if let Some(http) = file.http.as_ref().filter(|http| {
            transport == Transport::WebSocket && *http.get_ref() == HttpVersion::Http3
        }) {
            let message = "no browser speaks WebSocket over HTTP/3 (RFC 9220), so it is not measured: use \
                           `http = \"2\"`, or leave it out for HTTP/1.1";
            self.problems.at(http.span(), message.to_owned());
        }
        usual
    }

    /// The ways that a `proxy` names; the direct one without.
    pub(super) fn ways(&mut self, named: Option<&Spanned<Value>>, file: &ScenarioFile) -> Vec<Way> {
        let Some(named) = named else { return vec![None] };
        let ways = proxy::read(named, &file.preset_files, self.problems);
        for proxy in ways.iter().flatten() {
            self.name(
                &Spanned::new(named.span(), proxy.name.clone()),
                "names of contenders end with that of their proxy",
            );
        }
        ways
    }

    /// A server that runs already is where it is: no network can be laid before it.
    pub(super) fn ensure_started(&mut self, file: &ScenarioFile, lineup: &[Measured]) {
        let running = lineup.iter().find(|(_, _, server, _, road, _)| {
            let runs = |server: &Arc<Server>| matches!(server.start, Start::Running { .. });
            road.network.is_some() && server.as_ref().is_some_and(runs)
        });
        let Some((identity, ..)) = running else { return };
        let own = file.contender.iter().find(|own| *own.name.get_ref() == identity.name);
        let table = own.and_then(|own| own.network.as_ref()).or(file.network.as_ref());
        let message = format!(
            "the server of `{}` runs already, so no network can be laid before it: let `command` start \
             it, or give the contender `network = {{ mode = \"none\" }}`",
            identity.name
        );
        self.problems.at(table.map_or(0..0, Spanned::span), message);
    }

    /// Whether a contender can speak what is said in `span`. That it lacks TLS is said once.
    fn check_http(&mut self, span: Range<usize>, of: &Measured, has_tls: &mut bool) {
        let (identity, settings, server, _, road, _) = of;
        let (name, key) = (&identity.name, road.http.key());
        let mut problem = |message| self.problems.at(span.clone(), message);
        let by_tls = road.tls || road.proxy.as_ref().is_some_and(|proxy| proxy.tls);
        if road.http.needs_tls() && !by_tls && std::mem::take(has_tls) {
            let or = match road.http {
                HttpVersion::WebTransport => "",
                HttpVersion::Http1 | HttpVersion::Http2 | HttpVersion::Http3 => {
                    ", or a proxy that has it"
                }
            };
            problem(format!(
                "`http = \"{key}\"` needs TLS, as browsers speak it by TLS only: add `tls = true`{or}"
            ));
        }
        if server.is_some() {
            return;
        }
        if road.http.has_streams() && settings.connection() == Connection::New {
            problem(format!(
                "by HTTP/{key} all requests have one connection, and `{name}` has `connection = \"new\"`: remove one"
            ));
        }
        if road.http == HttpVersion::WebTransport && identity.transport != Transport::Sse {
            problem(format!(
                "by WebTransport there are event streams alone, and `{name}` is none: give it another `http`"
            ));
        }
        if road.http == HttpVersion::WebTransport && road.compression {
            problem(format!(
                "by WebTransport nothing is compressed, and `{name}` has `compression`: remove one"
            ));
        }
        if !road.http_of(identity.transport, true).is_by_udp() {
            return;
        }
        if road.resumes_tls {
            problem(format!(
                "by HTTP/3 every connection has a whole handshake, and `{name}` has `tls_resumption`: remove one"
            ));
        }
        let speaks = |proxy: &Proxy| proxy.http3 && road.http == HttpVersion::Http3;
        if let Some(proxy) = road.proxy.as_deref().filter(|proxy| !speaks(proxy)) {
            problem(format!(
                "the proxy {} does not speak what `http = \"{key}\"` says: give `{name}` another `http` or `proxy`",
                quoted(&proxy.name)
            ));
        }
        if road.network.as_ref().is_some_and(|network| network.by == Imitation::Relay) {
            problem(format!(
                "`http = \"{key}\"` goes by UDP, of which a relay passes on nothing: give `{name}` another `http`, \
                 or the network `mode = \"packets\"`"
            ));
        }
    }

    /// Whether everyone can be reached through its proxy.
    pub(super) fn check_ways(&mut self, file: &ScenarioFile, lineup: &[Measured]) {
        let (mut http_is_right, mut resumption_is_right) = (true, true);
        for of in lineup {
            let (identity, _, server, _, road, _) = of;
            let own = file.contender.iter().find(|own| {
                let name = own.name.get_ref();
                *name == identity.name || identity.name.starts_with(&format!("{name}-"))
            });
            let http = own.and_then(|own| own.http.as_ref()).or(file.http.as_ref());
            if let Some(http) = http {
                self.check_http(http.span(), of, &mut http_is_right);
            }
            let proxy_has_tls = road.proxy.as_ref().is_some_and(|proxy| proxy.tls);
            let can_resume = proxy_has_tls || (road.tls && server.is_none());
            let resumes = own.and_then(|own| own.tls_resumption.as_ref());
            let resumes = resumes.or(file.tls_resumption.as_ref());
            if let Some(resumes) = resumes.filter(|_| road.resumes_tls && !can_resume)
                && std::mem::take(&mut resumption_is_right)
            {
                let message = "`tls_resumption` is about TLS to pushbench's own server, or to a proxy: add \
                               `tls = true`, or a proxy that has it";
                self.problems.at(resumes.span(), message.to_owned());
            }
            let Some(proxy) = &road.proxy else { continue };
            let span = own.and_then(|own| own.proxy.as_ref()).or(file.proxy.as_ref());
            let span = span.map_or(0..0, Spanned::span);
            let name = quoted(&proxy.name);
            if road.tls && server.is_none() {
                let message = format!(
                    "`tls` is about a server without a proxy: for TLS to the proxy {name}, write it there, \
                     such as \"nginx-tls\" or `{{ …, tls = true }}`"
                );
                self.problems.at(span.clone(), message);
            }
            let has_two = server.as_ref().is_some_and(|server| match &server.start {
                Start::Command { words, .. } => {
                    words.iter().any(|word| word.names().any(|name| name == SECOND_PORT))
                }
                Start::Running { .. } => false,
            });
            if proxy.balances() && !has_two && (server.is_some() || road.nodes.count < 2) {
                let message = format!(
                    "the proxy {name} has {{upstream_2}}, which only a [server.NAME] has whose `command` has \
                     {{port_2}}, and pushbench's own with `nodes = 2` or more"
                );
                self.problems.at(span.clone(), message);
            }
            let Some(server) = server else { continue };
            let begins = |template: &Template, text: &str| {
                let url = template.render(|name| Some(format!("{{{name}}}").into()));
                url.is_ok_and(|url| url.starts_with(text))
            };
            if begins(&server.url, "https://") {
                let message = format!(
                    "the proxy {name} speaks plain HTTP to its server, and the `url` of `{}` begins with \
                     https://",
                    server.name
                );
                self.problems.at(span.clone(), message);
            }
            let recipe = server.subscribe.get(&identity.transport);
            let goes_around = recipe.is_some_and(|recipe| {
                let url = &recipe.ask.url;
                !begins(url, "{url}") && !begins(url, "{ws}") && !url.names().any(|of| of == "port")
            });
            if goes_around {
                let message = format!(
                    "subscribers of `{}` would go around the proxy {name}: begin `{}.url` with {{url}} or {{ws}}",
                    server.name, identity.transport
                );
                self.problems.at(span, message);
            }
        }
    }
}
