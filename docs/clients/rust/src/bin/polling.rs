//! Polling: asks again and again, and goes on from the last id that it has.

use std::thread::sleep;
use std::time::Duration;

#[derive(serde::Deserialize)]
struct Answer {
    events: Vec<Event>,
}

#[derive(serde::Deserialize)]
struct Event {
    id: u64,
    event: Option<String>,
    data: String,
}

/// `url` is that of a channel, such as `http://example.org/channels/news`.
fn subscribe(url: &str, mut on_event: impl FnMut(u64, &str)) -> ! {
    // A connection that has gone silent ends, too.
    let timeout = Some(Duration::from_secs(10));
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(timeout).build().into();
    let (mut last, mut failures) = (0, 0);
    loop {
        let poll = || match agent.get(format!("{url}/poll?after={last}")).call()? {
            empty if empty.status() == 204 => Ok(Vec::new()),
            mut full => full.body_mut().read_json().map(|of: Answer| of.events),
        };
        let Ok::<_, ureq::Error>(events) = poll() else {
            // All clients lose a server at once: they must not come back at once.
            sleep(Duration::from_secs_f64(fastrand::f64() * 2_f64.powi(failures).min(30.0)));
            failures += 1;
            continue;
        };
        for Event { id, event, data } in events {
            if event.is_none() {
                on_event(id, &data);
            }
            last = id;
        }
        failures = 0;
        sleep(Duration::from_secs(1));
    }
}

fn main() {
    let url = std::env::args().nth(1).expect("the URL of a channel");
    subscribe(&url, |id, data| println!("{id} {data}"))
}
