//! Publishing over a WebSocket and by Redis, with TLS and without: what goes out, and that neither side
//! waits for the other for ever.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio_tungstenite::tungstenite::{self, Message};

use super::foreign::Values;
use super::{
    Acknowledgements as _, Foreign, OpenPath, PublishForm, PublishPath as _, PublishTarget,
    PublishWay, Tls,
};
use crate::scenario::{Content, Publish, Scenario};

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

/// Serves one connection, through TLS or not.
fn serve<T: Send + 'static>(
    secure: bool,
    serve: impl FnOnce(Box<dyn Stream>) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = thread::spawn(move || {
        let tcp: TcpStream = listener.accept().unwrap().0;
        if !secure {
            return serve(Box::new(tcp));
        }
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![made.cert.der().clone()], key.into())
                .unwrap();
        let tls = ServerConnection::new(Arc::new(config)).unwrap();
        serve(Box::new(StreamOwned::new(tls, tcp)))
    });
    (address, serving)
}

/// How a scenario with this table has it.
fn described(publish: &str) -> Publish {
    let text = format!(
        "name = \"x\"\ndescription = \"x\"\nservers = [\"mine\"]\n[workload]\nsubscribers = 1\n\
         events_per_second = 1\npayload_bytes = 64\nduration = \"1s\"\nwarm_up = \"1s\"\n[server.mine]\n\
         url = \"http://a\"\nsse.url = \"{{url}}\"\ntoken = {{ env = \"T\" }}\n{publish}"
    );
    let scenario = Scenario::parse(&text, "").unwrap();
    scenario.contenders[0].server.as_ref().unwrap().publish.clone()
}

/// Publishes these events, each on the channel before it.
fn publish(form: PublishForm, events: &[(usize, String)]) -> anyhow::Result<()> {
    let channels = ["one", "two"].map(str::to_owned);
    let target =
        PublishTarget { channels: &channels, content: Content::Text, form, returns_as: None };
    let OpenPath { mut path, mut acknowledgements, probe } = PublishWay::open(&target)?;
    let is_sent = Arc::new(AtomicBool::new(false));
    let sent = Arc::clone(&is_sent);
    let answers = thread::spawn(move || {
        loop {
            let sent = sent.load(Ordering::Acquire);
            if acknowledgements.acknowledge()? == 0 && sent {
                return acknowledgements.part();
            }
        }
    });
    let sent = events.chunks(3).try_for_each(|batch| {
        batch.iter().for_each(|(channel, event)| path.push(*channel, event.as_bytes()));
        path.flush()
    });
    is_sent.store(true, Ordering::Release);
    // What is read says more than what cannot be sent.
    answers.join().unwrap()?;
    sent?;
    assert!(probe.unwrap().read().unwrap().bytes_out > 0);
    Ok(())
}

fn events(count: usize, bytes: usize) -> Vec<(usize, String)> {
    (0..count).map(|number| (number % 2, format!("{number}:{}", "x".repeat(bytes)))).collect()
}

fn values(token: &str) -> Values {
    Values::new([("token", token.to_owned())])
}

fn trusting(secure: bool) -> Option<Tls> {
    secure.then(|| Tls::new(None, true).unwrap())
}

/// A chat in which everybody hears everything many times, and nothing is read before that is written.
fn chat(stream: Box<dyn Stream>) -> Vec<String> {
    let mut socket = tungstenite::accept(stream).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("hello s3cret"));
    socket.send(Message::text("{\"name\":\"ann\"}")).unwrap();
    socket.send(Message::Ping("there?".into())).unwrap();
    let (mut said, mut pongs) = (Vec::new(), 0);
    loop {
        match socket.read() {
            Ok(Message::Text(text)) if text == "pong" => pongs += 1,
            Ok(Message::Text(text)) => {
                for _ in 0..4 {
                    socket.send(Message::Text(text.clone())).unwrap();
                }
                socket.send(Message::text("ping")).unwrap();
                socket.send(Message::text("taken")).unwrap();
                said.push(text.to_string());
            }
            Ok(Message::Pong(_)) => pongs += 1,
            Ok(_) => {}
            Err(_) => break,
        }
    }
    assert_eq!(pongs, said.len() + 1, "all pings are answered");
    said
}

