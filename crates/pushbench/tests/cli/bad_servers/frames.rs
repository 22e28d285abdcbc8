//! The server's side of a WebSocket, byte by byte, so that a test can get every one of them wrong.

use std::io::{self, ErrorKind};

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::server::{Peer, Request};

/// The first bytes of frames: all of a message, the first part of one, its last part, and so on.
pub(super) const TEXT: u8 = 0x81;
pub(super) const BINARY: u8 = 0x82;
pub(super) const TEXT_BEGINS: u8 = 0x01;
pub(super) const CONTINUES: u8 = 0x00;
pub(super) const ENDS: u8 = 0x80;
pub(super) const CLOSE: u8 = 0x88;
pub(super) const PING: u8 = 0x89;
const PONG: u8 = 0x8A;
/// RSV1, by which a frame says that it is compressed (RFC 7692 §6).
pub(super) const COMPRESSED: u8 = 0x40;

impl Peer {
    /// Opens it. Each of `headers` ends with CR and LF.
    pub(super) fn open(&mut self, request: &Request, headers: &str) -> io::Result<()> {
        let key = request.header("sec-websocket-key").unwrap_or_default();
        self.open_with(&derive_accept_key(key.as_bytes()), headers)
    }

    pub(super) fn open_with(&mut self, accept: &str, headers: &str) -> io::Result<()> {
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-accept: {accept}\r\n{headers}\r\n"
        );
        self.write(head.as_bytes())
    }

    pub(super) fn send(&mut self, first: u8, payload: &[u8]) -> io::Result<()> {
        self.write(&frame(first, payload))
    }

    /// Reads a frame of the client: its first byte, and what it carries.
    pub(super) fn frame(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let head = self.bytes(2)?;
        let length = match head[1] & 0x7F {
            126 => {
                let length = self.bytes(2)?;
                usize::from(u16::from_be_bytes([length[0], length[1]]))
            }
            length => usize::from(length),
        };
        let mask = self.bytes(4)?;
        let mut said = self.bytes(length)?;
        said.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        Ok((head[0], said))
    }

    /// Reads a frame of the client, which must be the answer to a ping with `payload`.
    pub(super) fn expect_pong(&mut self, payload: &[u8]) -> io::Result<()> {
        match self.frame()? {
            (PONG, said) if said == payload => Ok(()),
            _ => Err(ErrorKind::InvalidData.into()),
        }
    }

    /// The next message of the client.
    pub(super) fn receive(&mut self) -> io::Result<String> {
        match self.frame()? {
            (TEXT, said) => String::from_utf8(said).map_err(io::Error::other),
            _ => Err(ErrorKind::InvalidData.into()),
        }
    }
}

/// RFC 6455 §5.2, for payloads of less than 64 KiB.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u8::try_from(payload.len()) {
        Ok(length @ ..126) => frame.push(length),
        _ => {
            frame.push(126);
            frame.extend((payload.len() as u16).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}
