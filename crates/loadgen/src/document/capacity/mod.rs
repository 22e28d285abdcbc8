//! What a search for capacity says.

mod document;
mod prose;

pub use document::capacity;
pub use prose::{attempt_line, load};
