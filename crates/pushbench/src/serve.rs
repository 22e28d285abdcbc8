//! `pushbench serve`: the server as a process. It owns the flags, the threads, the signals and the
//! line that says that the server is ready. Everything else is in the server crate.

mod access;
mod limits;
mod log;
mod streams;
mod tls;

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Mutex;

use anyhow::Context;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;
use pushbench_loadgen::command::say;
use pushbench_server::{BrokerConfig, BrokerMode, BrokerUrl, Config, Fault, Faults, Listeners};
use pushbench_wire::endpoint::{HTTP3_PREFIX, READY_PREFIX, TLS_PREFIX};
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use access::AccessFlags;
use limits::Limits;
use log::LogFlags;
use streams::StreamFlags;
use tls::{Secured, TlsFlags};

/// Serve polling, long polling, SSE, WebSocket and raw TCP from one event log
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address and port to listen on; port 0 selects a free port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// Number of worker threads [default: the number of cores that this process may use]
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    threads: Option<NonZero<usize>>,

    /// Cores to run on, such as 0 or 0,2-3 [default: those of the parent process]
    #[arg(long, value_name = "LIST", value_parser = parse_cpus)]
    cpus: Option<CpuSet>,

    /// Stop when standard input ends, at the latest with the process that holds it open
    #[arg(long)]
    stop_on_stdin_eof: bool,

    /// Inject a fault of known size: delay=5ms, stall=200ms/2s, drop=1/1000, duplicate=1/1000,
    /// reorder=1/1000 or cpu=20us; repeat the flag to inject several
    #[arg(long, value_name = "FAULT")]
    inject: Vec<Fault>,

    /// Compress events for clients that take it: gzip for polls and event streams, permessage-deflate for
    /// WebSocket
    #[arg(long)]
    compression: bool,

    /// Share events with other servers by this Redis: redis://HOST:PORT
    #[arg(long, value_name = "URL", conflicts_with = "inject")]
    broker: Option<BrokerUrl>,

    /// What that Redis is used for: pubsub keeps nothing, streams keeps events for nodes that missed them, and
    /// sharded is the sharded Pub/Sub of Redis 7
    #[arg(long, value_name = "MODE", default_value_t, requires = "broker")]
    broker_mode: BrokerMode,

    #[command(flatten)]
    streams: StreamFlags,

    #[command(flatten)]
    tls: TlsFlags,

    #[command(flatten)]
    access: AccessFlags,

    #[command(flatten)]
    log: LogFlags,

    #[command(flatten)]
    limits: Limits,
}

/// Serves until SIGTERM, SIGINT or, with `--stop-on-stdin-eof`, the end of standard input.
pub(crate) fn serve(args: Args) -> anyhow::Result<()> {
    let faults = Faults::new(args.inject.iter().copied()).context("invalid --inject")?;
    if !faults.is_empty() {
        let faults: Vec<_> = args.inject.iter().map(ToString::to_string).collect();
        say(&format!("pushbench: this server injects faults: {}", faults.join(", ")));
    }
    let tls = args.tls.read(args.listen)?;
    let by_tls = tls.as_ref().map(|tls| tls.at);
    let access = args.access.check([args.listen].into_iter().chain(by_tls))?;
    let config = args.streams.put_into(Config {
        faults,
        access,
        compression: args.compression,
        broker: args.broker.map(|url| BrokerConfig { url, mode: args.broker_mode }),
        ..Config::from(args.limits)
    });
    let config = args.log.put_into(config);
    config.check().context("a limit is out of range")?;
    // Threads inherit the affinity, so it is set before any are started.
    if let Some(cpus) = &args.cpus {
        sched_setaffinity(Pid::from_raw(0), cpus)
            .context("cannot run on the cores of --cpus; choose cores that this process may use")?;
    }
    raise_open_file_limit().context("cannot raise the limit on open files")?;
    let threads = match args.threads {
        Some(threads) => threads,
        None => std::thread::available_parallelism()
            .context("cannot determine the number of cores; set --threads")?,
    };
    // A single thread does not need the scheduler with which several threads share their tasks.
    let mut builder = match threads.get() {
        1 => tokio::runtime::Builder::new_current_thread(),
        threads => {
            check_threads(threads).with_context(|| {
                format!("cannot start {threads} threads; set fewer with --threads")
            })?;
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
    };
    let runtime =
        builder.enable_io().enable_time().build().context("cannot start the worker threads")?;
    // Spawned, so that with several workers the main thread only waits and does not serve as one
    // more. With one thread, the main thread is the worker.
    let served = runtime.spawn(listen(args.listen, tls, args.stop_on_stdin_eof, config));
    runtime.block_on(served).context("the server panicked")?
}

/// Connections that may wait to be accepted, which the kernel limits to net.core.somaxconn. With the
/// usual 1,024, thousands of clients that connect at once overflow the queue, and those that do not
/// fit retry only after a second.
const BACKLOG: u32 = 4_096;

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // As in `TcpListener::bind`, so that a server can replace one that has just ended.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A listener, and where it is.
fn listen_at(address: SocketAddr, flag: &str) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = bind(address).with_context(|| {
        format!("cannot listen on {address}; choose another address with {flag}")
    })?;
    let bound = listener.local_addr().context("cannot get the address of the listening socket")?;
    Ok((listener, bound))
}

