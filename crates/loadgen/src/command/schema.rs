//! `pushbench schema`: the JSON Schema of scenario files, for editors.

use std::io::Write as _;

use super::ExitStatus;
use crate::scenario::json_schema;

/// Prints the schema to standard output.
///
/// # Errors
/// When standard output cannot be written.
pub fn schema() -> anyhow::Result<ExitStatus> {
    std::io::stdout().lock().write_all(json_schema().as_bytes())?;
    Ok(ExitStatus::Complete)
}
