//! The bytes of a connection that is published over, with TLS or without, for the thread that sends and
//! the one that reads.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustls::ClientConnection;

use super::tls::{Tls, server_name};

/// How much is read at a time.
const PIECE_BYTES: usize = 4 << 10;

/// How a connection is secured: the certificates that are trusted, and the host that is meant.
#[derive(Clone, Debug)]
pub(super) struct Secure {
    pub(super) tls: Tls,
    pub(super) host: String,
}

/// One end of the connection; both threads have one.
pub(super) struct PublishStream {
    tcp: TcpStream,
    tls: Option<Arc<Session>>,
    /// What has come and is not read yet: rustls keeps no more than one record of it.
    decrypted: VecDeque<u8>,
}

/// TLS of a connection, for both ends.
struct Session {
    tls: Mutex<ClientConnection>,
    /// Whoever sends has it, so that what was encrypted goes in its order. Nobody waits for the server with
    /// `tls`: it may wait for this side to read.
    sending: Mutex<()>,
}

impl PublishStream {
    /// Connects. Writing takes no longer than `patience`, and reading than `moment`.
    pub(super) fn open(
        address: SocketAddr,
        secure: Option<&Secure>,
        patience: Duration,
        moment: Duration,
    ) -> io::Result<Self> {
        let mut tcp = TcpStream::connect_timeout(&address, patience)?;
        tcp.set_nodelay(true)?;
        tcp.set_write_timeout(Some(patience))?;
        let tls = match secure {
            None => None,
            Some(Secure { tls, host }) => {
                let name = server_name(host)?;
                let mut tls =
                    ClientConnection::new(tls.config(), name).map_err(io::Error::other)?;
                // What is to be sent is bounded by whoever sends it.
                tls.set_buffer_limit(None);
                tcp.set_read_timeout(Some(patience))?;
                while tls.is_handshaking() {
                    tls.complete_io(&mut tcp)?;
                }
                Some(Arc::new(Session { tls: Mutex::new(tls), sending: Mutex::new(()) }))
            }
        };
        tcp.set_read_timeout(Some(moment))?;
        Ok(Self { tcp, tls, decrypted: VecDeque::new() })
    }

    /// For the other thread.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        let (tcp, tls) = (self.tcp.try_clone()?, self.tls.clone());
        Ok(Self { tcp, tls, decrypted: VecDeque::new() })
    }

    /// Whether a few hundred bytes can be written without waiting: Linux says so when a third of the socket's
    /// buffer is free.
    pub(super) fn takes_some(&self) -> bool {
        let mut asked = [PollFd::new(self.tcp.as_fd(), PollFlags::POLLOUT)];
        matches!(poll(&mut asked, PollTimeout::ZERO), Ok(ready) if ready > 0)
    }

    /// To ask the kernel about it.
    pub(super) fn tcp(&self) -> io::Result<TcpStream> {
        self.tcp.try_clone()
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    /// Sends `plain`, and what TLS has to say by itself. What is encrypted must not be given again: whoever
    /// stops this process for a while must not have it sent twice.
    fn send(&self, plain: &[u8], tcp: &mut TcpStream) -> io::Result<usize> {
        let _order = lock(&self.sending);
        let mut encrypted = Vec::new();
        let mut tls = lock(&self.tls);
        let length = tls.writer().write(plain)?;
        while tls.wants_write() {
            tls.write_tls(&mut encrypted)?;
        }
        drop(tls);
        tcp.write_all(&encrypted)?;
        Ok(length)
    }
}

/// Takes what rustls has decrypted. Says whether more may come.
fn take_decrypted(tls: &mut ClientConnection, into: &mut VecDeque<u8>) -> io::Result<bool> {
    let mut piece = [0; PIECE_BYTES];
    loop {
        match tls.reader().read(&mut piece) {
            Ok(0) => return Ok(false),
            Ok(length) => into.extend(&piece[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        }
    }
}

impl Read for PublishStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(session) = &self.tls else { return self.tcp.read(buffer) };
        loop {
            let may_come = match self.decrypted.is_empty() {
                true => take_decrypted(&mut lock(&session.tls), &mut self.decrypted)?,
                false => true,
            };
            if !self.decrypted.is_empty() || !may_come {
                return self.decrypted.read(buffer);
            }
            // Nobody waits for the lock while this waits for the server.
            let mut piece = [0; PIECE_BYTES];
            let length = self.tcp.read(&mut piece)?;
            if length == 0 {
                return Ok(0);
            }
            let mut tls = lock(&session.tls);
            let mut piece = &piece[..length];
            while !piece.is_empty() {
                // Behind its goodbye, nothing counts.
                if tls.read_tls(&mut piece)? == 0 {
                    break;
                }
                tls.process_new_packets().map_err(io::Error::other)?;
                take_decrypted(&mut tls, &mut self.decrypted)?;
            }
            let has_to_answer = tls.wants_write();
            drop(tls);
            if has_to_answer {
                session.send(&[], &mut self.tcp)?;
            }
        }
    }
}

impl Write for PublishStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.tls {
            Some(tls) => tls.send(bytes, &mut self.tcp),
            None => self.tcp.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}
