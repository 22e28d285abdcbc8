//! A scenario written back as TOML.

use std::fmt::Write as _;

use super::*;

pub(super) fn to_toml(scenario: &Scenario) -> String {
    let ms = |duration: Duration| format!("\"{}ms\"", duration.as_millis());
    let connection = |connection| serde_json::to_string(&connection).unwrap();
    let names = scenario.contender_ids().filter(|id| id.name() == id.transport().name());
    let names: Vec<_> = names.map(ContenderId::name).collect();
    let names: Vec<_> = names.into_iter().rev().collect();
    let Scenario { name, description, blocks, seed, workload, .. } = scenario;
    let mut text = String::new();
    writeln!(text, "name = \"{name}\"\ncompare = {names:?}\nblocks = {blocks}\nseed = {seed}")
        .unwrap();
    writeln!(text, "description = {}", serde_json::to_string(description).unwrap()).unwrap();
    writeln!(text, "[workload]\nsubscribers = {}", workload.subscribers).unwrap();
    writeln!(text, "channels = {}", workload.channels).unwrap();
    writeln!(text, "events_per_second = {:?}", workload.events_per_second).unwrap();
    let arrivals = serde_json::to_string(&workload.arrivals).unwrap();
    writeln!(text, "arrivals = {arrivals}").unwrap();
    writeln!(text, "channels_per_subscriber = {}", workload.channels_per_subscriber).unwrap();
    if let Popularity::Zipf(exponent) = workload.popularity {
        writeln!(text, "popularity = {{ zipf = {exponent:?} }}").unwrap();
    }
    if let Some(Bursts { on, off }) = workload.bursts {
        writeln!(text, "bursts = {{ on = {}, off = {} }}", ms(on), ms(off)).unwrap();
    }
    writeln!(text, "payload_bytes = {}", sizes_to_toml(&workload.payload_bytes)).unwrap();
    writeln!(text, "content = {}", serde_json::to_string(&workload.content).unwrap()).unwrap();
    if workload.phases.is_empty() {
        writeln!(text, "duration = {}", ms(workload.duration)).unwrap();
    }
    writeln!(text, "warm_up = {}", ms(workload.warm_up)).unwrap();
    writeln!(text, "idle = {}", ms(workload.idle)).unwrap();
    if let Some(Upstream { events_per_second, payload_bytes }) = &workload.upstream {
        let sizes = sizes_to_toml(payload_bytes);
        writeln!(text, "[workload.upstream]\nevents_per_second = {events_per_second:?}").unwrap();
        writeln!(text, "payload_bytes = {sizes}").unwrap();
    }
    for Phase { name, duration, rate } in &workload.phases {
        writeln!(text, "[[workload.phases]]\nname = \"{name}\"\nrate = {rate:?}").unwrap();
        writeln!(text, "duration = {}", ms(*duration)).unwrap();
    }
    let mut own = String::new();
    for Contender { id, settings, .. } in &scenario.contenders {
        let transport = id.transport();
        let lines = match settings {
            Settings::Polling(Polling { interval, connection: kept }) => {
                format!("interval = {}, connection = {}", ms(*interval), connection(*kept))
            }
            Settings::LongPolling(LongPolling { timeout, connection: kept }) => {
                format!("timeout = {}, connection = {}", ms(*timeout), connection(*kept))
            }
            Settings::Stream(stream) => {
                format!("heartbeat = {}", ms(stream.heartbeat))
            }
        };
        if id.name() == transport.name() {
            writeln!(text, "[{transport}]\n{}", lines.replace(", ", "\n")).unwrap();
        } else {
            writeln!(own, "[[contender]]\nname = \"{id}\"\ntransport = \"{transport}\"").unwrap();
            writeln!(own, "{transport} = {{ {lines} }}").unwrap();
        }
    }
    text + &own
}

fn sizes_to_toml(sizes: &PayloadBytes) -> String {
    match sizes {
        PayloadBytes::Fixed(bytes) => bytes.to_string(),
        PayloadBytes::Uniform(least, most) => format!("{{ uniform = [{least}, {most}] }}"),
        PayloadBytes::LogNormal { median, p99 } => {
            format!("{{ lognormal = {{ median = {median}, p99 = {p99} }} }}")
        }
        PayloadBytes::Mix(sizes) => {
            let sizes: Vec<_> =
                sizes.iter().map(|(bytes, weight)| format!("[{bytes}, {weight:?}]")).collect();
            format!("{{ mix = [{}] }}", sizes.join(", "))
        }
    }
}
