use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use pushbench_wire::endpoint::Resource;

use super::*;
use crate::client::PublishForm;
use crate::client::publish_form::MAX_BATCH_BYTES;
use crate::scenario::Content;

fn open(address: SocketAddr, content: Content) -> OpenPath<HttpPublish> {
    let channels = ["one", "two"].map(str::to_owned);
    let form = PublishForm::Own(address);
    HttpPublish::open(&PublishTarget { channels: &channels, content, form, returns_as: None })
        .unwrap()
}

#[test]
fn events_of_a_channel_share_a_request() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let OpenPath { mut path, mut acknowledgements, probe } = open(address, Content::Text);
    let mut server = listener.accept().unwrap().0;
    path.push(1, b"a");
    path.push(0, b"bc");
    path.push(1, b"d");
    path.flush().unwrap();
    let head = |channel: &str, length: usize| {
        let path = Resource::Events.path(channel);
        format!(
            "POST {path}?split=lines HTTP/1.1\r\nhost: {address}\r\n\
             content-type: text/plain\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let expected = format!("{}a\nd\n{}bc\n", head("two", 4), head("one", 3));
    let mut read = vec![0; expected.len()];
    server.read_exact(&mut read).unwrap();
    assert_eq!(String::from_utf8(read).unwrap(), expected);
    assert_eq!(probe.unwrap().read().unwrap().bytes_out, expected.len() as u64);

    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    for to_come in [1, 0] {
        server.write_all(answer.as_bytes()).unwrap();
        while acknowledgements.acknowledge().unwrap() > to_come {}
    }
}

#[test]
fn a_request_is_not_larger_than_a_server_takes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut path = open(listener.local_addr().unwrap(), Content::Binary).path;
    let event = vec![7; MAX_BATCH_BYTES / 4];
    for _ in 0..10 {
        path.push(0, &event);
    }
    let waiting = path.channels[0].waiting_bytes();
    assert!(waiting < MAX_BATCH_BYTES, "{waiting} bytes");
    assert_eq!(path.requests.count(), 3, "with three events each");
}

/// A publisher whose server comes back.
fn returning(address: SocketAddr) -> OpenPath<HttpPublish> {
    let channels = ["one".to_owned()];
    let (content, form) = (Content::Text, PublishForm::Own(address));
    let returns_as = Some("me".to_owned());
    let target = PublishTarget { channels: &channels, content, form, returns_as };
    HttpPublish::open(&target).unwrap()
}

/// The same of one that has gone, and where it was.
fn left_alone() -> (SocketAddr, OpenPath<HttpPublish>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut open = returning(address);
    drop((listener.accept().unwrap(), listener));
    let acknowledgements = &mut open.acknowledgements;
    while acknowledgements.stream.is_some() || acknowledgements.number == 0 {
        acknowledgements.acknowledge().unwrap();
    }
    (address, open)
}

/// The numbers and events of so many requests.
fn take(server: &mut TcpStream, count: usize) -> Vec<(u64, String)> {
    (0..count).map(|_| take_one(server)).collect()
}

/// Those of the next request, of which no more is read than belongs to it.
fn take_one(server: &mut TcpStream) -> (u64, String) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        server.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let after = |text: &str| head.split(text).nth(1).unwrap().split([' ', '\r']).next().unwrap();
    let mut body = vec![0; after("content-length: ").parse().unwrap()];
    server.read_exact(&mut body).unwrap();
    let number = after("&publisher=me&sequence=").parse().unwrap();
    (number, String::from_utf8(body).unwrap())
}

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

