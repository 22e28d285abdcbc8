//! Numbers as people read them: three significant digits and a unit that fits. A value that is
//! missing or no number is a dash, never 0.

use crate::results::{Metric, Unit};

/// What stands where there is no value.
pub(crate) const MISSING: &str = "–";

const NANOSECONDS: [(f64, &str); 4] = [(1.0, "ns"), (1e3, "µs"), (1e6, "ms"), (1e9, "s")];
/// SI prefixes, as bytes on a wire are counted: 1 kB = 1,000 bytes.
const BYTES: [(f64, &str); 4] = [(1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB")];

/// A value in the unit of `metric`.
pub(crate) fn of(metric: Metric, value: Option<f64>) -> String {
    match (value.filter(|value| value.is_finite()), metric.unit()) {
        (None, _) => MISSING.to_owned(),
        (Some(value), Unit::Nanoseconds) => nanoseconds(value),
        (Some(value), Unit::Bytes) => bytes(value),
        (Some(value), Unit::Count) => count(value),
    }
}

/// From one value to another of the same metric: "400–412 µs", or one of them when they read the
/// same.
pub(crate) fn range(metric: Metric, low: f64, high: f64) -> String {
    let (low, high) = (of(metric, Some(low)), of(metric, Some(high)));
    match (low.split_once(' '), high.split_once(' ')) {
        _ if low == high => low,
        (Some((number, unit)), Some((_, same))) if unit == same => format!("{number}–{high}"),
        _ => format!("{low}–{high}"),
    }
}

/// A round value as it stands at an axis: without zeros that say nothing.
pub(crate) fn mark(metric: Metric, value: f64) -> String {
    let text = of(metric, Some(value));
    let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
    let number = match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    };
    if number == "0" { number.to_owned() } else { format!("{number} {unit}").trim_end().to_owned() }
}

/// A time of so many nanoseconds.
pub(crate) fn nanoseconds(value: f64) -> String {
    scaled(value, &NANOSECONDS)
}

/// So many bytes.
pub(crate) fn bytes(value: f64) -> String {
    scaled(value, &BYTES)
}

/// A number of things: whole ones with separators, and three digits of a fraction.
pub(crate) fn count(value: f64) -> String {
    if !value.is_finite() {
        MISSING.to_owned()
    } else if value.fract() == 0.0 || value.abs() >= 1e3 {
        grouped(value)
    } else {
        significant(value)
    }
}

/// How many times as much: "1.25×".
pub(crate) fn times(ratio: f64) -> String {
    if !ratio.is_finite() {
        return MISSING.to_owned();
    }
    let text = if ratio.abs() >= 1e3 { grouped(ratio) } else { significant(ratio) };
    format!("{text}×")
}

/// A change by a ratio: "+12 %", "-3.1 %", and "4.20×" where per cent read badly.
pub(crate) fn signed(ratio: f64) -> String {
    match ratio {
        ratio if !ratio.is_finite() || ratio >= 3.0 => times(ratio),
        _ => match percent(ratio) {
            zero if is_zero(&zero) => "0 %".to_owned(),
            text if ratio > 1.0 => format!("+{text} %"),
            text => format!("-{text} %"),
        },
    }
}

/// The same in words: "12 % more", "3.1 % less", "4.20 times as much".
pub(crate) fn in_words(ratio: f64) -> String {
    match ratio {
        ratio if !ratio.is_finite() || ratio >= 3.0 => {
            format!("{} times as much", times(ratio).trim_end_matches('×'))
        }
        _ => match percent(ratio) {
            zero if is_zero(&zero) => "the same".to_owned(),
            text if ratio > 1.0 => format!("{text} % more"),
            text => format!("{text} % less"),
        },
    }
}

/// How far a ratio is from 1, in per cent without a sign: two digits that count.
fn percent(ratio: f64) -> String {
    match ((ratio - 1.0) * 100.0).abs() {
        size if size >= 9.95 => format!("{size:.0}"),
        size if size >= 0.995 => format!("{size:.1}"),
        size => format!("{size:.2}"),
    }
}

/// A part of a whole in per cent: "2.3 %".
pub(crate) fn share(part: f64) -> String {
    match percent(1.0 + part) {
        zero if is_zero(&zero) => "less than 0.01 %".to_owned(),
        text => format!("{text} %"),
    }
}

fn is_zero(text: &str) -> bool {
    text.chars().all(|char| matches!(char, '0' | '.'))
}

/// From one ratio to another: "1.02–1.09×", or one of them when they read the same.
pub(crate) fn times_range(low: f64, high: f64) -> String {
    let (low, high) = (times(low), times(high));
    if low == high { low } else { format!("{}–{high}", low.trim_end_matches('×')) }
}

/// From one value to another in the unit in which `of` reads, which stands beside it: "0.99–1.02".
/// Nothing when they read the same.
pub(crate) fn bare_range(metric: Metric, of: f64, low: f64, high: f64) -> String {
    let (low, high) = match metric.unit() {
        Unit::Nanoseconds => (number(low, of, &NANOSECONDS), number(high, of, &NANOSECONDS)),
        Unit::Bytes => (number(low, of, &BYTES), number(high, of, &BYTES)),
        // Both ends with the same digits: "10.0–10.2", though one of them is whole.
        Unit::Count if low.fract() != high.fract() && high.abs() < 999.5 => {
            (significant(low), significant(high))
        }
        Unit::Count => (count(low), count(high)),
    };
    if low == high { String::new() } else { format!("{low}–{high}") }
}

fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    if !value.is_finite() {
        return MISSING.to_owned();
    }
    format!("{} {}", number(value, value, units), unit_for(value, units).1)
}

