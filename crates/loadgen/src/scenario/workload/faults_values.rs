//! Whether faults are right, each alone and all together.

use std::ops::Range;
use std::time::Duration;

use humantime::format_duration;
use toml::Spanned;

use super::faults_file::{FaultFile, How, Kind, ReconnectFile};
use super::file::WorkloadFile;
use super::{CutHow, FAULTS_END, Fault, FaultKind, Reconnect, RestartHow};
use crate::scenario::duration;
use crate::scenario::error::Problems;
use crate::scenario::limits::{HOUR, TICK};
use crate::scenario::values::Values;
use crate::scenario::{Contender, Imitation, Publish, Scenario, Start};

/// A publisher waits for an answer half as long again.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

impl Values<'_, '_> {
    pub(super) fn faults(&mut self, files: &[FaultFile]) -> Vec<Fault> {
        let mut faults: Vec<_> = files.iter().map(|file| self.fault(file)).collect();
        faults.sort_by_key(|fault| fault.at);
        faults
    }

    fn fault(&mut self, file: &FaultFile) -> Fault {
        let at = self.duration("at", &file.at, Duration::ZERO..=12 * HOUR);
        let kind = *file.kind.get_ref();
        if !matches!(kind, Kind::Cut | Kind::Silence) {
            let span = file.share.as_ref().map(Spanned::span);
            self.out_of_place("share", span, "only a cut has it, or a silence");
        }
        if !matches!(kind, Kind::Cut | Kind::Restart) {
            let span = file.how.as_ref().map(Spanned::span);
            self.out_of_place("how", span, "only a cut and a restart have it");
        }
        let mut length = |longest| match &file.length {
            Some(length) => self.duration("for", length, TICK..=longest),
            None => {
                let message =
                    "`for` is missing: how long does it last? Add, for example, `for = \"1s\"`";
                self.problems.at(file.kind.span(), message.to_owned());
                TICK
            }
        };
        let kind = match kind {
            Kind::Pause => FaultKind::Pause { length: length(LONGEST_PAUSE) },
            Kind::Outage => FaultKind::Outage { length: length(HOUR) },
            Kind::Restart => FaultKind::Restart {
                length: file.length.as_ref().map_or(Duration::ZERO, |_| length(LONGEST_PAUSE)),
                how: self.restart_how(file.how.as_ref()),
            },
            Kind::Silence => {
                let span = file.length.as_ref().map(Spanned::span);
                self.out_of_place("for", span, "these connections never carry anything again");
                FaultKind::Silence {
                    share: file.share.as_ref().map_or(1.0, |share| self.share(share)),
                }
            }
            Kind::KillNode => {
                let span = file.length.as_ref().map(Spanned::span);
                self.out_of_place("for", span, "a server that was killed does not come back");
                FaultKind::KillNode
            }
            Kind::Cut => {
                let span = file.length.as_ref().map(Spanned::span);
                self.out_of_place("for", span, "connections are cut at once");
                FaultKind::Cut {
                    how: self.cut_how(file.how.as_ref()),
                    share: file.share.as_ref().map_or(1.0, |share| self.share(share)),
                }
            }
        };
        Fault { at, kind }
    }

    fn cut_how(&mut self, how: Option<&Spanned<How>>) -> CutHow {
        match how.map_or(How::Close, |how| *how.get_ref()) {
            How::Close => CutHow::Close,
            How::Reset => CutHow::Reset,
            How::Terminate | How::Kill => {
                let span = how.map_or(0..0, Spanned::span);
                let message = "`how` of a cut must be \"close\" or \"reset\"";
                self.problems.at(span, message.to_owned());
                CutHow::Close
            }
        }
    }

