//! Redis that is none, or does not take events as was said.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use super::server::{Hub, Server};
use super::{Case, check, check_measured};

/// The words of a command, as a connection gets them.
pub(super) struct Commands(BufReader<TcpStream>);

impl Commands {
    pub(super) fn next(&mut self) -> io::Result<Vec<String>> {
        let words = self.number()?;
        (0..words).map(|_| self.word()).collect()
    }

    fn number(&mut self) -> io::Result<usize> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        line[1.min(line.len())..].trim().parse().map_err(io::Error::other)
    }

    fn word(&mut self) -> io::Result<String> {
        let mut word = vec![0; self.number()? + 2];
        self.0.read_exact(&mut word)?;
        word.truncate(word.len() - 2);
        String::from_utf8(word).map_err(io::Error::other)
    }

    pub(super) fn say(&mut self, words: &str) -> io::Result<()> {
        self.0.get_mut().write_all(words.as_bytes())
    }
}

/// Does `handle` with each connection.
pub(super) fn redis(
    handle: impl Fn(&mut Commands) -> io::Result<()> + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let handle = Arc::new(handle);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let handle = Arc::clone(&handle);
            thread::spawn(move || handle(&mut Commands(BufReader::new(stream))));
        }
    });
    address
}

fn publishing(name: &'static str, url: &str, says: &str) -> Case {
    let server = Server::new(|_, peer, _| {
        peer.begin_events()?;
        peer.wait()
    });
    let table = format!("[server.x.publish]\nredis.url = \"{url}\"\n");
    Case::new(name, "sse", server, says).published(&table)
}

#[test]
fn redis_that_takes_no_event() {
    let nobody = Server::nobody();
    let at = nobody.address;
    let refusing = redis(|commands| {
        let refused = match &commands.next()?[0][..] {
            "AUTH" => "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
            "SELECT" => "-ERR DB index is out of range\r\n",
            _ => "-NOAUTH Authentication required.\r\n",
        };
        commands.say(refused)?;
        commands.next().map(drop)
    });
    let http = redis(|commands| {
        commands.next()?;
        commands.say("HTTP/1.1 400 Bad Request\r\n\r\n")?;
        commands.next().map(drop)
    });
    let leaving = redis(|commands| {
        commands.next()?;
        commands.say(":1\r\n")?;
        commands.next().map(drop)
    });
    let chatty = redis(|commands| {
        commands.next()?;
        commands.say(&":1\r\n".repeat(1_000))?;
        commands.next().map(drop)
    });
    check(vec![
        publishing(
            "nobody",
            &format!("redis://{at}"),
            &format!(
                "the publisher cannot connect to Redis at {at}: Connection refused (os error 111)"
            ),
        ),
        publishing(
            "wrong password",
            &format!("redis://me:wrong@{refusing}"),
            "Redis refused the password: WRONGPASS invalid username-password pair or user is disabled.; \
             is it the right one?",
        ),
        publishing(
            "no password",
            &format!("redis://{refusing}"),
            "Redis refused an event: NOAUTH Authentication required.; put the password into `url`: \
             \"redis://:{token|url}@HOST:PORT\"",
        ),
        publishing(
            "no such database",
            &format!("redis://{refusing}/99"),
            "Redis refused the database: ERR DB index is out of range",
        ),
        publishing(
            "HTTP",
            &format!("redis://{http}"),
            &format!(
                "what the server at {http} answers is not from Redis: \"HTTP/1.1 400 Bad \
                 Request\\r\\n\\r\\n\": is this the right port?"
            ),
        ),
        publishing(
            "leaves",
            &format!("redis://{leaving}"),
            &format!("Redis at {leaving} closed the publisher's connection"),
        ),
        publishing(
            "answers too much",
            &format!("redis://{chatty}"),
            "Redis answers what nobody has asked",
        ),
        Case {
            code: 2,
            ..publishing(
                "no URL of Redis",
                "localhost:6379",
                "`url` must begin with redis:// or rediss://",
            )
        },
    ]);
    drop(nobody);
}

#[test]
fn what_redis_takes_is_delivered() {
    let hub = Arc::new(Hub::default());
    let subscribed = Arc::clone(&hub);
    let server = Server::new(move |_, peer, _| {
        let events = subscribed.subscribe();
        peer.begin_events()?;
        for event in events {
            peer.write(&[b"data: ", &event[..], b"\n\n"].concat())?;
        }
        peer.wait()
    });
    let at = redis(move |commands| {
        let login = commands.next()?;
        assert_eq!(login, ["AUTH", "p@ss"]);
        commands.say("+OK\r\n")?;
        while let [command, channel, message] = &commands.next()?[..] {
            assert!(command == "PUBLISH" && channel.starts_with("app:"), "{command} {channel}");
            hub.publish(message.as_bytes());
            commands.say(":1\r\n")?;
        }
        Ok(())
    });
    let table = format!(
        "[server.x.publish]\nredis.url = \"redis://:p%40ss@{at}\"\nredis.channel = \"app:{{channel}}\"\n"
    );
    check_measured(vec![Case::new("Redis", "sse", server, "").published(&table)]);
}
