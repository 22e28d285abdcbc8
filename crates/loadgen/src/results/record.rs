//! What a folder can keep.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Trial;

/// What has been measured, which grows by a row with every trial that ends.
pub trait Record {
    /// What is kept of one trial.
    type Row;

    /// Takes in a row, behind all that are there.
    fn enter(&mut self, row: Self::Row);

    /// Whether it was stopped before its end.
    fn interrupted(&mut self) -> &mut bool;
}

/// A record that has a file format.
pub trait Stored:
    Record<Row: Serialize + DeserializeOwned> + Clone + Serialize + DeserializeOwned
{
    /// How messages call it: "a run".
    const NAME: &'static str;
    /// The name of the file that holds its head.
    const FILE: &'static str;
    /// The key of the version in the head.
    const VERSION_KEY: &'static str;
    /// The version that is written. The one before it had its rows in the head, and is read as well.
    const VERSION: u32;

    /// Takes its rows away: what is left is the head.
    fn clear(&mut self);

    /// The trial of a row.
    fn trial(row: &Self::Row) -> &Trial;

    /// Makes sure that a head which was read is one that this program can have written.
    ///
    /// # Errors
    /// When it is not, with what is wrong.
    fn check_head(&self) -> anyhow::Result<()> {
        Ok(())
    }

    /// Makes sure that a row which was read is one of this record.
    ///
    /// # Errors
    /// When it is not, with what it names.
    fn check(&self, _row: &Self::Row) -> anyhow::Result<()> {
        Ok(())
    }

    /// Gives contenders what the head says of them: rows have their names alone.
    fn resolve(&mut self);

    /// When it started, in seconds since 1970, if latencies are kept as well.
    fn latencies_since(&self) -> Option<f64> {
        None
    }
}
