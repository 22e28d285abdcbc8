//! A relay that lets the bytes of connections wait, for where packets cannot be delayed. It accepts
//! connections at once, so handshakes take no time, and it loses nothing.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use hdrhistogram::Histogram;
use nix::sys::prctl::set_timerslack;
use nix::time::ClockId;
use pushbench_wire::clock;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::account::{Reading, lateness};
use crate::scenario::Network as Plan;

/// The most that is read at once.
const PIECE_BYTES: usize = 16 << 10;

/// What may be on its way on a connection, in one direction, before no more is read.
const ON_ITS_WAY_BYTES: usize = 4 << 20;

/// A running relay. Dropping it ends it, with all of its connections.
pub(super) struct Relay {
    handle: Handle,
    shared: Arc<Shared>,
    /// Whoever holds it keeps the runtime going.
    _stop: oneshot::Sender<()>,
    /// Dropped behind `_stop`: it waits for the thread.
    _carrier: Joined,
}

struct Joined(Option<JoinHandle<()>>);

impl Drop for Joined {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}

/// What all connections have in common.
struct Shared {
    delay_ns: u64,
    jitter_ns: u64,
    /// Nanoseconds that a byte takes to be sent.
    byte_ns: f64,
    /// When each direction can send the next byte.
    free: [Mutex<f64>; 2],
    chance: Mutex<ChaCha8Rng>,
    waiting: mpsc::Sender<Waiting>,
    carrier_cpu_ns: AtomicU64,
    clock_cpu_ns: AtomicU64,
    pieces: AtomicU64,
    lateness: Mutex<Histogram<u64>>,
}

/// A piece of a stream; none is its end.
struct Piece(Vec<u8>, Option<OwnedSemaphorePermit>);

struct Waiting {
    due_ns: u64,
    piece: Piece,
    to: UnboundedSender<Piece>,
}

impl Relay {
    pub(super) fn start(plan: &Plan, seed: u64) -> anyhow::Result<Self> {
        let (waiting, comes) = mpsc::channel();
        let shared = Arc::new(Shared {
            delay_ns: plan.one_way().as_nanos() as u64,
            jitter_ns: (plan.jitter / 2).as_nanos() as u64,
            byte_ns: plan.bandwidth.map_or(0.0, |bits| 8e9 / bits as f64),
            free: Default::default(),
            chance: Mutex::new(ChaCha8Rng::seed_from_u64(seed)),
            waiting,
            carrier_cpu_ns: AtomicU64::default(),
            clock_cpu_ns: AtomicU64::default(),
            pieces: AtomicU64::default(),
            lateness: Mutex::new(lateness()),
        });
        let of_carrier = Arc::downgrade(&shared);
        let runtime = Builder::new_current_thread()
            .enable_io()
            .on_thread_park(move || {
                if let Some(shared) = of_carrier.upgrade() {
                    shared.carrier_cpu_ns.store(thread_cpu_ns(), Ordering::Relaxed);
                }
            })
            .build()
            .context("cannot start the runtime of the relay")?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = |name: &str| std::thread::Builder::new().name(name.into());
        let carrier = thread("network").spawn(move || {
            let _ = runtime.block_on(stopped);
        });
        let of_clock = Arc::downgrade(&shared);
        thread("network")
            .spawn(move || {
                // Without it, it wakes up a little later.
                let _ = set_timerslack(1);
                let note = |late_ns| {
                    let Some(shared) = of_clock.upgrade() else { return };
                    lock(&shared.lateness).saturating_record(late_ns);
                    shared.clock_cpu_ns.store(thread_cpu_ns(), Ordering::Relaxed);
                };
                hand_on(&comes, note);
            })
            .context("cannot start the clock of the relay")?;
        let carrier = carrier.context("cannot start the relay")?;
        Ok(Self { handle, shared, _stop: stop, _carrier: Joined(Some(carrier)) })
    }

