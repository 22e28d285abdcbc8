//! From the keys that say how a server comes to be there to a [`Start`].

use std::path::PathBuf;

use toml::Spanned;

use super::file::{ReadyFile, ServerFile};
use super::read::Reader;
use super::{Ready, SeenBy, Start};

impl Reader<'_, '_, '_> {
    pub(super) fn start(&mut self, file: &ServerFile) -> Start {
        let Some(command) = &file.command else {
            if let Some(ready) = &file.ready {
                let message = "`ready` has no effect without `command`: remove it".to_owned();
                self.problem(ready.span(), message);
            }
            if let (Some(_), Some(cgroup)) = (&file.pid_file, &file.cgroup) {
                let message =
                    "a server is seen by `pid_file` or by `cgroup`: remove one".to_owned();
                self.problem(cgroup.span(), message);
            }
            let pid_file = file.pid_file.as_ref().map(|of| SeenBy::PidFile(of.get_ref().into()));
            let cgroup = file.cgroup.as_ref().map(|of| SeenBy::Cgroup(of.get_ref().into()));
            return Start::Running { seen: pid_file.or(cgroup) };
        };
        for (key, of) in [("pid_file", &file.pid_file), ("cgroup", &file.cgroup)] {
            if let Some(of) = of {
                let message = format!(
                    "`{key}` has no effect with `command`, whose process is known: remove it"
                );
                self.problem(of.span(), message);
            }
        }
        let words = match shell_words::split(command.get_ref()) {
            Ok(words) if words.first().is_some_and(|first| sets_a_variable(first)) => {
                let message = format!(
                    "no shell reads `command`, which would set a variable: write \"env {}\"",
                    command.get_ref().trim().escape_debug()
                );
                self.problem(command.span(), message);
                words
            }
            Ok(words) if !words.is_empty() => words,
            Ok(_) => {
                self.problem(command.span(), "`command` must not be empty".to_owned());
                Vec::new()
            }
            Err(error) => {
                self.problem(command.span(), format!("`command` cannot be read: {error}"));
                Vec::new()
            }
        };
        let word = |word: String| {
            self.template(&Spanned::new(command.span(), word), &["host", "port", "port_2", "url"])
        };
        let words = words.into_iter().map(word).collect();
        let ready = match file.ready.as_ref().map(Spanned::get_ref) {
            None | Some(ReadyFile { line: None, url: None }) => Ready::Port,
            Some(ReadyFile { line: Some(line), url: None }) => Ready::Line(line.clone()),
            Some(ReadyFile { line: None, url: Some(url) }) => {
                Ready::Url(self.url(url, &["host", "port", "url"], "{url}"))
            }
            Some(ReadyFile { line: Some(_), url: Some(url) }) => {
                let message = "`ready` has either `line` or `url`: remove one".to_owned();
                self.problem(url.span(), message);
                Ready::Port
            }
        };
        Start::Command { words, folder: PathBuf::new(), ready }
    }
}

/// Whether a shell would take this word for a variable and its value.
fn sets_a_variable(word: &str) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.chars().all(|of| of.is_ascii_alphanumeric() || of == '_')
    };
    word.split_once('=').is_some_and(|(name, _)| is_name(name))
}
