//! One subscriber, one event: whether a server that is not ours can be used as it was described, and
//! what goes over the connection meanwhile.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use pushbench_wire::stamp::STAMP_LEN;
use pushbench_wire::{Event, Stamp, Transport, clock};
use tokio::sync::Notify;
use tokio::task::LocalSet;
use tokio::time::{Instant, timeout};

use super::foreign_place::ForeignPlace;
use super::probe_notes::{Notes, shown};
use super::recognised::Suspicion;
use crate::client::foreign::{Seen, Trace, Values};
use crate::client::{
    Acknowledgements as _, ConnectionMeter, Foreign, Http, Mechanism, OpenPath, PublishForm,
    PublishPath as _, PublishTarget, PublishWay, Sink, Subscriber, Subscription, Tls,
    WithSubscriber, with_subscriber,
};
use crate::deployment::Cores;
use crate::scenario::{Content, HttpVersion, Scenario, Server, Settings, Way};

/// How long a subscriber may take to connect, and an event to come.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);
const EVENT_WITHIN: Duration = Duration::from_secs(5);

/// How long the subscription is left alone before the event is published: some servers confirm it before
/// it holds.
const SETTLE: Duration = Duration::from_millis(300);

/// How long the head of a stream may take that a proxy may hold back until the first event pushes it out.
const HEAD_WITHIN: Duration = Duration::from_secs(1);

/// What came of it.
pub(crate) struct Probed {
    /// What was seen, and how long after the beginning, without secrets.
    pub(crate) lines: Vec<(Duration, String)>,
    /// How long after it was published the event came; none if the user did not wait for it.
    pub(crate) outcome: Option<anyhow::Result<Duration>>,
}

/// What is asked: a server over a transport, with those settings of a contender, and through its proxy.
#[derive(Clone, Debug)]
pub(crate) struct Probing {
    pub(crate) server: Arc<Server>,
    pub(crate) transport: Transport,
    pub(crate) settings: Settings,
    pub(crate) proxy: Way,
}

/// Subscribes and publishes one event.
pub(crate) fn probe(probing: &Probing, cores: &Cores) -> anyhow::Result<Probed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let place = ForeignPlace::of(&probing.server, Ipv4Addr::LOCALHOST)?;
    let values = place.values.clone();
    let notes = Notes::new(values);
    let tasks = LocalSet::new();
    let asked = tasks.run_until(async {
        tokio::select! {
            outcome = ask(probing, cores, &place, &notes) => Some(outcome),
            _ = tokio::signal::ctrl_c() => None,
        }
    });
    let outcome = runtime.block_on(asked);
    drop(tasks);
    // Nobody waits for a publisher whom the server does not answer.
    runtime.shutdown_background();
    let lines = notes.take();
    let outcome = outcome.map(|of| {
        of.map_err(|error| {
            let through = probing.proxy.as_ref().map(|proxy| format!("through {}", proxy.label));
            place.without_secrets(&match through {
                Some(through) => error.context(through),
                None => error,
            })
        })
    });
    Ok(Probed { lines, outcome })
}

async fn ask(
    probing: &Probing,
    cores: &Cores,
    place: &ForeignPlace,
    notes: &Notes,
) -> anyhow::Result<Duration> {
    let Probing { server, transport, settings, proxy } = probing;
    let transport = *transport;
    if let Some(start) = &place.start {
        notes.add(&format!("$ {}", shell_words::join(&start.command)));
    }
    let mut deployment = place.deployment(cores).await?;
    if place.start.is_some() {
        notes.add("it is ready");
    }
    let certificate = match proxy {
        None => None,
        Some(proxy) => {
            let put = deployment.put_before(proxy, place.second, Ipv4Addr::LOCALHOST, cores);
            put.await?
        }
    };
    let address = deployment.subscribe(0, 0).context("there is nowhere to subscribe")?;
    let behind = match proxy {
        None => None,
        Some(proxy) => {
            notes.add(&format!("the proxy {} is ready at {address}", proxy.label));
            let tls =
                certificate.map(|file| Tls::trusting(&file, HttpVersion::Http1)).transpose()?;
            Some(place.behind(address, tls)?)
        }
    };
    let reached = behind.as_ref().unwrap_or(place);
    let channel = format!("{}channel-0", place.channel_prefix);
    let recipe = server.subscribe.get(&transport).context("nobody says how one subscribes")?;
    let see = notes.clone();
    let own = [("channel", channel.clone()), ("subscriber", "0".to_owned())];
    let subscription = Subscription {
        address,
        channel: channel.clone(),
        settings: settings.clone(),
        poll_epoch: Instant::now(),
        poll_phase: Duration::ZERO,
        first_long_poll_timeout: Duration::ZERO,
        tls: None,
        http: Http::Http1,
        compression: false,
        fallback: None,
        foreign: Some(Foreign {
            recipe: Arc::clone(recipe),
            values: reached.values_over(address).with(own),
            tls: reached.tls_of_subscribers().cloned(),
            trace: Some(Trace(Arc::new(move |seen| see.see("", seen)))),
        }),
    };
    let forms = place.publish_forms(server, std::slice::from_ref(&channel)).await?;
    let form = forms.into_iter().next().context("there is nowhere to publish")?;
    let head_may_wait = proxy.is_some() && transport == Transport::Sse;
    let (server, notes) = (Arc::clone(server), notes.clone());
    let work = Receive { server, transport, subscription, head_may_wait, channel, form, notes };
    let mechanism = Mechanism { transport, foreign: true, falls_back: false };
    let outcome = with_subscriber(mechanism, work).await;
    deployment.stop().await?;
    outcome
}

