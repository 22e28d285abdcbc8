//! Where a server listens that does not listen where it should, in words: mostly its command lacks the port.

use std::fs;
use std::net::SocketAddr;

use nix::unistd::Pid;

use super::family::Mark;
use super::listener::addresses_of;

/// Part of a sentence about a server that was started with `mark` and should be at `at`; empty if nothing is
/// known.
pub(super) fn elsewhere(mark: &Mark, at: &str) -> String {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let marked = entries.filter_map(|entry| {
        let process = entry.file_name().to_str()?.parse().ok()?;
        mark.is_on(&entry.path(), false).then(|| Pid::from_raw(process))
    });
    told(&addresses_of(&marked.collect::<Vec<_>>()), at)
}

fn told(addresses: &[SocketAddr], at: &str) -> String {
    let port = at.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    if addresses.is_empty() {
        return String::new();
    }
    let all: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    let fix = match addresses.iter().find(|address| Some(address.port()) == port) {
        Some(same) if same.ip().is_unspecified() => return String::new(),
        Some(same) => {
            let host = SocketAddr::new(same.ip(), 0).to_string();
            let host = host.trim_end_matches(":0");
            format!("let it listen at both, or write url = \"http://{host}:{{port}}\"")
        }
        None => "does `command` pass {port}?".to_owned(),
    };
    format!("; it listens at {}: {fix}", all.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_port_or_another_address() {
        let told = |at: &[&str]| {
            told(&at.iter().map(|at| at.parse().unwrap()).collect::<Vec<_>>(), "127.0.0.1:34801")
        };
        assert_eq!(
            told(&["127.0.0.1:9999"]),
            "; it listens at 127.0.0.1:9999: does `command` pass {port}?"
        );
        assert_eq!(
            told(&["[::1]:34801"]),
            "; it listens at [::1]:34801: let it listen at both, or write url = \"http://[::1]:{port}\""
        );
        assert_eq!(told(&[]), "");
        assert_eq!(told(&["0.0.0.0:34801"]), "", "it does not answer, for other reasons");
    }
}
