//! The bytes of a connection that is published over, with TLS or without, for the thread that sends and
//! the one that reads.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::ClientConnection;

use super::tls::{Tls, server_name};

/// How much is read at a time: no more than rustls keeps decrypted.
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
    tls: Option<Arc<Mutex<ClientConnection>>>,
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
                Some(Arc::new(Mutex::new(tls)))
            }
        };
        tcp.set_read_timeout(Some(moment))?;
        Ok(Self { tcp, tls })
    }

    /// For the other thread.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { tcp: self.tcp.try_clone()?, tls: self.tls.clone() })
    }

    /// To ask the kernel about it.
    pub(super) fn tcp(&self) -> io::Result<TcpStream> {
        self.tcp.try_clone()
    }
}

fn lock(tls: &Mutex<ClientConnection>) -> MutexGuard<'_, ClientConnection> {
    tls.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends what has been encrypted. What is encrypted must not be given again: whoever stops this process
/// for a while must not have it sent twice.
fn send(tls: &mut ClientConnection, tcp: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(tcp) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            written => drop(written?),
        }
    }
    Ok(())
}

impl Read for PublishStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &self.tls else { return self.tcp.read(buffer) };
        loop {
            match lock(tls).reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            // Nobody waits for the lock while this waits for the server.
            let mut piece = [0; PIECE_BYTES];
            let length = self.tcp.read(&mut piece)?;
            if length == 0 {
                return Ok(0);
            }
            let mut tls = lock(tls);
            let mut piece = &piece[..length];
            while !piece.is_empty() {
                tls.read_tls(&mut piece)?;
                tls.process_new_packets().map_err(io::Error::other)?;
            }
            send(&mut tls, &mut self.tcp)?;
        }
    }
}

impl Write for PublishStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &self.tls else { return self.tcp.write(bytes) };
        let mut tls = lock(tls);
        let length = tls.writer().write(bytes)?;
        send(&mut tls, &mut self.tcp)?;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}
