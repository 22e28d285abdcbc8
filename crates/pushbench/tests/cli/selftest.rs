//! Whether the self-test finds what the server is told to do wrong.

use pushbench_wire::Transport;

use super::support::{Bench, text};

/// What is counted is exact, however busy the machine that runs this test.
#[test]
fn every_event_that_the_server_leaves_out_is_found() {
    let bench = Bench::new();
    let output = bench.output(&["selftest", "--only", "faithful", "drop"]);
    let (summary, progress) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{progress}{summary}");
    for transport in Transport::ALL {
        let rows = summary.lines().filter(|line| line.contains(transport.label()));
        let rows: Vec<_> = rows.collect();
        assert_eq!(rows.len(), 2, "{summary}");
        assert!(rows[0].starts_with("faithful") && rows[0].contains("  pass "), "{summary}");
        let found = rows[1].split("280 lost").count() - 1;
        assert!(found == 2 && rows[1].contains("  pass "), "claimed and measured: {summary}");
    }
}

#[test]
fn a_check_that_is_none_is_wrong_usage() {
    let bench = Bench::new();
    for arguments in [&["--only", "luck"][..], &["--comparisons", "0"]] {
        let output = bench.output(&[&["selftest"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    let said = bench.output(&["selftest", "--only", "luck"]).stderr;
    assert!(text(&said).contains("duplicate"), "the names that there are: {}", text(&said));
}
