//! What a trial cost beyond the CPU time and the bytes of its sockets: how both divide, what the
//! kernel's scheduler and TCP added, and memory. What could not be measured has no value.

use hdrhistogram::Histogram;

use super::measurement::{Measurement, percentile, ratio};
use super::page_account::PageAccount;
use super::recorder::Recorder;
use super::slow_account::SlowAccount;
use super::snapshot::Usage;
use crate::client::Totals;
use crate::deployment::{ObservedPart, PartRole};
use crate::results::{Metric, Warning};

/// With fewer, what the kernel allocates for other programs matters more than their sockets.
const MANY_SUBSCRIBERS: u32 = 1_000;

impl Measurement {
    /// Why costs of the server may be another's, or are empty.
    pub(super) fn of_the_server(&self, window: &Usage) -> Vec<Warning> {
        let deliveries = window.flow.deliveries;
        let memory = [&self.start, &self.before, &self.end];
        let memory = memory.map(|at| at.of_servers(|part| part.memory_bytes));
        let lacks_some = |part: &ObservedPart| {
            matches!(part.role, PartRole::Server(_)) && part.observation.cpu_is_incomplete
        };
        let is_incomplete = self.after.parts.iter().any(lacks_some);
        [
            is_incomplete.then_some(Warning::ServerChildrenUnseen),
            window.server_is_unseen.then_some(Warning::NoServerCpu { deliveries }),
            memory.contains(&Some(0)).then_some(Warning::NoServerMemory),
            self.doubts.listener_is_untold.then_some(Warning::ListenerUntold),
            self.doubts.had_to_be_killed.then_some(Warning::ServerKilled),
            self.doubts.log_is_in_memory.then_some(Warning::LogInMemory),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The costs of the window, in which so much was used.
    pub(super) fn costs(&self, window: &Usage) -> impl Iterator<Item = (Metric, Option<f64>)> {
        let Usage { server, generator, .. } = *window;
        let number = |value: Option<u64>| value.map(|value| value as f64);
        let enough = self.keeps_connections && self.subscribers >= MANY_SUBSCRIBERS;
        let slab = self.start.slab_bytes.zip(self.before.slab_bytes).filter(|_| enough);
        let grown = slab.and_then(|(from, to)| to.checked_sub(from));
        let per_subscriber = grown.map(|grown| grown as f64 / f64::from(self.subscribers));
        let generator_peak = self.end.of_own_generator(|part| part.memory_peak_bytes);
        let proxy_memory = self.before.of_proxies(|part| part.memory_bytes);
        let proxy_grown = proxy_memory
            .filter(|_| self.keeps_connections)
            .zip(self.start.of_proxies(|part| part.memory_bytes))
            .and_then(|(now, before)| now.checked_sub(before));
        let proxy_each = proxy_grown.map(|grown| grown as f64 / f64::from(self.subscribers));
        let proxy_cpu = number(window.proxy.cpu_ns);
        let deliveries = window.flow.deliveries;
        let per_delivery =
            |cpu: Option<f64>| cpu.filter(|_| deliveries > 0).map(|cpu| cpu / deliveries as f64);
        let broker_cpu = number(window.broker.cpu_ns);
        let broker_memory = number(self.before.of_brokers(|part| part.memory_bytes));
        let mine = [
            (Metric::BrokerCpu, broker_cpu),
            (Metric::BrokerCpuPerDelivery, per_delivery(broker_cpu)),
            (Metric::BrokerMemory, broker_memory),
            (Metric::BrowserCpuPerDelivery, per_delivery(number(window.browser.cpu_ns))),
            (Metric::ProxyCpu, proxy_cpu),
            (Metric::ProxyCpuPerDelivery, per_delivery(proxy_cpu)),
            (Metric::ProxyMemory, number(proxy_memory)),
            (Metric::ProxyMemoryPerSubscriber, proxy_each),
            (Metric::ServerUserCpu, server.user_ns),
            (Metric::ServerSystemCpu, server.system_ns),
            (Metric::GeneratorUserCpu, generator.user_ns),
            (Metric::GeneratorSystemCpu, generator.system_ns),
            (Metric::ServerCpuWait, number(server.cpu_wait_ns)),
            (Metric::GeneratorCpuWait, number(generator.cpu_wait_ns)),
            (Metric::ServerContextSwitches, number(server.context_switches)),
            (Metric::GeneratorContextSwitches, number(generator.context_switches)),
            (Metric::GeneratorMemoryPeak, number(generator_peak)),
            (Metric::KernelMemoryPerSubscriber, per_subscriber),
        ];
        mine.into_iter()
            .chain(self.connecting())
            .chain(self.coming_back())
            .chain(self.of_the_slow())
            .chain(self.recorder.page.into_iter().flat_map(PageAccount::values))
            .chain(self.traffic_values(window))
    }

    /// What connecting took. Who opens a connection for each poll has hardly opened any by then, and what
    /// the first polls took is no part of it.
    fn connecting(&self) -> impl Iterator<Item = (Metric, Option<f64>)> {
        let Usage { server, generator, flow, .. } = self.connected.since(&self.start);
        let times = self.keeps_connections.then_some(&self.recorder.connects);
        let each = |amount: Option<u64>| {
            ratio(amount?, flow.connections)
                .filter(|_| self.keeps_connections && !self.asks_at_once)
        };
        [
            (Metric::ConnectTimeP50, times.and_then(|times| percentile(times, 0.5))),
            (Metric::ConnectTimeP99, times.and_then(|times| percentile(times, 0.99))),
            (Metric::ServerCpuPerConnection, each(server.cpu_ns)),
            (Metric::GeneratorCpuPerConnection, each(generator.cpu_ns)),
            (Metric::BytesPerConnection, each(Some(flow.bytes_in + flow.bytes_out))),
            (Metric::Fallbacks, self.falls_back.then_some(flow.fallbacks as f64)),
        ]
        .into_iter()
        .chain(self.handshakes())
    }

    /// Of TLS, from the first to the end of the drain. Where there is none, there is no zero.
    fn handshakes(&self) -> impl Iterator<Item = (Metric, Option<f64>)> {
        let Totals { handshakes, handshake_ns, resumptions, resumption_ns, .. } = self.end.totals;
        let has_tls = handshakes + resumptions > 0;
        let count = |of: u64| has_tls.then_some(of as f64);
        [
            (Metric::TlsHandshakes, count(handshakes)),
            (Metric::TlsResumptions, count(resumptions)),
            (Metric::TlsHandshakeMean, ratio(handshake_ns, handshakes)),
            (Metric::TlsResumptionMean, ratio(resumption_ns, resumptions)),
        ]
        .into_iter()
    }

    /// What breaking cost: connections that ended by themselves too.
    fn coming_back(&self) -> impl Iterator<Item = (Metric, Option<f64>)> {
        let Recorder { reconnects, recoveries, notices, account, .. } = &self.recorder;
        let planned = |count: u64| (self.faults > 0).then_some(count as f64);
        let slowest_restart = self.restarts.iter().max();
        let restarts = slowest_restart.map(|_| self.restarts.len() as f64);
        let silenced = self.end.totals.silenced;
        let is_silent = |count: u64| (silenced > 0).then_some(count as f64);
        let most = |times: &Histogram<u64>| (!times.is_empty()).then(|| times.max() as f64);
        [
            (Metric::Faults, planned(self.faults)),
            (Metric::ServerRestarts, restarts),
            (Metric::RestartTimeMax, slowest_restart.map(|time| time.as_nanos() as f64)),
            (Metric::ConnectionsCut, planned(self.end.totals.cuts)),
            (Metric::ConnectionsBroken, planned(account.reconnects)),
            (Metric::ConnectionsSilenced, is_silent(silenced)),
            (Metric::FoundDead, is_silent(account.found_dead)),
            (Metric::NoticeTimeMean, (!notices.is_empty()).then(|| notices.mean())),
            (Metric::NoticeTimeMax, most(notices)),
            (Metric::ReconnectTimeP50, percentile(reconnects, 0.5)),
            (Metric::ReconnectTimeMax, most(reconnects)),
            (Metric::RecoveryTimeP50, percentile(recoveries, 0.5)),
            (Metric::RecoveryTimeMax, most(recoveries)),
        ]
        .into_iter()
    }

    /// Of slow subscribers, where there are any. Other servers tell nobody what was missed.
    pub(super) fn of_the_slow(&self) -> impl Iterator<Item = (Metric, Option<f64>)> {
        let SlowAccount { delivered, told, untold, .. } = self.recorder.account.slow;
        let count = |of: u64| self.slow.map(|_| of as f64);
        let recorded = |of: u64| self.expected.and(count(of));
        let ours = |of: u64| count(of).filter(|_| !self.is_described);
        // A log that a restart has emptied counts from 1 again, and only all of a schedule has a known end.
        let is_counted = self.restarts.is_empty() && self.schedule_sha256.is_some();
        [
            (Metric::SlowSubscribers, self.slow.map(|slow| slow.subscribers as f64)),
            // Of a schedule that was not followed to its end, nobody knows.
            (
                Metric::SlowExpected,
                self.schedule_sha256.as_ref().and(self.slow).map(|slow| slow.deliveries as f64),
            ),
            (Metric::SlowDelivered, recorded(delivered)),
            (Metric::SlowTold, ours(told)),
            (Metric::SlowUntold, ours(untold).and(recorded(untold)).filter(|_| is_counted)),
        ]
        .into_iter()
    }

    fn traffic_values(&self, window: &Usage) -> impl Iterator<Item = (Metric, Option<f64>)> {
        let flow = window.flow;
        let tcp = self.traffic.after.zip(self.traffic.before);
        let tcp = tcp.map(|(after, before)| after.tcp.since(before.tcp));
        let publisher = self.after.publisher_tcp.zip(self.before.publisher_tcp);
        let publisher = publisher.map(|(after, before)| after.since(before));
        let per_delivery =
            |amount: f64| (flow.deliveries > 0).then(|| amount / flow.deliveries as f64);
        let stream_bytes = (flow.bytes_in + flow.bytes_out) as f64;
        let payload_bytes = (!self.is_described).then_some(flow.payload_bytes as f64);
        // What is compressed has both in it, and nobody can tell them apart.
        let framing_bytes = payload_bytes.filter(|_| !self.is_compressed);
        let framing_bytes = framing_bytes.map(|payload_bytes| stream_bytes - payload_bytes);
        let header_bytes = tcp.map(|tcp| tcp.header_bytes as f64);
        let segments = tcp.map(|tcp| tcp.segments() as f64);
        [
            (Metric::SegmentsToServer, tcp.map(|tcp| tcp.segments_out as f64)),
            (Metric::SegmentsToSubscribers, tcp.map(|tcp| tcp.segments_in as f64)),
            (Metric::SegmentsPerDelivery, segments.and_then(per_delivery)),
            (Metric::PayloadBytesPerDelivery, payload_bytes.and_then(per_delivery)),
            (Metric::FramingBytesPerDelivery, framing_bytes.and_then(per_delivery)),
            (Metric::TcpIpBytesPerDelivery, header_bytes.and_then(per_delivery)),
            (
                Metric::WireBytesPerDelivery,
                header_bytes.and_then(|header_bytes| per_delivery(stream_bytes + header_bytes)),
            ),
            (Metric::PublisherSegments, publisher.map(|tcp| tcp.segments() as f64)),
            (
                Metric::PublisherWireBytes,
                publisher.map(|tcp| (tcp.bytes() + tcp.header_bytes) as f64),
            ),
            (
                Metric::ServerInstructionsPerDelivery,
                window.server.instructions.map(|count| count as f64).and_then(per_delivery),
            ),
        ]
        .into_iter()
    }
}
