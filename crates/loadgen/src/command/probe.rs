//! `pushbench probe`: whether a server can be used as it is described, and what is said meanwhile.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use pushbench_wire::Transport;

use super::screen::Stdout;
use super::{ExitStatus, Unusable};
use crate::engine::probe::{Probed, Probing, probe as probe_one, servers_of};
use crate::engine::{Cores, adopt_orphans};
use crate::scenario::{Scenario, preset_names, preset_says_where, preset_text};
use crate::text::plain;

/// Behind a proxy, later than this is late: without one, events come within milliseconds.
const LATE: Duration = Duration::from_millis(50);

/// What `pushbench probe` was asked.
#[derive(Clone, Debug)]
pub struct ProbeOptions {
    /// A scenario file, the name of a preset, or the file of one.
    pub target: String,
    /// Where the server of a preset is.
    pub url: Option<String>,
    /// Through which proxies the server of a preset is asked, `NAME` or `NAME:PROFILE`; by itself if empty.
    pub proxies: Vec<String>,
    /// Only these; all if empty.
    pub transports: Vec<Transport>,
    /// Hosts beyond this machine and its private network that may be asked.
    pub allow_remote: Vec<String>,
}

/// Subscribes once over each transport, publishes one event, and prints what went over the connection.
///
/// # Errors
/// A target that is none, or a machine that cannot do it.
pub fn probe(options: &ProbeOptions) -> anyhow::Result<ExitStatus> {
    let scenario = scenario(options)?;
    let servers = servers_of(&scenario);
    let wanted = |transport: &Transport| {
        options.transports.is_empty() || options.transports.contains(transport)
    };
    let servers: Vec<_> = servers.into_iter().filter(|of| wanted(&of.transport)).collect();
    if servers.is_empty() {
        let message = format!(
            "{} compares nothing on a server that is not pushbench: there is nothing to probe",
            options.target
        );
        return Err(Unusable(message).into());
    }
    crate::campaign::remote::check(&scenario, &options.allow_remote)?;
    let cores = Cores::divide()?;
    let _ = adopt_orphans();
    let mut out = Stdout::new();
    let mut summary = Vec::new();
    for probing in &servers {
        let through = probing.proxy.as_ref().map(|proxy| format!(" · {}", proxy.label));
        let label = format!(
            "{} · {}{}",
            probing.transport.label(),
            probing.server.label,
            through.unwrap_or_default()
        );
        match show(&mut out, &label, probing, &cores)? {
            Some(found) => summary.push((label, found)),
            None => {
                out.end()?;
                return Ok(ExitStatus::Interrupted);
            }
        }
    }
    if summary.len() > 1 {
        writeln!(out)?;
        for (label, found) in &summary {
            writeln!(out, "{label}: {}", found.words())?;
        }
    }
    out.end()?;
    let all = summary.iter().all(|(_, found)| *found != Found::Nothing);
    Ok(if all { ExitStatus::Complete } else { ExitStatus::Failed })
}

/// Whether the event came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    InTime,
    Late,
    Nothing,
}

impl Found {
    /// Polls wait for their interval, and by itself any server may be as slow as it likes.
    fn after(latency: Duration, probing: &Probing) -> Self {
        let is_late = latency > LATE && probing.transport != Transport::Polling;
        if is_late && probing.proxy.is_some() { Self::Late } else { Self::InTime }
    }

    fn words(self) -> &'static str {
        match self {
            Self::InTime => "works",
            Self::Late => "works, and is late",
            Self::Nothing => "does not work",
        }
    }
}

/// What came of it; none if the user did not wait for it.
fn show(
    out: &mut Stdout,
    label: &str,
    probing: &Probing,
    cores: &Cores,
) -> anyhow::Result<Option<Found>> {
    writeln!(out, "{}", plain(label))?;
    let Probed { lines, outcome } = probe_one(probing, cores)?;
    for (at, line) in lines {
        writeln!(out, "{:>8.1} ms  {}", at.as_secs_f64() * 1e3, plain(&line))?;
    }
    let found = match &outcome {
        Some(Ok(latency)) => {
            let found = Found::after(*latency, probing);
            let ms = latency.as_secs_f64() * 1e3;
            writeln!(out, "  {}: the event came after {ms:.1} ms", found.words())?;
            Some(found)
        }
        Some(Err(error)) => {
            writeln!(out, "  does not work: {}", plain(&format!("{error:#}")))?;
            Some(Found::Nothing)
        }
        None => {
            writeln!(out, "  interrupted")?;
            None
        }
    };
    out.flush()?;
    Ok(found)
}

