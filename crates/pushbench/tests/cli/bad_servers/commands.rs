//! Commands that start no server.

use super::{Case, check};

#[test]
fn a_command_that_starts_no_server() {
    check(vec![
        Case::command("none", "./no-such-server --fast", "", "X"),
        Case::command("ends", "sh -c 'echo no room >&2; exit 7'", "", "X"),
        Case::command(
            "another line",
            "sh -c 'echo steady; exec sleep 1000 >&-'",
            "ready = { line = \"ready\" }\n",
            "X",
        ),
        Case::command("ends well", "true", "", "X"),
    ]);
}
