//! What it takes until a trial's publisher runs: connecting it, and then starting it when the schedule
//! begins.

use anyhow::ensure;
use tokio::sync::mpsc;

use super::publisher::{PublishPlan, Publisher};
use super::recorder::Window;
use super::send_queue::DueEvent;
use super::slow_account::is_slow;
use crate::client::{PublishForm, PublishPath as _, PublishTarget, PublishWay};
use crate::scenario::Workload;
use crate::scenario::schedule::{Schedule, window};

/// Connects the publisher. It blocks for as long as the server takes.
pub(super) type OpenPublisher = Box<dyn FnOnce() -> anyhow::Result<StartPublisher> + Send>;

/// Starts the publisher, whose schedule begins at that time of [`pushbench_wire::clock`].
pub(super) type StartPublisher = Box<dyn FnOnce(u64) -> anyhow::Result<Publisher> + Send>;

/// How the publisher of `schedule` is connected, and then started.
pub(super) fn open_publisher(
    schedule: &Schedule,
    workload: &Workload,
    recorded: Window,
    channels: Vec<String>,
    forms: Vec<PublishForm>,
    stamp_channels: bool,
    send_queues: Vec<mpsc::UnboundedSender<DueEvent>>,
) -> OpenPublisher {
    let membership = schedule.membership();
    let audience = |channel| {
        let members = membership.of_channel(channel).iter();
        // Slow ones are accounted apart.
        members.filter(|&&of| !is_slow(workload, of)).count() as u64
    };
    let content = workload.content;
    let window_start_ns = window(workload).start.as_nanos() as u64;
    let mut plan = PublishPlan {
        audiences: (0..workload.channels).map(audience).collect(),
        stamp_channels,
        content,
        most_payload_bytes: workload.most_payload_bytes(),
        start_ns: 0,
        send_queues,
    };
    let events = schedule.events();
    Box::new(move || {
        let open = |form| PublishWay::open(&PublishTarget { channels: &channels, content, form });
        let paths = forms.into_iter().map(open).collect::<anyhow::Result<Vec<_>>>()?;
        ensure!(!paths.is_empty(), "the deployment has no address to publish to");
        Ok(Box::new(move |start_ns| {
            recorded.begins_at(start_ns + window_start_ns);
            plan.start_ns = start_ns;
            Publisher::start(plan, events, paths)
        }))
    })
}
