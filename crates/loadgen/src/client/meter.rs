//! What is counted and timed of a subscriber's connections, and what is done to all of them at once: cut,
//! silenced, given up. It must not know what goes over them.

use std::cell::{Cell, RefCell};
use std::os::fd::RawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use nix::sys::socket::{Shutdown, SockaddrIn, getpeername, getsockname, shutdown};
use pushbench_wire::clock;
use quinn::VarInt;

use super::life::Life;
use super::pace::Pace;
use super::quic_totals::totals;
use super::{Tally, TcpTotals};
use crate::scenario::{CutHow, SlowReads};

/// What the sockets of one subscriber share: its worker's counters, the time of its last read, and
/// what TCP did for those that have closed.
#[derive(Debug)]
pub(crate) struct ConnectionMeter {
    tally: Arc<Tally>,
    last_read_ns: Arc<AtomicU64>,
    open: Rc<RefCell<Vec<RawFd>>>,
    /// Of those, which end by a RST.
    doomed: Rc<RefCell<Vec<RawFd>>>,
    /// Those by QUIC, with the ended ones: it still says what they have done.
    quic: Rc<RefCell<Vec<quinn::Connection>>>,
    closed: Rc<Cell<Option<TcpTotals>>>,
    life: Rc<Life>,
    pace: Pace,
}

impl ConnectionMeter {
    pub(crate) fn new(tally: Arc<Tally>) -> Rc<Self> {
        Self::paced(tally, Pace::default())
    }

    /// That of a subscriber that reads like this when it is told to.
    pub(crate) fn of_slow(tally: Arc<Tally>, reads: SlowReads) -> Rc<Self> {
        Self::paced(tally, Pace::slow(reads))
    }

    fn paced(tally: Arc<Tally>, pace: Pace) -> Rc<Self> {
        let last_read_ns = Arc::<AtomicU64>::default();
        Rc::new(Self {
            tally,
            life: Life::new(Arc::clone(&last_read_ns)),
            pace,
            last_read_ns,
            open: Rc::default(),
            doomed: Rc::default(),
            quic: Rc::default(),
            closed: Rc::new(Cell::new(Some(TcpTotals::default()))),
        })
    }

    /// For connections beside that of the events: counted together with it, but what is read there is no
    /// event's time.
    pub(super) fn beside(&self) -> Rc<Self> {
        Rc::new(Self {
            tally: Arc::clone(&self.tally),
            last_read_ns: Arc::default(),
            open: Rc::clone(&self.open),
            doomed: Rc::clone(&self.doomed),
            quic: Rc::clone(&self.quic),
            closed: Rc::clone(&self.closed),
            life: Life::new(Arc::default()),
            pace: Pace::default(),
        })
    }

    /// What TCP has done for this subscriber so far, connections that have closed included; `None`
    /// where the kernel does not say. By HTTP/3, it is what QUIC says of its datagrams.
    pub(crate) fn tcp(&self) -> Option<TcpTotals> {
        let quic = self.quic.borrow();
        let by_quic = quic.iter().map(totals).fold(self.closed.get()?, TcpTotals::plus);
        self.open
            .borrow()
            .iter()
            .try_fold(by_quic, |sum, &socket| Some(sum.plus(TcpTotals::read(socket)?)))
    }

    /// A socket was opened.
    pub(super) fn opened(&self, socket: RawFd) {
        self.tally.connections.add(1);
        self.open.borrow_mut().push(socket);
    }

    /// Whether a socket is to end by a RST.
    pub(super) fn is_doomed(&self, socket: RawFd) -> bool {
        self.doomed.borrow().contains(&socket)
    }

    /// A socket is about to be closed, while its number is still its own.
    pub(super) fn closes(&self, socket: RawFd) {
        self.open.borrow_mut().retain(|&open| open != socket);
        self.doomed.borrow_mut().retain(|&doomed| doomed != socket);
        let closed = self.closed.get().zip(TcpTotals::read_last(socket));
        self.closed.set(closed.map(|(before, last)| before.plus(last)));
    }

    /// So many bytes were read, just now.
    pub(super) fn has_read(&self, bytes: usize) {
        self.last_read_ns.store(clock::now_ns(), Relaxed);
        self.tally.bytes_in.add(bytes as u64);
    }

