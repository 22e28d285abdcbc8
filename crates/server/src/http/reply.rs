//! Responses: JSON, empty, and the reason why a request was rejected.

use std::borrow::Cow;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, ALT_SVC, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING,
    CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, UPGRADE, VARY,
};
use hyper::{Response, StatusCode};

use crate::compression::{GZIP, VARIES};

/// A response whose body is complete.
pub(crate) type Reply = Response<Full<Bytes>>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// 200 with a JSON body that must not be cached, because the next response differs.
pub(crate) fn json(body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    reply.headers_mut().insert(CONTENT_TYPE, JSON);
    reply.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    reply
}

/// Says that `reply` may differ by what its client takes, and that its body is gzip if it is.
pub(crate) fn compressible(reply: &mut Reply, is_gzip: bool) {
    let (name, value) = VARIES;
    reply.headers_mut().append(name, value);
    if is_gzip {
        reply.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(GZIP));
    }
}

/// 204: there are no new events.
pub(crate) fn no_content() -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    reply.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    reply
}

/// 200 with text in Prometheus' exposition format.
pub(crate) fn prometheus(text: String) -> Reply {
    let mut reply = Response::new(Full::new(text.into()));
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    reply
}

/// Lets the pages of `origin`, or of any if that is `*`, read the response.
pub(crate) fn allow_origin(reply: &mut Reply, origin: HeaderValue) {
    if origin != "*" {
        // Another page must not get this response from a cache.
        reply.headers_mut().append(VARY, HeaderValue::from_static("Origin"));
    }
    reply.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
}

/// Closes the connection after `reply`.
pub(crate) fn close_after(reply: &mut Reply) {
    reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}

/// Tells a client that HTTP/3 is served, too, if it is (RFC 7838).
pub(crate) fn advertise<B>(reply: &mut Response<B>, alt_svc: Option<&HeaderValue>) {
    if let Some(alt_svc) = alt_svc {
        reply.headers_mut().insert(ALT_SVC, alt_svc.clone());
    }
}

/// Why a request is rejected. The body is `{"error":"…"}`, which also says how to correct it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) status: StatusCode,
    pub(crate) reason: Cow<'static, str>,
    headers: Vec<(HeaderName, &'static str)>,
}

impl Rejection {
    /// Rejects with any status.
    pub(crate) fn new(status: StatusCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { status, reason: reason.into(), headers: Vec::new() }
    }

    /// 400.
    pub(crate) fn bad_request(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason)
    }

    /// 503: the server may use no more memory for this.
    pub(crate) fn out_of_memory() -> Self {
        let reason = "all memory that the clients of this server may use is in use; try again later, \
                      or raise max_memory";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, reason).with_header(RETRY_AFTER, "1")
    }

    /// 405, with the `Allow` that RFC 9110 §15.5.6 requires.
    pub(crate) fn method_not_allowed(path: &str, method: &str, allow: &'static str) -> Self {
        let reason = format!("{path} does not allow {method}; it allows {allow}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, reason).with_header(ALLOW, allow)
    }

    /// 426, with the `Upgrade` and `Connection` that RFC 9110 §15.5.22 and §7.8 require.
    pub(crate) fn upgrade_required(
        protocol: &'static str,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(StatusCode::UPGRADE_REQUIRED, reason)
            .with_header(UPGRADE, protocol)
            .with_header(CONNECTION, "upgrade")
    }

    /// Adds a header to the response.
    pub(crate) fn with_header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    fn body(&self) -> Bytes {
        serde_json::json!({ "error": self.reason }).to_string().into()
    }

    /// The response that hyper sends.
    pub(crate) fn into_reply(self) -> Reply {
        let mut reply = json(self.body());
        *reply.status_mut() = self.status;
        for (name, value) in self.headers {
            reply.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        reply
    }

    /// The whole response, for a connection that hyper does not serve. The connection ends after it.
    pub(crate) fn to_bytes(&self) -> Bytes {
        let body = self.body();
        let headers: String =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let mut response = format!(
            "HTTP/1.1 {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\
             Connection: close\r\n\r\n",
            self.status,
            body.len(),
        )
        .into_bytes();
        response.extend_from_slice(&body);
        response.into()
    }
}
