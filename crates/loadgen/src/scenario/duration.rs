//! Durations as a scenario writes them: text with a unit.

use std::time::Duration;

/// What the text looks like, for editors (ECMA-262 regular expression).
pub(super) const PATTERN: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h) ?)+$";

/// How to write one; ends a sentence.
pub(super) const HOW_TO_WRITE: &str =
    r#"a duration with a unit (ms, s, m or h), such as "500ms", "1.5s" or "1m 30s""#;

/// Reads a duration of whole milliseconds; the error is what it must be instead.
pub(super) fn parse(text: &str) -> Result<Duration, &'static str> {
    let is_number = |c: char| matches!(c, '0'..='9' | '.' | ' ');
    let mut units = text.split(is_number).filter(|unit| !unit.is_empty());
    if !units.all(|unit| matches!(unit, "ms" | "s" | "m" | "h")) {
        return Err(HOW_TO_WRITE);
    }
    let duration = humantime::parse_duration(text).map_err(|_| HOW_TO_WRITE)?;
    if duration.subsec_nanos() % 1_000_000 == 0 {
        Ok(duration)
    } else {
        Err("a whole number of milliseconds (timers tick once in 1 ms)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_every_unit() {
        let cases = [
            ("500ms", 500),
            ("1.5s", 1_500),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1m 30s", 90_000),
        ];
        for (text, ms) in cases {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn refuses_other_units_and_none() {
        for text in ["10", "", "s", "10us", "10 days", "5M", "10sec", "-5s", "1e3s", "1,5s", "5µs"]
        {
            assert_eq!(parse(text), Err(HOW_TO_WRITE), "{text}");
        }
        assert!(parse("0.5ms").unwrap_err().starts_with("a whole number of milliseconds"));
        assert!(parse("1.0005s").unwrap_err().starts_with("a whole number of milliseconds"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,20}", number: u64, unit in "ms|s|m|h") {
            let _ = parse(&text);
            let _ = parse(&format!("{number}{unit}"));
        }
    }
}
