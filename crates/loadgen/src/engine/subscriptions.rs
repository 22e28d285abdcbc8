//! The connections of a trial that receive events: where each of them goes, and what it is to receive.

use std::sync::Arc;

use anyhow::Context as _;
use pushbench_wire::Transport;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::delivery_tracker::ExpectedEvents;
use super::foreign_place::ForeignPlace;
use super::pool::SubscriberSpec;
use super::publisher::stamped;
use super::send_queue::{DueEvent, SendPlan};
use super::slow_account::is_slow;
use super::trial::TrialPlan;
use crate::client::{Foreign, Http, Subscription, Tls};
use crate::deployment::Deployment;
use crate::scenario::schedule::{
    MeasuredRange, Schedule, first_long_poll_timeouts, polling_phases, publisher_of,
};
use crate::scenario::{HttpVersion, Scenario, Server};

/// The publisher of no stamp: what a subscriber receives there is not its own.
const NOBODY: u16 = u16::MAX;

impl TrialPlan<'_> {
    /// The connections that receive events, and where what each of them sends goes; nowhere when
    /// subscribers do not send.
    pub(super) fn subscribers(
        &self,
        deployment: &Deployment,
        schedule: &Schedule,
        channels: &[String],
        foreign: Option<(&Server, &ForeignPlace)>,
        tls: Option<&Tls>,
    ) -> anyhow::Result<(Vec<mpsc::UnboundedSender<DueEvent>>, Vec<SubscriberSpec>)> {
        let scenario = self.scenario;
        let Scenario { seed, ref workload, .. } = *scenario;
        let settings = &self.contender.settings;
        let transport = self.contender.id.transport();
        let membership = schedule.membership();
        let is_shared = self.contender.shares_connections(workload);
        let together = if is_shared { membership.each() } else { 1 };
        let of_connections = membership.connections().chunks(together);
        let connections = of_connections.len() as u32;
        // Clients that do not have these settings have no use for them.
        let interval = settings.polling_interval().unwrap_or_default();
        let phases = polling_phases(seed, connections, interval);
        let long_poll_timeout = settings.long_poll_timeout().unwrap_or_default();
        let first_timeouts = first_long_poll_timeouts(seed, connections, long_poll_timeout);
        let poll_epoch = Instant::now();
        let mut ranges = schedule.measured_ranges();
        if foreign.is_some() || is_shared {
            // Nobody else publishes there.
            for (channel, range) in (0..).zip(&mut ranges) {
                range.iter_mut().for_each(|range| range.publisher = stamped(channel));
            }
        }
        // Subscriptions of one subscriber follow each other.
        let per_subscriber = workload.channels_per_subscriber.div_ceil(together as u32).max(1);
        let (mut http, mut secured) = (Http::Http1, tls.cloned());
        let expected = |ranges: &[MeasuredRange]| Arc::new(ExpectedEvents::new(ranges));
        let of_channels: Vec<_> = ranges.iter().map(|ranges| expected(ranges)).collect();
        let head_may_wait = self.contender.road.proxy.is_some() && transport == Transport::Sse;
        let mut send_queues = Vec::new();
        let subscribers = phases
            .into_iter()
            .zip(first_timeouts)
            .zip(of_connections)
            .zip(0..)
            .map(|(((poll_phase, first_long_poll_timeout), members), connection)| {
                if connection % per_subscriber == 0 {
                    http = match self.contender.http() {
                        HttpVersion::Http1 => Http::Http1,
                        HttpVersion::Http2 => Http::Http2(Arc::default()),
                        HttpVersion::Http3 => Http::Http3(Arc::default()),
                        HttpVersion::WebTransport => Http::WebTransport,
                    };
                }
                if self.contender.road.resumes_tls && connection % per_subscriber == 0 {
                    secured = tls.map(Tls::remembering);
                }
                let first = *members.first().context("a connection has no channel")?;
                // One that is part of a subscriber goes where the others of it go.
                let ring = deployment.ring(connection / per_subscriber, first);
                let address = *ring.first().context("there is nowhere to subscribe")?;
                let names: Vec<&str> =
                    members.iter().map(|&channel| &channels[channel as usize][..]).collect();
                Ok(SubscriberSpec {
                    subscription: Subscription {
                        address,
                        channel: names.join(","),
                        settings: settings.clone(),
                        poll_epoch,
                        poll_phase,
                        first_long_poll_timeout,
                        fallback: self.contender.fallback.clone(),
                        tls: secured.clone(),
                        http: http.clone(),
                        compression: self.contender.compresses(),
                        foreign: foreign.and_then(|(server, place)| {
                            let recipe = server.subscribe.get(&transport)?;
                            let recipe = match &names[..] {
                                [_] => Arc::clone(recipe),
                                several => {
                                    let names: Vec<_> =
                                        several.iter().map(|&name| name.to_owned()).collect();
                                    Arc::new(recipe.for_channels(&names))
                                }
                            };
                            let channel = channels[first as usize].clone();
                            let own =
                                [("channel", channel), ("subscriber", connection.to_string())];
                            Some(Foreign {
                                recipe,
                                values: place.values_over(address).with(own),
                                tls: place.tls_of_subscribers().cloned(),
                                trace: None,
                            })
                        }),
                    },
                    ring,
                    connection,
                    subscriber: connection / per_subscriber,
                    head_may_wait,
                    slow: workload
                        .slow
                        .filter(|_| is_slow(workload, connection / per_subscriber))
                        .map(|slow| slow.reads),
                    expected: match members {
                        [only] => Arc::clone(&of_channels[*only as usize]),
                        several => {
                            let mut several = several.to_vec();
                            several.sort_unstable();
                            let of = |channel: u32| ranges[channel as usize].iter().cloned();
                            expected(&several.into_iter().flat_map(of).collect::<Vec<_>>())
                        }
                    },
                    publisher: match foreign.is_some() || is_shared {
                        true => NOBODY,
                        false => publisher_of(connection / workload.channels_per_subscriber),
                    },
                    sends: workload.upstream.as_ref().map(|_| {
                        let (queue, due) = mpsc::unbounded_channel();
                        send_queues.push(queue);
                        let most_payload_bytes = workload.most_payload_bytes();
                        SendPlan { due, content: workload.content, most_payload_bytes }
                    }),
                })
            })
            .collect::<anyhow::Result<_>>()?;
        Ok((send_queues, subscribers))
    }
}