    fn restart_how(&mut self, how: Option<&Spanned<How>>) -> RestartHow {
        match how.map_or(How::Terminate, |how| *how.get_ref()) {
            How::Terminate => RestartHow::Terminate,
            How::Kill => RestartHow::Kill,
            How::Close | How::Reset => {
                let span = how.map_or(0..0, Spanned::span);
                let message = "`how` of a restart must be \"terminate\" or \"kill\"";
                self.problems.at(span, message.to_owned());
                RestartHow::Terminate
            }
        }
    }

    fn out_of_place(&mut self, key: &str, span: Option<Range<usize>>, why: &str) {
        if let Some(span) = span {
            self.problems.at(span, format!("`{key}` must be left out: {why}"));
        }
    }

    fn share(&mut self, share: &Spanned<f64>) -> f64 {
        let found = *share.get_ref();
        if found > 0.0 && found <= 1.0 {
            return found;
        }
        let message = format!("`share` must be above 0 and at most 1, found {found}");
        self.problems.at(share.span(), message);
        1.0
    }

    pub(super) fn reconnect(&mut self, file: Option<&ReconnectFile>) -> Reconnect {
        let Some(file) = file else { return Reconnect::USUAL };
        let first = self.duration("first", &file.first, TICK..=HOUR);
        let most = self.duration("most", &file.most, TICK..=HOUR);
        if most < first {
            // A default stands nowhere in the file.
            let span = [&file.most, &file.first].map(Spanned::span);
            let span = span.into_iter().find(|span| !span.is_empty()).unwrap_or_default();
            self.problems.at(
                span,
                format!(
                    "`most` ({}) must be at least `first` ({})",
                    format_duration(most),
                    format_duration(first)
                ),
            );
        }
        let dead_after =
            file.dead_after.as_ref().map(|text| self.duration("dead_after", text, TICK..=HOUR));
        Reconnect { first, most, jitter: file.jitter, by: file.by, dead_after }
    }
}

/// Whether everything that breaks can, and is whole again before the window ends.
pub(super) fn check_faults(file: &WorkloadFile, scenario: &Scenario, problems: &mut Problems<'_>) {
    let duration = scenario.workload.duration;
    let is_kill = |fault: &&Fault| fault.kind == FaultKind::KillNode;
    let kills = scenario.workload.faults.iter().filter(is_kill).count() as u32;
    let mut files: Vec<_> = file.faults.iter().collect();
    // As the faults are.
    files.sort_by_key(|file| duration::parse(file.at.get_ref()).unwrap_or_default());
    let mut pairs = files.iter().zip(&scenario.workload.faults).peekable();
    // Whoever is silent already would be silenced again, and nobody could say since when.
    let is_silence =
        |pair: &&(&&FaultFile, &Fault)| matches!(pair.1.kind, FaultKind::Silence { .. });
    if let Some((again, _)) = pairs.clone().filter(|pair| is_silence(&pair)).nth(1) {
        let message = "there can be one silence only: let it hit a larger `share` at once";
        problems.at(again.kind.span(), message.to_owned());
    }
    while let Some((file, fault)) = pairs.next() {
        if fault.end() + FAULTS_END > duration {
            problems.at(
                file.at.span(),
                format!(
                    "a fault must be over {} before the window is ({}), and this one is at {}: lengthen \
                     `duration`",
                    format_duration(FAULTS_END),
                    format_duration(duration),
                    format_duration(fault.end())
                ),
            );
        }
        let subscribers = scenario.workload.subscribers;
        if let FaultKind::Cut { share, .. } | FaultKind::Silence { share } = fault.kind
            && f64::from(subscribers) * share < 1.0
        {
            problems.at(
                file.kind.span(),
                format!(
                    "this fault hits nobody: {share} of {subscribers} subscribers is less than one"
                ),
            );
        }
        if let Some((next, _)) = pairs.peek().filter(|(_, next)| next.at < fault.end()) {
            problems.at(
                next.at.span(),
                "a fault begins before the one before it is over: let them follow each other"
                    .to_owned(),
            );
        }
        let lacks = scenario.contenders.iter().find(|of| match fault.kind {
            FaultKind::Cut { .. } => false,
            FaultKind::KillNode => of.nodes().count <= kills,
            FaultKind::Pause { .. } => runs_already(of),
            FaultKind::Restart { .. } => {
                runs_already(of) || is_published_over_a_socket(of) || is_shared(of)
            }
            FaultKind::Silence { .. } if of.http().is_by_udp() => true,
            FaultKind::Outage { .. } | FaultKind::Silence { .. } => {
                of.road.network.as_ref().is_none_or(|network| network.by != Imitation::Packets)
            }
        });
        if let Some(contender) = lacks {
            let what = match fault.kind {
                FaultKind::Outage { .. } => {
                    "an outage needs a [network] that is imitated by packets: add \
                     `network = { round_trip = \"1ms\" }`"
                }
                FaultKind::Restart { .. } if is_shared(contender) => {
                    "a restart is that of a server that is alone, which knows what it was sent before: leave out \
                     `nodes` and `broker`, or let one of several go by `kind = \"kill-node\"`"
                }
                FaultKind::Restart { .. } if is_published_over_a_socket(contender) => {
                    "its server gets events over a WebSocket, which does not say which of them it has: \
                     let `publish` of its [server.…] be requests"
                }
                FaultKind::Restart { .. } => {
                    "a restart needs a server that is started for the trial: give its [server.…] a `command`"
                }
                FaultKind::Silence { .. } if contender.http().is_by_udp() => {
                    "by HTTP/3 a connection is no pair of ports: leave it out, or speak HTTP/2"
                }
                FaultKind::Silence { .. } => {
                    "a silence needs a [network] that is imitated by packets: add \
                     `network = { round_trip = \"1ms\" }`"
                }
                FaultKind::KillNode => {
                    "a server that publishes has to be left: give it more `nodes`, and a `broker`"
                }
                _ => {
                    "a pause needs a server that is started for the trial: give its [server.…] a `command`"
                }
            };
            problems
                .at(file.kind.span(), format!("{} cannot have this fault: {what}", contender.id));
        }
    }
}