#[test]
fn what_was_not_answered_is_sent_again_to_a_server_that_comes_back() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let OpenPath { mut path, mut acknowledgements, .. } = returning(address);
    let mut server = listener.accept().unwrap().0;
    let mut publish = |text: &str| {
        path.push(0, text.as_bytes());
        path.flush().unwrap();
    };
    ["a", "b", "c"].into_iter().for_each(&mut publish);
    let requests = |numbers: &[(u64, &str)]| -> Vec<(u64, String)> {
        numbers.iter().map(|(number, text)| (*number, format!("{text}\n"))).collect()
    };
    assert_eq!(take(&mut server, 3), requests(&[(1, "a"), (2, "b"), (3, "c")]));
    // One is answered, and of the answer to the next one a part.
    server.write_all(&[ANSWER, &ANSWER[..9]].concat()).unwrap();
    while acknowledgements.acknowledge().unwrap() > 2 {}
    drop((server, listener));
    for text in ["d", "e"] {
        assert!(acknowledgements.acknowledge().unwrap() >= 2, "nobody answers");
        publish(text);
    }
    for _ in 0..5 {
        assert_eq!(acknowledgements.acknowledge().unwrap(), 4, "it is still away");
    }
    let listener = TcpListener::bind(address).unwrap();
    let comes_back = std::thread::spawn(move || {
        let mut server = listener.accept().unwrap().0;
        let mut taken = take(&mut server, 4);
        server.write_all(&ANSWER.repeat(4)).unwrap();
        taken.extend(take(&mut server, 1));
        server.write_all(ANSWER).unwrap();
        (taken, server)
    });
    while acknowledgements.acknowledge().unwrap() > 0 {}
    publish("f");
    while acknowledgements.acknowledge().unwrap() > 0 {}
    let (taken, _server) = comes_back.join().unwrap();
    let expected = [(2, "b"), (3, "c"), (4, "d"), (5, "e"), (6, "f")];
    assert_eq!(taken, requests(&expected), "in their order, with their numbers");
}

#[test]
fn a_server_that_comes_back_gets_what_has_waited_in_pieces() {
    const EVENTS: usize = 3_000;
    let (address, OpenPath { mut path, mut acknowledgements, .. }) = left_alone();
    let event = "x".repeat(1_000);
    for _ in 0..EVENTS {
        path.push(0, event.as_bytes());
        path.flush().unwrap();
    }
    let listener = TcpListener::bind(address).unwrap();
    let comes_back = std::thread::spawn(move || {
        let mut server = listener.accept().unwrap().0;
        // It reads nothing more before its answer has been taken.
        for number in 1..=EVENTS as u64 {
            assert_eq!(take_one(&mut server).0, number);
            server.write_all(ANSWER).unwrap();
        }
        server
    });
    while acknowledgements.acknowledge().unwrap() > 0 {}
    comes_back.join().unwrap();
}

#[test]
fn a_server_whose_answers_have_no_room_is_not_waited_for() {
    const EVENTS: usize = 30_000;
    let (address, OpenPath { mut path, mut acknowledgements, .. }) = left_alone();
    for _ in 0..EVENTS {
        path.push(0, b"small");
        path.flush().unwrap();
    }
    let listener = TcpListener::bind(address).unwrap();
    let comes_back = std::thread::spawn(move || {
        let mut server = listener.accept().unwrap().0;
        let mut requests = BufReader::new(server.try_clone().unwrap());
        let answer =
            format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n", "y".repeat(400));
        // While it cannot send an answer, it reads nothing.
        for _ in 0..EVENTS {
            let mut line = String::new();
            while line != "small\n" {
                line.clear();
                assert!(requests.read_line(&mut line).unwrap() > 0, "the publisher has gone");
            }
            server.write_all(answer.as_bytes()).unwrap();
        }
        server
    });
    let mut most_unanswered = 0;
    loop {
        let to_come = acknowledgements.acknowledge().unwrap();
        most_unanswered =
            most_unanswered.max(path.shared.link().unanswered(acknowledgements.answered()));
        if to_come == 0 {
            break;
        }
    }
    comes_back.join().unwrap();
    assert!((1..=128).contains(&most_unanswered), "{most_unanswered}");
}

#[test]
fn a_server_that_is_starting_is_asked_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let OpenPath { mut path, mut acknowledgements, .. } = returning(listener.local_addr().unwrap());
    let mut server = listener.accept().unwrap().0;
    for text in ["a", "b"] {
        path.push(0, text.as_bytes());
        path.flush().unwrap();
    }
    assert_eq!(take(&mut server, 2).len(), 2);
    server.write_all(ANSWER).unwrap();
    server.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\nnot").unwrap();
    let starts = std::thread::spawn(move || {
        let mut next = listener.accept().unwrap().0;
        let taken = take(&mut next, 1);
        next.write_all(ANSWER).unwrap();
        (taken, next)
    });
    while acknowledgements.acknowledge().unwrap() > 0 {}
    let (taken, _server) = starts.join().unwrap();
    assert_eq!(taken, [(2, "b\n".to_owned())]);
}
