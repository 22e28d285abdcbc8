//! How processes end, and what is said of it. It must not know which they are.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

/// Whether a child has ended, without taking notice of it.
pub(super) fn has_ended(process: Pid) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
    waitid(Id::Pid(process), flags) != Ok(WaitStatus::StillAlive)
}

pub(super) fn ended_with(status: ExitStatus) -> String {
    let signal = status.signal().and_then(|number| Signal::try_from(number).ok());
    match (signal, status.code()) {
        (Some(signal), _) => format!("was ended by {signal}"),
        (None, Some(code)) => format!("ended with exit code {code}"),
        (None, None) => format!("ended with {status}"),
    }
}

/// Who may have ended it that way, as a part of a sentence.
pub(super) fn suspect(status: ExitStatus) -> &'static str {
    match status.signal() {
        Some(number) if number == Signal::SIGKILL as i32 => {
            " (by somebody else, or by the kernel where memory ran out, which `dmesg` tells)"
        }
        _ => "",
    }
}
