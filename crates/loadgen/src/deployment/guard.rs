//! Ends a server whose pushbench was killed, and could not do it any more.

use std::path::Path;
use std::process::Stdio;

use nix::unistd::Pid;
use tokio::process::{Child, ChildStdin, Command};

use super::family::Mark;

/// Waits for the end of its input, which comes when nobody holds the other end. Then it kills the group
/// of the first argument, and whoever has the variable of the second one in its environment, and removes
/// the folder of the third, in which some that are about to end may still write.
const SCRIPT: &str = r#"
read -r line
kill -s KILL -- "-$1"
for process in /proc/[0-9]*; do
    if grep -qzFx -- "$2" "$process/environ"; then kill -s KILL "${process#/proc/}"; fi
done
if [ -n "$3" ]; then
    for attempt in 1 2 3 4 5; do
        rm -rf -- "$3" && break
        sleep 1
    done
fi
"#;

/// A process that sleeps as long as we hold its input. Dropping it only ends that one.
pub(super) struct Guard {
    _process: Child,
    _input: Option<ChildStdin>,
}

impl Guard {
    /// Of the processes of `group`, of others with `mark`, and of a folder; none where there is no shell.
    pub(super) fn of(group: Pid, mark: &Mark, folder: Option<&Path>) -> Option<Self> {
        let (variable, value) = mark.variable();
        let mut process = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "pushbench-guard", &group.to_string()])
            .arg(format!("{variable}={value}"))
            .arg(folder.unwrap_or(Path::new("")))
            // It belongs to no server.
            .env(variable, "guard")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C is not for it.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .ok()?;
        let input = process.stdin.take();
        Some(Self { _process: process, _input: input })
    }
}