    /// Where to connect to for what is at `address`.
    pub(super) fn to(&self, address: SocketAddr) -> anyhow::Result<SocketAddr> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .context("the relay cannot listen")?;
        listener.set_nonblocking(true)?;
        let own = listener.local_addr()?;
        let shared = Arc::clone(&self.shared);
        self.handle.spawn(async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            while let Ok((client, _)) = listener.accept().await {
                // Who is refused sees its connection end.
                tokio::spawn(connect(client, address, Arc::clone(&shared)));
            }
        });
        Ok(own)
    }

    pub(super) fn reading(&self) -> Reading {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Reading {
            cpu_ns: of(&self.shared.carrier_cpu_ns) + of(&self.shared.clock_cpu_ns),
            packets: of(&self.shared.pieces),
            lost: 0,
            overflown: 0,
            lateness: Some(lock(&self.shared.lateness).clone()),
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn thread_cpu_ns() -> u64 {
    clock::read_ns(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap_or_default()
}

/// Hands on each piece when it is due, until nobody can send another one.
fn hand_on(comes: &mpsc::Receiver<Waiting>, mut note: impl FnMut(u64)) {
    let mut waiting: BTreeMap<(u64, u64), Waiting> = BTreeMap::new();
    for number in 0.. {
        while let Some(first) = waiting.first_entry() {
            let now = clock::now_ns();
            let Some(late_ns) = now.checked_sub(first.key().0) else { break };
            let Waiting { piece, to, .. } = first.remove();
            // Whoever should get it may have gone.
            let _ = to.send(piece);
            note(late_ns);
        }
        let next = match waiting.first_key_value() {
            None => comes.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
            Some(((due_ns, _), _)) => {
                let left = due_ns.saturating_sub(clock::now_ns());
                comes.recv_timeout(Duration::from_nanos(left))
            }
        };
        match next {
            Ok(piece) => drop(waiting.insert((piece.due_ns, number), piece)),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
    }
}

async fn connect(client: TcpStream, address: SocketAddr, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(address).await else { return };
    if client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).is_err() {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    for (direction, from, to) in [(0, from_client, to_server), (1, from_server, to_client)] {
        let (sender, receiver) = unbounded_channel();
        tokio::spawn(write(receiver, to));
        tokio::spawn(read(from, direction, sender, Arc::clone(&shared)));
    }
}

/// Lets all that comes wait.
async fn read(
    mut from: OwnedReadHalf,
    direction: usize,
    to: UnboundedSender<Piece>,
    shared: Arc<Shared>,
) {
    let room = Arc::new(Semaphore::new(ON_ITS_WAY_BYTES));
    let mut buffer = vec![0; PIECE_BYTES];
    let mut last_ns = 0;
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        let now = clock::now_ns();
        let permit = match read {
            0 => None,
            _ => Arc::clone(&room).acquire_many_owned(read as u32).await.ok(),
        };
        let due_ns = shared.due_ns(direction, now, read).max(last_ns);
        last_ns = due_ns;
        let piece = Piece(buffer[..read].to_vec(), permit);
        shared.pieces.fetch_add(1, Ordering::Relaxed);
        if shared.waiting.send(Waiting { due_ns, piece, to: to.clone() }).is_err() || read == 0 {
            return;
        }
    }
}

impl Shared {
    /// When so many bytes are there that came just now.
    fn due_ns(&self, direction: usize, now: u64, bytes: usize) -> u64 {
        let sent = {
            let mut free = lock(&self.free[direction]);
            *free = free.max(now as f64) + bytes as f64 * self.byte_ns;
            *free as u64
        };
        let delay_ns = match self.jitter_ns {
            0 => self.delay_ns,
            jitter => {
                lock(&self.chance).random_range(self.delay_ns - jitter..=self.delay_ns + jitter)
            }
        };
        let sent = if self.byte_ns > 0.0 { sent } else { now };
        sent + delay_ns
    }
}

async fn write(mut pieces: UnboundedReceiver<Piece>, mut to: OwnedWriteHalf) {
    while let Some(Piece(bytes, _room)) = pieces.recv().await {
        if bytes.is_empty() || to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}
