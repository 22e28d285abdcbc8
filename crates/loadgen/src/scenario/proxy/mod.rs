//! A proxy between a contender's clients and its server, as a scenario names it: one that is known, or a
//! command of the user's. It must not know how it is started.

mod presets;
mod read;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

pub(super) use read::{ProxySchema, config_files, read};

/// What lines of a configuration begin with that are there for each server but the first.
const MORE: &str = "#more# ";

/// A proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// What names of contenders end with that go through it.
    pub name: String,
    /// What reports call it.
    pub label: String,
    /// Program and arguments, with placeholders.
    pub command: Vec<String>,
    /// Where it is started; none for one whose files all lie in its own folder.
    pub folder: Option<PathBuf>,
    /// The text of its configuration, with placeholders; none that has none.
    pub config: Option<String>,
    /// What the file with it is called: some go by its ending.
    pub config_name: String,
    /// Whether clients speak TLS to it.
    pub tls: bool,
    /// Whether it speaks HTTP/3 to clients, too, where it has TLS.
    pub http3: bool,
    /// How a program is had that is missing.
    pub install: Option<&'static str>,
    /// The arguments with which the program says its version.
    pub version: Option<&'static str>,
}

/// The way to a server: through a proxy, or none.
pub type Way = Option<Arc<Proxy>>;

impl Proxy {
    /// `text` with values for its placeholders. Other braces stay: configurations have many.
    #[must_use]
    pub fn fill(text: &str, values: &[(&str, String)]) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            filled.push_str(before);
            let value = values.iter().find_map(|(name, value)| {
                let behind = from[1..].strip_prefix(name)?.strip_prefix('}')?;
                Some((value, behind))
            });
            rest = match value {
                Some((value, behind)) => {
                    filled.push_str(value);
                    behind
                }
                None => {
                    filled.push('{');
                    &from[1..]
                }
            };
        }
        filled.push_str(rest);
        filled
    }

    /// Whether it stands before two addresses.
    pub(super) fn balances(&self) -> bool {
        self.has(&["upstream_2"])
    }

    /// Whether it leads to so many servers.
    pub(super) fn leads_to(&self, count: u32) -> bool {
        let grows = self.config.as_ref().is_some_and(|config| config.contains(MORE));
        grows || (2..=count).all(|number| self.has(&[&format!("upstream_{number}")]))
    }

    /// `config` with its lines for each server behind the first, of which there are `count` in all. Those begin with
    /// `#more#` and have `{more}` for the server's address and `{number}` for its number.
    #[must_use]
    pub fn grown(config: &str, count: usize) -> String {
        let mut grown = String::with_capacity(config.len());
        for line in config.split_inclusive('\n') {
            let text = line.trim_start();
            let Some(more) = text.strip_prefix(MORE) else {
                grown.push_str(line);
                continue;
            };
            let indent = &line[..line.len() - text.len()];
            for number in 2..=count {
                let more = more.replace("{more}", &format!("{{upstream_{number}}}"));
                grown.push_str(indent);
                grown.push_str(&more.replace("{number}", &number.to_string()));
            }
        }
        grown
    }

    /// Whether its command or its configuration has one of these placeholders.
    fn has(&self, names: &[&str]) -> bool {
        let texts = || self.command.iter().chain(&self.config);
        names.iter().any(|name| {
            let placeholder = format!("{{{name}}}");
            texts().any(|text| text.contains(&placeholder))
        })
    }
}
