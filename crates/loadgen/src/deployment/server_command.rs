//! The command line of a server under test, with limits that the scenario fits into. Only what a
//! contender sets of its own differs between those of a run.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use super::Cores;
use crate::scenario::{Contender, MAX_LOG_BYTES, Scenario, SlowPolicy, SseFraming, Stream};

/// How long a kept connection may be idle, beside a trial and two polling intervals.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Connections besides those of subscribers: the publisher's and the control client's, generously.
const OTHER_CONNECTIONS: u32 = 64;

/// What a connection may need that is not by HTTP/1.1, and a log for each of its bytes, with what both
/// leave to the program. Unless there are thousands, it is less than the usual limit.
const MEMORY_PER_CONNECTION: u64 = 512 << 10;
const MEMORY_PER_LOG_BYTE: u64 = 4;
const LEAST_MEMORY: u64 = 1 << 30;

/// The largest answer to a poll; a client that is further behind gets the rest with its next one.
const MAX_RESPONSE_BYTES: u64 = 16 << 20;

/// `program` and the arguments that every server under test gets, with those of a `contender`. It listens on
/// `host`. One that is spoken to by TLS writes its `certificate` there.
pub(crate) fn server_command(
    program: &[String],
    scenario: &Scenario,
    contender: &Contender,
    certificate: Option<&Path>,
    cores: &Cores,
    host: Ipv4Addr,
) -> Vec<String> {
    let settings = &contender.settings;
    let workload = &scenario.workload;
    // Who wants a short memory has one.
    let is_short = workload.slow.is_some_and(|slow| slow.kept_for.is_some());
    let log_events = scenario.log_events().max(if is_short { 1 } else { 1_000 });
    let log_bytes = log_events.saturating_mul(workload.most_payload_bytes() as u64);
    let log_bytes = log_bytes.clamp(1 << 20, MAX_LOG_BYTES);
    let cpus: Vec<String> = cores.server.iter().map(ToString::to_string).collect();
    let mut command = program.to_vec();
    let mut flag = |name: &str, value: String| command.extend([name.to_owned(), value]);
    flag("--listen", format!("{host}:0"));
    flag("--cpus", cpus.join(","));
    flag("--log-events", log_events.to_string());
    flag("--log-bytes", log_bytes.to_string());
    let at_once = log_bytes.saturating_mul(workload.channels_per_subscriber.into());
    flag("--max-response-bytes", at_once.min(MAX_RESPONSE_BYTES).to_string());
    // Who polls or publishes may have nothing to ask or to send for long, before the first time too.
    let trial = workload.idle + workload.warm_up + workload.duration;
    let polling = scenario.longest_polling_interval().unwrap_or_default();
    let silence = format_duration(trial + polling * 2 + KEEP_ALIVE);
    flag("--keep-alive", silence.clone());
    flag("--header-timeout", silence);
    flag("--max-channels", workload.channels.to_string());
    // A new connection may come before the one that it replaces is seen to be closed.
    let connections = scenario.sockets().saturating_mul(2).saturating_add(OTHER_CONNECTIONS);
    flag("--max-connections", connections.to_string());
    if contender.http().needs_tls() {
        let memory = u64::from(connections)
            .saturating_mul(MEMORY_PER_CONNECTION)
            .saturating_add(log_bytes.saturating_mul(MEMORY_PER_LOG_BYTE));
        flag("--max-memory", memory.max(LEAST_MEMORY).to_string());
    }
    if let Some(timeout) = settings.long_poll_timeout() {
        flag("--long-poll-timeout", format_duration(timeout));
    }
    if let Some(heartbeat) = settings.heartbeat() {
        flag("--heartbeat", format_duration(heartbeat));
    }
    // Another server than ours may not know these.
    if let Some(stream) = settings.stream() {
        if stream.framing == SseFraming::Chunked {
            flag("--sse-framing", "chunked".into());
        }
        if !stream.accel_buffering_hint {
            flag("--accel-buffering-hint", "off".into());
        }
        if stream.retry != Stream::USUAL_RETRY {
            flag("--reconnect-delay", format_duration(stream.retry));
        }
    }
    if let Some(slow) = workload.slow.filter(|slow| slow.policy != SlowPolicy::DropOldest) {
        flag("--slow-policy", slow.policy.name().to_owned());
    }
    if let Some(certificate) = certificate {
        flag("--tls", format!("{host}:0"));
        flag("--tls-cert-out", certificate.to_string_lossy().into_owned());
        if contender.road.resumes_tls {
            command.push("--tls-resumption".into());
        }
    }
    if contender.compresses() {
        command.push("--compression".into());
    }
    if contender.wants_udp() {
        command.push("--http3".into());
    }
    command.push("--stop-on-stdin-eof".into());
    if !host.is_loopback() {
        // Nobody else is in the network of a trial.
        command.push("--public".into());
    }
    command
}

