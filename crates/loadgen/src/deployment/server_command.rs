//! The command line of a server under test, with limits that the scenario fits into. What a contender
//! sets of its own comes from above.

use std::time::Duration;

use super::Cores;
use crate::scenario::{MAX_LOG_BYTES, Scenario};

/// How long a kept connection may be idle, beside a trial and two polling intervals.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Connections besides those of subscribers: the publisher's and the control client's, generously.
const OTHER_CONNECTIONS: u32 = 64;

/// The largest answer to a poll; a client that is further behind gets the rest with its next one.
const MAX_RESPONSE_BYTES: u64 = 16 << 20;

/// `program` and the arguments that every server under test gets, with `times` beside them: flags of
/// the server, and how long each is.
pub(crate) fn server_command(
    program: &[String],
    scenario: &Scenario,
    times: &[(&str, Duration)],
    cores: &Cores,
) -> Vec<String> {
    let workload = &scenario.workload;
    let log_events = scenario.log_events().max(1_000);
    let log_bytes = log_events.saturating_mul(workload.most_payload_bytes() as u64);
    let log_bytes = log_bytes.clamp(1 << 20, MAX_LOG_BYTES);
    let cpus: Vec<String> = cores.server.iter().map(ToString::to_string).collect();
    let mut command = program.to_vec();
    let mut flag = |name: &str, value: String| command.extend([name.to_owned(), value]);
    flag("--listen", "127.0.0.1:0".into());
    flag("--cpus", cpus.join(","));
    flag("--log-events", log_events.to_string());
    flag("--log-bytes", log_bytes.to_string());
    flag("--max-response-bytes", log_bytes.min(MAX_RESPONSE_BYTES).to_string());
    // Who polls or publishes may have nothing to ask or to send for long, before the first time too.
    let trial = workload.idle + workload.warm_up + workload.duration;
    let polling = scenario.longest_polling_interval().unwrap_or_default();
    let silence = format_duration(trial + polling * 2 + KEEP_ALIVE);
    flag("--keep-alive", silence.clone());
    flag("--header-timeout", silence);
    flag("--max-channels", workload.channels.to_string());
    // A new connection may come before the one that it replaces is seen to be closed.
    let connections = workload.sockets().saturating_mul(2).saturating_add(OTHER_CONNECTIONS);
    flag("--max-connections", connections.to_string());
    for (name, time) in times {
        flag(name, format_duration(*time));
    }
    command.push("--stop-on-stdin-eof".into());
    command
}

fn format_duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::template::TEMPLATE;

    const SECOND: Duration = Duration::from_secs(1);

    /// Or the server would cut a connection of someone who has had nothing to say yet.
    #[test]
    fn nobody_has_to_speak_within_a_trial() {
        let text = TEMPLATE.replace("duration = \"10s\"", "duration = \"20m\"");
        let scenario = Scenario::parse(&text, "").unwrap();
        let cores = Cores { server: vec![0], generator: vec![1] };
        let command =
            server_command(&["serve".into()], &scenario, &[("--heartbeat", SECOND)], &cores);
        let flags =
            [("--keep-alive", "21m 6s"), ("--header-timeout", "21m 6s"), ("--heartbeat", "1s")];
        for (flag, value) in flags {
            let at = command.iter().position(|argument| argument == flag).unwrap();
            assert_eq!(command[at + 1], value, "{flag}");
        }
    }
}
