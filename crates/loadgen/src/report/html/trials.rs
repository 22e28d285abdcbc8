//! The page's table of trials: each one as it went.

use super::{NOTE_LIMIT, shortened};
use crate::analysis::Accounts;
use crate::report::sheet;
use crate::results::{Metric, Outcome, Trial};

/// What the table of trials shows, in the order in which a reader asks; the last two say how far
/// lateness of the publisher is in the figures.
pub(super) const TRIAL_COLUMNS: [(&str, Metric); 11] = [
    ("p50", Metric::LatencyP50),
    ("p99", Metric::LatencyP99),
    ("Slowest", Metric::LatencyMax),
    ("Server CPU per delivery", Metric::ServerCpuPerDelivery),
    ("Subscriber CPU per delivery", Metric::GeneratorCpuPerDelivery),
    ("Memory per subscriber", Metric::ServerMemoryPerSubscriber),
    ("Bytes per delivery", Metric::BytesPerDelivery),
    ("Events per read", Metric::DeliveriesPerRead),
    ("Connections", Metric::ConnectionsOpened),
    ("Uncorrected p50", Metric::UncorrectedLatencyP50),
    ("Publisher late p99", Metric::PublisherLatenessP99),
];

pub(super) struct TrialView {
    pub(super) cell: String,
    pub(super) contender: String,
    pub(super) block: u32,
    /// `valid`, `invalid` or `failed`.
    pub(super) status: &'static str,
    /// Texts, and what they are sorted by.
    pub(super) values: Vec<(String, String)>,
    pub(super) delivered: String,
    pub(super) notes: Vec<String>,
}

pub(super) fn trial_view(trial: &Trial) -> TrialView {
    let (status, reason) = match &trial.outcome {
        Outcome::Valid => ("valid", None),
        Outcome::Invalid => ("invalid", None),
        Outcome::Failed { reason } => ("failed", Some(reason.clone())),
    };
    let values = TRIAL_COLUMNS.map(|(_, metric)| {
        let sort = trial.value(metric).map_or_else(String::new, |value| value.to_string());
        (sheet::of_trial(trial, metric), sort)
    });
    TrialView {
        cell: trial.cell.clone(),
        contender: trial.contender.label().to_owned(),
        block: trial.block,
        status,
        values: values.to_vec(),
        delivered: sheet::delivered(Some(Accounts::of(&[trial]))).text,
        notes: reason
            .into_iter()
            .chain(trial.warnings.iter().map(ToString::to_string))
            .map(|note| shortened(&note, NOTE_LIMIT))
            .collect(),
    }
}
