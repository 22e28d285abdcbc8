//! What a server leaves to a preset: one that is built in, or a file of one's own.

use std::collections::BTreeMap;

use serde::Deserialize as _;
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, Deserializer};

use super::file::ServerFile;
use super::presets::{is_preset_file, preset_names, preset_text};
use crate::scenario::error::{PresetText, Problems, quoted};
use crate::scenario::shape::{self, listed, nearest};

/// Where presets are looked up that are not built in.
pub(in crate::scenario) struct Presets<'a> {
    /// What each file says, by the name that scenarios have for it.
    pub(in crate::scenario) files: &'a BTreeMap<String, String>,
    /// That of the scenario, which has the shape of a server in it.
    pub(in crate::scenario) schema: &'a Value,
}

impl Presets<'_> {
    /// What a preset says; none where that is noted as a problem. What is noted from now on of a place in it,
    /// is noted as one of the preset.
    pub(super) fn read(
        &self,
        name: &Spanned<String>,
        problems: &mut Problems<'_>,
    ) -> Option<ServerFile> {
        let is_file = is_preset_file(name.get_ref());
        let text = match is_file {
            true => self.files.get(name.get_ref()).map(String::as_str),
            false => preset_text(name.get_ref()),
        };
        let Some(text) = text else {
            let hint = match nearest(name.get_ref(), &preset_names().collect::<Vec<_>>()) {
                _ if is_file => "it is a file, and there is no folder to read it from".to_owned(),
                Some(likely) => format!("did you mean \"{likely}\"?"),
                None => {
                    let known = listed(&preset_names().collect::<Vec<_>>(), "and");
                    format!("there are {known}; a file of your own is \"./NAME.toml\"")
                }
            };
            let message = format!("there is no preset {}: {hint}", quoted(name.get_ref()));
            problems.at(name.span(), message);
            return None;
        };
        let preset = PresetText {
            named: name.span(),
            file: is_file.then(|| name.get_ref().clone()),
            text: text.to_owned(),
        };
        let end = problems.behind(Some(preset));
        // So that its places are behind all of the scenario's.
        let text = format!("{}{text}", " ".repeat(end));
        let unreadable = |error: toml::de::Error| {
            let message = error.message().trim_end().replace('\n', "; ");
            (error.span().unwrap_or(name.span()), message)
        };
        let table = match DeTable::parse(&text) {
            Ok(table) => table,
            Err(error) => {
                let (span, message) = unreadable(error);
                problems.at(span, message);
                return None;
            }
        };
        let of_server = &self.schema["properties"]["server"]["additionalProperties"];
        if !shape::check_server(&table, of_server, problems) {
            return None;
        }
        match ServerFile::deserialize(Deserializer::from(table)) {
            Ok(file) => match &file.preset {
                None => Some(file),
                Some(other) => {
                    let message = "`preset` has no place in a preset: write what that one says";
                    problems.at(other.span(), message.to_owned());
                    None
                }
            },
            Err(error) => {
                let (span, message) = unreadable(error);
                problems.at(span, message);
                None
            }
        }
    }
}
