//! The faults that a server can be given, and how each is written. It owns their syntax and limits,
//! and injects nothing.

use std::fmt;
use std::num::NonZero;
use std::str::FromStr;
use std::time::Duration;

/// One way in which a server misbehaves, and by how much.
///
/// It is written as `NAME=AMOUNT`, such as `delay=5ms` or `drop=1/1000`. Durations are from 1 µs to
/// 60 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Every event becomes visible this long after it is published.
    Delay(Duration),
    /// The logs stall periodically.
    Stall(Stall),
    /// Of each channel's published events, every Nth is never appended.
    Drop(NonZero<u32>),
    /// Of each channel's published events, every Nth is appended twice in a row.
    Duplicate(NonZero<u32>),
    /// Of each channel's published events, every Nth is swapped with the next one. At least 2.
    Reorder(NonZero<u32>),
    /// Every delivery burns this much CPU time.
    Cpu(Duration),
}

/// Each `period` ends with a stall of `length`. Events published during a stall become visible at its
/// end.
///
/// Periods are counted from the zero of `CLOCK_MONOTONIC`, so a process that shares the clock knows
/// which events were held back. It is written as `LENGTH/PERIOD`, such as `200ms/2s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    length: Duration,
    period: Duration,
}

/// The kind of a fault, without its amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    Delay,
    Stall,
    Drop,
    Duplicate,
    Reorder,
    Cpu,
}

impl FaultKind {
    /// Every kind.
    pub(crate) const ALL: [Self; 6] =
        [Self::Delay, Self::Stall, Self::Drop, Self::Duplicate, Self::Reorder, Self::Cpu];

    /// The name before `=`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Stall => "stall",
            Self::Drop => "drop",
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::Cpu => "cpu",
        }
    }

    /// How a fault of this kind is written.
    const fn example(self) -> &'static str {
        match self {
            Self::Delay => "delay=5ms",
            Self::Stall => "stall=200ms/2s",
            Self::Drop => "drop=1/1000",
            Self::Duplicate => "duplicate=1/1000",
            Self::Reorder => "reorder=1/1000",
            Self::Cpu => "cpu=20us",
        }
    }
}

/// The faults of one server: none by default, and at most one of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    pub(super) delay: Option<Duration>,
    pub(super) stall: Option<Stall>,
    pub(super) drop: Option<NonZero<u32>>,
    pub(super) duplicate: Option<NonZero<u32>>,
    pub(super) reorder: Option<NonZero<u32>>,
    pub(super) cpu: Option<Duration>,
}

impl Faults {
    /// Collects `faults`.
    ///
    /// # Errors
    /// [`RepeatedFault`] when two are of the same kind.
    pub fn new(faults: impl IntoIterator<Item = Fault>) -> Result<Self, RepeatedFault> {
        let mut all = Self::default();
        for fault in faults {
            let is_repeated = match fault {
                Fault::Delay(delay) => all.delay.replace(delay).is_some(),
                Fault::Stall(stall) => all.stall.replace(stall).is_some(),
                Fault::Drop(every) => all.drop.replace(every).is_some(),
                Fault::Duplicate(every) => all.duplicate.replace(every).is_some(),
                Fault::Reorder(every) => all.reorder.replace(every).is_some(),
                Fault::Cpu(time) => all.cpu.replace(time).is_some(),
            };
            if is_repeated {
                return Err(RepeatedFault(fault.kind().name()));
            }
        }
        Ok(all)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A kind of fault is given more than once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the fault `{0}` is given more than once; keep one of them")]
pub struct RepeatedFault(&'static str);

/// A text cannot be parsed as a fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseFaultError {
    /// The name before `=` is unknown, or there is no `=`.
    #[error(
        "unknown fault `{0}`; expected one of {list}, with any amount",
        list = FaultKind::ALL.map(FaultKind::example).join(", ")
    )]
    Unknown(String),
    /// The amount after `=` cannot be parsed or is out of range.
    #[error("the amount of `{text}` is invalid; {expected}")]
    Amount {
        /// The whole text.
        text: String,
        /// What is expected instead.
        expected: &'static str,
    },
}

/// From less than the precision of a wake-up to more than any trial needs. The upper limit bounds how
/// many events wait to become visible.
const DURATIONS: std::ops::RangeInclusive<Duration> =
    Duration::from_micros(1)..=Duration::from_secs(60);

