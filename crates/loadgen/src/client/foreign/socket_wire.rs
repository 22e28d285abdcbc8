//! The WebSocket that is published over, for two threads: one sends events without waiting for anything,
//! the other one reads, and sends what has to be said beside them.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, HandshakeError, Message, WebSocket, client};

use super::Foreign;
use super::exchange::{Question, closed_without_answer};
use super::handshake::{check_answer, closed, config, data, not_opened, request, unreadable};
use super::messages::Messages;
use super::talk::{Channel, Inbox};
use super::words::STEP_WITHIN;
use crate::client::ClientError;
use crate::client::publish_link::{MOMENT, TIMEOUT, is_end};
use crate::client::publish_stream::{PublishStream, Secure};

/// Where whole frames are written: whoever has it writes no part of one.
type Out = Arc<Mutex<PublishStream>>;

fn lock(out: &Mutex<PublishStream>) -> MutexGuard<'_, PublishStream> {
    out.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The end of the thread that sends events.
pub(super) struct Pen(WebSocket<PenStream>);

/// What a pen writes to. tungstenite hands over frames as a whole.
struct PenStream(Out);

impl Read for PenStream {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }
}

impl Write for PenStream {
    fn write(&mut self, frames: &[u8]) -> io::Result<usize> {
        lock(&self.0).write_all(frames)?;
        Ok(frames.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        lock(&self.0).flush()
    }
}

impl Pen {
    /// Adds a message to what goes out next.
    pub(super) fn write(&mut self, text: &str) -> Result<(), Error> {
        self.0.write(Message::text(text))
    }

    /// Sends all that was added. A connection that has ended is nothing to say here: whoever reads sees it,
    /// and perhaps why.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        match self.0.flush() {
            Err(Error::Io(error)) if is_end(&error) => Ok(()),
            flushed => flushed,
        }
    }
}

/// What the thread that reads has of the connection.
struct EarStream {
    input: PublishStream,
    out: Out,
    /// What could not be written at once: waiting for the other thread would be waiting for the server,
    /// which may wait for this one to read.
    unwritten: Vec<u8>,
}

impl EarStream {
    fn write_waiting(&mut self) -> io::Result<()> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let mut out = match self.out.try_lock() {
            Ok(out) => out,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(()),
        };
        if !out.takes_some() {
            return Ok(());
        }
        out.write_all(&self.unwritten)?;
        self.unwritten.clear();
        out.flush()
    }
}

impl Read for EarStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.write_waiting() {
            // What the server said before it left is still there to be read.
            Err(error) if is_end(&error) => self.unwritten.clear(),
            written => written?,
        }
        self.input.read(buffer)
    }
}

