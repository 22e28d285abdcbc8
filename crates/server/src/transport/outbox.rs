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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn what_a_socket_takes_in_pieces_arrives_whole() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut reader = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        let mut outbox = Outbox::default();
        // Frames that no write boundary fits, together far more than the buffers of both sides.
        let frames: Vec<_> = (0..200_u8).map(|n| vec![n; 100_003]).collect();
        for frame in &frames {
            outbox.push(frame.clone().into());
        }
        let mut blocked = 0;
        let write = async {
            while !outbox.is_empty() {
                socket.writable().await.unwrap();
                outbox.flush(&socket).unwrap();
                blocked += u32::from(!outbox.is_empty());
            }
        };
        let mut received = vec![0; frames.len() * frames[0].len()];
        let (_, read) = tokio::join!(write, reader.read_exact(&mut received));
        read.unwrap();
        assert!(blocked > 1, "the socket has to take it in pieces for this test to mean anything");
        assert!(received == frames.concat());
    }
}