fn format_duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::template::TEMPLATE;

    /// What each contender of the template's scenario has behind a flag.
    fn values_of(flag: &str) -> Vec<Option<String>> {
        let text = TEMPLATE.replace("duration = \"10s\"", "duration = \"20m\"");
        let scenario = Scenario::parse(&text, "").unwrap();
        let cores = Cores { server: vec![0], generator: vec![1] };
        let value = |contender: &Contender| {
            let here = Ipv4Addr::LOCALHOST;
            let command =
                server_command(&["serve".into()], &scenario, contender, None, &cores, here);
            let at = command.iter().position(|argument| argument == flag)?;
            Some(command[at + 1].clone())
        };
        scenario.contenders.iter().map(value).collect()
    }

    /// Or the server would cut a connection of someone who has had nothing to say yet.
    #[test]
    fn nobody_has_to_speak_within_a_trial() {
        for flag in ["--keep-alive", "--header-timeout"] {
            for value in values_of(flag) {
                assert_eq!(value.as_deref(), Some("21m 6s"), "{flag}");
            }
        }
    }

    /// Where QUIC keeps what TCP keeps in the kernel, thousands of subscribers need more than usual.
    #[test]
    fn who_does_not_speak_http_1_may_need_more_memory_and_udp() {
        let with = |http: &str, subscribers: u32| {
            let text = format!(
                "name = \"x\"\ndescription = \"X.\"\ncompare = [\"sse\"]\ntls = true\nhttp = \"{http}\"\n\
                 [workload]\nsubscribers = {subscribers}\nevents_per_second = 1\npayload_bytes = 64\n\
                 duration = \"10s\"\nwarm_up = \"1s\"\n"
            );
            let scenario = Scenario::parse(&text, "").unwrap();
            let cores = Cores { server: vec![0], generator: vec![1] };
            let contender = &scenario.contenders[0];
            let here = Ipv4Addr::LOCALHOST;
            let command = server_command(&[], &scenario, contender, None, &cores, here);
            let memory = command.iter().position(|argument| argument == "--max-memory");
            let memory = memory.map(|at| command[at + 1].parse::<u64>().unwrap());
            (memory, command.iter().any(|argument| argument == "--http3"))
        };
        assert_eq!(with("1.1", 10_000), (None, false));
        assert_eq!(with("2", 10), (Some(1 << 30), false));
        for by_udp in ["3", "webtransport-draft"] {
            assert_eq!(with(by_udp, 10), (Some(1 << 30), true));
            let (memory, _) = with(by_udp, 10_000);
            // Clients may have three eighths of it; each has 90 KiB, and once more while it reconnects.
            assert!(memory.unwrap() / 8 * 3 > 2 * 10_000 * (90 << 10), "{memory:?}");
        }
    }

    #[test]
    fn a_contender_sets_what_is_its_own() {
        let have = |flag: &str| values_of(flag).iter().map(Option::is_some).collect::<Vec<_>>();
        assert_eq!(have("--heartbeat"), [false, false, true, true, true]);
        assert_eq!(have("--long-poll-timeout"), [false, true, false, false, false]);
    }
}
