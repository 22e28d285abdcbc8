//! What polling and long polling share: one request, its answer, and the position behind it.

use std::cell::RefCell;
use std::rc::Rc;

use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::Body as _;
use pushbench_wire::gzip::Decoder;

use super::answer_body::AnswerBody;
use super::gzip_answer::{Coding, coding, decode, ensure_compressible};
use super::http::{HttpConnection, HttpRequest, met_the_end, unexpected};
use super::meter::ConnectionMeter;
use super::{ClientError, MAX_EVENT_BYTES, Sink, Subscription};
use crate::scenario::Connection;

/// The largest poll body that is read: a poll may bring many events.
const MAX_BODY_BYTES: usize = 64 * MAX_EVENT_BYTES;

/// What the answer shall be.
const ACCEPTED: &str = "application/json";

/// A client that asks for what is new.
pub(super) struct Pull {
    subscription: Subscription,
    meter: Rc<ConnectionMeter>,
    request: HttpRequest,
    /// The connection that the next request may use.
    kept: Option<HttpConnection>,
    last_event_id: u64,
    /// Gathers a body that comes in pieces.
    body: Vec<u8>,
    /// What a compressed one was.
    inflated: Vec<u8>,
}

thread_local! {
    /// Answers are read whole, so subscribers of a thread can share it.
    static GZIP: RefCell<Decoder> = RefCell::default();
}

impl Pull {
    pub(super) async fn connect(
        subscription: &Subscription,
        path: &str,
        meter: &Rc<ConnectionMeter>,
        after: u64,
    ) -> Result<Self, ClientError> {
        let kept = match subscription.settings.connection() {
            Connection::KeepAlive => Some(HttpConnection::for_events(subscription, meter).await?),
            Connection::New => None,
        };
        Ok(Self {
            subscription: subscription.clone(),
            meter: Rc::clone(meter),
            request: HttpRequest::new(subscription, path, ACCEPTED)?,
            kept,
            last_event_id: after,
            body: Vec::new(),
            inflated: Vec::new(),
        })
    }

    /// Asks for another path with the next request.
    pub(super) fn ask_from_now_on(&mut self, path: &str) -> Result<(), ClientError> {
        self.request = HttpRequest::new(&self.subscription, path, ACCEPTED)?;
        Ok(())
    }

    /// Sends one request and hands the events of its answer to `sink`. A kept connection that the server
    /// has closed while it was idle is replaced.
    pub(super) async fn ask(&mut self, sink: &mut impl Sink) -> Result<(), ClientError> {
        let _waiting = self.meter.life().waits();
        let kept = match self.kept.take() {
            Some(mut kept) => match kept.get(&self.request, self.last_event_id).await {
                // Nothing of the last answer can be missing: asking again asks the same.
                Err(error) if met_the_end(&error) => None,
                response => Some((kept, response?)),
            },
            None => None,
        };
        let (connection, response) = match kept {
            Some(answered) => answered,
            None => {
                let mut new = HttpConnection::for_events(&self.subscription, &self.meter).await?;
                let response = new.get(&self.request, self.last_event_id).await?;
                (new, response)
            }
        };
        match response.status() {
            StatusCode::OK => {
                if self.subscription.compression {
                    ensure_compressible(response.headers())?;
                }
                let coding = coding(response.headers())?;
                self.read(response.into_body(), coding, sink).await?;
            }
            StatusCode::NO_CONTENT => {}
            _ => return Err(unexpected(response).await),
        }
        if self.subscription.settings.connection() == Connection::KeepAlive {
            self.kept = Some(connection);
        }
        Ok(())
    }

    async fn read(
        &mut self,
        mut body: AnswerBody,
        coding: Coding,
        sink: &mut impl Sink,
    ) -> Result<(), ClientError> {
        self.body.clear();
        while let Some(frame) = body.frame().await {
            let Ok(piece) = frame?.into_data() else { continue };
            if self.body.is_empty() && body.is_end_stream() {
                return self.deliver(Some(&piece), coding, sink);
            }
            if self.body.len() + piece.len() > MAX_BODY_BYTES {
                return Err(ClientError::TooLarge { limit: MAX_BODY_BYTES });
            }
            self.body.extend_from_slice(&piece);
        }
        self.deliver(None, coding, sink)
    }

    /// Decodes a body into `sink`: one that came whole, or what was gathered.
    fn deliver(
        &mut self,
        whole: Option<&[u8]>,
        coding: Coding,
        sink: &mut impl Sink,
    ) -> Result<(), ClientError> {
        let mut body = whole.unwrap_or(&self.body);
        if coding == Coding::Gzip {
            let inflated = &mut self.inflated;
            GZIP.with_borrow_mut(|gzip| decode(gzip, body, MAX_BODY_BYTES, inflated))?;
            body = inflated;
        }
        self.last_event_id = deliver_poll(body, self.meter.last_read_ns(), sink)?;
        Ok(())
    }
}

/// Decodes a poll body into `sink`.
fn deliver_poll(body: &[u8], at_ns: u64, sink: &mut impl Sink) -> Result<u64, ClientError> {
    Ok(pushbench_wire::poll::decode_body(body, |event| sink.on_event(at_ns, event))?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use pushbench_wire::Transport;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::task::LocalSet;
    use tokio::time::timeout;

    use super::*;
    use crate::client::delivery_test::{HANG, Inbox, subscription};

    /// Asks so often, of a server that answers so many requests of each connection and closes it then;
    /// and how often it failed.
    async fn failures(asks: usize, answers: &[usize]) -> usize {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async {
            for answers in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                for _ in 0..*answers {
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        request.push(stream.read_u8().await.unwrap());
                    }
                    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
                }
            }
            std::future::pending::<usize>().await
        };
        let ask = async {
            let subscription = subscription(address, Transport::Polling, Connection::KeepAlive);
            let meter = ConnectionMeter::new(Arc::default());
            let mut pull = Pull::connect(&subscription, "/poll", &meter, 0).await.unwrap();
            let mut failures = 0;
            for ask in 0..asks as u64 {
                failures += usize::from(pull.ask(&mut Inbox::default()).await.is_err());
                // The end of the connection may be seen, or come as the next request goes out.
                tokio::time::sleep(Duration::from_millis(ask % 2)).await;
            }
            failures
        };
        let both = async {
            tokio::select! {
                failures = ask => failures,
                never = serve => never,
            }
        };
        timeout(HANG, LocalSet::new().run_until(both)).await.expect("no hang")
    }

    #[tokio::test]
    async fn an_idle_connection_may_be_closed() {
        assert_eq!(failures(6, &[1, 2, 1, 1, 1]).await, 0);
        assert_eq!(failures(2, &[1, 0, 1]).await, 1, "a new one may not");
    }
}
