//! Amounts as a scenario writes them: a number and a unit that fits the metric.

use super::error::quoted;
use crate::metric::Unit;

/// What may stand behind the number, and how much of the metric's unit it is.
const fn units(unit: Unit) -> &'static [(&'static str, f64)] {
    match unit {
        // Both signs that read µ: the micro sign and the Greek letter.
        Unit::Nanoseconds => {
            &[("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9)]
        }
        Unit::Bytes => {
            &[("B", 1.0), ("kB", 1e3), ("KiB", 1024.0), ("MB", 1e6), ("MiB", 1_048_576.0)]
        }
        Unit::Count => &[("", 1.0)],
    }
}

/// Reads an amount in the unit of a metric: digits, perhaps a sign and a fraction, and the unit,
/// which only a count has not. The error is what it must be instead, and ends with what was found.
pub(super) fn parse(text: &str, unit: Unit) -> Result<f64, String> {
    let text = text.trim();
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-');
    let end = text.find(|c| !is_number(c)).unwrap_or(text.len());
    let (number, suffix) = (&text[..end], text[end..].trim_start());
    let found = units(unit).iter().find(|(name, _)| *name == suffix);
    let amount = decimal(number).zip(found).map(|(number, (_, size))| number * size);
    amount.ok_or_else(|| {
        let what = match unit {
            Unit::Nanoseconds => "a time with a unit (ns, us, ms or s), such as \"25ms\"",
            Unit::Bytes => "bytes with a unit (B, kB, KiB, MB or MiB), such as \"4KiB\"",
            Unit::Count => "a number without a unit, such as \"0\"",
        };
        format!("{what}, found {}", quoted(text))
    })
}

/// A share such as "5%"; at most ten times as much, and more than nothing.
pub(super) fn parse_share(text: &str) -> Option<f64> {
    let share = decimal(text.trim().strip_suffix('%')?.trim_end())? / 100.0;
    (share > 0.0 && share <= 10.0).then_some(share)
}

/// A number in plain digits, no more than a report can show: `f64` reads "inf", "1e9" and ".5" too,
/// which nobody means here.
fn decimal(text: &str) -> Option<f64> {
    const LONGEST: usize = 20;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    let is_right = text.len() <= LONGEST && are_digits(whole) && are_digits(fraction);
    is_right.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_every_unit() {
        for (text, unit, amount) in [
            ("25ms", Unit::Nanoseconds, 25e6),
            ("1.5 s", Unit::Nanoseconds, 1.5e9),
            ("8us", Unit::Nanoseconds, 8e3),
            ("8µs", Unit::Nanoseconds, 8e3),
            ("8μs", Unit::Nanoseconds, 8e3),
            ("-7ns", Unit::Nanoseconds, -7.0),
            ("150B", Unit::Bytes, 150.0),
            ("2kB", Unit::Bytes, 2_000.0),
            ("2KiB", Unit::Bytes, 2_048.0),
            ("1MB", Unit::Bytes, 1e6),
            ("1MiB", Unit::Bytes, 1_048_576.0),
            ("0", Unit::Count, 0.0),
        ] {
            assert_eq!(parse(text, unit), Ok(amount), "{text}");
        }
    }

    #[test]
    fn refuses_other_units_and_none() {
        for (text, unit) in [
            ("25", Unit::Nanoseconds),
            ("25kB", Unit::Nanoseconds),
            ("1m", Unit::Nanoseconds),
            ("", Unit::Nanoseconds),
            ("ms", Unit::Nanoseconds),
            ("1e3ms", Unit::Nanoseconds),
            ("1.ms", Unit::Nanoseconds),
            ("1.2.3ms", Unit::Nanoseconds),
            ("--1ms", Unit::Nanoseconds),
            ("4KB", Unit::Bytes),
            ("4ms", Unit::Bytes),
            ("4B", Unit::Count),
            ("inf", Unit::Count),
        ] {
            assert!(parse(text, unit).is_err(), "{text}");
        }
        let huge = "9".repeat(21);
        assert!(parse(&huge, Unit::Count).is_err(), "more digits than anyone means");
    }

    #[test]
    fn a_share_is_per_cent_and_more_than_nothing() {
        assert_eq!(parse_share("5%"), Some(0.05));
        assert_eq!(parse_share(" 0.5 % "), Some(0.005));
        for text in ["5", "0%", "-5%", "1001%", "%", "5%%", "inf%"] {
            assert_eq!(parse_share(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,20}|[-0-9.]{0,8}[a-zµ%]{0,3}") {
            for unit in [Unit::Nanoseconds, Unit::Bytes, Unit::Count] {
                prop_assert!(parse(&text, unit).is_ok_and(f64::is_finite) || parse(&text, unit).is_err());
            }
            let _ = parse_share(&text);
        }

        #[test]
        fn what_is_written_reads_back(ns in 0_u32..1_000_000, unit in 0_usize..6) {
            let (name, size) = units(Unit::Nanoseconds)[unit];
            prop_assert_eq!(parse(&format!("{ns}{name}"), Unit::Nanoseconds), Ok(f64::from(ns) * size));
        }
    }
}
