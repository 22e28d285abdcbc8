//! What the page says: lines of words, several in a message. A browser is somebody else's program, so whatever comes is
//! read as such. It must not know what follows from it.

use std::str::FromStr;

/// A line of the page. Times are its own, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Said<'a> {
    /// It is there, and its clock has steps of this length.
    Page { resolution_ms: f64 },
    /// It had this time when it was asked for it, and the number of the question.
    Pong { number: u32, at_ms: f64 },
    /// A subscriber is subscribed, and how long that took, if the page can tell.
    Open { subscriber: usize, at_ms: f64, took_ms: Option<f64> },
    /// An event has come, whose payload begins like this.
    Event { subscriber: usize, at_ms: f64, stamp: &'a str },
    /// A notice has come that a subscriber fell behind the log.
    Lagged { subscriber: usize, at_ms: f64 },
    /// A subscriber is not subscribed any more, and comes back by itself.
    Away { subscriber: usize, at_ms: f64, reason: &'a str },
    /// The same, and it waits until it is told to come back.
    Lost { subscriber: usize, at_ms: f64, reason: &'a str },
    /// A subscriber cannot go on.
    Failed { subscriber: usize, reason: &'a str },
    /// Something in the page itself went wrong.
    Broken { reason: &'a str },
    /// How many events were handled so far, and how long that took.
    Cost { events: u64, ms: f64 },
}

/// A line that the page does not say.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the page in the browser says what cannot be read: {0:?}")]
pub(super) struct BadLine(String);

/// How much of such a line is shown.
const SHOWN_CHARACTERS: usize = 100;

/// Longer than any trial: 30 years. A time beyond that is none.
const LONGEST_MS: f64 = 1e12;

impl<'a> Said<'a> {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn read(line: &'a str) -> Result<Self, BadLine> {
        Self::of(line).ok_or_else(|| BadLine(line.chars().take(SHOWN_CHARACTERS).collect()))
    }

    fn of(line: &'a str) -> Option<Self> {
        let mut words = Words(line);
        let said = match words.next()? {
            "page" => Self::Page { resolution_ms: words.ms()? },
            "pong" => Self::Pong { number: words.number()?, at_ms: words.ms()? },
            "open" => Self::Open {
                subscriber: words.number()?,
                at_ms: words.ms()?,
                took_ms: words.last_ms()?,
            },
            "event" => {
                Self::Event { subscriber: words.number()?, at_ms: words.ms()?, stamp: words.rest() }
            }
            "lagged" => Self::Lagged { subscriber: words.number()?, at_ms: words.ms()? },
            "away" => {
                Self::Away { subscriber: words.number()?, at_ms: words.ms()?, reason: words.rest() }
            }
            "lost" => {
                Self::Lost { subscriber: words.number()?, at_ms: words.ms()?, reason: words.rest() }
            }
            "failed" => Self::Failed { subscriber: words.number()?, reason: words.rest() },
            "broken" => Self::Broken { reason: words.rest() },
            "cost" => Self::Cost { events: words.number()?, ms: words.ms()? },
            _ => return None,
        };
        words.0.is_empty().then_some(said)
    }
}

/// What is left of a line.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let (word, rest) = self.0.split_once(' ').unwrap_or((self.0, ""));
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }

    fn number<T: FromStr>(&mut self) -> Option<T> {
        self.next()?.parse().ok()
    }

    fn ms(&mut self) -> Option<f64> {
        self.number().filter(|ms: &f64| (0.0..LONGEST_MS).contains(ms))
    }

    /// One that may be missing.
    fn last_ms(&mut self) -> Option<Option<f64>> {
        if self.0.is_empty() { Some(None) } else { self.ms().map(Some) }
    }

    fn rest(&mut self) -> &'a str {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_line_of_the_page_is_read() {
        let (subscriber, at_ms, reason) = (3, 12.005, "the event stream broke");
        for (line, said) in [
            ("page 0.005000", Said::Page { resolution_ms: 0.005 }),
            ("pong 7 12.005", Said::Pong { number: 7, at_ms }),
            ("open 3 12.005", Said::Open { subscriber, at_ms, took_ms: None }),
            ("open 3 12.005 1.500", Said::Open { subscriber, at_ms, took_ms: Some(1.5) }),
            ("event 3 12.005 pb00 x", Said::Event { subscriber, at_ms, stamp: "pb00 x" }),
            ("lagged 3 12.005", Said::Lagged { subscriber, at_ms }),
            ("away 3 12.005 the event stream broke", Said::Away { subscriber, at_ms, reason }),
            ("lost 3 12.005 the event stream broke", Said::Lost { subscriber, at_ms, reason }),
            ("failed 3 the event stream broke", Said::Failed { subscriber, reason }),
            ("broken the event stream broke", Said::Broken { reason }),
            ("cost 9 0.250", Said::Cost { events: 9, ms: 0.25 }),
        ] {
            assert_eq!(Said::read(line), Ok(said));
        }
    }

    #[test]
    fn what_no_page_says_is_refused_with_its_beginning() {
        for line in [
            "",
            " ",
            "page",
            "page -1",
            "page NaN",
            "page inf",
            "page 1e300",
            "pong 1.5 2",
            "pong -1 2",
            "open 1",
            "open 1 2 x",
            "event 1",
            "lagged 1 2 3",
            "cost 1 2 3",
            "hello 1",
        ] {
            assert!(Said::read(line).is_err(), "{line:?}");
        }
        let long = Said::read(&"\u{20ac}".repeat(10_000)).unwrap_err().to_string();
        assert!(long.len() < 500, "{long}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(
            line in "(page|pong|open|event|lagged|away|lost|failed|cost|x)?( ?[-0-9.eNaninf]{0,8}){0,4}[ a\u{20ac}]{0,3}",
            other in any::<String>(),
        ) {
            for line in [&line, &other] {
                if let Ok(Said::Page { resolution_ms: ms } | Said::Cost { ms, .. }) = Said::read(line) {
                    prop_assert!(ms.is_finite() && ms >= 0.0);
                }
            }
        }

        #[test]
        fn times_read_back_as_the_page_wrote_them(us in 0_u64..1_000_000_000_000) {
            let line = format!("pong 1 {}.{:03}", us / 1_000, us % 1_000);
            let Ok(Said::Pong { at_ms, .. }) = Said::read(&line) else { panic!("{line}") };
            prop_assert!((at_ms * 1_000.0 - us as f64).abs() < 0.01, "{at_ms}");
        }
    }
}
