//! Renders an analysis. It decides nothing: what a report claims was computed in `analysis`.

pub mod capacity;
mod charts;
pub mod comparison;
mod csv;
mod history;
mod html;
mod index;
mod markdown;
mod objectives;
mod published;
pub(crate) mod quantity;
mod sheet;
mod sweep;
mod table;
mod thresholds;
mod words;

use std::path::{Path, PathBuf};

use crate::analysis::analyse;
use crate::results::folder::write_all;
use crate::results::{LatencyLog, Run};
use charts::{Figure, Trials};

pub use history::{change_lines, render_history};
pub use index::{IndexRow, index, index_text};
pub(crate) use table::aligned;
pub use table::run_text;
pub use thresholds::sentence as threshold_line;
pub use words::trial_line;
pub(crate) use words::{shortfall, title};

/// Renders everything that can be rendered from `run` and `log` into `dir`, and says which files
/// that makes. Each is written whole or not at all, and none before all could be rendered. The same
/// input gives the same bytes.
///
/// # Errors
/// A file that cannot be written, by its path.
pub fn render_all(dir: &Path, run: &Run, log: &LatencyLog) -> anyhow::Result<Vec<PathBuf>> {
    let analysis = analyse(run, log);
    let mut files = Vec::new();
    if let Some(found) = &analysis.sweep {
        for (metric, curves) in sweep::charts(&analysis, found) {
            files.push((format!("charts/sweep-{}.png", metric.name()), charts::png(&curves)?));
        }
    }
    // Of a sweep the charts of single cells would be many, and show nothing of what was varied.
    let cells = if analysis.sweep.is_some() { &[][..] } else { &analysis.cells[..] };
    for (index, cell) in cells.iter().enumerate() {
        for figure in Figure::ALL {
            // A cell's name may be no name of a file, so it is its number that tells charts apart.
            let name = match analysis.cells.len() {
                1 => format!("charts/{}.png", figure.name()),
                _ => format!("charts/{}-{}.png", figure.name(), index + 1),
            };
            files.push((name, figure.png(cell, &Trials(&run.trials))?));
        }
    }
    files.push(("trials.csv".to_owned(), csv::trials(run)?));
    files.push(("estimates.csv".to_owned(), csv::estimates(run, &analysis)?));
    files.push(("ratios.csv".to_owned(), csv::ratios(run, &analysis)?));
    if let Some(found) = &analysis.sweep {
        files.push(("crossovers.csv".to_owned(), csv::crossovers(run, found)?));
    }
    files.push(("report.html".to_owned(), html::page(run, &analysis)?.into_bytes()));
    files.push(("summary.md".to_owned(), markdown::summary(run, &analysis).into_bytes()));

    write_all(dir, files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::fixture::{self, save_run};
    use crate::results::store::load_run;

    #[test]
    fn rendering_again_from_the_files_gives_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let (run, log) = fixture::run();
        save_run(dir.path(), &run, &log);
        let first = render_all(dir.path(), &run, &log).unwrap();
        let read = |paths: &[PathBuf]| -> Vec<Vec<u8>> {
            paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
        };
        let before = read(&first);

        let (run, log) = load_run(dir.path()).unwrap().content;
        assert_eq!(render_all(dir.path(), &run, &log).unwrap(), first);
        for ((before, after), path) in before.iter().zip(read(&first)).zip(&first) {
            assert!(*before == after, "{} differs", path.display());
        }
        let names: Vec<_> = first
            .iter()
            .map(|path| path.strip_prefix(dir.path()).unwrap().to_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "charts/latency-spectrum.png",
                "charts/latency-over-time.png",
                "charts/cpu-per-delivery.png",
                "charts/bytes-per-delivery.png",
                "charts/memory-per-subscriber.png",
                "trials.csv",
                "estimates.csv",
                "ratios.csv",
                "report.html",
                "summary.md",
            ]
        );
    }

    #[test]
    fn a_sweep_has_a_chart_of_each_metric_and_none_of_cells() {
        let dir = tempfile::tempdir().unwrap();
        let files = render_all(dir.path(), &sweep::tests::swept_run(), &LatencyLog::default());
        let names: Vec<_> = files
            .unwrap()
            .iter()
            .filter(|path| path.extension().is_some_and(|extension| extension == "png"))
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(
            names,
            [
                "sweep-latency_p50.png",
                "sweep-server_cpu_per_second.png",
                "sweep-server_cpu_per_delivery.png",
                "sweep-bytes_per_delivery.png",
            ]
        );
        let estimates = std::fs::read_to_string(dir.path().join("estimates.csv")).unwrap();
        let row = ",events_per_second=0.2,sse,latency_p50,ns,";
        assert!(estimates.contains(row), "{estimates}");
    }

    /// For looking at: `PUSHBENCH_SAMPLE=DIR cargo test -p pushbench-loadgen sample -- --ignored`.
    #[test]
    #[ignore = "writes a sample for people to look at"]
    fn sample() {
        let dir = PathBuf::from(std::env::var_os("PUSHBENCH_SAMPLE").expect("a folder"));
        let (run, log) = fixture::run();
        save_run(&dir, &run, &log);
        render_all(&dir, &run, &log).unwrap();
        let run = sweep::tests::swept_run();
        save_run(&dir.join("sweep"), &run, &LatencyLog::default());
        render_all(&dir.join("sweep"), &run, &LatencyLog::default()).unwrap();
    }
}
