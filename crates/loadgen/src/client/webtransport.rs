//! Event streams by WebTransport over HTTP/3 (draft-ietf-webtrans-http3-02, which is no standard yet): a session,
//! and its unidirectional stream. Of HTTP/3 it is as much as that takes.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use quinn::{RecvStream, SendStream};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::ClientError;
use super::meter::ConnectionMeter;
use super::quic::QuicLine;
use super::tls::Tls;

/// Types of unidirectional streams (RFC 9114 §6.2; draft §4.1).
const CONTROL: u64 = 0x00;
const OF_A_SESSION: u64 = 0x54;

/// Types of frames (RFC 9114 §7.2).
const DATA: u64 = 0x00;
const HEADERS: u64 = 0x01;
const SETTINGS: u64 = 0x04;

/// SETTINGS_ENABLE_WEBTRANSPORT (draft §8.2).
const ENABLE_WEBTRANSPORT: u64 = 0x2b60_3742;

/// What a client says of itself: SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 9220), SETTINGS_H3_DATAGRAM (RFC 9297) and
/// SETTINGS_ENABLE_WEBTRANSPORT, each as 1.
const HELLO: [u8; 12] =
    [CONTROL as u8, SETTINGS as u8, 9, 0x08, 1, 0x33, 1, 0xab, 0x60, 0x37, 0x42, 1];

/// `:status: 200` of the static table (RFC 9204, appendix A), behind the two bytes that a field section has first.
const OK: [u8; 3] = [0, 0, 0xc0 | 25];

/// The largest frame that is read: more than any head has.
const MAX_FRAME_BYTES: u64 = 64 << 10;

/// How much of an answer that opens no session is quoted.
const MAX_QUOTED_BYTES: usize = 500;

/// How long a server may take to answer once it is connected.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A session with its stream of events. It ends with this.
pub(super) struct Session {
    events: RecvStream,
    /// What must not end before: the session itself, and streams that HTTP/3 has open all the time.
    _session: (SendStream, RecvStream),
    _control: SendStream,
    _others: Vec<RecvStream>,
    _line: QuicLine,
}

impl Session {
    /// Opens a session at `path`.
    pub(super) async fn open(
        address: SocketAddr,
        tls: Option<&Tls>,
        path: &str,
        meter: &Rc<ConnectionMeter>,
    ) -> Result<Self, ClientError> {
        let no_tls =
            || ClientError::Foreign("WebTransport needs TLS, and nobody says how".to_owned());
        let line = QuicLine::open(address, tls.ok_or_else(no_tls)?, meter).await?;
        meter.tally().requests.add(1);
        let opened = timeout(ANSWER_WITHIN, Self::over(line, address, path)).await;
        opened.unwrap_or_else(|_| {
            Err(ClientError::Foreign(format!(
                "no session of WebTransport within {ANSWER_WITHIN:?}: does the server have it?"
            )))
        })
    }

    async fn over(line: QuicLine, address: SocketAddr, path: &str) -> Result<Self, ClientError> {
        let connection = line.connection();
        let mut control = connection.open_uni().await.map_err(broken)?;
        control.write_all(&HELLO).await.map_err(broken)?;
        let mut others = Vec::new();
        // Nothing may be asked before it is known whether it is there (draft §3.1).
        loop {
            let mut stream = connection.accept_uni().await.map_err(broken)?;
            let is_control = varint(&mut stream).await? == CONTROL;
            let settings = if is_control { Some(frame(&mut stream).await?) } else { None };
            others.push(stream);
            match settings {
                None => {}
                Some((SETTINGS, settings)) if has(&settings, ENABLE_WEBTRANSPORT).await => break,
                Some(_) => {
                    return Err(ClientError::Foreign("the server has no WebTransport".to_owned()));
                }
            }
        }
        let mut session = connection.open_bi().await.map_err(broken)?;
        session.0.write_all(&request(&address.to_string(), path)).await.map_err(broken)?;
        let (mut kind, mut head) = frame(&mut session.1).await?;
        while kind != HEADERS {
            (kind, head) = frame(&mut session.1).await?;
        }
        if !head.starts_with(&OK) {
            let why = match frame(&mut session.1).await {
                Ok((DATA, why)) => why,
                _ => Vec::new(),
            };
            let why = String::from_utf8_lossy(&why[..why.len().min(MAX_QUOTED_BYTES)]).into_owned();
            return Err(ClientError::Foreign(format!(
                "the server opens no session of WebTransport: {why}"
            )));
        }
        let events = loop {
            let mut stream = connection.accept_uni().await.map_err(broken)?;
            if varint(&mut stream).await? == OF_A_SESSION {
                let of = varint(&mut stream).await?;
                if of == u64::from(session.0.id()) {
                    break stream;
                }
            }
            others.push(stream);
        };
        Ok(Self { events, _session: session, _control: control, _others: others, _line: line })
    }

