//! What a search for capacity leaves: text for a terminal, and files. What was found was decided in
//! `analysis::capacity`.

mod csv;
mod html;
mod markdown;
mod sheet;
mod text;
mod words;

use std::path::{Path, PathBuf};

use super::charts::{self, LatencyByLoad};
use crate::analysis::capacity::{Conclusion, conclude, latency};
use crate::results::folder::write_all;
use crate::results::{Capacity, Metric};

pub use words::attempt_line;
pub(crate) use words::load;

/// A search and what follows from it.
struct Report<'a> {
    capacity: &'a Capacity,
    conclusions: Vec<Conclusion<'a>>,
    /// The figure that shows how a load is borne.
    latency: Metric,
}

impl<'a> Report<'a> {
    fn of(capacity: &'a Capacity) -> Self {
        let conclusions = conclude(capacity);
        let latency = latency(&conclusions);
        Self { capacity, conclusions, latency }
    }

    fn picture(&self) -> LatencyByLoad<'_> {
        LatencyByLoad {
            varied: self.capacity.varied,
            metric: self.latency,
            conclusions: &self.conclusions,
        }
    }
}

/// What was found, for a terminal. `colour` is for those whose owner did not set `NO_COLOR`.
#[must_use]
pub fn text(capacity: &Capacity, colour: bool) -> String {
    text::text(&Report::of(capacity), colour)
}

/// Writes every file that follows from `capacity` into `dir`, and says which they are. The same input
/// gives the same bytes.
///
/// # Errors
/// A file that cannot be written, by its path.
pub fn render_all(dir: &Path, capacity: &Capacity) -> anyhow::Result<Vec<PathBuf>> {
    let report = Report::of(capacity);
    let files = [
        ("charts/capacity-latency.png", charts::png(&report.picture())?),
        ("capacity.csv", csv::table(&report)?),
        ("capacity.html", html::page(&report)?.into_bytes()),
        ("capacity.md", markdown::page(&report).into_bytes()),
    ];
    write_all(dir, files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{fixture, store};

    #[test]
    fn rendering_again_from_the_file_gives_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let capacity = fixture::capacity();
        fixture::save_capacity(dir.path(), &capacity);
        let files = render_all(dir.path(), &capacity).unwrap();
        let read = || files.iter().map(|path| std::fs::read(path).unwrap()).collect::<Vec<_>>();
        let before = read();
        let capacity = store::load(dir.path()).unwrap().content;
        assert_eq!(render_all(dir.path(), &capacity).unwrap(), files);
        assert!(read() == before);
    }

    /// For looking at: `PUSHBENCH_SAMPLE=DIR cargo test -p pushbench-loadgen sample -- --ignored`.
    #[test]
    #[ignore = "writes a sample for people to look at"]
    fn capacity_sample() {
        let dir = PathBuf::from(std::env::var_os("PUSHBENCH_SAMPLE").expect("a folder"));
        let capacity = fixture::capacity();
        fixture::save_capacity(&dir, &capacity);
        render_all(&dir, &capacity).unwrap();
        println!("{}", text(&capacity, false));
    }
}
