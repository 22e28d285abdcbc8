//! Publishing beside a transport that only receives: one event per `POST`, as an application does
//! that has long polling or SSE.

use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use pushbench_wire::endpoint::{BINARY_TYPE, Resource};

use super::answer_body::AnswerBody;
use super::http::{HttpConnection, met_the_end, unexpected};
use super::meter::ConnectionMeter;
use super::{ClientError, Subscription};

/// How much of an answer that takes an event is read.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Publishes to one channel over one kept connection. A server may close it while it is idle: then it
/// connects again, and sends again what met that end. One event at a time, so the server has not read
/// what it did not answer on a connection that was idle before.
pub(crate) struct Poster {
    subscription: Subscription,
    meter: Rc<ConnectionMeter>,
    connection: HttpConnection<Full<Bytes>>,
    uri: Uri,
    host: Option<HeaderValue>,
}

impl Poster {
    /// Connects. `meter` must be its own: that of the subscriber tells when that one has read.
    ///
    /// # Errors
    /// When there is no connection.
    pub(super) async fn connect(
        subscription: &Subscription,
        meter: &Rc<ConnectionMeter>,
    ) -> Result<Self, ClientError> {
        let (uri, host) = subscription.target(&subscription.path(Resource::Events))?;
        Ok(Self {
            subscription: subscription.clone(),
            meter: Rc::clone(meter),
            connection: HttpConnection::open(subscription, meter).await?,
            uri,
            host,
        })
    }

    /// Publishes `payload` and waits until that is answered, so that the next event cannot overtake
    /// it. A call that is dropped before it completes leaves open whether the event is published,
    /// and the connection unusable.
    ///
    /// # Errors
    /// When the connection breaks, or the answer does not take the event.
    pub(super) async fn post(&mut self, payload: &[u8], binary: bool) -> Result<(), ClientError> {
        let response = match self.send(payload, binary).await {
            Err(error) if met_the_end(&error) => {
                self.connection = HttpConnection::open(&self.subscription, &self.meter).await?;
                self.send(payload, binary).await?
            }
            response => response?,
        };
        if !response.status().is_success() {
            return Err(unexpected(response).await);
        }
        let mut answer = response.into_body();
        let mut length = 0;
        while let Some(frame) = answer.frame().await {
            length += frame?.data_ref().map_or(0, Bytes::len);
            if length > MAX_ANSWER_BYTES {
                return Err(ClientError::TooLarge { limit: MAX_ANSWER_BYTES });
            }
        }
        Ok(())
    }

    async fn send(
        &mut self,
        payload: &[u8],
        binary: bool,
    ) -> Result<Response<AnswerBody>, ClientError> {
        let mut request = Request::post(self.uri.clone());
        if let Some(host) = &self.host {
            request = request.header(HOST, host.clone());
        }
        if binary {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static(BINARY_TYPE));
        }
        let body = Full::new(Bytes::copy_from_slice(payload));
        self.connection.send(request.body(body)?).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::task::LocalSet;
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::client::delivery_test::HANG;
    use crate::scenario::{Connection, LongPolling, Settings};

    /// Answers each connection by a list: each request gets one, and behind the last one the connection
    /// is closed. Gives how many events were published.
    async fn posted(script: &[&[&str]]) -> (u32, Result<(), ClientError>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let subscription = Subscription {
            address: listener.local_addr().unwrap(),
            channel: "c".into(),
            settings: Settings::LongPolling(LongPolling {
                timeout: Duration::ZERO,
                connection: Connection::KeepAlive,
            }),
            poll_epoch: Instant::now(),
            poll_phase: Duration::ZERO,
            first_long_poll_timeout: Duration::ZERO,
            tls: None,
            http: crate::client::Http::Http1,
            compression: false,
            fallback: None,
            foreign: None,
        };
        let serve = async {
            for answers in script {
                let (mut stream, _) = listener.accept().await.unwrap();
                for answer in *answers {
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\nevent") {
                        request.push(stream.read_u8().await.unwrap());
                    }
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            }
            std::future::pending::<()>().await;
        };
        let mut count = 0;
        let post = async {
            let meter = ConnectionMeter::new(Arc::default());
            let mut poster = Poster::connect(&subscription, &meter).await?;
            while count < script.concat().iter().filter(|answer| !answer.is_empty()).count() as u32
            {
                poster.post(b"event", false).await?;
                count += 1;
            }
            Ok(())
        };
        let both = async {
            tokio::select! {
                () = serve => unreachable!("it goes on"),
                posted = post => posted,
            }
        };
        let outcome = timeout(HANG, LocalSet::new().run_until(both)).await.expect("no hang");
        (count, outcome)
    }

    #[tokio::test]
    async fn a_server_may_answer_as_http_lets_it() {
        const CREATED: &str =
            "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        const EMPTY: &str = "HTTP/1.1 204 No Content\r\n\r\n";
        const LAST: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfine";
        // Behind an answer, behind the last one, and as the next request comes.
        let (count, outcome) = posted(&[&[CREATED], &[EMPTY, LAST], &[EMPTY, ""], &[EMPTY]]).await;
        outcome.unwrap();
        assert_eq!(count, 5);
    }

    #[tokio::test]
    async fn what_is_not_answered_twice_is_an_error() {
        let (_, outcome) = posted(&[&[""], &[""], &["HTTP/1.1 204 No Content\r\n\r\n"]]).await;
        assert!(outcome.unwrap_err().is_broken_connection());
        let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(2 * MAX_ANSWER_BYTES));
        let (_, outcome) = posted(&[&[&endless]]).await;
        assert_eq!(
            outcome.unwrap_err().to_string(),
            "the server sent an answer of more than 65536 bytes"
        );
    }
}
