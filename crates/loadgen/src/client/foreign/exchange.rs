//! HTTP requests to a server that is not ours, over one kept connection.

use std::fmt;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Body as _;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{HeaderMap, Request, Response};

use super::{Foreign, Location, Seen};
use crate::client::ClientError;
use crate::client::answer_body::AnswerBody;
use crate::client::http::{HttpConnection, met_the_end};
use crate::client::meter::ConnectionMeter;
use crate::scenario::Template;

/// The largest answer that is read.
const MAX_BODY_BYTES: usize = 64 << 20;

/// How much is read of one that is no success: more than is quoted.
const MAX_REFUSAL_BYTES: usize = 64 << 10;

/// What is asked.
pub(super) struct Question {
    pub(super) method: String,
    pub(super) location: Rc<Location>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: String,
}

impl Question {
    /// Puts values into templates. A header whose value is not known is left out.
    pub(super) fn new<'a>(
        foreign: &Foreign,
        method: &str,
        url: &Template,
        headers: impl Iterator<Item = &'a (HeaderName, Template)>,
        body: Option<&Template>,
        known: &mut Known,
    ) -> Result<Self, ClientError> {
        let url = foreign.values.fill(url)?;
        let mut question = Self {
            method: method.to_owned(),
            location: known
                .location(&url)
                .map_err(|why| ClientError::Foreign(foreign.values.redact(&why)))?,
            headers: Vec::new(),
            body: body.map_or(Ok(String::new()), |body| foreign.values.fill(body))?,
        };
        for (name, value) in headers {
            let Ok(value) = foreign.values.put_into(value) else { continue };
            let Ok(value) = HeaderValue::try_from(value) else {
                return Err(ClientError::Foreign(format!(
                    "the value of the header field `{name}` holds characters that it must not"
                )));
            };
            question.headers.push((name.clone(), value));
        }
        foreign.see(Seen::Asked(method, &url));
        if !question.body.is_empty() {
            foreign.see(Seen::Sent(&question.body));
        }
        Ok(question)
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::builder().method(&self.method[..]).uri(&self.location.path);
        if !self.headers.iter().any(|(name, _)| name == HOST) {
            request = request.header(HOST, self.location.host_header());
        }
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

/// The last place that was asked: mostly the next one is the same.
#[derive(Default)]
pub(super) struct Known(Option<(String, Rc<Location>)>);

impl Known {
    fn location(&mut self, url: &str) -> Result<Rc<Location>, String> {
        match &self.0 {
            Some((known, location)) if known == url => Ok(Rc::clone(location)),
            _ => {
                let location = Rc::new(Location::of(url)?);
                self.0 = Some((url.to_owned(), Rc::clone(&location)));
                Ok(location)
            }
        }
    }
}

/// What was answered.
pub(super) struct Whole {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A connection for requests, one after the other; another one when the server has ended it.
pub(super) struct Exchange {
    meter: Rc<ConnectionMeter>,
    foreign: Foreign,
    kept: Option<(Rc<Location>, HttpConnection<Full<Bytes>>)>,
}

impl Exchange {
    pub(super) fn new(foreign: &Foreign, meter: &Rc<ConnectionMeter>) -> Self {
        Self { meter: Rc::clone(meter), foreign: foreign.clone(), kept: None }
    }

    /// Ends the connection that is kept.
    pub(super) fn part(&mut self) {
        self.kept = None;
    }

    /// Asks, and waits for the head of the answer. What comes behind it comes over the connection that
    /// is given, which must be kept until it has come.
    pub(super) async fn ask(
        &mut self,
        question: &Question,
    ) -> Result<(Response<AnswerBody>, HttpConnection<Full<Bytes>>), ClientError> {
        if let Some((location, mut kept)) = self.kept.take()
            && location.shares_connection_with(&question.location)
        {
            match kept.send(question.request()?).await {
                // It was idle, so the server has not read the request. What it may have read is only
                // asked again if that changes nothing (RFC 9110 §9.2.2).
                Err(error)
                    if met_the_end(&error)
                        && (question.method == "GET" || !may_be_read(&error)) => {}
                response => return Ok((response?, kept)),
            }
        }
        let stream = question.location.connect(&self.foreign, &self.meter).await?;
        let mut connection = HttpConnection::over(stream, &self.meter).await?;
        let response = connection.send(question.request()?).await;
        let response = response.map_err(|error| no_answer(&question.location, error))?;
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
        if incoming.size_hint().lower() > MAX_BODY_BYTES as u64 {
            return Err(ClientError::TooLarge { limit: MAX_BODY_BYTES });
        }
        let mut body = Vec::new();
        let mut only = Bytes::new();
        let mut is_whole = true;
        while let Some(frame) = incoming.frame().await {
            let Ok(piece) = frame?.into_data() else { continue };
            if body.is_empty() && incoming.is_end_stream() {
                only = piece;
                break;
            }
            if body.len() + piece.len() > MAX_BODY_BYTES {
                return Err(ClientError::TooLarge { limit: MAX_BODY_BYTES });
            }
            body.extend_from_slice(&piece);
            if !head.status.is_success() && body.len() > MAX_REFUSAL_BYTES {
                is_whole = false;
                break;
            }
        }
        if keep && is_whole {
            self.kept = Some((Rc::clone(&question.location), connection));
        }
        let body = if body.is_empty() { only } else { body.into() };
        Ok(Whole { status: head.status.as_u16(), headers: head.headers, body })
    }
}

/// Why a request over a new connection got no answer. Nobody has to try again: it would not get one then
/// either.
fn no_answer(location: &Location, error: ClientError) -> ClientError {
    match &error {
        ClientError::Http(why) if why.is_parse() => not_http(location, why),
        error if met_the_end(error) => closed_without_answer(location),
        _ => error,
    }
}

/// What a server answers that speaks another protocol.
pub(super) fn not_http(location: &Location, why: &dyn fmt::Display) -> ClientError {
    ClientError::Foreign(format!(
        "what the server at {} answers is not HTTP ({why}): is this the right port, or does it want {}?",
        location.host_and_port(),
        other_scheme(location)
    ))
}

/// What a server answers that ends a connection before it has said anything.
pub(super) fn closed_without_answer(location: &Location) -> ClientError {
    ClientError::Away(format!(
        "the server at {} closed a new connection without an answer: does it speak HTTP there, or does it \
         want {}?",
        location.host_and_port(),
        other_scheme(location)
    ))
}

fn other_scheme(location: &Location) -> &'static str {
    if location.is_secure() { "http" } else { "https" }
}

/// No client here has asked for a content coding, so it reads none (RFC 9110 §12.5.3).
pub(super) fn not_compressed(headers: &HeaderMap) -> Result<(), ClientError> {
    match headers.get(CONTENT_ENCODING) {
        Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(ClientError::Foreign(
                "the server compresses its answer although nobody has asked it to".to_owned(),
            ))
        }
        _ => Ok(()),
    }
}

/// Whether a connection ended when a request was on it, rather than before.
fn may_be_read(error: &ClientError) -> bool {
    matches!(error, ClientError::Http(error) if error.is_incomplete_message())
}