/// Whether the server of a contender is not started for the trial.
fn runs_already(contender: &Contender) -> bool {
    let server = contender.server.as_ref();
    server.is_some_and(|server| !matches!(server.start, Start::Command { .. }))
}

/// Whether it shares its events with others, or could.
fn is_shared(contender: &Contender) -> bool {
    let nodes = contender.nodes();
    nodes.count > 1 || nodes.broker.is_some()
}

/// Whether what it was given cannot be given again: nobody knows what it has.
fn is_published_over_a_socket(contender: &Contender) -> bool {
    let server = contender.server.as_ref();
    server.is_some_and(|server| matches!(server.publish, Publish::Socket(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::template::TEMPLATE;

    fn with(tables: &str) -> Result<Scenario, String> {
        // The last table of the template's workload is open-ended.
        let text = format!("{TEMPLATE}\n{tables}");
        Scenario::parse(&text, "s.toml").map_err(|error| error.to_string())
    }

    #[test]
    fn faults_are_in_the_order_of_their_times() {
        let scenario = with(
            "[[workload.faults]]\nat = \"4s\"\nkind = \"pause\"\nfor = \"500ms\"\n\
             [[workload.faults]]\nat = \"1s\"\nkind = \"cut\"\nhow = \"reset\"\nshare = 0.5\n\
             [workload.reconnect]\nfirst = \"50ms\"\njitter = true\n",
        )
        .unwrap();
        let cut = FaultKind::Cut { how: CutHow::Reset, share: 0.5 };
        let pause = FaultKind::Pause { length: Duration::from_millis(500) };
        let at = Duration::from_secs;
        assert_eq!(
            scenario.workload.faults,
            [Fault { at: at(1), kind: cut }, Fault { at: at(4), kind: pause }]
        );
        let Reconnect { first, most, jitter, .. } = scenario.workload.reconnect;
        assert_eq!((first.as_millis(), most, jitter), (50, at(5), true));
    }

    #[test]
    fn a_restart_is_as_short_as_it_can_be_unless_it_says_more() {
        let restart = |more: &str| {
            let fault = format!("[[workload.faults]]\nat = \"1s\"\nkind = \"restart\"\n{more}");
            with(&fault).map(|scenario| scenario.workload.faults[0].kind)
        };
        let kind =
            |how, length| Ok(FaultKind::Restart { how, length: Duration::from_secs(length) });
        assert_eq!(restart(""), kind(RestartHow::Terminate, 0));
        assert_eq!(restart("how = \"kill\"\nfor = \"2s\"\n"), kind(RestartHow::Kill, 2));
        for (more, message) in [
            ("how = \"reset\"\n", "`how` of a restart must be \"terminate\" or \"kill\""),
            ("share = 0.5\n", "only a cut has it"),
            ("for = \"40s\"\n", "at most 20s"),
        ] {
            let said = restart(more).unwrap_err();
            assert!(said.contains(message), "{said}");
        }
    }

    #[test]
    fn a_shorter_window_has_its_faults_too() {
        let mut scenario =
            with("[[workload.faults]]\nat = \"4s\"\nkind = \"pause\"\nfor = \"1s\"\n").unwrap();
        let before = scenario.workload.duration;
        scenario.workload.set_duration(before / 4);
        let fault = scenario.workload.faults[0];
        assert_eq!((fault.at, fault.end()), (Duration::from_secs(1), Duration::from_millis(1_250)));
    }

    #[test]
    fn what_cannot_break_says_why() {
        for (tables, message) in [
            ("at = \"1s\"\nkind = \"pause\"\n", "`for` is missing"),
            ("at = \"1s\"\nkind = \"cut\"\nfor = \"1s\"\n", "connections are cut at once"),
            ("at = \"1s\"\nkind = \"cut\"\nshare = 0.0\n", "`share` must be above 0"),
            ("at = \"1s\"\nkind = \"cut\"\nhow = \"kill\"\n", "`how` of a cut must be"),
            ("at = \"1s\"\nkind = \"pause\"\nshare = 0.5\nfor = \"1s\"\n", "only a cut has it"),
            ("at = \"9h\"\nkind = \"cut\"\n", "a fault must be over 100ms before the window is"),
            ("at = \"1s\"\nkind = \"cut\"\nshare = 0.001\n", "this fault hits nobody"),
            ("at = \"1s\"\nkind = \"pause\"\nfor = \"40s\"\n", "at most 20s"),
            ("at = \"1s\"\nkind = \"kill-node\"\n", "give it more `nodes`, and a `broker`"),
            ("at = \"1s\"\nkind = \"kill-node\"\nfor = \"1s\"\n", "does not come back"),
            ("at = \"1s\"\nkind = \"outage\"\nfor = \"1s\"\n", "an outage needs a [network]"),
            ("at = \"1s\"\nkind = \"silence\"\n", "a silence needs a [network]"),
            ("at = \"1s\"\nkind = \"silence\"\nfor = \"1s\"\n", "never carry anything again"),
            (
                "at = \"1s\"\nkind = \"silence\"\n[[workload.faults]]\nat = \"2s\"\nkind = \"silence\"\n",
                "there can be one silence only",
            ),
            (
                "at = \"1s\"\nkind = \"silence\"\nhow = \"reset\"\n",
                "only a cut and a restart have it",
            ),
            (
                "at = \"1s\"\nkind = \"pause\"\nfor = \"2s\"\n[[workload.faults]]\nat = \"2s\"\nkind = \"cut\"\n",
                "let them follow each other",
            ),
        ] {
            let said = with(&format!("[[workload.faults]]\n{tables}")).unwrap_err();
            assert!(said.contains(message), "{said}");
        }
    }
}
