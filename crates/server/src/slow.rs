//! What becomes of a subscriber that has fallen behind the log of its channel. It is one rule for all
//! transports; whichever it is, the subscriber is told how many events it missed.

/// What the server does about a subscriber for whom the log no longer holds what comes next.
///
/// No transport holds more of a slow reader's events than the log: it has a cursor, and what its socket has
/// not taken of one write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowPolicy {
    /// It goes on with the oldest event that the log still holds, and so gets as many as can be had.
    #[default]
    DropOldest,
    /// It goes on with the newest event, as suits values of which only the last matters.
    SkipToNewest,
    /// Its stream ends, at once over HTTP/1.1, or when it next takes something over HTTP/2 and HTTP/3. Whoever
    /// resumes, or polls, goes on as with [`Self::DropOldest`].
    Disconnect,
}
