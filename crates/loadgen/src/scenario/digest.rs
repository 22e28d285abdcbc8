//! Digests as text.

/// A digest in hexadecimal, as results name the files and schedules that they rest on.
pub(crate) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
