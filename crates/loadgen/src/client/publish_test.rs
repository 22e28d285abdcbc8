//! Publishing to servers that speak HTTP in other ways than ours: what they have not read is sent again,
//! and nothing else is.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use super::http_publish::HttpPublish;
use super::{Acknowledgements as _, OpenPath, PublishForm, PublishPath as _, PublishTarget};
use crate::scenario::Content;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const LAST: &str = "HTTP/1.1 201 Created\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
/// The request is read, and not answered.
const NOTHING: &str = "";

/// For each connection an answer to each request. Behind the last one it is closed.
type Script<'a> = &'a [&'a [&'a str]];

/// Reads one request, and gives the event in it.
fn event(stream: &mut BufReader<TcpStream>) -> String {
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        match line.split_once(": ") {
            Some(("content-length", value)) => length = value.trim().parse().unwrap(),
            None if line == "\r\n" => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap().trim().to_owned()
}

/// Gives the events that were answered.
fn serve(listener: &TcpListener, script: &[Vec<String>]) -> Vec<String> {
    let mut events = Vec::new();
    for answers in script {
        // Byte by byte: what is not asked for stays unread, and is lost when the connection is closed.
        let mut stream = BufReader::with_capacity(1, listener.accept().unwrap().0);
        for answer in answers {
            let event = event(&mut stream);
            if answer != NOTHING {
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
                events.push(event);
            }
        }
    }
    events
}

/// Publishes `flights`, each when the one before is answered. Gives the events that were answered.
fn publish(flights: &[&[&str]], script: Script<'_>) -> anyhow::Result<Vec<String>> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let channels = ["one".to_owned()];
    let (content, form) = (Content::Text, PublishForm::Own(address));
    let target = PublishTarget { channels: &channels, content, form, returns_as: None };
    let OpenPath { mut path, mut acknowledgements, probe } = HttpPublish::open(&target)?;
    let script: Vec<Vec<String>> =
        script.iter().map(|answers| answers.iter().copied().map(str::to_owned).collect()).collect();
    // Nobody waits for it when that fails.
    let server = thread::spawn(move || serve(&listener, &script));
    for flight in flights {
        for event in *flight {
            path.push(0, event.as_bytes());
            path.flush()?;
        }
        while acknowledgements.acknowledge()? > 0 {}
    }
    let events = server.join().unwrap();
    let sent = probe.unwrap().read().unwrap().bytes_out;
    assert!(sent > events.len() as u64 * 80, "of all connections: {sent} bytes");
    Ok(events)
}

#[test]
fn whatever_takes_an_event_is_an_answer() {
    const CHUNKS: &str = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\n\
         transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx: y\r\n\r\n";
    const UNTIL_CLOSE: &str = "HTTP/1.0 200 OK\r\n\r\nfine";
    let script: Script<'_> = &[&[CHUNKS, "HTTP/1.1 204 No Content\r\n\r\n", UNTIL_CLOSE], &[OK]];
    let events = publish(&[&["a"], &["b"], &["c"], &["d"]], script).unwrap();
    assert_eq!(events, ["a", "b", "c", "d"]);
}

#[test]
fn an_idle_connection_may_be_closed() {
    const TOO_LATE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n\
         HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let script: Script<'_> = &[&[OK], &[TOO_LATE], &[OK, OK]];
    let events = publish(&[&["a"], &["b"], &["c", "d"]], script);
    assert_eq!(events.unwrap(), ["a", "b", "c", "d"]);
}

#[test]
fn what_meets_the_end_of_an_idle_connection_is_sent_again_once() {
    let script: Script<'_> = &[&[OK, NOTHING], &[OK, OK]];
    assert_eq!(publish(&[&["a"], &["b", "c"]], script).unwrap(), ["a", "b", "c"]);
    let script: Script<'_> = &[&[OK, NOTHING], &[NOTHING]];
    let error = publish(&[&["a"], &["b"]], script).unwrap_err().to_string();
    assert_eq!(error, "the server closed the publisher's connection with 1 request unanswered");
}

#[test]
fn what_the_server_may_have_read_is_not_sent_again() {
    let script: Script<'_> = &[&[OK, NOTHING]];
    let error = publish(&[&["a", "b", "c"]], script).unwrap_err().to_string();
    assert_eq!(error, "the server closed the publisher's connection with 2 requests unanswered");
    let script: Script<'_> = &[&["HTTP/1.1 200 OK\r\ncontent-le"]];
    let error = publish(&[&["a"]], script).unwrap_err().to_string();
    assert_eq!(error, "the server closed the publisher's connection in the middle of an answer");
}

#[test]
fn what_is_behind_the_last_answer_goes_over_another_connection() {
    let script: Script<'_> = &[&[OK, LAST], &[OK, OK]];
    assert_eq!(publish(&[&["a", "b", "c", "d"]], script).unwrap(), ["a", "b", "c", "d"]);
    // One at a time from then on, which a server that keeps a connection after all may read on.
    let script: Script<'_> = &[&[LAST], &[LAST], &[OK, OK], &[LAST]];
    assert_eq!(
        publish(&[&["a", "b", "c", "d"], &["e"]], script).unwrap(),
        ["a", "b", "c", "d", "e"]
    );
}

#[test]
fn what_nobody_can_use_is_an_error() {
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(70 << 10));
    let script: Script<'_> = &[&[&endless]];
    let error = publish(&[&["a"]], script).unwrap_err().to_string();
    assert_eq!(error, "the server's answer to an event is larger than 65536 bytes");
    let script: Script<'_> =
        &[&["HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 204 Twice\r\n\r\n"]];
    let error = publish(&[&["a"], &["b"]], script).unwrap_err().to_string();
    assert_eq!(error, "the server answers what nobody has asked");
}
