//! Chunks of a body (RFC 9112 §7.1), around frames that subscribers share.

use bytes::Bytes;

/// What ends a body.
pub(super) const LAST_CHUNK: Bytes = Bytes::from_static(b"0\r\n\r\n");

/// What stands before and behind the frames of one chunk.
pub(super) struct Chunk {
    pub(super) size: Bytes,
    pub(super) end: Bytes,
}

impl Chunk {
    /// Around so many bytes, of which there is at least one: an empty chunk would end the body.
    pub(super) fn of(bytes: usize) -> Self {
        Self { size: format!("{bytes:x}\r\n").into(), end: Bytes::from_static(b"\r\n") }
    }
}

/// A chunk of its own.
pub(super) fn chunk(content: &[u8]) -> Bytes {
    let Chunk { size, end } = Chunk::of(content.len());
    [&size[..], content, &end].concat().into()
}
