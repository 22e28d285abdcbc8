//! Text for people: what came from outside must neither drive a terminal nor be taken for a command.
//! It must not know what is said.

use std::ffi::OsStr;
use std::io::{self, IsTerminal, Write as _};

/// Says `text` on standard error. That nobody is left who reads it is no reason to stop.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{}", plain(text));
}

/// Text of several lines as a terminal or a log shows it.
pub(crate) fn plain(text: &str) -> String {
    text.split('\n').map(|line| inert(&one_line(line))).collect::<Vec<_>>().join("\n")
}

/// Text as one line that shows it: what cannot be seen gives way to a blank or a replacement character.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(shown).collect()
}

/// What is shown of a character: nothing moves the cursor, changes colours or turns text around.
pub(crate) fn shown(char: char) -> char {
    match char {
        '\t'..='\r' => ' ',
        // The marks and embeddings of the bidirectional algorithm (UAX #9), separators of lines and
        // paragraphs, and tags.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            char::REPLACEMENT_CHARACTER
        }
        '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => {
            char::REPLACEMENT_CHARACTER
        }
        char if char.is_control() => char::REPLACEMENT_CHARACTER,
        char => char,
    }
}

/// GitHub Actions obeys lines that begin like this, whoever wrote them
/// (<https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>).
fn inert(line: &str) -> String {
    let line = line.replace("##[", "# #[");
    match line.trim_start().starts_with("::") {
        true => line.replacen("::", ": :", 1),
        false => line,
    }
}

/// Whether it is a terminal that obeys escape sequences.
pub(crate) fn obeys_escapes(output: &impl IsTerminal) -> bool {
    obeys(output.is_terminal(), std::env::var_os("TERM").as_deref())
}

/// A terminal that is none calls itself dumb.
fn obeys(is_terminal: bool, term: Option<&OsStr>) -> bool {
    is_terminal && term.is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_outside_drives_no_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\r\nc\td\u{7}"), "a\u{fffd}[2Jb \nc d\u{fffd}");
        assert_eq!(plain("abc\u{202e}def\u{2066}g"), "abc\u{fffd}def\u{fffd}g");
        assert_eq!(plain("Grüße, 世界: привет"), "Grüße, 世界: привет");
    }

    #[test]
    fn a_dumb_terminal_gets_no_escapes() {
        let obeys = |is_terminal, term: &str| obeys(is_terminal, Some(OsStr::new(term)));
        assert!(obeys(true, "xterm") && !obeys(true, "dumb") && !obeys(false, "xterm"));
        assert!(super::obeys(true, None));
    }

    #[test]
    fn what_came_from_outside_is_no_workflow_command() {
        assert_eq!(plain("::error::x\n  ::add-mask::y"), ": :error::x\n  : :add-mask::y");
        assert_eq!(plain("a ##[error]x"), "a # #[error]x");
        assert_eq!(plain("std::io::Error"), "std::io::Error");
    }
}
