//! Subscribers in a page of a browser. One thread of ours talks to the page; the browser does the rest. It must not know
//! how the browser was started.

mod control;
mod message;
mod page_clock;
mod plan;
mod session;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context as _, anyhow, bail};
use tokio::sync::{mpsc, oneshot};

use super::threads::THREAD_NAME;
use super::{PoolPlan, Signal, SubscriberPool, Traffic};
use crate::client::{Tally, Totals};
use crate::engine::recorder::Recorder;
use crate::scenario::CutHow;

pub(in crate::engine) use control::Page;

/// The page of a browser with all subscribers.
pub(in crate::engine) struct BrowserPool {
    tally: Arc<Tally>,
    signals: mpsc::UnboundedReceiver<Signal>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<anyhow::Result<Recorder>>,
}

impl SubscriberPool for BrowserPool {
    fn connect(plan: PoolPlan) -> anyhow::Result<Self> {
        let (sender, signals) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let tally = Arc::<Tally>::default();
        let of_thread = Arc::clone(&tally);
        let thread = std::thread::Builder::new()
            .name(THREAD_NAME.into())
            .spawn(move || run(plan, &of_thread, &sender, stopped))
            .context("cannot start the thread that talks to a browser")?;
        Ok(Self { tally, signals, stop, thread })
    }

    async fn signal(&mut self) -> Signal {
        match self.signals.recv().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }

    /// Of a browser, only what its page says of events.
    fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        totals.add(&self.tally);
        totals
    }

    async fn traffic(&self) -> Option<Traffic> {
        None
    }

    /// No scenario asks for it.
    fn cut(&self, _: CutHow, _: f64) {}

    async fn ports_to_silence(&self, _: f64) -> anyhow::Result<Vec<[u16; 2]>> {
        bail!("no browser says which ports its connections have")
    }

    fn are_silenced(&self, _: u64) {}

    fn read_on(&self) {}

    fn stop(self) -> anyhow::Result<Recorder> {
        // It may have ended by itself.
        let _ = self.stop.send(());
        self.thread.join().map_err(|_| anyhow!("the thread that talks to a browser panicked"))?
    }
}

/// Talks to the page until it is stopped.
fn run(
    plan: PoolPlan,
    tally: &Arc<Tally>,
    signals: &mpsc::UnboundedSender<Signal>,
    stopped: oneshot::Receiver<()>,
) -> anyhow::Result<Recorder> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime that talks to a browser")?;
    let recorder = Rc::new(RefCell::new(Recorder::new(plan.window.clone())));
    let talk = session::talk(plan, tally, &recorder, signals, stopped);
    if let Err(error) = runtime.block_on(talk) {
        // Nobody listens any more when the trial is over.
        let _ = signals.send(Signal::Failed(format!("{error:#}")));
        return Err(error);
    }
    drop(runtime);
    Rc::try_unwrap(recorder)
        .map(RefCell::into_inner)
        .map_err(|_| anyhow!("a subscriber outlived its page"))
}