impl Fault {
    /// Its kind.
    pub(crate) fn kind(self) -> FaultKind {
        match self {
            Self::Delay(_) => FaultKind::Delay,
            Self::Stall(_) => FaultKind::Stall,
            Self::Drop(_) => FaultKind::Drop,
            Self::Duplicate(_) => FaultKind::Duplicate,
            Self::Reorder(_) => FaultKind::Reorder,
            Self::Cpu(_) => FaultKind::Cpu,
        }
    }

    fn parse(kind: FaultKind, amount: &str) -> Result<Self, &'static str> {
        match kind {
            FaultKind::Delay => parse_duration(amount).map(Self::Delay),
            FaultKind::Cpu => parse_duration(amount).map(Self::Cpu),
            FaultKind::Stall => Stall::parse(amount).map(Self::Stall),
            FaultKind::Drop => parse_every(amount, 1).map(Self::Drop),
            FaultKind::Duplicate => parse_every(amount, 1).map(Self::Duplicate),
            FaultKind::Reorder => parse_every(amount, 2)
                .map(Self::Reorder)
                .map_err(|_| "it must be 1/N with N from 2 to 4294967295, such as 1/1000"),
        }
    }
}

impl FromStr for Fault {
    type Err = ParseFaultError;

    fn from_str(text: &str) -> Result<Self, ParseFaultError> {
        let unknown = || ParseFaultError::Unknown(text.to_owned());
        let (name, amount) = text.split_once('=').ok_or_else(unknown)?;
        let kind =
            FaultKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(unknown)?;
        Self::parse(kind, amount)
            .map_err(|expected| ParseFaultError::Amount { text: text.to_owned(), expected })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.kind().name();
        match self {
            Self::Delay(time) | Self::Cpu(time) => {
                write!(f, "{name}={}", humantime::format_duration(*time))
            }
            Self::Stall(Stall { length, period }) => {
                let (length, period) =
                    (humantime::format_duration(*length), humantime::format_duration(*period));
                write!(f, "{name}={length}/{period}")
            }
            Self::Drop(every) | Self::Duplicate(every) | Self::Reorder(every) => {
                write!(f, "{name}=1/{every}")
            }
        }
    }
}

impl Stall {
    fn parse(amount: &str) -> Result<Self, &'static str> {
        amount
            .split_once('/')
            .and_then(|(length, period)| {
                Some((parse_duration(length).ok()?, parse_duration(period).ok()?))
            })
            .filter(|(length, period)| length < period)
            .map(|(length, period)| Self { length, period })
            .ok_or(
                "it must be LENGTH/PERIOD, such as 200ms/2s, both from 1us to 60s and the length \
                 shorter than the period",
            )
    }

    /// The end of the stall in which `time_ns` of `CLOCK_MONOTONIC` lies, if it lies in one.
    pub(super) fn end_ns(self, time_ns: u64) -> Option<u64> {
        let (length_ns, period_ns) = (as_ns(self.length), as_ns(self.period));
        let left_ns = period_ns - time_ns % period_ns;
        (left_ns <= length_ns).then(|| time_ns.saturating_add(left_ns))
    }
}

/// The nanoseconds of `duration`. A `u64` holds 584 years of them.
pub(super) fn as_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    humantime::parse_duration(text)
        .ok()
        .filter(|duration| DURATIONS.contains(duration))
        .ok_or("it must be a duration from 1us to 60s, such as 5ms")
}

