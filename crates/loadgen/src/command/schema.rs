//! `pushbench schema`: the JSON Schema of scenario files, for editors.

use std::io::Write as _;

use super::ExitStatus;
use super::screen::Stdout;
use crate::scenario::json_schema;

/// Prints the schema to standard output.
///
/// # Errors
/// When standard output cannot be written.
pub fn schema() -> anyhow::Result<ExitStatus> {
    let mut out = Stdout::new();
    out.write_all(json_schema().as_bytes())?;
    out.end()?;
    Ok(ExitStatus::Complete)
}