    /// What comes next of the events. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Bytes, ClientError> {
        let piece = self.events.read_chunk(usize::MAX, true).await.map_err(broken)?;
        Ok(piece.ok_or(ClientError::Ended)?.bytes)
    }
}

fn broken(error: impl Into<io::Error>) -> ClientError {
    ClientError::Broken(error.into())
}

/// A variable-length integer (RFC 9000 §16).
async fn varint(from: &mut (impl tokio::io::AsyncRead + Unpin)) -> Result<u64, ClientError> {
    let first = from.read_u8().await.map_err(ClientError::Broken)?;
    let mut value = u64::from(first & 0x3f);
    for _ in 1..1 << (first >> 6) {
        value = value << 8 | u64::from(from.read_u8().await.map_err(ClientError::Broken)?);
    }
    Ok(value)
}

/// The type of a frame, and what it has.
async fn frame(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
) -> Result<(u64, Vec<u8>), ClientError> {
    let kind = varint(from).await?;
    let length = varint(from).await?;
    if length > MAX_FRAME_BYTES {
        return Err(ClientError::TooLarge { limit: MAX_FRAME_BYTES as usize });
    }
    let mut content = vec![0; length as usize];
    from.read_exact(&mut content).await.map_err(ClientError::Broken)?;
    Ok((kind, content))
}

/// Whether these settings have that one as 1.
async fn has(mut settings: &[u8], wanted: u64) -> bool {
    while let Ok(setting) = varint(&mut settings).await {
        match varint(&mut settings).await {
            Ok(1) if setting == wanted => return true,
            _ => {}
        }
    }
    false
}

/// The request for a session (draft §3.3), whose fields need no table but the static one (RFC 9204 §4.5).
fn request(authority: &str, path: &str) -> Vec<u8> {
    // Nothing of the other table; `:method: CONNECT`, `:scheme: https`.
    let mut fields = vec![0, 0, 0xc0 | 15, 0xc0 | 23];
    // Names of the static table: `:authority` and `:path`.
    for (name, value) in [(0, authority), (1, path)] {
        fields.push(0x50 | name);
        push_text(0, 7, value, &mut fields);
    }
    for (name, value) in [(":protocol", "webtransport"), ("sec-webtransport-http3-draft02", "1")] {
        push_text(0x20, 3, name, &mut fields);
        push_text(0, 7, value, &mut fields);
    }
    let mut request = vec![HEADERS as u8];
    // A length of 4 bytes.
    request.extend((fields.len() as u32 | 0b10 << 30).to_be_bytes());
    request.extend(fields);
    request
}

/// A text as it is, behind its length, of which so many bits are in the first byte (RFC 7541 §5.1).
fn push_text(first: u8, bits: u32, text: &str, out: &mut Vec<u8>) {
    let most = (1_usize << bits) - 1;
    let length = text.len();
    if length < most {
        out.push(first | length as u8);
    } else {
        out.push(first | most as u8);
        let mut left = length - most;
        while left >= 0x80 {
            out.push(0x80 | (left & 0x7f) as u8);
            left >>= 7;
        }
        out.push(left as u8);
    }
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_their_lengths() {
        let with = |bits, length| {
            let mut out = Vec::new();
            push_text(0x20, bits, &"x".repeat(length), &mut out);
            out.truncate(out.len() - length);
            out
        };
        assert_eq!(with(3, 6), [0x26]);
        assert_eq!(with(3, 7), [0x27, 0]);
        assert_eq!(with(3, 9), [0x27, 2]);
        // The example of RFC 7541, C.1.2, with other bits.
        assert_eq!(with(5, 1337), [0x3f, 154, 10]);
    }

    #[tokio::test]
    async fn integers_and_settings_read_back() {
        // The examples of RFC 9000, A.1.
        for (bytes, value) in [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c][..], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
        ] {
            assert_eq!(varint(&mut &bytes[..]).await.unwrap(), value);
        }
        assert!(varint(&mut &[0xc2, 0][..]).await.is_err());
        let mut hello = &HELLO[1..];
        let (kind, settings) = frame(&mut hello).await.unwrap();
        assert!(kind == SETTINGS && hello.is_empty());
        assert!(has(&settings, ENABLE_WEBTRANSPORT).await);
        assert!(has(&settings, 0x08).await && !has(&settings, 0x09).await);
        let large = [0, 0x80, 1, 0, 1];
        assert!(matches!(frame(&mut &large[..]).await, Err(ClientError::TooLarge { .. })));
    }
}