fn parse_every(text: &str, least: u32) -> Result<NonZero<u32>, &'static str> {
    text.strip_prefix("1/")
        // `parse` alone accepts a plus sign.
        .filter(|every| every.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|every| every.parse::<NonZero<u32>>().ok())
        .filter(|every| every.get() >= least)
        .ok_or("it must be 1/N with N from 1 to 4294967295, such as 1/1000")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_fault() -> impl Strategy<Value = Fault> {
        let time = || (1_000_u64..=60_000_000_000).prop_map(Duration::from_nanos);
        let every = |least| (least..=u32::MAX).prop_map(|n| NonZero::new(n).unwrap());
        let stall = (time(), time())
            .prop_filter_map("the stall fills the period", |(length, period)| {
                (length < period).then_some(Stall { length, period })
            });
        prop_oneof![
            time().prop_map(Fault::Delay),
            stall.prop_map(Fault::Stall),
            every(1).prop_map(Fault::Drop),
            every(1).prop_map(Fault::Duplicate),
            every(2).prop_map(Fault::Reorder),
            time().prop_map(Fault::Cpu),
        ]
    }

    proptest! {
        #[test]
        fn every_fault_reads_back(fault in any_fault()) {
            prop_assert_eq!(fault.to_string().parse::<Fault>(), Ok(fault));
        }

        #[test]
        fn any_text_is_read_without_panic(
            text in "\\PC{0,20}",
            name in "delay|stall|drop|duplicate|reorder|cpu",
        ) {
            let _ = text.parse::<Fault>();
            let _ = format!("{name}={text}").parse::<Fault>();
            let _ = format!("{name}=1/{text}").parse::<Fault>();
        }

        #[test]
        fn a_stall_ends_with_its_period(
            length in 1_000_u64..50_000, rest in 1_u64..50_000, time_ns in 0_u64..1_000_000,
        ) {
            let stall = Stall {
                length: Duration::from_nanos(length),
                period: Duration::from_nanos(length + rest),
            };
            match stall.end_ns(time_ns) {
                Some(end_ns) => {
                    prop_assert_eq!(end_ns % (length + rest), 0);
                    prop_assert!((time_ns + 1..=time_ns + length).contains(&end_ns));
                    prop_assert_eq!(stall.end_ns(end_ns), None, "the stall has ended by then");
                }
                None => prop_assert!(time_ns % (length + rest) < rest),
            }
        }
    }

    #[test]
    fn faults_are_parsed() {
        let every = |n| NonZero::new(n).unwrap();
        let ms = Duration::from_millis;
        let cases = [
            ("delay=5ms", Fault::Delay(ms(5))),
            ("delay=1.5s", Fault::Delay(ms(1_500))),
            ("stall=200ms/2s", Fault::Stall(Stall { length: ms(200), period: ms(2_000) })),
            ("drop=1/1000", Fault::Drop(every(1_000))),
            ("duplicate=1/1", Fault::Duplicate(every(1))),
            ("reorder=1/2", Fault::Reorder(every(2))),
            ("cpu=20us", Fault::Cpu(Duration::from_micros(20))),
        ];
        for (text, fault) in cases {
            assert_eq!(text.parse(), Ok(fault), "{text}");
        }
    }

    #[test]
    fn invalid_faults_are_explained() {
        let reason = |text: &str| text.parse::<Fault>().unwrap_err().to_string();
        for text in ["", "delay", "=5ms", "Drop=1/2", "slow=5ms", " delay=5ms"] {
            assert!(
                reason(text)
                    .starts_with(&format!("unknown fault `{text}`; expected one of delay=5ms,"))
            );
        }
        for kind in FaultKind::ALL {
            let name = format!("{}=", kind.name());
            assert!(reason("x").contains(&name), "the message names every fault: {name}");
        }
        for text in ["delay=", "delay=5", "delay=0s", "delay=999ns", "cpu=61s", "cpu=-1us"] {
            assert_eq!(
                reason(text),
                format!(
                    "the amount of `{text}` is invalid; it must be a duration from 1us to 60s, \
                     such as 5ms"
                )
            );
        }
        for text in ["drop=0.1%", "drop=1/0", "drop=2/1000", "duplicate=1/+5", "drop=1/"] {
            assert!(
                reason(text)
                    .ends_with("it must be 1/N with N from 1 to 4294967295, such as 1/1000")
            );
        }
        assert!(reason("reorder=1/1").contains("N from 2 to"));
        for text in ["stall=200ms", "stall=2s/2s", "stall=2s/1s", "stall=1s/61s", "stall=/"] {
            assert!(reason(text).contains("it must be LENGTH/PERIOD, such as 200ms/2s"), "{text}");
        }
    }

    #[test]
    fn each_kind_of_fault_is_accepted_once() {
        let faults = |texts: &[&str]| Faults::new(texts.iter().map(|text| text.parse().unwrap()));
        assert!(faults(&[]).unwrap().is_empty());
        let all =
            ["delay=5ms", "stall=1s/2s", "drop=1/3", "duplicate=1/4", "reorder=1/5", "cpu=6us"];
        assert!(!faults(&all).unwrap().is_empty());
        for text in all {
            let name = text.split('=').next().unwrap();
            let error = faults(&[&all[..], &[text]].concat()).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("the fault `{name}` is given more than once; keep one of them")
            );
        }
    }
}
