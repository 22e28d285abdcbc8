//! An event stream by WebTransport over HTTP/3 (draft-ietf-webtrans-http3-02, which browsers speak; it is no
//! standard yet): the same bytes, on a unidirectional stream of the session that a client has asked for.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use h3::error::StreamError;
use h3::server::RequestStream;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::Extensions;
use hyper::{Method, Response};
use quinn::VarInt;

use super::event_body::EventBody;
use super::http3::{Sending, Shared};
use super::http3_streams::Incoming;
use super::open::Open;
use crate::transport::OpenedStream;

/// Says which draft is meant, as browsers ask for it.
const DRAFT: HeaderName = HeaderName::from_static("sec-webtransport-http3-draft");
const DRAFT_02: HeaderValue = HeaderValue::from_static("draft02");

/// What a unidirectional stream of a session begins with (§4.1): 0x54 as a variable-length integer.
const STREAM_TYPE: [u8; 2] = [0x40, 0x54];

/// Says that a stream ends as its session does, or before its time (§8.5 of draft 09).
const SESSION_GONE: VarInt = VarInt::from_u32(0x170d_7b68);

/// Whether a request wants a session (§3.3).
pub(crate) fn is_connect(method: &Method, extensions: &Extensions) -> bool {
    *method == Method::CONNECT
        && extensions.get::<h3::ext::Protocol>() == Some(&h3::ext::Protocol::WEB_TRANSPORT)
}

/// Serves a session to its end: until its client closes it, or its stream, or the server stops.
pub(super) async fn serve(
    shared: &Shared,
    mut to_client: Sending,
    mut from_client: RequestStream<Incoming, Bytes>,
    opened: OpenedStream,
    open: Open,
) -> Result<(), StreamError> {
    // Streams that a client opens in both directions are the multiples of 4 (RFC 9000 §2.1).
    let session = to_client.send_id().index() << 2;
    let (_, first, compression, subscriber) = opened.into_parts();
    let server = Arc::clone(&shared.server);
    let mut events = EventBody::new(first, compression, subscriber, server, open);
    let mut response = Response::new(());
    response.headers_mut().insert(DRAFT, DRAFT_02);
    to_client.send_response(response).await?;
    let session_ends = async {
        // What comes in it are capsules, of which none says anything that matters here.
        while matches!(from_client.recv_data().await, Ok(Some(_))) {}
    };
    let send = async {
        let Ok(stream) = shared.window.quic().open_uni().await else { return };
        let mut stream = Outgoing { stream, is_over: false };
        let head = [&STREAM_TYPE[..], &varint(session)].concat();
        let mut piece = Some(Ok(Bytes::from(head)));
        while let Some(Ok(bytes)) = piece {
            // Whoever stops a stream wants no more of it.
            if shared.write(&mut stream.stream, bytes).await.is_err() {
                return;
            }
            piece = poll_fn(|cx| events.poll_next(cx)).await;
        }
        if piece.is_none() {
            // It has just been open.
            stream.is_over = stream.stream.finish().is_ok();
        }
    };
    tokio::select! {
        () = session_ends => {}
        () = pin!(send) => {}
    }
    to_client.finish().await
}

/// A stream that is reset if it is dropped before its end: QUIC's own way is to end it, as if that were all.
struct Outgoing {
    stream: quinn::SendStream,
    is_over: bool,
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if !self.is_over {
            // It may be closed by the other side.
            let _ = self.stream.reset(SESSION_GONE);
        }
    }
}

/// A variable-length integer of 8 bytes (RFC 9000 §16).
fn varint(value: u64) -> [u8; 8] {
    (value | 0b11 << 62).to_be_bytes()
}
