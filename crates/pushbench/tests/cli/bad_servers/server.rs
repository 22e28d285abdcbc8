//! Small servers that do what a test says, and hold one channel. Each connection has a thread, which ends
//! with the connection or with the tests.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What one asks of it.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    /// Names in small letters.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(of, _)| of == name).map(|(_, value)| &value[..])
    }
}

/// A connection, as the server has it.
pub(super) struct Peer {
    reader: BufReader<TcpStream>,
}

/// What was published.
#[derive(Default)]
pub(super) struct Hub {
    log: Mutex<Vec<Vec<u8>>>,
    subscribers: Mutex<Vec<Sender<Vec<u8>>>>,
}

/// What is done with a request. The connection is closed behind an error.
type Handler = dyn Fn(&Request, &mut Peer, &Hub) -> io::Result<()> + Send + Sync;

/// A server on a port of its own.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// What keeps the port of a server that is none.
    _held: Option<(TcpListener, TcpStream)>,
}

impl Server {
    /// Takes what is published, and does `subscribe` with everything that is no `POST`.
    pub(super) fn new(
        subscribe: impl Fn(&Request, &mut Peer, &Hub) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::handling(move |request, peer, hub| {
            if request.method != "POST" {
                return subscribe(request, peer, hub);
            }
            hub.publish(&request.body);
            peer.answer("204 No Content", "", b"")
        })
    }

    /// Does `handle` with every request.
    pub(super) fn handling(
        handle: impl Fn(&Request, &mut Peer, &Hub) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (handler, hub): (Arc<Handler>, _) = (Arc::new(handle), Arc::new(Hub::default()));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (handler, hub) = (Arc::clone(&handler), Arc::clone(&hub));
                thread::spawn(move || serve(stream, &*handler, &hub));
            }
        });
        Self { address, _held: None }
    }

    /// An address at which nobody listens, and at which nobody can: it is that of a connection.
    pub(super) fn nobody() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        Self { address: stream.local_addr().unwrap(), _held: Some((listener, stream)) }
    }
}

fn serve(stream: TcpStream, handler: &Handler, hub: &Hub) {
    let _ = stream.set_nodelay(true);
    let mut peer = Peer { reader: BufReader::new(stream) };
    match peer.reader.fill_buf() {
        // As most servers answer to a handshake of TLS.
        Ok([0x16, ..]) => drop(peer.answer("400 Bad Request", "", b"")),
        _ => {
            while let Ok(request) = peer.request() {
                if handler(&request, &mut peer, hub).is_err() {
                    break;
                }
            }
        }
    }
    // What the client still sends is read, or the kernel would throw away what it has not read yet.
    let _ = peer.reader.get_ref().shutdown(Shutdown::Write);
    let _ = io::copy(&mut peer.reader, &mut io::sink());
}

/// Ends a connection.
pub(super) fn close() -> io::Result<()> {
    Err(ErrorKind::ConnectionAborted.into())
}

impl Peer {
    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.reader.read_line(&mut line)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    fn request(&mut self) -> io::Result<Request> {
        let first = self.line()?;
        let mut words = first.split(' ').map(str::to_owned);
        let mut request = Request {
            method: words.next().unwrap_or_default(),
            path: words.next().unwrap_or_default(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let length = request.header("content-length").and_then(|length| length.parse().ok());
        request.body = self.bytes(length.unwrap_or(0))?;
        Ok(request)
    }

    pub(super) fn bytes(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    /// A whole answer. Each of `headers` ends with CR and LF.
    pub(super) fn answer(&mut self, status: &str, headers: &str, body: &[u8]) -> io::Result<()> {
        let length = match body.is_empty() && status.starts_with("204") {
            true => String::new(),
            false => format!("content-length: {}\r\n", body.len()),
        };
        let head = format!("HTTP/1.1 {status}\r\n{length}{headers}\r\n");
        self.write(&[head.as_bytes(), body].concat())
    }

    /// The head of an event stream, which ends with the connection.
    pub(super) fn begin_events(&mut self) -> io::Result<()> {
        self.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: hello\n\n")
    }

    /// Waits until the client ends the connection.
    pub(super) fn wait(&mut self) -> io::Result<()> {
        io::copy(&mut self.reader, &mut io::sink())?;
        close()
    }
}

impl Hub {
    pub(super) fn publish(&self, payload: &[u8]) {
        lock(&self.log).push(payload.to_vec());
        lock(&self.subscribers).retain(|subscriber| subscriber.send(payload.to_vec()).is_ok());
    }

    /// What is published from now on.
    pub(super) fn subscribe(&self) -> Receiver<Vec<u8>> {
        let (sender, receiver) = channel();
        lock(&self.subscribers).push(sender);
        receiver
    }

    /// What was published so far.
    pub(super) fn log(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        lock(&self.log)
    }
}

pub(super) fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
