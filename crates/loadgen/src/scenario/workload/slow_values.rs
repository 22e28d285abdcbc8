//! Whether what is said of slow readers is right, alone and together with all else.

use super::file::WorkloadFile;
use super::slow_file::{MOST_BYTES_PER_SECOND, Reads, SlowFile};
use super::{Slow, SlowReads};
use crate::scenario::error::Problems;
use crate::scenario::limits::{HOUR, TICK};
use crate::scenario::values::Values;
use crate::scenario::{HttpVersion, Scenario};

impl Values<'_, '_> {
    pub(super) fn slow(&mut self, file: &SlowFile) -> Slow {
        let share = *file.share.get_ref();
        if !(0.0..1.0).contains(&share) {
            let message = format!(
                "`share` must be at least 0 and below 1, found {share}: somebody has to read"
            );
            self.problems.at(file.share.span(), message);
        }
        let reads = match (*file.reads.get_ref(), &file.bytes_per_second) {
            (Reads::Nothing, None) => SlowReads::Nothing,
            (Reads::Nothing, Some(rate)) => {
                let message = "`bytes_per_second` must be left out: who reads nothing has no rate";
                self.problems.at(rate.span(), message.to_owned());
                SlowReads::Nothing
            }
            (Reads::Slowly, None) => {
                let message = "`bytes_per_second` is missing: how slowly? Add, for example, \
                               `bytes_per_second = 2000`";
                self.problems.at(file.reads.span(), message.to_owned());
                SlowReads::Nothing
            }
            (Reads::Slowly, Some(rate)) => SlowReads::BytesPerSecond(self.count(
                "bytes_per_second",
                rate,
                1..=MOST_BYTES_PER_SECOND,
                "",
            )),
        };
        let kept_for =
            file.kept_for.as_ref().map(|text| self.duration("kept_for", text, TICK..=HOUR));
        Slow { share, reads, policy: file.policy, kept_for }
    }
}

/// Notes what slow readers cannot stand together with.
pub(super) fn check_slow(file: &WorkloadFile, scenario: &Scenario, problems: &mut Problems<'_>) {
    let Some((slow, of)) = file.slow.as_ref().zip(scenario.workload.slow) else { return };
    let workload = &scenario.workload;
    let subscribers = f64::from(workload.subscribers);
    if of.share > 0.0 && subscribers * of.share < 1.0 {
        let message =
            format!("nobody is slow: {} of {subscribers} subscribers is less than one", of.share);
        problems.at(slow.share.span(), message);
    }
    let at = slow.share.span();
    if file.upstream.is_some() {
        let message = "`slow` and `upstream` cannot be combined: who reads nothing sends nothing";
        problems.at(at.clone(), message.to_owned());
    }
    if workload.reconnect.dead_after.is_some() {
        let message =
            "`slow` and `dead_after` cannot be combined: to who reads nothing, all look dead";
        problems.at(at.clone(), message.to_owned());
    }
    for contender in &scenario.contenders {
        let why = if contender.shares_connections(workload) {
            "its ids count the events of all channels, so what it missed cannot be counted"
        } else if contender.http() != HttpVersion::Http1 {
            "how slowly somebody reads is decided at the socket, which only HTTP/1.1 has to itself"
        } else {
            continue;
        };
        problems.at(at.clone(), format!("{} cannot have slow readers: {why}", contender.id));
    }
    // Everyone else must find what it polls for.
    let interval = scenario.longest_polling_interval().unwrap_or_default();
    if let Some((kept_for, at)) = of.kept_for.zip(slow.kept_for.as_ref())
        && kept_for < interval * 2
    {
        let message =
            "`kept_for` must be at least two polling intervals, or polls miss events, too";
        problems.at(at.span(), message.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::scenario::SlowPolicy;
    use crate::scenario::template::TEMPLATE;

    fn with(table: &str) -> Result<Scenario, String> {
        let text = format!("{TEMPLATE}\n[workload.slow]\n{table}");
        Scenario::parse(&text, "s.toml").map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_said_is_what_is_read() {
        let slow = |table: &str| with(table).unwrap().workload.slow.unwrap();
        let expected = Slow {
            share: 0.1,
            reads: SlowReads::Nothing,
            policy: SlowPolicy::DropOldest,
            kept_for: None,
        };
        assert_eq!(slow("share = 0.1\nreads = \"nothing\"\n"), expected);
        let slowly = "share = 0.1\nreads = \"slowly\"\nbytes_per_second = 2000\n\
                      policy = \"skip-to-newest\"\nkept_for = \"2s\"\n";
        let expected = Slow {
            reads: SlowReads::BytesPerSecond(2_000),
            policy: SlowPolicy::SkipToNewest,
            kept_for: Some(Duration::from_secs(2)),
            ..expected
        };
        assert_eq!(slow(slowly), expected);
        assert!(!slow("share = 0\nreads = \"nothing\"\n").includes(0));
    }

    #[test]
    fn a_shorter_memory_is_a_smaller_log() {
        let events = |table: &str| with(table).unwrap().log_events();
        let usual = events("share = 0.1\nreads = \"nothing\"\n");
        let short = events("share = 0.1\nreads = \"nothing\"\nkept_for = \"2s\"\n");
        assert_eq!(usual, short * 6, "two intervals of 1 s and 10 s");
    }

    #[test]
    fn what_cannot_be_says_why() {
        for (table, message) in [
            ("share = 1.0\nreads = \"nothing\"\n", "below 1, found 1"),
            ("share = 0.001\nreads = \"nothing\"\n", "nobody is slow"),
            ("share = 0.1\nreads = \"slowly\"\n", "`bytes_per_second` is missing"),
            ("share = 0.1\nreads = \"nothing\"\nbytes_per_second = 9\n", "has no rate"),
            ("share = 0.1\nreads = \"slowly\"\nbytes_per_second = 0\n", "at least 1"),
            ("share = 0.1\nreads = \"nothing\"\nkept_for = \"1s\"\n", "two polling intervals"),
            (
                "share = 0.1\nreads = \"nothing\"\n[workload.upstream]\nevents_per_second = 1\n",
                "who reads nothing sends nothing",
            ),
            (
                "share = 0.1\nreads = \"nothing\"\n[workload.reconnect]\ndead_after = \"40s\"\n",
                "all look dead",
            ),
        ] {
            let said = with(table).unwrap_err();
            assert!(said.contains(message), "{said}");
        }
    }
}
