//! Server-Sent Events: one response that does not end.

use std::rc::Rc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::StatusCode;
use pushbench_wire::endpoint::{AFTER, Resource};
use pushbench_wire::sse::Decoder;
use pushbench_wire::{Transport, gzip};

use super::answer_body::AnswerBody;
use super::gzip_answer::{Coding, coding};
use super::http::{HttpConnection, HttpRequest, unexpected};
use super::meter::ConnectionMeter;
use super::post::Poster;
use super::webtransport::Session;
use super::{ClientError, Http, MAX_EVENT_BYTES, Sink, Subscriber, Subscription};

/// Reads an event stream.
pub(crate) struct Sse {
    stream: Stream,
    decoder: Decoder,
    /// What the stream comes through.
    gzip: Option<Box<gzip::Decoder>>,
    meter: Rc<ConnectionMeter>,
}

/// What brings it.
enum Stream {
    /// An answer, and its connection: dropping that would end it.
    Answer(AnswerBody, #[expect(dead_code, reason = "it is kept")] HttpConnection),
    Session(Box<Session>),
}

impl Subscriber for Sse {
    type Upstream = Poster;

    async fn connect(
        subscription: &Subscription,
        meter: &Rc<ConnectionMeter>,
        after: u64,
    ) -> Result<Self, ClientError> {
        let path = subscription.path(Resource::Subscribe(Transport::Sse));
        let (decoder, meter) = (Decoder::new(MAX_EVENT_BYTES), Rc::clone(meter));
        if let Http::WebTransport = subscription.http {
            let (address, tls) = (subscription.address, subscription.tls.as_ref());
            // It cannot set a header, as a browser cannot.
            let path = format!("{path}?{AFTER}={after}");
            let session = Box::new(Session::open(address, tls, &path, &meter).await?);
            return Ok(Self { stream: Stream::Session(session), decoder, gzip: None, meter });
        }
        let mut connection = HttpConnection::for_events(subscription, &meter).await?;
        let request = HttpRequest::new(subscription, &path, "text/event-stream")?;
        let response = connection.get(&request, after).await?;
        if response.status() != StatusCode::OK {
            return Err(unexpected(response).await);
        }
        let gzip = match coding(response.headers())? {
            Coding::Gzip => Some(Box::default()),
            Coding::Identity if subscription.compression => {
                let why = "an event stream does not come as gzip";
                return Err(ClientError::NotCompressed(why.to_owned()));
            }
            Coding::Identity => None,
        };
        let stream = Stream::Answer(response.into_body(), connection);
        Ok(Self { stream, decoder, gzip, meter })
    }

    async fn receive(&mut self, sink: &mut impl Sink) -> Result<(), ClientError> {
        let piece = match &mut self.stream {
            Stream::Answer(body, _) => {
                let frame = body.frame().await.ok_or(ClientError::Ended)??;
                frame.into_data().unwrap_or_default()
            }
            Stream::Session(session) => session.next().await?,
        };
        let at_ns = self.meter.last_read_ns();
        let decoder = &mut self.decoder;
        let mut decode = |piece: &[u8]| {
            Ok::<_, ClientError>(decoder.feed(piece, |event| sink.on_event(at_ns, event))?)
        };
        match &mut self.gzip {
            Some(gzip) => gzip.feed(&piece, decode)?,
            None => decode(&piece)?,
        }
        Ok(())
    }

    fn retry(&self) -> Option<Duration> {
        self.decoder.retry_ms().map(Duration::from_millis)
    }
}