/// The scenario of a file, or one that a preset and a URL make.
fn scenario(options: &ProbeOptions) -> anyhow::Result<Scenario> {
    let ProbeOptions { target, url, proxies, .. } = options;
    let file = Path::new(target);
    let nowhere = || {
        let message =
            format!("say where the server is: pushbench probe {target} --url http://HOST:PORT");
        Unusable(message)
    };
    if let Some(says_where) = preset_says_where(file) {
        if !says_where && url.is_none() {
            return Err(nowhere().into());
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let text = with_preset(&format!("./{name}"), url.as_deref(), proxies);
        let folder = file.parent().unwrap_or(Path::new(""));
        return Ok(Scenario::in_folder(text, Path::new("the command line"), folder)?.0);
    }
    if file.is_file() {
        if url.is_some() {
            return Err(
                Unusable(format!("{target} says where its servers are: leave out --url")).into()
            );
        }
        if !proxies.is_empty() {
            let message = format!(
                "{target} says through which proxies its servers are reached (`proxy = \"nginx-tls\"`): \
                 leave out --proxy"
            );
            return Err(Unusable(message).into());
        }
        return Ok(Scenario::load(file)?.0);
    }
    if preset_text(target).is_none() {
        let names: Vec<_> = preset_names().collect();
        let message = format!(
            "{target} is neither a scenario nor a preset, nor a file of one; the presets are {}",
            names.join(", ")
        );
        return Err(Unusable(message).into());
    }
    let Some(url) = url else { return Err(nowhere().into()) };
    Ok(Scenario::parse(&with_preset(target, Some(url), proxies), "the command line")?)
}

/// A scenario whose only server is as this preset has it, at `url` if that is said, and is reached through
/// these proxies.
fn with_preset(preset: &str, url: Option<&str>, proxies: &[String]) -> String {
    // A JSON string is one of TOML, too.
    let string = |text: &str| serde_json::Value::from(text);
    let preset = string(preset);
    let proxy = |named: &String| match named.split_once(':') {
        None => string(named).to_string(),
        Some((preset, profile)) => {
            format!("{{ preset = {}, profile = {} }}", string(preset), string(profile))
        }
    };
    let proxies = match proxies {
        [] => String::new(),
        named => format!("proxy = [{}]\n", named.iter().map(proxy).collect::<Vec<_>>().join(", ")),
    };
    let url = url.map_or(String::new(), |url| format!("url = {}\n", string(url)));
    format!(
        "name = \"probe\"\ndescription = \"One event.\"\nservers = [\"probed\"]\n{proxies}[workload]\n\
         subscribers = 1\nevents_per_second = 1\npayload_bytes = 64\nduration = \"1s\"\nwarm_up = \"100ms\"\n\
         [polling]\ninterval = \"100ms\"\n[server.probed]\npreset = {preset}\n{url}"
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::scenario::Server;

    fn asked(target: &str, url: Option<&str>) -> Result<Vec<(Arc<Server>, Transport)>, String> {
        let options = ProbeOptions {
            target: target.to_owned(),
            url: url.map(str::to_owned),
            proxies: Vec::new(),
            transports: Vec::new(),
            allow_remote: Vec::new(),
        };
        let scenario = scenario(&options).map_err(|error| error.to_string())?;
        Ok(servers_of(&scenario).into_iter().map(|of| (of.server, of.transport)).collect())
    }

    #[test]
    fn a_preset_needs_a_place() {
        let nchan = asked("nchan", Some("http://127.0.0.1:8080")).unwrap();
        assert_eq!(nchan.len(), 4);
        for name in preset_names() {
            assert!(!asked(name, Some("http://localhost")).unwrap().is_empty(), "{name}");
        }
        assert!(asked("nchan", None).unwrap_err().contains("--url http://HOST:PORT"));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("mine");
        let preset = "[publish]\nurl = '{url}'\n[sse]\nurl = '{url}'\n";
        std::fs::write(&file, preset).unwrap();
        let file = file.to_str().unwrap();
        assert_eq!(asked(file, Some("http://a")).unwrap()[0].1, Transport::Sse);
        assert!(asked(file, None).unwrap_err().contains("--url http://HOST:PORT"));
        std::fs::write(file, format!("url = 'http://a'\n{preset}uri = 1\n")).unwrap();
        let wrong = asked(file, None).unwrap_err();
        assert!(
            wrong.ends_with("./mine:6: [sse] has no key `uri`: did you mean `url`?"),
            "{wrong}"
        );
        let none = asked("nchann", Some("http://a")).unwrap_err();
        assert!(none.contains("is neither a scenario nor a preset"), "{none}");
    }
}
