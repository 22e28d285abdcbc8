//! Commands that start no server.

use super::{Case, check};

#[test]
fn a_command_that_starts_no_server() {
    check(vec![
        Case::command(
            "none",
            "./no-such-server --fast",
            "",
            "cannot start the server `./no-such-server`: No such file or directory (os error 2)",
        ),
        Case::command(
            "ends",
            "sh -c 'echo no room >&2; exit 7'",
            "",
            "the server ended with exit code 7 before it was ready; it said: no room",
        ),
        Case::command(
            "another line",
            "sh -c 'echo steady; exec sleep 1000 >&-'",
            "ready = { line = \"ready\" }\n",
            "the server did not get ready: its output ended without a line with \"ready\"",
        ),
        Case::command(
            "ends well",
            "true",
            "",
            "the server ended with exit code 0 before it was ready",
        ),
    ]);
}
