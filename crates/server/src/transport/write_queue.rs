//! What a stream still has to write when its socket accepts no more. It knows no framing.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};

use crate::http::socket::Socket;

/// Frames in one write. More would save little: a write costs a few microseconds, and each frame in
/// it a fraction of one.
pub(super) const MAX_FRAMES_PER_WRITE: usize = 16;

/// Frames to write, oldest first. The first may already be written in part.
#[derive(Debug, Default)]
pub(super) struct WriteQueue(VecDeque<Bytes>);

impl WriteQueue {
    /// Adds a frame at the end.
    pub(super) fn push(&mut self, frame: Bytes) {
        self.0.push_back(frame);
    }

    /// Puts a frame in the place of the last one, which must not be written in part: that is, not the
    /// only one.
    pub(super) fn replace_last(&mut self, frame: Bytes) {
        if let Some(last) = self.0.back_mut() {
            *last = frame;
        }
    }

    /// Whether everything is written.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of frames.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Writes as much as the socket accepts now. Returns whether that was anything.
    pub(super) fn flush(&mut self, socket: &mut Socket) -> io::Result<bool> {
        let mut progress = false;
        while !self.0.is_empty() {
            let mut slices = [IoSlice::new(&[]); MAX_FRAMES_PER_WRITE];
            let count = self.0.len().min(MAX_FRAMES_PER_WRITE);
            for (slice, frame) in slices.iter_mut().zip(&self.0) {
                *slice = IoSlice::new(frame);
            }
            let mut written = socket.try_write(&slices[..count])?;
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
        // An idle stream keeps no memory for what was once queued.
        self.0 = VecDeque::new();
        Ok(progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn frames_that_a_socket_accepts_in_pieces_arrive_whole() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut reader = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut socket = Socket::Plain(listener.accept().await.unwrap().0);
        let mut queue = WriteQueue::default();
        // Frames whose ends no write ends at, together far more than the socket buffers of both sides.
        let frames: Vec<_> = (0..200_u8).map(|n| vec![n; 100_003]).collect();
        for frame in &frames {
            queue.push(frame.clone().into());
        }
        let mut blocked = 0;
        let write = async {
            while !queue.is_empty() {
                socket.tcp().unwrap().writable().await.unwrap();
                queue.flush(&mut socket).unwrap();
                blocked += u32::from(!queue.is_empty());
            }
        };
        let mut received = vec![0; frames.len() * frames[0].len()];
        let (_, read) = tokio::join!(write, reader.read_exact(&mut received));
        read.unwrap();
        assert!(blocked > 1, "this test needs a socket that accepts the frames in pieces");
        assert!(received == frames.concat());
    }
}
