//! HTTP requests to a server that is not ours, over one kept connection.

use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{HeaderMap, Request, Response};

use super::{Foreign, Location, Seen};
use crate::client::http::{HttpConnection, met_the_end};
use crate::client::socket::ConnectionMeter;
use crate::client::{ClientError, Tls};
use crate::scenario::Template;

/// The largest answer that is read.
const MAX_BODY_BYTES: usize = 64 << 20;

/// What is asked.
pub(super) struct Question {
    pub(super) method: String,
    pub(super) location: Location,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: String,
}

impl Question {
    /// Puts values into templates. A header whose value is not known is left out.
    pub(super) fn new(
        foreign: &Foreign,
        method: &str,
        url: &Template,
        headers: &[(String, Template)],
        body: Option<&Template>,
    ) -> Result<Self, ClientError> {
        let url = foreign.values.fill(url)?;
        let mut question = Self {
            method: method.to_owned(),
            location: Location::of(&url).map_err(ClientError::Foreign)?,
            headers: Vec::with_capacity(headers.len()),
            body: body.map_or(Ok(String::new()), |body| foreign.values.fill(body))?,
        };
        for (name, value) in headers {
            let Ok(value) = foreign.values.put_into(value) else { continue };
            let name = HeaderName::try_from(name).map_err(hyper::http::Error::from)?;
            let value = HeaderValue::try_from(value).map_err(hyper::http::Error::from)?;
            question.headers.push((name, value));
        }
        foreign.see(Seen::Asked(method, &url));
        if !question.body.is_empty() {
            foreign.see(Seen::Sent(&question.body));
        }
        Ok(question)
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::builder()
            .method(&self.method[..])
            .uri(&self.location.path)
            .header(HOST, self.location.host_header()?);
        let has_type = self.headers.iter().any(|(name, _)| name == CONTENT_TYPE);
        if !self.body.is_empty() && !has_type {
            request = request.header(CONTENT_TYPE, "text/plain;charset=UTF-8");
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        Ok(request.body(Full::from(self.body.clone()))?)
    }
}

/// What was answered.
pub(super) struct Whole {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// A connection for requests, one after the other; another one when the server has ended it.
pub(super) struct Exchange {
    meter: Rc<ConnectionMeter>,
    tls: Option<Tls>,
    kept: Option<(Location, HttpConnection<Full<Bytes>>)>,
}

impl Exchange {
    pub(super) fn new(foreign: &Foreign, meter: &Rc<ConnectionMeter>) -> Self {
        Self { meter: Rc::clone(meter), tls: foreign.tls.clone(), kept: None }
    }

    /// Asks, and waits for the head of the answer. What comes behind it comes over the connection that
    /// is given, which must be kept until it has come.
    pub(super) async fn ask(
        &mut self,
        question: &Question,
    ) -> Result<(Response<Incoming>, HttpConnection<Full<Bytes>>), ClientError> {
        if let Some((location, mut kept)) = self.kept.take()
            && location.shares_connection_with(&question.location)
        {
            match kept.send(question.request()?).await {
                // It was idle: nothing of the request can have been read.
                Err(error) if met_the_end(&error) => {}
                response => return Ok((response?, kept)),
            }
        }
        let stream = question.location.connect(self.tls.as_ref(), &self.meter).await?;
        let mut connection = HttpConnection::over(stream, &self.meter).await?;
        let response = connection.send(question.request()?).await.map_err(|error| match error {
            error if met_the_end(&error) => ClientError::Foreign(format!(
                "the server at {} closed a new connection without an answer: does it speak HTTP there, or \
                 does it want {}?",
                question.location.host_and_port(),
                if question.location.is_secure() { "http" } else { "https" }
            )),
            other => other,
        })?;
        Ok((response, connection))
    }

    /// Asks, and reads the whole answer. The connection is kept if `keep`.
    pub(super) async fn ask_whole(
        &mut self,
        question: &Question,
        keep: bool,
    ) -> Result<Whole, ClientError> {
        let (response, connection) = self.ask(question).await?;
        let (head, mut incoming) = response.into_parts();
        let mut body = Vec::new();
        while let Some(frame) = incoming.frame().await {
            let Ok(piece) = frame?.into_data() else { continue };
            if body.len() + piece.len() > MAX_BODY_BYTES {
                return Err(ClientError::TooLarge { limit: MAX_BODY_BYTES });
            }
            body.extend_from_slice(&piece);
        }
        if keep {
            self.kept = Some((question.location.clone(), connection));
        }
        Ok(Whole { status: head.status.as_u16(), headers: head.headers, body })
    }
}
