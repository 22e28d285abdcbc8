//! WebSocket: comes back by hand, and goes on from the last id that it has.

use std::thread::sleep;
use std::time::Duration;

use tungstenite::{connect, stream::MaybeTlsStream};

/// Reads until the connection ends.
fn read(url: &str, on_event: &mut impl FnMut(u64, &str)) -> Option<()> {
    let (mut socket, _) = connect(url).ok()?;
    // The server pings every 15 s; a connection that has gone silent does not.
    if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
        stream.set_read_timeout(Some(Duration::from_secs(45))).ok()?;
    }
    loop {
        let message = socket.read().ok()?;
        if message.is_text() {
            // "id", or "id name", and a line feed before the payload.
            let (head, data) = message.to_text().ok()?.split_once('\n')?;
            on_event(head.split(' ').next()?.parse().ok()?, data);
        }
    }
}

/// `url` is that of a channel, such as `http://example.org/channels/news`.
fn subscribe(url: &str, mut on_event: impl FnMut(u64, &str)) -> ! {
    let url = url.replacen("http", "ws", 1);
    let (mut last, mut failures) = (0, 0);
    loop {
        read(&format!("{url}/ws?after={last}"), &mut |id, data| {
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
