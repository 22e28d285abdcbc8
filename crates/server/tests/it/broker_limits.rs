//! What a server with a broker does not do, and how much of what it missed it reads at once.

use pushbench_server::BrokerMode;

use crate::redis::Redis;
use crate::support::Server;

#[test]
fn a_request_that_says_which_one_it_is_gets_no_promise_that_is_not_kept() {
    let redis = Redis::start();
    let node = Server::start(redis.config(BrokerMode::PubSub));
    let target = "/channels/a/events";
    let answer = node.publish(&format!("{target}?publisher=me&sequence=7"), b"x");
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(answer.reason().contains("leave out publisher and sequence"), "{}", answer.text());
    assert_eq!(node.publish(target, b"x").text(), r#"{"id":1,"count":1}"#, "nothing was published");
}
