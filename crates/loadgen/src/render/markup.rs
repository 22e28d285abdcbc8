//! Text as outputs need it: escaped between the tags of HTML, XML and SVG, and with numbers beside
//! their units.

use crate::text::shown;

/// Text as HTML or XML that shows it, between tags and in attributes.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            char => escaped.push(shown(char)),
        }
    }
    escaped
}

/// The same with spaces that do not break between numbers and their units.
pub(super) fn unbroken(text: &str) -> String {
    const UNITS: [&str; 9] = ["ns", "µs", "ms", "s", "B", "kB", "MB", "%", "times"];
    let mut kept = String::with_capacity(text.len());
    for word in text.split(' ') {
        let is_unit = UNITS.contains(&word.trim_end_matches([',', '.', ';', ')']));
        if is_unit && kept.ends_with(|last: char| last.is_ascii_digit()) {
            kept.push('\u{a0}');
        } else if !kept.is_empty() {
            kept.push(' ');
        }
        kept.push_str(word);
    }
    kept
}
