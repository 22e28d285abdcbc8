//! What a server writes: read to its end, whatever it is, so that a full or closed pipe never stops the
//! server; and of it only so much is kept. It must not know what the lines mean.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::task::JoinHandle;

use super::patience::within;

/// How much of one line is kept. What is behind it is dropped.
const MAX_LINE_BYTES: usize = 4 << 10;

/// How much of the end of an output is kept.
const MAX_TAIL_BYTES: usize = 2_000;

/// How many lines of that are shown.
const LAST_LINES: usize = 10;

/// How long the last words of a server that ends may take to be read.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Lines of bytes, which need not be text and need not end.
pub(super) struct Lines<R> {
    output: R,
    piece: Box<[u8]>,
    /// What has been read and is not yet part of a line.
    unread: std::ops::Range<usize>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn of(output: R) -> Self {
        Self { output, piece: vec![0; 8 << 10].into(), unread: 0..0 }
    }

    /// The next line, as text with replacements for what is none; `None` at the end, or when it cannot
    /// be read.
    pub(super) async fn next(&mut self) -> Option<String> {
        let mut line = Vec::new();
        loop {
            if self.unread.is_empty() {
                let read = self.output.read(&mut self.piece).await.ok()?;
                if read == 0 {
                    return (!line.is_empty()).then(|| text(&line));
                }
                self.unread = 0..read;
            }
            let unread = &self.piece[self.unread.clone()];
            let end = unread.iter().position(|&byte| byte == b'\n');
            let part = &unread[..end.unwrap_or(unread.len())];
            line.extend_from_slice(&part[..part.len().min(MAX_LINE_BYTES - line.len())]);
            self.unread.start += part.len() + usize::from(end.is_some());
            if end.is_some() {
                return Some(text(&line));
            }
        }
    }

    /// Reads what is left, and forgets it.
    pub(super) async fn drain(mut self) {
        while matches!(self.output.read(&mut self.piece).await, Ok(1..)) {}
    }
}

/// The end of what a server writes on its standard error.
pub(super) struct Complaint {
    tail: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Complaint {
    /// Begins to read.
    pub(super) fn of(stderr: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let tail = Arc::default();
        Self { reader: tokio::spawn(read_tail(stderr, Arc::clone(&tail))), tail }
    }

    /// What was written, once the process has ended, as the end of a sentence.
    pub(super) async fn words(&mut self) -> String {
        // Others may hold the other end, so that it does not come to its end.
        if !self.reader.is_finished() {
            within(LAST_WORDS, &mut self.reader).await;
        }
        let said = last_of(&self.tail.lock().unwrap_or_else(PoisonError::into_inner));
        if said.is_empty() { said } else { format!("; it said: {said}") }
    }
}

/// Reads `output` to its end and keeps the last of it.
async fn read_tail(mut output: impl AsyncRead + Unpin, tail: Arc<Mutex<Vec<u8>>>) {
    let mut piece = vec![0; 8 << 10];
    while let Ok(read @ 1..) = output.read(&mut piece).await {
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend_from_slice(&piece[..read]);
        let excess = tail.len().saturating_sub(MAX_TAIL_BYTES);
        tail.drain(..excess);
    }
}

/// The last lines of what may begin in the middle of a character.
fn last_of(tail: &[u8]) -> String {
    let begin = tail.iter().position(|byte| byte & 0xC0 != 0x80).unwrap_or_default();
    let said = text(&tail[begin..]);
    let lines: Vec<_> = said.trim().lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(bytes: &[u8]) -> Vec<String> {
        let mut lines = Lines::of(bytes);
        let mut found = Vec::new();
        while let Some(line) = lines.next().await {
            found.push(line);
        }
        found
    }

    #[tokio::test]
    async fn lines_need_not_be_text_and_need_not_end() {
        assert_eq!(lines(b"a\n\xFF\xFEb\r\n\nc").await, ["a", "\u{FFFD}\u{FFFD}b\r", "", "c"]);
        assert_eq!(lines(b"").await, [""; 0]);
        let mut long = vec![b'x'; 10 * MAX_LINE_BYTES];
        long.extend_from_slice(b"\nnext");
        let found = lines(&long).await;
        assert_eq!((found[0].len(), &found[1][..]), (MAX_LINE_BYTES, "next"));
    }

    #[tokio::test]
    async fn only_the_end_of_a_complaint_is_kept() {
        let mut said = "\u{20ac}".repeat(MAX_TAIL_BYTES).into_bytes();
        said.extend_from_slice(b"\xFF at last");
        let mut complaint = Complaint::of(std::io::Cursor::new(said));
        let words = complaint.words().await;
        assert!(words.len() <= MAX_TAIL_BYTES + 20, "{} bytes", words.len());
        assert!(words.starts_with("; it said: \u{20ac}"), "{words}");
        assert!(words.ends_with("\u{20ac}\u{FFFD} at last"), "{words}");
        let lines = "line\n".repeat(2 * LAST_LINES);
        assert_eq!(last_of(lines.as_bytes()).lines().count(), LAST_LINES);
        assert_eq!(last_of(b" \n"), "");
    }
}
