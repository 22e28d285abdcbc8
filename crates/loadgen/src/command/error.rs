//! What the user can mend and no other layer knows of.

use std::path::PathBuf;

/// There is a file already, and nobody said that it may go.
#[derive(Debug, thiserror::Error)]
#[error("{} already exists: name another file, or overwrite it with --force", .0.display())]
pub struct AlreadyExists(pub PathBuf);