#[test]
fn events_go_over_a_websocket_however_much_comes_back() {
    const TABLE: &str = "[server.mine.publish.websocket]\nurl = \"{ws}/chat\"\n\
        steps = [{ send = \"hello {token}\" }, { wait = { has = \"name\" }, capture = { me = \"/name\" } }]\n\
        reply = [{ is = \"ping\", send = \"pong\" }]\n\
        send = \"{me}@{channel}:{payload}\"\nacknowledged = { is = \"taken\" }\n";
    let Publish::Socket(described) = described(TABLE) else { panic!("{TABLE}") };
    for secure in [false, true] {
        let (address, serving) = serve(secure, chat);
        let scheme = if secure { "wss" } else { "ws" };
        let ws = format!("{scheme}://localhost:{}", address.port());
        let foreign = Foreign {
            recipe: Arc::clone(&described.recipe),
            values: values("s3cret").with([("ws", ws)]),
            tls: trusting(secure),
            trace: None,
        };
        let events = events(600, 16 << 10);
        let form = PublishForm::Socket { publish: described.clone(), foreign };
        publish(form, &events).unwrap();
        let said = serving.join().unwrap();
        let expected = events
            .iter()
            .map(|(channel, event)| format!("ann@{}:{event}", ["one", "two"][*channel]));
        assert!(said.into_iter().eq(expected), "in order, each once");
    }
}

/// Redis as far as it goes: gives the words of all commands.
fn redis(stream: Box<dyn Stream>) -> Vec<Vec<String>> {
    let mut stream = BufReader::new(stream);
    let mut commands = Vec::new();
    let line = |stream: &mut BufReader<_>| {
        let mut line = String::new();
        // A client that goes without a word.
        let _ = stream.read_line(&mut line);
        line.get(1..).and_then(|number| number.trim().parse::<usize>().ok())
    };
    while let Some(words) = line(&mut stream) {
        let word = |_| {
            let mut word = vec![0; line(&mut stream).unwrap() + 2];
            stream.read_exact(&mut word).unwrap();
            String::from_utf8(word).unwrap().trim_end().to_owned()
        };
        let command: Vec<String> = (0..words).map(word).collect();
        let reply = match &command[0][..] {
            "PUBLISH" => ":2\r\n",
            "XADD" => "$3\r\n1-1\r\n",
            _ => "+OK\r\n",
        };
        stream.get_mut().write_all(reply.as_bytes()).unwrap();
        stream.get_mut().flush().unwrap();
        commands.push(command);
    }
    commands
}

#[test]
fn events_go_to_redis_as_commands() {
    let events = events(100, 8 << 10);
    for (secure, keys, begins) in [
        (
            false,
            "channel = \"app:{channel}\"\nmessage = \"m{payload}\"\n",
            &["PUBLISH", "app:one", "m0:"],
        ),
        (true, "command = [\"XADD\", \"{channel}\", \"{payload}\"]\n", &["XADD", "one", "0:x"]),
    ] {
        let (address, serving) = serve(secure, redis);
        let scheme = if secure { "rediss" } else { "redis" };
        let url = format!("{scheme}://me:{{token|url}}@localhost:{}/3", address.port());
        let table = format!("[server.mine.publish.redis]\nurl = \"{url}\"\n{keys}");
        let Publish::Redis(publish_redis) = described(&table) else { panic!("{table}") };
        let form = PublishForm::Redis {
            address,
            publish: publish_redis,
            values: values("p@ss/w:rd"),
            tls: trusting(secure),
        };
        publish(form, &events).unwrap();
        let commands = serving.join().unwrap();
        assert_eq!(commands[0], ["AUTH", "me", "p@ss/w:rd"]);
        assert_eq!(commands[1], ["SELECT", "3"]);
        assert_eq!(commands.len(), 2 + events.len());
        let is_begun = |(word, begin): (&String, &&str)| word.starts_with(begin);
        assert!(commands[2].iter().zip(begins).all(is_begun), "{:?}", &commands[2][..2]);
        let numbers = commands[2..].iter().filter_map(|words| words.last()?.split(':').next());
        assert!(
            numbers
                .map(|number| number.trim_start_matches('m').parse::<usize>().unwrap())
                .eq(0..100)
        );
    }
}
