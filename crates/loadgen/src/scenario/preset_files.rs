//! Presets, and configurations of proxies, that are files: what they say becomes a part of the scenario's text, because results must be
//! read where the files are not at hand, or say something else by now.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Problem, Problems, quoted};
use super::limits::MAX_FILE_BYTES;
use super::proxy;
use super::server::is_preset_file;
use crate::input;

/// The table that has them.
const TABLE: &str = "preset_files";

/// The text of a scenario with the presets that it names and that lie in its `folder`. Nothing is read of a
/// text that has them, and of one that is no TOML, which is said by whoever reads it.
pub(super) fn with_preset_files(text: String, folder: &Path) -> Result<String, Vec<Problem>> {
    let Ok(table) = DeTable::parse(&text) else { return Ok(text) };
    let named = named(table.get_ref());
    if named.is_empty() || table.get_ref().contains_key(TABLE) {
        return Ok(text);
    }
    let mut problems = Problems::new(&text);
    let mut more = format!("\n# What these files said when they were read.\n[{TABLE}]\n");
    let mut seen = Vec::new();
    for (name, span) in named {
        if seen.contains(&name) {
            continue;
        }
        match input::text(&folder.join(name), MAX_FILE_BYTES) {
            // Writing to a `String` cannot fail.
            Ok(preset) => drop(writeln!(more, "{} = {}", basic(name), literal(&preset))),
            Err(reason) => {
                problems.at(span, format!("the file {} cannot be read: {reason}", quoted(name)));
            }
        }
        seen.push(name);
    }
    problems.none_so_far()?;
    Ok(format!("{}\n{more}", text.trim_end()))
}

/// Of a file that is a preset, and not a scenario: whether it says where its server is, or how it is started.
pub(crate) fn preset_says_where(path: &Path) -> Option<bool> {
    let text = input::text(path, MAX_FILE_BYTES).ok()?;
    let table = DeTable::parse(&text).ok()?;
    let has = |key| table.get_ref().contains_key(key);
    let is_scenario = ["name", "description", "workload", "server"].into_iter().any(has);
    (has("publish") && !is_scenario).then(|| has("url") || has("command"))
}

/// The files that servers and proxies name, and those that a sweep gives servers.
fn named<'a>(table: &'a DeTable<'_>) -> Vec<(&'a str, Range<usize>)> {
    let inner = |key: &str| match table.get(key).map(Spanned::get_ref) {
        Some(DeValue::Table(inner)) => Some(inner),
        _ => None,
    };
    let of_server = |server: &'a Spanned<DeValue<'_>>| match server.get_ref() {
        DeValue::Table(server) => server.get("preset"),
        _ => None,
    };
    let servers = inner("server").into_iter().flatten();
    let mut values: Vec<_> = servers.filter_map(|(_, server)| of_server(server)).collect();
    for (key, swept) in inner("sweep").into_iter().flatten() {
        let is_preset = key.get_ref().starts_with("server.") && key.get_ref().ends_with(".preset");
        if let (true, DeValue::Array(swept)) = (is_preset, swept.get_ref()) {
            values.extend(swept.iter());
        }
    }
    let contenders = match table.get("contender").map(Spanned::get_ref) {
        Some(DeValue::Array(contenders)) => &contenders[..],
        _ => &[],
    };
    let of_contender = |contender: &'a Spanned<DeValue<'_>>| match contender.get_ref() {
        DeValue::Table(contender) => contender.get("proxy"),
        _ => None,
    };
    let proxies = contenders.iter().filter_map(of_contender).chain(table.get("proxy"));
    let configurations = proxies.flat_map(|proxy| proxy::config_files(proxy.get_ref()));
    let mut files: Vec<(&str, Range<usize>)> = values
        .into_iter()
        .filter_map(|value| match value.get_ref() {
            DeValue::String(name) if is_preset_file(name) => Some((name.as_ref(), value.span())),
            _ => None,
        })
        .chain(configurations)
        .collect();
    files.sort_by_key(|(_, span)| span.start);
    files
}

/// Text as TOML, as it stands where that is possible.
fn literal(text: &str) -> String {
    let is_plain = |character: char| matches!(character, '\n' | '\t') || !character.is_control();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    match text.chars().all(is_plain) && !text.contains("'''") {
        true => format!("'''\n{text}{end}'''"),
        false => basic(text),
    }
}

/// Text as TOML on one line.
fn basic(text: &str) -> String {
    // A JSON string is one of TOML, too, but for this character.
    serde_json::Value::from(text).to_string().replace('\x7f', "\\u007f")
}

#[cfg(test)]
mod tests;
