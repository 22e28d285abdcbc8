//! The client side of each transport, and the ways to publish. It owns connections, encoding and
//! decoding; it must not know what becomes of an event, nor when a trial begins or ends.

mod answer_body;
mod compressed_frames;
#[cfg(test)]
mod compression_test;
#[cfg(test)]
mod delivery_test;
mod dispatch;
mod error;
mod fallback;
mod fingerprints;
pub(crate) mod foreign;
mod gzip_answer;
mod http;
mod http2;
mod http3;
mod http_answer;
mod http_publish;
#[cfg(test)]
mod in_band_test;
mod life;
mod long_polling;
mod meter;
mod no_upstream;
mod pace;
mod pass_writes;
mod polling;
mod post;
mod publish_form;
#[cfg(test)]
mod publish_in_band_test;
mod publish_link;
mod publish_path;
mod publish_redis;
mod publish_stream;
#[cfg(test)]
mod publish_test;
mod publish_way;
mod pull;
mod quic;
mod quic_totals;
mod redis_place;
mod redis_reply;
mod socket;
mod sse;
mod subscriber;
mod tally;
mod tcp;
mod tcp_info;
mod tls;
mod tls_refusal;
mod upstream;
#[cfg(test)]
mod upstream_test;
mod websocket;
mod webtransport;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use hyper::header::HeaderValue;
use pushbench_wire::Event;
use pushbench_wire::endpoint::Resource;
use tokio::time::Instant;

use crate::scenario::{Fallback, Settings};

pub(crate) use dispatch::{Mechanism, WithSubscriber, with_subscriber};
pub(crate) use error::ClientError;
pub(crate) use fingerprints::Fingerprints;
pub(crate) use foreign::Foreign;
pub(crate) use http2::SharedHttp2;
pub(crate) use http3::SharedHttp3;
pub(crate) use meter::ConnectionMeter;
pub(crate) use publish_path::{
    Acknowledgements, OpenPath, PublishForm, PublishPath, PublishTarget, TcpProbe,
};
pub(crate) use publish_way::PublishWay;
pub(crate) use redis_place::RedisPlace;
pub(crate) use subscriber::{Payload, Subscriber, Upstream, UpstreamEvents};
pub(crate) use tally::{Tally, Totals};
pub(crate) use tcp_info::TcpTotals;
use tls::Line;
pub(crate) use tls::Tls;
pub(crate) use upstream::receive_for_ever;

/// The largest event, in bytes as framed, that a client accepts. All clients have the same limit.
const MAX_EVENT_BYTES: usize = 1 << 20;

/// What every client reads a socket in, whatever its transport. By default hyper's buffer grows to
/// 400 KiB and tungstenite's is 128 KiB, so that one would take a backlog in fewer reads.
pub(crate) const READ_BUFFER_BYTES: usize = 8 << 10;

/// What is spoken to a server of ours.
#[derive(Clone, Debug)]
pub(crate) enum Http {
    /// HTTP/1.1, with a connection of its own.
    Http1,
    /// HTTP/2, with a connection that all subscriptions of a subscriber share.
    Http2(Arc<SharedHttp2>),
    /// HTTP/3, likewise.
    Http3(Arc<SharedHttp3>),
    /// WebTransport over HTTP/3, with a connection of its own.
    WebTransport,
}

impl Http {
    /// Whether two share a connection.
    pub(crate) fn shares_connection_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Http2(one), Self::Http2(other)) => Arc::ptr_eq(one, other),
            (Self::Http3(one), Self::Http3(other)) => Arc::ptr_eq(one, other),
            (Self::Http1 | Self::Http2(_) | Self::Http3(_) | Self::WebTransport, _) => false,
        }
    }
}

/// What one subscriber subscribes to, and how.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    /// The server.
    pub(crate) address: SocketAddr,
    /// The channel.
    pub(crate) channel: String,
    /// How its transport works.
    pub(crate) settings: Settings,
    /// The moment from which the intervals of all subscribers count.
    pub(crate) poll_epoch: Instant,
    /// Where in each interval this subscriber polls.
    pub(crate) poll_phase: Duration,
    /// The longest that its first long poll is held: another time than that of those behind it makes
    /// the subscriber look as if it had come at another time.
    pub(crate) first_long_poll_timeout: Duration,
    /// How a server of ours is spoken to by TLS.
    pub(crate) tls: Option<Tls>,
    /// What is spoken to it.
    pub(crate) http: Http,
    /// Whether it has to compress what it sends.
    pub(crate) compression: bool,
    /// What comes next where a WebSocket is refused.
    pub(crate) fallback: Option<Fallback>,
    /// How it is done on a server that is not ours.
    pub(crate) foreign: Option<Foreign>,
}

impl Subscription {
    /// How it is done on a server that is not ours.
    fn recipe(&self) -> Result<&Foreign, ClientError> {
        let none = || ClientError::Foreign("nobody says how one subscribes".to_owned());
        self.foreign.as_ref().ok_or_else(none)
    }

    /// Connects to a server of ours.
    async fn connect(&self, meter: &Rc<ConnectionMeter>) -> Result<Line, ClientError> {
        Line::open(self.address, self.tls.as_ref(), meter).await
    }

    /// The target of requests for a path, and their `Host`, where that is no part of it.
    fn target(&self, path: &str) -> Result<(Uri, Option<HeaderValue>), ClientError> {
        let target = match self.http {
            Http::Http1 => {
                let host = HeaderValue::try_from(self.address.to_string());
                (path.parse(), Some(host.map_err(hyper::http::Error::from)?))
            }
            Http::Http2(_) | Http::Http3(_) | Http::WebTransport => {
                (format!("https://{}{path}", self.address).parse(), None)
            }
        };
        Ok((target.0.map_err(hyper::http::Error::from)?, target.1))
    }

    fn path(&self, resource: Resource) -> String {
        resource.path(&self.channel)
    }
}

/// Takes what a subscriber receives.
pub(crate) trait Sink {
    /// An event that was read from the socket at `at_ns` of [`pushbench_wire::clock`]. Events of
    /// one read share one time.
    fn on_event(&mut self, at_ns: u64, event: Event<'_>);

    /// A message of a server that is not ours, which is no event and which nothing was said of.
    fn on_other(&mut self, _message: &[u8]) {}
}
