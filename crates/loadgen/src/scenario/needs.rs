//! What a deployment must have beside its objectives: a direction, bytes, proxies, a distance, a budget.
//! Reading it is all that happens here; `analysis` holds figures against it.

use std::collections::BTreeMap;
use std::time::Duration;

use pushbench_wire::Transport;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::error::Problems;
use super::shape::nearest;
use super::thresholds::{Operator, OverTrials, is_count};
use super::{ContenderId, Threshold, duration, quantity};
use crate::metric::{Better, Metric};

/// What a choice must have, or be shown to bear.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Needs {
    /// Whether clients send as well.
    pub two_way: bool,
    /// Whether events are bytes that are no text.
    pub binary: bool,
    /// Names of proxies that it must pass, as names of contenders end with them: `nginx-tls-tuned`.
    pub proxies: Vec<String>,
    /// How far clients are from the server.
    pub round_trip: Option<Duration>,
    /// What it may cost at most, no metric twice.
    pub budget: Vec<AtMost>,
    /// What the usual decision table says for this workload, where the scenario says which of its lines it
    /// is.
    pub textbook: Option<Transport>,
}

/// A limit that holds for whatever is chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct AtMost {
    /// What is limited.
    pub metric: Metric,
    /// The limit, in the unit of the metric.
    pub limit: f64,
    /// The same as it was written, without blanks: `bytes_per_delivery<=400B`.
    pub text: String,
}

impl AtMost {
    /// Reads a limit: the name of a metric of which less is better, and an amount in its unit.
    ///
    /// # Errors
    /// What is wrong, and what it must be instead.
    pub fn read(name: &str, amount: &str) -> Result<Self, String> {
        let shown = name.escape_debug();
        let metric = Metric::named(name).ok_or_else(|| {
            let names: Vec<_> = Metric::ALL.iter().map(|metric| metric.name()).collect();
            match nearest(name, &names) {
                Some(likely) => format!("there is no metric `{shown}`: did you mean `{likely}`?"),
                None => format!(
                    "there is no metric `{shown}`: write one of those in `trials.csv`, such as \
                     `server_cpu_per_second`"
                ),
            }
        })?;
        if metric.better() != Better::Less {
            return Err(format!("`{name}` is no cost and no delay, so it has no budget"));
        }
        let limit = quantity::parse(amount, metric.unit())
            .map_err(|expected| format!("`{name}` must be {expected}"))?;
        let amount: String = amount.split_whitespace().collect();
        Ok(Self { metric, limit, text: format!("{name}<={amount}") })
    }

    /// The same of one contender, to be judged like an objective.
    #[must_use]
    pub fn of(&self, contender: &ContenderId) -> Threshold {
        let over_trials =
            if is_count(self.metric) { OverTrials::Total } else { OverTrials::Median };
        Threshold {
            contender: contender.clone(),
            metric: self.metric,
            over_trials,
            operator: Operator::AtMost,
            limit: self.limit,
            text: self.text.clone(),
        }
    }
}

impl Needs {
    /// Whether nothing is needed.
    #[must_use]
    pub fn are_none(&self) -> bool {
        let Self { two_way, binary, proxies, round_trip, budget, textbook: _ } = self;
        !two_way && !binary && proxies.is_empty() && round_trip.is_none() && budget.is_empty()
    }

    /// These and `more`: where both say something of one thing, `more` counts.
    #[must_use]
    pub fn and(mut self, more: Self) -> Self {
        self.two_way |= more.two_way;
        self.binary |= more.binary;
        for proxy in more.proxies {
            if !self.proxies.contains(&proxy) {
                self.proxies.push(proxy);
            }
        }
        self.round_trip = more.round_trip.or(self.round_trip);
        self.budget.retain(|of| more.budget.iter().all(|other| other.metric != of.metric));
        self.budget.extend(more.budget);
        self.textbook = more.textbook.or(self.textbook);
        self
    }

    /// A proxy as people write it, `nginx-tls:tuned`, by the name that contenders have of it.
    ///
    /// # Errors
    /// What it must be instead.
    pub fn proxy(written: &str) -> Result<String, String> {
        let (name, profile) = written.split_once(':').unwrap_or((written, "default"));
        if name.is_empty() || profile.is_empty() || name == "none" {
            return Err(format!(
                "a proxy is named like `nginx` or `nginx-tls:tuned`, found `{}`",
                written.escape_debug()
            ));
        }
        Ok(if profile == "default" { name.to_owned() } else { format!("{name}-{profile}") })
    }

    /// A round trip as people write it: `100ms`.
    ///
    /// # Errors
    /// What it must be instead.
    pub fn time(written: &str) -> Result<Duration, String> {
        duration::parse(written).map_err(str::to_owned)
    }
}

