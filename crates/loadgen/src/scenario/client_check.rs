//! Whether a contender can have a browser for a client, and what a file says of it for all.

use pushbench_wire::Transport;
use toml::Spanned;

use super::error::Problems;
use super::file::ScenarioFile;
use super::{
    Browser, Client, Connection, Contender, Content, FaultKind, HttpVersion, Scenario, Workload,
};

/// What a file says for all, as far as it can be said of a transport: only a program opens raw TCP connections.
pub(super) fn usual_client(file: &ScenarioFile, transport: Transport) -> Client {
    match (&file.client, transport) {
        (None, _) | (_, Transport::Tcp) => Client::Pushbench,
        (Some(client), _) => *client.get_ref(),
    }
}

/// Notes where a browser is to do what it cannot do, or what nobody would see.
pub(super) fn check_browsers(
    file: &ScenarioFile,
    scenario: &Scenario,
    problems: &mut Problems<'_>,
) {
    let mut said = Vec::new();
    for contender in &scenario.contenders {
        let name = contender.id.name();
        let Some(browser) = contender.id.client().browser() else { continue };
        let is_named = |own: &str| own == name;
        let begins = |own: &str| name.starts_with(&format!("{own}-"));
        let mut all = file.contender.iter();
        let own = all.clone().find(|own| is_named(own.name.get_ref()));
        let own = own.or_else(|| all.find(|own| begins(own.name.get_ref())));
        let key = own.and_then(|own| own.client.as_ref()).or(file.client.as_ref());
        let span = key.map_or(0..0, Spanned::span);
        let refusal = cannot(browser, contender).map(|why| format!("`{name}`: {why}"));
        let refusal = refusal.or_else(|| cannot_with(&scenario.workload).map(str::to_owned));
        // What several have wrong in the same place is said once.
        if let Some(why) = refusal.filter(|_| !said.contains(&span)) {
            said.push(span.clone());
            problems.at(span, format!("no browser can be the client here: {why}"));
        }
    }
}

/// What a contender has that its browser does not go with.
fn cannot(browser: Browser, contender: &Contender) -> Option<&'static str> {
    let road = &contender.road;
    let has_tls = road.tls || road.proxy.as_ref().is_some_and(|proxy| proxy.tls);
    let is_websocket = contender.id.transport() == Transport::WebSocket;
    if contender.id.transport() == Transport::Tcp {
        return Some("no page opens raw TCP connections; leave `client` out");
    }
    if contender.server.is_some() {
        return Some(
            "its page speaks to pushbench's own server alone, and this is another one; leave `client` out",
        );
    }
    if contender.fallback.is_some() {
        return Some("`fallback` is what pushbench's own client does; remove one of the two");
    }
    if contender.settings.connection() == Connection::New {
        return Some("it keeps its connections itself; remove `connection = \"new\"`");
    }
    if road.resumes_tls {
        return Some(
            "it decides itself whether it resumes a session of TLS; remove `tls_resumption`",
        );
    }
    if browser == Browser::Firefox && has_tls {
        return Some(
            "Firefox takes no flag that has it trust the certificate of a trial; take \"chromium\", or leave out TLS",
        );
    }
    if is_websocket && contender.http() == HttpVersion::Http2 {
        return Some(
            "it opens a WebSocket by HTTP/2 only where it has such a connection already, and does not say which \
             it took; give the WebSocket `http = \"1.1\"`",
        );
    }
    None
}

/// What a workload asks of subscribers that a page does not do.
fn cannot_with(workload: &Workload) -> Option<&'static str> {
    if workload.upstream.is_some() {
        return Some("its page only listens, and `upstream` has subscribers send");
    }
    if workload.slow.is_some() {
        return Some("nobody but itself decides how it reads; remove [workload.slow]");
    }
    if workload.content == Content::Binary {
        return Some("its page reads text; take another `content` than \"binary\"");
    }
    if workload.reconnect.dead_after.is_some() {
        return Some("no page sees the heartbeats of a stream; remove `dead_after`");
    }
    let is_ours_alone =
        |kind: &FaultKind| matches!(kind, FaultKind::Cut { .. } | FaultKind::Silence { .. });
    if workload.faults.iter().any(|fault| is_ours_alone(&fault.kind)) {
        return Some(
            "\"cut\" and \"silence\" are done to connections of pushbench's own client; \"restart\", \"pause\", \
             \"outage\" and \"kill-node\" are for everyone",
        );
    }
    None
}
