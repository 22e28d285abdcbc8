//! WebSocket: comes back by hand, and goes on from the last id that it has.

use std::thread::sleep;
use std::time::Duration;

use tungstenite::{connect, stream::MaybeTlsStream};

/// Reads until the connection ends; nothing if it did not begin. Tells of each event whether it has a name.
fn read(url: &str, mut on_event: impl FnMut(u64, bool, &str)) -> Option<()> {
    let (mut socket, _) = connect(url).ok()?;
    // The server pings every 15 s; a connection that has gone silent does not.
    if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
        stream.set_read_timeout(Some(Duration::from_secs(45))).ok()?;
    }
    while let Ok(message) = socket.read() {
        if message.is_text() {
            // "id", or "id name", and a line feed before the payload.
            let (head, data) = message.to_text().ok()?.split_once('\n')?;
            let (id, name) = head.split_once(' ').unwrap_or((head, ""));
            on_event(id.parse().ok()?, !name.is_empty(), data);
        }
    }
    Some(())
}

/// `url` is that of a channel, such as `http://example.org/channels/news`.
fn subscribe(url: &str, mut on_event: impl FnMut(u64, &str)) -> ! {
    let url = url.replacen("http", "ws", 1);
    let (mut last, mut failures) = (0, 0);
    loop {
        let connected = read(&format!("{url}/ws?after={last}"), |id, named, data| {
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