/// The file's `[needs]`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NeedsFile {
    /// Whether clients send as well: only a workload in which they do shows that it works.
    #[serde(default)]
    two_way: bool,
    /// Whether events are bytes that are no text: only a workload with such events shows that it works.
    #[serde(default)]
    binary: bool,
    /// Proxies that it must pass, "nginx" or "nginx-tls:tuned": only contenders that were measured through
    /// them show it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>", extend("uniqueItems" = true))]
    proxies: Vec<Spanned<String>>,
    /// How far clients are from the server: "100ms". Only a network that is as long shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", regex(pattern = duration::PATTERN))]
    round_trip: Option<Spanned<String>>,
    /// What it may cost at most: metrics and amounts, `{ server_cpu_per_second = "250ms" }`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, String>")]
    budget: BTreeMap<Spanned<String>, Spanned<String>>,
    /// What the usual decision table says for this workload; `guide` holds figures against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    textbook: Option<Transport>,
}

/// Reads the table. Where something is wrong, that is noted.
pub(super) fn parse(file: &NeedsFile, problems: &mut Problems<'_>) -> Needs {
    let mut needs = Needs {
        two_way: file.two_way,
        binary: file.binary,
        textbook: file.textbook,
        ..Needs::default()
    };
    for written in &file.proxies {
        match Needs::proxy(written.get_ref()) {
            Ok(name) if needs.proxies.contains(&name) => {
                problems.at(written.span(), format!("`proxies` names `{name}` twice: remove one"));
            }
            Ok(name) => needs.proxies.push(name),
            Err(message) => problems.at(written.span(), message),
        }
    }
    if let Some(written) = &file.round_trip {
        match Needs::time(written.get_ref()) {
            Ok(time) => needs.round_trip = Some(time),
            Err(expected) => {
                problems.at(written.span(), format!("`round_trip` must be {expected}"));
            }
        }
    }
    let mut budget: Vec<_> = file.budget.iter().collect();
    budget.sort_by_key(|(name, _)| name.span().start);
    for (name, amount) in budget {
        match AtMost::read(name.get_ref(), amount.get_ref()) {
            Ok(limit) => needs.budget.push(limit),
            Err(message) => problems.at(amount.span(), message),
        }
    }
    needs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scenario::Scenario;
    use crate::scenario::template::TEMPLATE;

    fn read(lines: &str) -> Result<Needs, String> {
        let text = TEMPLATE.replace("[needs]\n", &format!("[needs]\n{lines}\n"));
        Scenario::parse(&text, "x.toml").map(|of| of.needs).map_err(|error| error.to_string())
    }

    #[test]
    fn the_table_is_read_whole() {
        let lines = "two_way = true\nbinary = true\nproxies = [\"nginx\", \"haproxy-tls:tuned\"]\n\
                     round_trip = \"100ms\"\ntextbook = \"websocket\"\n\
                     budget = { server_cpu_per_second = \"250 ms\", lost = \"0\" }";
        let needs = read(lines).unwrap();
        assert!(needs.two_way && needs.binary);
        assert_eq!(needs.proxies, ["nginx", "haproxy-tls-tuned"]);
        assert_eq!(needs.round_trip, Some(Duration::from_millis(100)));
        assert_eq!(needs.textbook, Some(Transport::WebSocket));
        let [cpu, lost] = &needs.budget[..] else { panic!("two limits") };
        assert_eq!((cpu.limit, cpu.text.as_str()), (250e6, "server_cpu_per_second<=250ms"));
        let id = ContenderId::from(Transport::Sse);
        assert_eq!(cpu.of(&id).over_trials, OverTrials::Median);
        assert_eq!(lost.of(&id).over_trials, OverTrials::Total);
        assert_eq!(lost.of(&id).to_string(), "sse.lost<=0");
        assert!(read("").unwrap().are_none(), "what is left out is not needed");
        assert!(!needs.are_none());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (lines, message) in [
            ("proxies = [\"none\"]", "a proxy is named like `nginx`"),
            ("proxies = [\"nginx\", \"nginx:default\"]", "names `nginx` twice"),
            ("round_trip = \"100\"", "`round_trip` must be a duration with a unit"),
            ("budget = { bytes_per_deliver = \"1B\" }", "did you mean `bytes_per_delivery`?"),
            ("budget = { bytes_per_delivery = \"1ms\" }", "must be bytes with a unit"),
            ("budget = { delivered = \"1\" }", "is no cost and no delay"),
        ] {
            let said = read(lines).unwrap_err();
            assert!(said.contains(message) && said.contains("x.toml:"), "{lines}: {said}");
        }
    }

    #[test]
    fn what_is_said_later_counts() {
        let limit = |amount| AtMost::read("bytes_per_delivery", amount).unwrap();
        let file = Needs { budget: vec![limit("400B")], two_way: true, ..Needs::default() };
        let flags = Needs {
            budget: vec![limit("200B")],
            proxies: vec!["nginx".to_owned()],
            ..Needs::default()
        };
        let both = file.and(flags.clone()).and(flags);
        assert_eq!(both.budget, [limit("200B")]);
        assert_eq!(both.proxies, ["nginx"]);
        assert!(both.two_way);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(name in "\\PC{0,20}|[a-z_]{0,24}", amount in "\\PC{0,12}") {
            let _ = AtMost::read(&name, &amount).is_ok_and(|of| of.limit.is_finite());
            let _ = Needs::proxy(&name);
            let _ = Needs::time(&amount);
        }
    }
}
