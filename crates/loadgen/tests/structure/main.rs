//! How the source is laid out: these tests read the files and run nothing of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod architecture;
mod circles;
mod doc_tests;
mod files;
mod layers;
mod length;
mod modules;
mod tokens;
mod unsafe_code;
