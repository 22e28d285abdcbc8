//! Text in the columns of a terminal.

use crate::render::markup::unbroken;
use crate::text::one_line;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Marks what stands out, where that is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ink {
    pub(super) colour: bool,
}

impl Ink {
    pub(super) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    pub(super) fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        match self.colour && !text.trim().is_empty() {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}

/// How many columns it takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The text if it fits so many columns, else its beginning.
pub(super) fn abbreviated(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let (mut kept, mut taken) = (String::new(), 1);
    for char in text.chars() {
        taken += char.width().unwrap_or(0);
        if taken > columns {
            break;
        }
        kept.push(char);
    }
    format!("{}…", kept.trim_end())
}

/// Text behind a bullet, in lines that fit. It breaks at spaces; a word that fits no line is cut into
/// pieces that do.
pub(super) fn wrapped(bullet: &str, text: &str, columns: usize) -> Vec<String> {
    let indent = " ".repeat(width(bullet));
    let room = columns.saturating_sub(indent.len()).max(1);
    let (mut lines, mut taken) = (vec![String::new()], 0);
    let text = unbroken(&one_line(text));
    let words = text.split(' ').filter(|word| !word.is_empty());
    // What fits no line may break between a number and its unit after all.
    let words = words.flat_map(|word| match width(word) <= room {
        true => vec![word],
        false => word.split('\u{a0}').collect(),
    });
    for word in words.flat_map(|word| pieces(&word.replace('\u{a0}', " "), room)) {
        let own = width(&word);
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(&word),
            Some(line) if taken + 1 + own <= room => {
                line.push(' ');
                line.push_str(&word);
                taken += 1;
            }
            _ => {
                lines.push(word);
                taken = 0;
            }
        }
        taken += own;
    }
    let first = lines.first().map(|line| format!("{bullet}{line}"));
    first.into_iter().chain(lines.iter().skip(1).map(|line| format!("{indent}{line}"))).collect()
}

/// A word in pieces of at most so many columns.
fn pieces(word: &str, room: usize) -> Vec<String> {
    let (mut pieces, mut taken) = (vec![String::new()], 0);
    for char in word.chars() {
        let own = char.width().unwrap_or(0);
        match pieces.last_mut() {
            Some(piece) if taken + own <= room => piece.push(char),
            _ => {
                pieces.push(char.to_string());
                taken = 0;
            }
        }
        taken += own;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces_and_keep_their_indent() {
        let lines = wrapped("  ! ", "one two three 1,224 times", 14);
        assert_eq!(lines, ["  ! one two", "    three", "    1,224", "    times"]);
        assert_eq!(wrapped("", "gate 5 %, worse", 6), ["gate", "5 %,", "worse"], "one figure");
        assert_eq!(wrapped("", "abcdefgh ij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrapped("- ", "", 10), ["- "]);
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(abbreviated("日本語", 6), "日本語");
        assert_eq!(abbreviated("日本語", 5), "日本…");
        assert!(wrapped("", "日本語日本語", 5).iter().all(|line| width(line) <= 5));
    }

    #[test]
    fn nothing_drives_the_terminal() {
        assert_eq!(wrapped("", "\u{1b}[2Jgone\nnext", 80), ["\u{fffd}[2Jgone next"]);
    }
}