/// The unit in which the rounded number stays below 1,000: 999.9 µs reads 1.00 ms.
fn unit_for<'a>(value: f64, units: &[(f64, &'a str)]) -> (f64, &'a str) {
    let fits = |&&(size, _): &&(f64, &str)| (value / size).abs() < 999.5;
    *units.iter().find(fits).unwrap_or(&units[units.len() - 1])
}

/// `value` in the unit in which `of` reads.
fn number(value: f64, of: f64, units: &[(f64, &str)]) -> String {
    let (size, _) = unit_for(of, units);
    let number = value / size;
    match number {
        _ if number.abs() >= 1e3 => grouped(number),
        // There is nothing smaller than the smallest unit to be exact about.
        _ if size == 1.0 && number.fract() == 0.0 => grouped(number),
        _ => significant(number),
    }
}

/// Three significant digits of a number below 1,000.
fn significant(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let (sign, digits) = match digits.strip_prefix('-') {
        Some("0") => ("", "0"),
        Some(digits) => ("-", digits),
        None => ("", digits.as_str()),
    };
    let mut text = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_ends_of_a_range_have_the_same_digits() {
        let range = |low, high| bare_range(Metric::DeliveriesPerRead, 10.0, low, high);
        assert_eq!(range(9.5, 10.0), "9.50–10.0");
        assert_eq!(range(9.999, 10.0), "", "both read 10.0");
        assert_eq!(range(9.0, 10.0), "9–10");
        assert_eq!(range(1_999.5, 2_001.0), "2,000–2,001");
    }

    #[test]
    fn ratios_are_read_as_changes() {
        for (ratio, text, words) in [
            (1.12, "+12 %", "12 % more"),
            (1.034, "+3.4 %", "3.4 % more"),
            (0.9988, "-0.12 %", "0.12 % less"),
            (1.0, "0 %", "the same"),
            (1.000_01, "0 %", "the same"),
            (2.5, "+150 %", "150 % more"),
            (4.2, "4.20×", "4.20 times as much"),
        ] {
            assert_eq!((signed(ratio).as_str(), in_words(ratio).as_str()), (text, words));
        }
        assert_eq!(signed(f64::INFINITY), MISSING);
    }

    #[test]
    fn people_read_three_digits_and_a_unit() {
        for (value, text) in [
            (0.0, "0 ns"),
            (7.0, "7 ns"),
            (512.0, "512 ns"),
            (83_100.0, "83.1 µs"),
            (999_400.0, "999 µs"),
            (999_600.0, "1.00 ms"),
            (1_234_000.0, "1.23 ms"),
            (512e6, "512 ms"),
            (9.996e9, "10.0 s"),
            (60e9, "60.0 s"),
            (1_234_567e9, "1,234,567 s"),
            (-2_500.0, "-2.50 µs"),
        ] {
            assert_eq!(nanoseconds(value), text);
        }
        assert_eq!(bytes(171.0), "171 B");
        assert_eq!(bytes(171.4), "171 B");
        assert_eq!(bytes(7_900.0), "7.90 kB");
        assert_eq!(bytes(8_589_934_592.0), "8.59 GB");
        assert_eq!(count(48_000.0), "48,000");
        assert_eq!(count(1.5), "1.50");
        assert_eq!(count(-0.0), "0");
        assert_eq!(times(7.47), "7.47×");
        assert_eq!(times(1_255.2), "1,255×");
    }

    #[test]
    fn a_range_names_its_unit_once() {
        assert_eq!(range(Metric::LatencyP50, 400e3, 412e3), "400–412 µs");
        assert_eq!(range(Metric::LatencyP50, 900e3, 1.2e6), "900 µs–1.20 ms");
        assert_eq!(range(Metric::LatencyP50, 400e3, 400_100.0), "400 µs");
    }

    #[test]
    fn marks_have_no_empty_zeros() {
        let marks = [0.0, 10e6, 2.5e9, 100e3].map(|value| mark(Metric::LatencyP50, value));
        assert_eq!(marks, ["0", "10 ms", "2.5 s", "100 µs"]);
        assert_eq!(mark(Metric::Lost, 100.0), "100");
    }

    #[test]
    fn missing_is_a_dash() {
        assert_eq!(of(Metric::LatencyP50, None), MISSING);
        assert_eq!(of(Metric::Lost, Some(f64::NAN)), MISSING);
        assert_eq!(of(Metric::Lost, Some(0.0)), "0");
        assert_eq!(times(f64::INFINITY), MISSING);
    }

    proptest! {
        #[test]
        fn any_number_has_a_short_text(value in any::<f64>(), metric in 0..Metric::ALL.len()) {
            let text = of(Metric::ALL[metric], Some(value));
            prop_assert!(!text.is_empty() && !text.contains("NaN") && !text.contains("inf"));
            if value.abs() < 1e12 {
                prop_assert!(text.chars().count() <= 18, "{text}");
            }
            prop_assert!(!times(value).is_empty() && !range(Metric::Lost, value, 1.0).is_empty());
        }

        #[test]
        fn a_time_keeps_three_digits(value in 100.0..1e12_f64) {
            let text = nanoseconds(value);
            let (number, unit) = text.split_once(' ').unwrap();
            let size = NANOSECONDS.iter().find(|(_, name)| *name == unit).unwrap().0;
            let read = number.replace(',', "").parse::<f64>().unwrap() * size;
            prop_assert!((read - value).abs() <= value * 0.006, "{value} reads {text}");
        }
    }
}