async fn listen(
    address: SocketAddr,
    tls: Option<Secured>,
    stop_on_stdin_eof: bool,
    config: Config,
) -> anyhow::Result<()> {
    // Or it would say that it is ready, and then that it is not.
    pushbench_server::check_broker(&config).await?;
    let (plain, bound) = listen_at(address, "--listen")?;
    let tls = tls.map(Secured::listen).transpose()?;
    // Before the server says that it is ready: whoever reads that may send a signal at once.
    let mut terminated = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let stdin_end = stop_on_stdin_eof.then(stdin_end).transpose()?;
    let announced = tls.as_ref().map(|(of, bound)| (*bound, of.udp.is_some()));
    let tls = tls.map(|(listeners, _)| listeners);
    // A log on disk is read back first: a server that is ready can be used.
    let prepared = pushbench_server::prepare(Listeners { plain, tls }, config)?;
    announce(bound, announced).context("cannot write to standard output")?;
    let shutdown = async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
            () = async {
                match stdin_end {
                    Some(end) => drop(end.await),
                    None => std::future::pending().await,
                }
            } => {}
        }
    };
    Ok(prepared.serve(shutdown).await?)
}

/// Prints the line that says that the server is ready, and flushes it in case it goes to a pipe. Where
/// it is by TLS, and by HTTP/3, it says before.
fn announce(bound: SocketAddr, tls: Option<(SocketAddr, bool)>) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    if let Some((tls, by_http3)) = tls {
        writeln!(stdout, "{TLS_PREFIX}https://{tls}")?;
        if by_http3 {
            writeln!(stdout, "{HTTP3_PREFIX}https://{tls}")?;
        }
    }
    writeln!(stdout, "{READY_PREFIX}http://{bound}")?;
    stdout.flush()
}

/// Completes at the end of standard input.
///
/// It is read by a separate thread, because a thread of tokio's would keep the runtime from ending.
fn stdin_end() -> anyhow::Result<oneshot::Receiver<()>> {
    let (ended, end) = oneshot::channel();
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || {
            let mut input = std::io::stdin().lock();
            // Somebody who stops this process for a while interrupts reading, and does not end it.
            let goes_on = |read: std::io::Result<usize>| match read {
                Ok(bytes) => bytes > 0,
                Err(error) => error.kind() == ErrorKind::Interrupted,
            };
            while goes_on(input.read(&mut [0; 64])) {}
            // There is no receiver if the server has stopped for another reason.
            let _ = ended.send(());
        })
        .context("cannot start the thread that reads standard input")?;
    Ok(end)
}

/// Raises the limit on open files, and so on connections, to the most that the system allows.
fn raise_open_file_limit() -> nix::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
}

/// More threads than a server has a use for.
const MAX_THREADS: usize = 1_024;

/// Parses the number of threads.
fn parse_threads(text: &str) -> Result<NonZero<usize>, String> {
    let threads = text.parse().ok().filter(|threads| (1..=MAX_THREADS).contains(threads));
    threads
        .and_then(NonZero::new)
        .ok_or_else(|| format!("it must be a number from 1 to {MAX_THREADS}"))
}

/// Starts and ends as many threads as the runtime is going to start. If the system refuses one of
/// these, the runtime panics.
fn check_threads(threads: usize) -> std::io::Result<()> {
    let all_started = Mutex::new(());
    std::thread::scope(|scope| {
        let _not_yet = all_started.lock();
        for _ in 0..threads {
            std::thread::Builder::new().spawn_scoped(scope, || drop(all_started.lock()))?;
        }
        Ok(())
    })
}

/// Parses a list of cores in the syntax of taskset(1), such as `0` or `0,2-3`.
fn parse_cpus(list: &str) -> Result<CpuSet, String> {
    let bad = || format!("{list:?} is not a list of cores such as 0 or 0,2-3");
    let mut cpus = CpuSet::new();
    for range in list.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) =
            (first.parse().map_err(|_| bad())?, last.parse().map_err(|_| bad())?);
        if first > last || last >= CpuSet::count() {
            return Err(bad());
        }
        for cpu in first..=last {
            cpus.set(cpu).map_err(|_| bad())?;
        }
    }
    Ok(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cores_are_parsed() {
        let cpus = parse_cpus("0,2-3").unwrap();
        let set: Vec<_> = (0..8).filter(|&cpu| cpus.is_set(cpu).unwrap()).collect();
        assert_eq!(set, [0, 2, 3]);
        for bad in ["", "a", "1-", "3-2", "0,,1", "-1", "99999"] {
            assert!(parse_cpus(bad).is_err(), "{bad}");
        }
    }
}