/// Connects, publishes, and waits for the event.
struct Receive {
    server: Arc<Server>,
    transport: Transport,
    subscription: Subscription,
    /// Whether the head of a stream may come with its first event, because a proxy holds it back.
    head_may_wait: bool,
    channel: String,
    form: PublishForm,
    notes: Notes,
}

impl WithSubscriber for Receive {
    type Output = Pin<Box<dyn Future<Output = anyhow::Result<Duration>>>>;

    fn with<S: Subscriber + 'static>(self) -> Self::Output {
        Box::pin(self.receive::<S>())
    }
}

impl Receive {
    async fn receive<S: Subscriber>(self) -> anyhow::Result<Duration> {
        let meter = ConnectionMeter::new(Arc::default());
        let refused = |error| anyhow!("cannot subscribe: {error}");
        let mut connecting = pin!(S::connect(&self.subscription, &meter, 0));
        let patience = if self.head_may_wait { HEAD_WITHIN } else { CONNECT_WITHIN };
        let connected = match timeout(patience, &mut connecting).await {
            Ok(connected) => Some(connected.map_err(refused)?),
            Err(_) if self.head_may_wait => {
                self.notes.add("  the head of the stream is held back: an event may push it out");
                None
            }
            Err(_) => bail!("cannot subscribe: that takes longer than {CONNECT_WITHIN:?}"),
        };
        let is_held_back = connected.is_none();
        let since_ns = clock::now_ns();
        let found = Rc::new(RefCell::new(Found {
            since_ns,
            is_published: false,
            event: None,
            other: None,
        }));
        let mut sink = First(Rc::clone(&found));
        // Neither waits for the other, and a poll must not be given up for anything.
        let receiving = async {
            let mut subscriber = match connected {
                Some(connected) => connected,
                None => connecting.await.map_err(refused)?,
            };
            loop {
                let received = subscriber.receive(&mut sink).await;
                received.map_err(|error| anyhow!("the subscription ended: {error}"))?;
                let event = found.borrow().event;
                if let Some(latency) = event {
                    return anyhow::Ok(latency);
                }
            }
        };
        let is_published = Notify::new();
        let told = RefCell::new(None);
        let publishing = async {
            tokio::time::sleep(SETTLE).await;
            found.borrow_mut().is_published = true;
            told.replace(self.publish().await?);
            is_published.notify_one();
            Ok(())
        };
        let late = async {
            is_published.notified().await;
            tokio::time::sleep(EVENT_WITHIN).await;
        };
        // An event that comes and is refused is no event that can be measured.
        let both = async { tokio::try_join!(receiving, publishing).map(|(latency, ())| latency) };
        tokio::select! {
            outcome = both => outcome,
            () = late => {
                let told = told.borrow();
                let suspicion = Suspicion {
                    server: &self.server,
                    transport: self.transport,
                    publisher_told: told.as_deref(),
                };
                if is_held_back {
                    bail!(
                        "the event did not come within {EVENT_WITHIN:?}, nor the head of the stream: the proxy \
                         holds back what comes until its buffer is full; turn that off, as the profile `tuned` \
                         does (docs/proxies.md)"
                    )
                }
                bail!(found.borrow().missing(&self.notes.values, &suspicion))
            }
        }
    }

