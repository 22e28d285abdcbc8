use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};

use pushbench_wire::endpoint::Resource;

use super::*;
use crate::client::PublishForm;
use crate::client::publish_form::MAX_BATCH_BYTES;
use crate::scenario::Content;

fn open(address: SocketAddr, content: Content) -> OpenPath<HttpPublish> {
    let channels = ["one", "two"].map(str::to_owned);
    let form = PublishForm::Own(address);
    HttpPublish::open(&PublishTarget { channels: &channels, content, form }).unwrap()
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
