//! How names and sentences are put together.

/// Names within a sentence: "SSE, WebSocket and long polling".
pub(crate) fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

/// A heading as it stands within a sentence: words made of capitals keep them.
pub(crate) fn in_sentence(heading: &str) -> String {
    let inline = |word: &str| {
        let is_name = word.chars().skip(1).any(char::is_uppercase);
        if is_name { word.to_owned() } else { word.to_lowercase() }
    };
    heading.split(' ').map(inline).collect::<Vec<_>>().join(" ")
}

/// With a capital at its beginning.
pub(crate) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}", chars.as_str())
}

/// With a capital at its beginning and a full stop at its end.
pub(crate) fn sentence(text: &str) -> String {
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{end}", capitalised(text))
}

/// A number of things: "1 trial", "25 trials".
pub(crate) fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Text of at most so many characters, cut between words unless most of them are one.
pub(crate) fn shortened(text: &str, longest: usize) -> String {
    let Some((end, next)) = text.char_indices().nth(longest) else { return text.to_owned() };
    let kept = &text[..end];
    let words = match kept.rfind(char::is_whitespace) {
        Some(at) if !next.is_whitespace() && at > end / 2 => &kept[..at],
        _ => kept,
    };
    format!("{}…", words.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_within_a_sentence() {
        let names = ["Polling", "Long polling", "SSE", "Raw TCP"].map(in_sentence);
        assert_eq!(list(&names), "polling, long polling, SSE and raw TCP");
        assert_eq!(list(&names[..1]), "polling");
        assert_eq!(list(&[]), "");
    }

    #[test]
    fn sentences_begin_and_end() {
        assert_eq!(sentence("long polling failed: why?"), "Long polling failed: why?");
        assert_eq!(sentence("élan"), "Élan.");
        assert_eq!((count(1, "trial"), count(2, "trial")), ("1 trial".into(), "2 trials".into()));
        assert_eq!((shortened("abc", 2), shortened("abc", 3)), ("ab…".into(), "abc".into()));
        assert_eq!(shortened("one two three", 10), "one two…");
        assert_eq!(shortened("one two three", 7), "one two…");
        assert_eq!(shortened("a reallylongword", 10), "a reallylo…");
    }
}
