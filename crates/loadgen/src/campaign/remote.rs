//! What is sent to whom: said before it is, and refused where it would hit strangers, or lacks a token.

use std::collections::BTreeSet;

use super::Unusable;
use crate::engine::remote::{Host, hosts};
use crate::engine::token::token;
use crate::scenario::Scenario;

/// The most that a server gets which is neither on this machine nor in its private network.
const MAX_REMOTE_CONNECTIONS: u32 = 1_000;
const MAX_REMOTE_REQUESTS_PER_SECOND: f64 = 1_000.0;

/// Refuses servers whose token is not there, and hosts beyond this machine and its private network, unless they are `allowed`, and more for
/// them than a server of one's own bears without anyone noticing.
///
/// # Errors
/// [`Unusable`], with what would be sent and how it is allowed.
pub(crate) fn check(scenario: &Scenario, allowed: &[String]) -> Result<(), Unusable> {
    for server in scenario.contenders.iter().filter_map(|of| of.server.as_ref()) {
        if let Some(Err(error)) = server.token.as_ref().map(token) {
            return Err(Unusable(format!("no token for `{}`: {error:#}", server.name)));
        }
    }
    for host in remote_hosts(scenario) {
        let Some(address) = host.remote_address() else { continue };
        let name = &host.name;
        if !allowed.iter().any(|allowed| allowed == name) {
            return Err(Unusable(format!(
                "{name} ({address}) is neither this machine nor in its private network, and would get {}: \
                 if it is yours, add --allow-remote {name}",
                load(largest(scenario))
            )));
        }
        for (_, cell) in scenario.cells() {
            let (connections, requests) = (cell.sockets(), requests_per_second(cell));
            if connections > MAX_REMOTE_CONNECTIONS || requests > MAX_REMOTE_REQUESTS_PER_SECOND {
                return Err(Unusable(format!(
                    "{name} would get {}, and a server that is not in the private network gets at most \
                     {MAX_REMOTE_CONNECTIONS} connections and {MAX_REMOTE_REQUESTS_PER_SECOND} requests per \
                     second: lower `subscribers` or `events_per_second`, or poll more rarely",
                    load(cell)
                )));
            }
        }
    }
    Ok(())
}

/// What will be sent where; a line for each server that is not ours.
pub(crate) fn intentions(scenario: &Scenario) -> Vec<String> {
    let mut lines = Vec::new();
    for contender in &scenario.contenders {
        let Some(server) = &contender.server else { continue };
        let hosts: Vec<_> = hosts(server).iter().map(shown).collect();
        let line = format!("{}: {} to {}", server.label, load(largest(scenario)), hosts.join(", "));
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

fn shown(host: &Host) -> String {
    let redis = if host.is_redis { "Redis at " } else { "" };
    match host.port {
        0 => format!("{redis}{} (a process that is started for each trial)", host.name),
        port => format!("{redis}{}:{port}", host.name),
    }
}

fn remote_hosts(scenario: &Scenario) -> BTreeSet<Host> {
    let servers = scenario.contenders.iter().filter_map(|contender| contender.server.as_ref());
    servers.flat_map(|server| hosts(server)).collect()
}

/// What a trial sends at most.
fn load(scenario: &Scenario) -> String {
    format!(
        "{} connections and {:.0} requests per second",
        scenario.sockets(),
        requests_per_second(scenario)
    )
}

/// An event is one, and so is a poll.
fn requests_per_second(scenario: &Scenario) -> f64 {
    let sockets = f64::from(scenario.sockets());
    let described = scenario.contenders.iter().filter(|of| of.server.is_some());
    let intervals = described.filter_map(|of| of.settings.polling_interval());
    let polls = intervals.map(|interval| sockets / interval.as_secs_f64()).fold(0.0, f64::max);
    scenario.peak_events_per_second() + polls
}

/// The cell that sends most.
fn largest(scenario: &Scenario) -> &Scenario {
    let size = |cell: &Scenario| f64::from(cell.sockets()) + requests_per_second(cell);
    let cells = scenario.cells().into_iter().map(|(_, cell)| cell);
    cells.max_by(|one, other| size(one).total_cmp(&size(other))).unwrap_or(scenario)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::scenario::{Publish, PublishRedis, Template};

    fn scenario(url: &str, subscribers: u32) -> Scenario {
        let text = format!(
            "name = \"x\"\ndescription = \"x\"\nservers = [\"mine\"]\n[workload]\nchannels = 2\n\
             subscribers = {subscribers}\nevents_per_second = 5\npayload_bytes = 64\nduration = \"1s\"\n\
             warm_up = \"100ms\"\n[server.mine]\nurl = \"{url}\"\n[server.mine.publish]\nurl = \"{{url}}/publish/{{channel}}\"\n\
             [server.mine.sse]\nurl = \"{{url}}/{{channel}}\"\n"
        );
        Scenario::parse(&text, "").unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn strangers_are_left_alone() {
        let check = |url, subscribers, allowed: &[&str]| {
            let allowed: Vec<_> = allowed.iter().map(|&host| host.to_owned()).collect();
            check(&scenario(url, subscribers), &allowed).map_err(|error| error.to_string())
        };
        assert_eq!(check("http://127.0.0.1:8080", 5_000, &[]), Ok(()));
        assert_eq!(check("http://10.0.0.1", 5_000, &[]), Ok(()));
        let refused = check("http://198.51.100.1", 100, &[]).unwrap_err();
        assert!(
            refused.contains("would get 100 connections and 10 requests per second"),
            "{refused}"
        );
        assert!(refused.ends_with("add --allow-remote 198.51.100.1"), "{refused}");
        assert_eq!(check("http://198.51.100.1", 100, &["198.51.100.1"]), Ok(()));
        let refused = check("http://198.51.100.1", 5_000, &["198.51.100.1"]).unwrap_err();
        assert!(refused.contains("at most 1000 connections"), "{refused}");
    }

    #[test]
    fn a_redis_is_a_host_as_well() {
        let mut scenario = scenario("http://10.0.0.1", 3);
        let server = scenario.contenders[0].server.as_mut().unwrap();
        Arc::make_mut(server).publish = Publish::Redis(PublishRedis {
            url: Template::parse("redis://:{token}@198.51.100.1").unwrap(),
            command: Vec::new(),
        });
        let refused = check(&scenario, &[]).unwrap_err().to_string();
        assert!(refused.ends_with("add --allow-remote 198.51.100.1"), "{refused}");
        check(&scenario, &["198.51.100.1".to_owned()]).unwrap();
        let said = "mine: 3 connections and 10 requests per second to 10.0.0.1:80, Redis at 198.51.100.1:6379";
        assert_eq!(intentions(&scenario), [said]);
    }

    #[test]
    fn what_is_sent_is_said() {
        let lines = intentions(&scenario("http://10.0.0.1", 3));
        assert_eq!(lines, ["mine: 3 connections and 10 requests per second to 10.0.0.1:80"]);
    }
}
