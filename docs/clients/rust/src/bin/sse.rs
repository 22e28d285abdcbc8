//! Server-Sent Events: reads the stream, and goes on from the last id that it has.

use std::io::{BufRead, BufReader};
use std::thread::sleep;
use std::time::Duration;

/// Reads until the connection ends.
fn read(agent: &ureq::Agent, url: &str, on_event: &mut impl FnMut(u64, &str)) -> Option<()> {
    let stream = agent.get(url).call().ok()?.into_body().into_reader();
    let (mut id, mut data) = (0, Vec::new());
    for line in BufReader::new(stream).lines() {
        let line = line.ok()?;
        match line.split_once(':') {
            Some(("id", value)) => id = value.trim().parse().ok()?,
            Some(("data", value)) => data.push(value.strip_prefix(' ').unwrap_or(value).to_owned()),
            None if line.is_empty() && !data.is_empty() => {
                on_event(id, &data.join("\n"));
                data.clear();
            }
            _ => {}
        }
    }
    None
}

/// `url` is that of a channel, such as `http://example.org/channels/news`.
fn subscribe(url: &str, mut on_event: impl FnMut(u64, &str)) -> ! {
    // It comes back after a minute in any case, so that a connection that has gone silent ends, too.
    let timeout = Some(Duration::from_secs(60));
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(timeout).build().into();
    let (mut last, mut failures) = (0, 0);
    loop {
        read(&agent, &format!("{url}/sse?after={last}"), &mut |id, data| {
            on_event(id, data);
            (last, failures) = (id, 0);
        });
        // All clients lose a server at once: they must not come back at once.
        sleep(Duration::from_secs_f64(fastrand::f64() * 2_f64.powi(failures).min(30.0)));
        failures += 1;
    }
}

fn main() {
    let url = std::env::args().nth(1).expect("the URL of a channel");
    subscribe(&url, |id, data| println!("{id} {data}"))
}