    /// So many bytes were written.
    pub(super) fn has_written(&self, bytes: usize) {
        self.tally.bytes_out.add(bytes as u64);
    }

    /// How fast its sockets are read.
    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Takes note of a connection by QUIC.
    pub(super) fn opened_quic(&self, connection: quinn::Connection) {
        self.tally.connections.add(1);
        let mut all = self.quic.borrow_mut();
        // Of those that have ended, only the sum is kept.
        all.retain(|of| {
            let is_open = of.close_reason().is_none();
            if !is_open {
                let closed = self.closed.get();
                self.closed.set(closed.map(|before| before.plus(totals(of))));
            }
            is_open
        });
        all.push(connection);
    }

    /// The counters, for what is done on the same thread where nobody sees it.
    pub(super) fn shared_tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// Where the time of the last read is, likewise.
    pub(super) fn last_read(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.last_read_ns)
    }

    /// Cuts all connections that are open: whoever reads gets to the end at once, as if the other side
    /// had ended them. The server sees a FIN now, or a RST as soon as the client lets go. QUIC has one end
    /// only (RFC 9000 §10.2).
    pub(crate) fn cut(&self, how: CutHow) {
        for &socket in self.open.borrow().iter() {
            let directions = match how {
                CutHow::Close => Shutdown::Both,
                CutHow::Reset => {
                    let mut doomed = self.doomed.borrow_mut();
                    if doomed.contains(&socket) {
                        continue;
                    }
                    doomed.push(socket);
                    Shutdown::Read
                }
            };
            // It may have broken by itself.
            if shutdown(socket, directions).is_ok() {
                self.tally.cuts.add(1);
            }
        }
        let quic = self.quic.borrow();
        for connection in quic.iter().filter(|of| of.close_reason().is_none()) {
            connection.close(VarInt::from_u32(0), b"");
            self.tally.cuts.add(1);
        }
    }

    /// The ports of all connections that are open, its own and the server's, of which the network is to carry
    /// nothing more.
    pub(crate) fn ports_to_silence(&self) -> Vec<[u16; 2]> {
        let open = self.open.borrow();
        let ports = open.iter().filter_map(|&socket| {
            let own = getsockname::<SockaddrIn>(socket).ok()?.port();
            Some([own, getpeername::<SockaddrIn>(socket).ok()?.port()])
        });
        let ports: Vec<_> = ports.collect();
        if !ports.is_empty() {
            self.life.is_silenced(clock::now_ns());
            self.tally.silenced.add(ports.len() as u64);
        }
        ports
    }

    /// Lets go of all connections that are open, because nothing comes over them: others who share them see
    /// their end.
    pub(crate) fn give_up(&self) {
        for &socket in self.open.borrow().iter() {
            // It may have broken by itself.
            let _ = shutdown(socket, Shutdown::Both);
        }
        for connection in self.quic.borrow().iter() {
            connection.close(VarInt::from_u32(0), b"");
        }
    }

    /// Whether the other side still lives.
    pub(crate) fn life(&self) -> &Rc<Life> {
        &self.life
    }

    /// Lets a slow subscriber be slow, or as fast as it can.
    pub(crate) fn be_slow(&self, is_on: bool) {
        self.pace.be_slow(is_on);
    }

    /// Lets it be as fast as it can for good.
    pub(crate) fn read_on(&self) {
        self.pace.read_on();
    }

    /// The counters.
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// A handshake of TLS took so long.
    pub(super) fn note_handshake(&self, is_resumed: bool, took_ns: u64) {
        let Tally { handshakes, handshake_ns, resumptions, resumption_ns, .. } = &*self.tally;
        let (count, time_ns) = match is_resumed {
            true => (resumptions, resumption_ns),
            false => (handshakes, handshake_ns),
        };
        count.add(1);
        time_ns.add(took_ns);
    }

    /// When the subscriber last read anything from a socket. That is when the data that it has in
    /// hand came as long as one read is decoded before the next one is made: on one thread, and with
    /// hyper because HTTP/1.1 hands over one piece of a body at a time, and HTTP/2 is made to.
    pub(super) fn last_read_ns(&self) -> u64 {
        self.last_read_ns.load(Relaxed)
    }
}
