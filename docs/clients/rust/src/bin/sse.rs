//! Server-Sent Events: reads the stream, and goes on from the last id that it has.

use std::io::{BufRead, BufReader};
use std::thread::sleep;
use std::time::Duration;

/// Reads until the connection ends; nothing if it did not begin. Tells of each event whether it has a name.
fn read(agent: &ureq::Agent, url: &str, mut on_event: impl FnMut(u64, bool, &str)) -> Option<()> {
    let stream = agent.get(url).call().ok()?.into_body().into_reader();
    let (mut id, mut named, mut data) = (0, false, Vec::new());
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        match line.split_once(':') {
            Some(("id", value)) => id = value.trim().parse().ok()?,
            Some(("event", _)) => named = true,
            Some(("data", value)) => data.push(value.strip_prefix(' ').unwrap_or(value).to_owned()),
            None if line.is_empty() && !data.is_empty() => {
                on_event(id, named, &data.join("\n"));
                (named, data) = (false, Vec::new());
            }
            _ => {}
        }
    }
    Some(())
}

/// `url` is that of a channel, such as `http://example.org/channels/news`.
fn subscribe(url: &str, mut on_event: impl FnMut(u64, &str)) -> ! {
    // The server says every 15 s that it is there; a connection that has gone silent does not.
    let silent = Some(Duration::from_secs(45));
    let config = ureq::Agent::config_builder().timeout_connect(silent).timeout_per_read(silent);
    let agent: ureq::Agent = config.build().into();
    let (mut last, mut failures) = (0, 0);
    loop {
        let connected = read(&agent, &format!("{url}/sse?after={last}"), |id, named, data| {
            if !named {
                on_event(id, data);
            }
            last = id;
        });
        failures = if connected.is_some() { 0 } else { failures + 1 };
        // All clients lose a server at once: they must not come back at once.
        sleep(Duration::from_secs_f64(fastrand::f64() * 2_f64.powi(failures).min(30.0)));
    }
}

fn main() {
    let url = std::env::args().nth(1).expect("the URL of a channel");
    subscribe(&url, |id, data| println!("{id} {data}"))
}
