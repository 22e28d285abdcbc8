//! What a stream has still to write when its socket takes no more. It knows no framing.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};
use tokio::net::TcpStream;

/// Frames in one write. More would not save much: a write costs some microseconds, a frame in it
/// a fraction of one.
pub(super) const MAX_FRAMES: usize = 16;

/// Writes as much of `parts` as the socket takes now, which may be nothing.
pub(super) fn try_write(socket: &TcpStream, parts: &[IoSlice<'_>]) -> io::Result<usize> {
    let written = match parts {
        [one] => socket.try_write(one),
        many => socket.try_write_vectored(many),
    };
    match written {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}

/// Frames that wait for the socket, oldest first; the first may be written in part.
#[derive(Debug, Default)]
pub(super) struct Outbox(VecDeque<Bytes>);

impl Outbox {
    pub(super) fn push(&mut self, frame: Bytes) {
        self.0.push_back(frame);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Writes as much as the socket takes now; returns whether that was anything.
    pub(super) fn flush(&mut self, socket: &TcpStream) -> io::Result<bool> {
        let mut progress = false;
        while !self.0.is_empty() {
            let mut parts = [IoSlice::new(&[]); MAX_FRAMES];
            let count = self.0.len().min(MAX_FRAMES);
            for (part, frame) in parts.iter_mut().zip(&self.0) {
                *part = IoSlice::new(frame);
            }
            let mut written = try_write(socket, &parts[..count])?;
            if written == 0 {
                return Ok(progress);
            }
            progress = true;
            while let Some(frame) = self.0.front_mut() {
                if written < frame.len() {
                    frame.advance(written);
                    break;
                }
                written -= frame.len();
                self.0.pop_front();
            }
        }
        // An idle stream holds no memory for what it once had to wait for.
        self.0 = VecDeque::new();
        Ok(progress)
    }
}