impl Write for EarStream {
    fn write(&mut self, frames: &[u8]) -> io::Result<usize> {
        self.unwritten.extend_from_slice(frames);
        Ok(frames.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.write_waiting() {
            Err(error) if is_end(&error) => Ok(()),
            written => written,
        }
    }
}

/// The end of the thread that reads.
pub(super) struct Ear {
    socket: WebSocket<EarStream>,
    foreign: Foreign,
}

/// Both ends, and the socket below them.
pub(super) struct Wire {
    pub(super) pen: Pen,
    pub(super) ear: Ear,
    pub(super) tcp: TcpStream,
}

impl Wire {
    /// Connects to where `question` asks for a WebSocket, and opens it.
    pub(super) async fn open(foreign: &Foreign, question: &Question) -> Result<Self, ClientError> {
        let location = &question.location;
        let secure = foreign.tls.clone().filter(|_| location.is_secure());
        let secure = secure.map(|tls| Secure { tls, host: location.host.clone() });
        let mut connected = Err(ErrorKind::AddrNotAvailable.into());
        let addresses = location.addresses().await.map_err(ClientError::Foreign)?;
        for &address in &addresses {
            connected = PublishStream::open(address, secure.as_ref(), TIMEOUT, MOMENT);
            if connected.is_ok() {
                break;
            }
        }
        let broken = |error: io::Error| {
            if error.kind() == ErrorKind::ConnectionRefused {
                return location.nobody_listens(&addresses, foreign);
            }
            ClientError::Foreign(format!("no connection to {}: {error}", location.host_and_port()))
        };
        let input = connected.map_err(broken)?;
        let tcp = input.tcp().map_err(broken)?;
        let out: Out = Arc::new(Mutex::new(input.try_clone().map_err(broken)?));
        let stream = EarStream { input, out: Arc::clone(&out), unwritten: Vec::new() };
        let since = Instant::now();
        let mut opening =
            client::client_with_config(request(foreign, question)?, stream, Some(config()));
        let (socket, answer) = loop {
            match opening {
                Ok(opened) => break opened,
                Err(HandshakeError::Interrupted(rest)) if since.elapsed() < STEP_WITHIN => {
                    opening = rest.handshake();
                }
                Err(HandshakeError::Interrupted(_)) => {
                    return Err(ClientError::Foreign(format!(
                        "the server has not answered within {STEP_WITHIN:?}"
                    )));
                }
                Err(HandshakeError::Failure(Error::Io(error))) if is_end(&error) => {
                    return Err(closed_without_answer(location));
                }
                Err(HandshakeError::Failure(error)) => {
                    return Err(not_opened(foreign, location, error));
                }
            }
        };
        check_answer(foreign, &answer)?;
        // Until they are flushed, events stay where they are.
        let config = WebSocketConfig::default().write_buffer_size(usize::MAX - 1);
        let pen = WebSocket::from_raw_socket(PenStream(out), Role::Client, Some(config));
        Ok(Self { pen: Pen(pen), ear: Ear { socket, foreign: foreign.clone() }, tcp })
    }
}

impl Ear {
    /// Adds the messages that come within a moment.
    pub(super) fn hear(&mut self, heard: &mut VecDeque<Vec<u8>>) -> Result<(), ClientError> {
        let message = match self.socket.read() {
            Ok(Message::Close(close)) => return Err(closed(&self.foreign, close.as_ref())),
            Ok(message) => message,
            Err(Error::Io(error)) => {
                return match error.kind() {
                    // Somebody may have stopped this process for a while.
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => Ok(()),
                    _ if is_end(&error) => Err(ClientError::Ended),
                    _ => Err(ClientError::Broken(error)),
                };
            }
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => return Err(ClientError::Ended),
            Err(error) => return Err(unreadable(error)),
        };
        match data(&message) {
            [] => Ok(()),
            data => Messages::new(self.foreign.recipe.split)
                .of_whole(data, |message| heard.push_back(message.to_vec())),
        }
    }

    /// Says that nothing more comes, and reads until the server says the same, which it does behind all
    /// that it was sent, or for as long as `patience`: a connection that is closed while something is
    /// unread takes with it what the server has not read yet.
    pub(super) fn close(
        &mut self,
        patience: Duration,
        heard: &mut VecDeque<Vec<u8>>,
    ) -> Result<(), ClientError> {
        let since = Instant::now();
        if self.socket.close(None).is_err() {
            return Ok(());
        }
        while since.elapsed() < patience {
            match self.hear(heard) {
                Ok(()) => {}
                Err(ClientError::Foreign(why)) => return Err(ClientError::Foreign(why)),
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }
}

impl Channel for Ear {
    async fn read(&mut self, inbox: &mut Inbox) -> Result<(), ClientError> {
        let mut heard = VecDeque::new();
        self.hear(&mut heard)?;
        // When a message came does not matter: none of them is measured.
        inbox.extend(heard.into_iter().map(|message| (0, message)));
        // Whoever waits may have waited long enough.
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn send(&mut self, text: String) -> Result<(), ClientError> {
        Ok(self.socket.send(Message::text(text))?)
    }
}
