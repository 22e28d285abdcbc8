//! The command line of the server under test, with limits that the scenario fits into. Only the
//! heartbeat differs between the transports of a run, because a scenario may set it.

use std::time::Duration;

use pushbench_wire::Transport;

use super::probe::Cores;
use crate::scenario::{MAX_LOG_BYTES, Scenario};

/// How long a kept connection may be idle, beside two polling intervals.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Connections besides those of subscribers: the publisher's and the control client's, generously.
const OTHER_CONNECTIONS: u32 = 64;

/// The largest answer to a poll; a client that is further behind gets the rest with its next one.
const MAX_RESPONSE_BYTES: u64 = 16 << 20;

/// `program` and the arguments that every server under test gets.
pub(super) fn server_command(
    program: &[String],
    scenario: &Scenario,
    transport: Transport,
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
    // Who sends may have nothing to send for long.
    let silence = match workload.upstream {
        Some(_) => workload.idle + workload.warm_up + workload.duration,
        None => scenario.polling.interval * 2,
    };
    flag("--keep-alive", format_duration(silence + KEEP_ALIVE));
    flag("--max-channels", workload.channels.to_string());
    // A new connection may come before the one that it replaces is seen to be closed.
    let connections = workload.sockets().saturating_mul(2).saturating_add(OTHER_CONNECTIONS);
    flag("--max-connections", connections.to_string());
    flag("--long-poll-timeout", format_duration(scenario.long_polling.timeout));
    match transport {
        Transport::Polling | Transport::LongPolling => {}
        Transport::Sse => flag("--heartbeat", format_duration(scenario.sse.heartbeat)),
        Transport::WebSocket => flag("--heartbeat", format_duration(scenario.websocket.heartbeat)),
        Transport::Tcp => flag("--heartbeat", format_duration(scenario.tcp.heartbeat)),
    }
    command.push("--stop-on-stdin-eof".into());
    command
}

fn format_duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}
