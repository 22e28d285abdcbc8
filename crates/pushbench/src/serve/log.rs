//! The flags about the log: where it is kept, and where its ids begin.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pushbench_server::{Config, DiskLog, LogSync};

/// What becomes of events when the server ends.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Log")]
pub(super) struct LogFlags {
    /// Keep the log in this folder, too, and go on with it after a restart; one server has it at a time
    #[arg(long, value_name = "DIR", conflicts_with_all = ["inject", "broker"])]
    log_dir: Option<PathBuf>,

    /// When the log is synced, so that it survives the end of the machine, and not of the server alone:
    /// `always` before a publisher is answered, `never`, or at least as often as this, such as 1s
    #[arg(long, value_name = "WHEN", default_value = "always", requires = "log_dir")]
    log_sync: Sync,

    /// The id of the first event of a log in memory: a number, or `time` for the microseconds since 1970, so
    /// that ids of a server that ran before are not mistaken for its own
    #[arg(long, value_name = "N", default_value = "1", conflicts_with_all = ["log_dir", "broker"])]
    first_id: FirstId,
}

#[derive(Clone, Copy, Debug)]
struct Sync(LogSync);

impl FromStr for Sync {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "always" => Ok(Self(LogSync::Always)),
            "never" => Ok(Self(LogSync::Never)),
            interval => interval
                .parse::<humantime::Duration>()
                .map(|interval| Self(LogSync::Interval(interval.into())))
                .map_err(|_| "it must be always, never, or a time such as 1s".to_owned()),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct FirstId(u64);

impl FromStr for FirstId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "time" {
            return Ok(Self(now_us().max(1)));
        }
        let number = text.parse().ok().filter(|&number| number > 0);
        number.map(Self).ok_or_else(|| "it must be a number from 1, or `time`".to_owned())
    }
}

/// Microseconds since 1970: more than events will come in each, and few enough for JavaScript.
fn now_us() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "no clock but this one goes on over restarts")]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_micros()).unwrap_or_default()
}

impl LogFlags {
    /// `config` with what they say.
    pub(super) fn put_into(self, config: Config) -> Config {
        let sync = self.log_sync.0;
        let log = self.log_dir.map(|folder| DiskLog { folder, sync });
        Config { log, first_id: self.first_id.0, ..config }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        log: LogFlags,
        #[arg(long)]
        inject: Option<String>,
        #[arg(long)]
        broker: Option<String>,
    }

    fn config(flags: &[&str]) -> Result<Config, String> {
        let cli = Cli::try_parse_from(["serve"].iter().chain(flags));
        let put = |cli: Cli| cli.log.put_into(Config::default());
        cli.map(put).map_err(|error| error.to_string())
    }

    #[test]
    fn a_log_is_in_memory_unless_it_is_given_a_folder() {
        assert_eq!(config(&[]), Ok(Config::default()));
        let at = |sync| Some(DiskLog { folder: "a".into(), sync });
        for (sync, expected) in [
            (&["--log-dir", "a"][..], LogSync::Always),
            (&["--log-dir=a", "--log-sync=always"], LogSync::Always),
            (&["--log-dir=a", "--log-sync=never"], LogSync::Never),
            (&["--log-dir=a", "--log-sync=2s"], LogSync::Interval(Duration::from_secs(2))),
        ] {
            assert_eq!(config(sync).unwrap().log, at(expected));
        }
        for wrong in [
            &["--log-dir=a", "--log-sync=often"][..],
            &["--log-sync=never"],
            &["--log-dir=a", "--first-id=2"],
            &["--log-dir=a", "--inject=drop=1/2"],
            &["--log-dir=a", "--broker=redis://localhost:6379"],
            &["--first-id=2", "--broker=redis://localhost:6379"],
            &["--first-id=0"],
            &["--first-id=now"],
        ] {
            assert!(config(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn ids_begin_where_no_server_before_has_been() {
        assert_eq!(config(&["--first-id=7"]).unwrap().first_id, 7);
        let first = config(&["--first-id=time"]).unwrap();
        // From 2020 on, and still a number for JavaScript in a hundred years.
        assert!((1_577_836_800_000_000..1 << 52).contains(&first.first_id), "{}", first.first_id);
        assert_eq!(first.check(), Ok(()));
    }
}