    /// Gives what the publisher was told beside.
    async fn publish(&self) -> anyhow::Result<Option<String>> {
        let (mut form, channels) = (self.form.clone(), vec![self.channel.clone()]);
        let line = match &mut form {
            PublishForm::Own(address) => format!("POST an event to {address}"),
            PublishForm::Requests { publish, address, .. } => {
                format!("{} an event to {address}", publish.method)
            }
            PublishForm::Redis { address, .. } => format!("an event to Redis at {address}"),
            PublishForm::Socket { foreign, .. } => {
                let see = self.notes.clone();
                let trace = move |seen: Seen<'_>| see.see("publisher ", seen);
                foreign.trace = Some(Trace(Arc::new(trace)));
                "an event over a WebSocket".to_owned()
            }
        };
        let is_acknowledged = match &form {
            PublishForm::Socket { publish, .. } => publish.acknowledged.is_some(),
            _ => true,
        };
        self.notes.add(&format!("> {line}"));
        let published = tokio::task::spawn_blocking(move || {
            let content = Content::Text;
            let target = PublishTarget { channels: &channels, content, form, returns_as: None };
            let OpenPath { mut path, mut acknowledgements, .. } = PublishWay::open(&target)?;
            let mut payload = [b'.'; STAMP_LEN + 18];
            let now_ns = clock::now_ns();
            Stamp { publisher: 0, sequence: 0, intended_ns: now_ns, published_ns: now_ns }
                .write_to(&mut payload);
            path.push(0, &payload);
            path.flush()?;
            while acknowledgements.acknowledge()? > 0 {}
            acknowledgements.part()?;
            anyhow::Ok(acknowledgements.told())
        });
        let told = published.await?.context("cannot publish")?;
        self.notes.add(match is_acknowledged {
            true => "< it was taken",
            false => "  it was sent; nobody says that it was taken",
        });
        Ok(told)
    }
}

/// Looks out for one event.
struct First(Rc<RefCell<Found>>);

struct Found {
    /// What was published before is not ours.
    since_ns: u64,
    /// How long after it was published the event came.
    event: Option<Duration>,
    /// The last message that was none, and whether it came behind the publishing.
    other: Option<(String, bool)>,
    /// Whether the event is on its way.
    is_published: bool,
}

impl Found {
    /// Why it may not have come.
    fn missing(&self, values: &Values, suspicion: &Suspicion<'_>) -> String {
        let within = format!("the event did not come within {EVENT_WITHIN:?}");
        let join = suspicion.must_join();
        let why = match (&self.other, join) {
            (Some((other, false)), Some(join)) => {
                format!("; the server only said {}: {join}", quoted(values, other))
            }
            (Some((other, _)), join) => format!(
                "; it was not recognised in {}: the stamp at the beginning of the payload must arrive \
                 unchanged{}",
                quoted(values, other),
                join.map_or_else(String::new, |join| format!("; or {join}"))
            ),
            (None, Some(join)) => format!(", and nothing else did: {join}"),
            (None, None) => {
                ", and nothing else did: is {channel} the same where one publishes and where \
                             one subscribes?"
                    .to_owned()
            }
        };
        let publisher = suspicion.publisher().map_or_else(String::new, |told| format!("; {told}"));
        format!("{within}{why}{publisher}")
    }
}

/// A message as it is shown.
fn quoted(values: &Values, message: &str) -> String {
    shown(&format!("{:?}", values.redact(message)))
}

impl Sink for First {
    fn on_event(&mut self, at_ns: u64, event: Event<'_>) {
        let Some(stamp) = Stamp::read_from(event.payload) else { return };
        let mut found = self.0.borrow_mut();
        if stamp.published_ns >= found.since_ns {
            let latency = Duration::from_nanos(at_ns.saturating_sub(stamp.published_ns));
            found.event.get_or_insert(latency);
        }
    }

    fn on_other(&mut self, message: &[u8]) {
        let mut found = self.0.borrow_mut();
        found.other = Some((String::from_utf8_lossy(message).into_owned(), found.is_published));
    }
}

/// The servers of a scenario that are not ours, each by its transports and through its proxies.
pub(crate) fn servers_of(scenario: &Scenario) -> Vec<Probing> {
    let mut servers: Vec<Probing> = Vec::new();
    for contender in &scenario.contenders {
        let Some(server) = &contender.server else { continue };
        let (transport, proxy) = (contender.id.transport(), &contender.road.proxy);
        let is_known = |other: &Probing| {
            other.server.name == server.name
                && other.transport == transport
                && other.proxy == *proxy
        };
        if !servers.iter().any(is_known) {
            let (server, settings) = (Arc::clone(server), contender.settings.clone());
            servers.push(Probing { server, transport, settings, proxy: proxy.clone() });
        }
    }
    servers
}
