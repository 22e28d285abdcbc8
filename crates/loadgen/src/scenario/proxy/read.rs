//! Reading which proxies a file names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use toml::{Spanned, Value};

use super::presets::{PRESETS, Preset, TLS_ENDING, resolved};
use super::{Proxy, Way};
use crate::scenario::error::{Problems, quoted};
use crate::scenario::shape::{listed, nearest};

/// No proxy, where others are measured through one.
const NONE: &str = "none";

/// What the value may be, for the JSON Schema.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub(in crate::scenario) enum ProxySchema {
    /// One by its name: "nginx", "nginx-tls", "haproxy", "haproxy-tls", "caddy", "caddy-tls", "envoy",
    /// "envoy-tls"; or "none".
    Name(String),
    /// One with more to say.
    Described(DescribedSchema),
    /// Several: the contender is measured through each of them.
    Several(Vec<OneSchema>),
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub(in crate::scenario) enum OneSchema {
    /// By its name.
    Name(String),
    /// With more to say.
    Described(DescribedSchema),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
pub(in crate::scenario) struct DescribedSchema {
    /// One that is known, as above.
    preset: Option<String>,
    /// Which of its configurations: "default", "tuned", and "upgrade" of nginx and Envoy.
    profile: Option<String>,
    /// Whether clients speak TLS to it.
    tls: Option<bool>,
    /// What names of contenders end with.
    name: Option<String>,
    /// What reports call it.
    label: Option<String>,
    /// What starts it in the foreground, in the folder of this file.
    command: Option<String>,
    /// A file in the folder of this one. {listen}, {upstream} and others are filled in.
    config: Option<String>,
}

/// The ways that a value names: one for one proxy, and several for a list. Where something is wrong, that
/// is noted.
pub(in crate::scenario) fn read(
    value: &Spanned<Value>,
    files: &BTreeMap<String, String>,
    problems: &mut Problems<'_>,
) -> Vec<Way> {
    let mut ways = Vec::new();
    let one = std::slice::from_ref(value.get_ref());
    let listed = value.get_ref().as_array().map_or(one, Vec::as_slice);
    if listed.is_empty() {
        let message = "`proxy` must name at least one: leave it out for none".to_owned();
        problems.at(value.span(), message);
    }
    for named in listed {
        match way(named, files) {
            Ok(way) if ways.contains(&way) => {
                let name = way.map_or(NONE.to_owned(), |proxy| proxy.name.clone());
                let message = format!("`proxy` names {} twice: remove one", quoted(&name));
                problems.at(value.span(), message);
            }
            Ok(way) => ways.push(way),
            Err(message) => problems.at(value.span(), message),
        }
    }
    ways
}

fn way(named: &Value, files: &BTreeMap<String, String>) -> Result<Way, String> {
    match named {
        Value::String(name) if name == NONE => Ok(None),
        Value::String(name) => {
            let (preset, tls) = preset(name)?;
            Ok(Some(Arc::new(known(preset, None, tls)?)))
        }
        Value::Table(table) => described(table, files).map(|proxy| Some(Arc::new(proxy))),
        other => Err(format!(
            "`proxy` must be a name, a table or a list of them, found {}",
            other.type_str()
        )),
    }
}

/// The preset of this name, and whether it is with TLS.
fn preset(name: &str) -> Result<(&'static Preset, bool), String> {
    let (base, tls) = match name.strip_suffix(TLS_ENDING) {
        Some(base) => (base, true),
        None => (name, false),
    };
    if let Some(preset) = PRESETS.iter().find(|preset| preset.name == base) {
        return Ok((preset, tls));
    }
    let names = PRESETS.iter().flat_map(|of| [of.name.to_owned(), of.name.to_owned() + TLS_ENDING]);
    let names: Vec<_> = names.chain([NONE.to_owned()]).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    Err(match nearest(name, &names) {
        Some(likely) => format!("there is no proxy {}: did you mean {likely:?}?", quoted(name)),
        None => format!(
            "there is no proxy {}: there are {}; another one needs `{{ command = … }}`",
            quoted(name),
            listed(&names, "and")
        ),
    })
}

fn known(preset: &Preset, profile: Option<&str>, tls: bool) -> Result<Proxy, String> {
    let usual = preset.profiles[0].0;
    let profile = profile.unwrap_or(usual);
    let found = preset.profiles.iter().find(|(name, _)| *name == profile);
    let (_, config) = found.ok_or_else(|| {
        let names: Vec<_> = preset.profiles.iter().map(|(name, _)| *name).collect();
        format!(
            "{} has no profile {}: there are {}",
            preset.label,
            quoted(profile),
            listed(&names, "and")
        )
    })?;
    let ending = if tls { TLS_ENDING } else { "" };
    let mut name = format!("{}{ending}", preset.name);
    let mut label = format!("{}{}", preset.label, if tls { " TLS" } else { "" });
    if profile != usual {
        name += &format!("-{profile}");
        label += &format!(", {profile}");
    }
    Ok(Proxy {
        name,
        label,
        command: preset.command.iter().map(|&word| word.to_owned()).collect(),
        folder: None,
        config: Some(resolved(config, tls)),
        config_name: preset.config_name.to_owned(),
        tls,
        http3: preset.http3,
        install: Some(preset.install),
        version: Some(preset.version),
    })
}

fn described(table: &toml::Table, files: &BTreeMap<String, String>) -> Result<Proxy, String> {
    const KEYS: [&str; 7] = ["preset", "profile", "tls", "name", "label", "command", "config"];
    if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let hint = match nearest(key, &KEYS) {
            Some(likely) => format!("did you mean `{likely}`?"),
            None => format!("there are {}", listed(&KEYS, "and")),
        };
        return Err(format!("`proxy` has no key `{}`: {hint}", key.escape_debug()));
    }
    let text = |key: &str| match table.get(key) {
        None => Ok(None),
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text.as_str())),
        Some(other) => Err(format!(
            "`{key}` of `proxy` must be text in quotes that is not empty, found {}",
            other.type_str()
        )),
    };
    let tls = match table.get("tls") {
        None => None,
        Some(Value::Boolean(tls)) => Some(*tls),
        Some(other) => {
            return Err(format!(
                "`tls` of `proxy` must be true or false, found {}",
                other.type_str()
            ));
        }
    };
    let command = text("command")?.map(words).transpose()?;
    let profile = text("profile")?;
    let mut proxy = match (text("preset")?, &command) {
        (Some(name), _) => {
            let (preset, by_name) = preset(name)?;
            known(preset, profile, tls.unwrap_or(by_name) || by_name)?
        }
        (None, _) if profile.is_some() => {
            return Err("`profile` of `proxy` is that of a `preset`: name one".to_owned());
        }
        (None, Some(command)) => own(command, tls.unwrap_or_default()),
        (None, None) => return Err("`proxy` must have a `preset` or a `command`".to_owned()),
    };
    if let Some(command) = command {
        proxy.command = command;
        proxy.folder = Some(PathBuf::new());
    }
    if let Some(file) = text("config")? {
        let config = files.get(file).ok_or_else(|| {
            format!(
                "the configuration {} is a file, and there is no folder to read it from",
                quoted(file)
            )
        })?;
        proxy.config = Some(config.clone());
        let name = Path::new(file).file_name().unwrap_or_default();
        proxy.config_name = name.to_string_lossy().into_owned();
    }
    if let Some(name) = text("name")? {
        name.clone_into(&mut proxy.name);
        name.clone_into(&mut proxy.label);
    }
    if let Some(label) = text("label")? {
        label.clone_into(&mut proxy.label);
    }
    complete(&proxy)?;
    Ok(proxy)
}

fn words(command: &str) -> Result<Vec<String>, String> {
    match shell_words::split(command) {
        Ok(words) if !words.is_empty() => Ok(words),
        Ok(_) => Err("`command` of `proxy` must not be empty".to_owned()),
        Err(error) => Err(format!("`command` of `proxy` cannot be read: {error}")),
    }
}

/// One that nobody knows, by the name of its program.
fn own(command: &[String], tls: bool) -> Proxy {
    let program = Path::new(&command[0]).file_stem().unwrap_or_default().to_string_lossy();
    let name = format!("{program}{}", if tls { TLS_ENDING } else { "" });
    Proxy {
        label: name.clone(),
        name,
        command: Vec::new(),
        folder: None,
        config: None,
        config_name: String::new(),
        tls,
        http3: false,
        install: None,
        version: None,
    }
}

/// Whether it is told all that it has to know.
fn complete(proxy: &Proxy) -> Result<(), String> {
    let name = quoted(&proxy.name);
    let missing = |what: &str, names: &[&str]| {
        let known: Vec<_> = names.iter().map(|name| format!("{{{name}}}")).collect();
        Err(format!(
            "nobody tells the proxy {name} {what}: its `command` or its `config` needs {}",
            known.join(" or ")
        ))
    };
    if !proxy.has(&["listen", "port"]) {
        return missing("where to listen", &["listen", "port"]);
    }
    if !proxy.has(&["upstream", "upstream_port"]) {
        return missing("where its server is", &["upstream", "upstream_port"]);
    }
    if proxy.config.is_some() && !proxy.command.iter().any(|word| word.contains("{config}")) {
        return Err(format!(
            "nobody tells the proxy {name} where its `config` is: its `command` needs {{config}}"
        ));
    }
    if proxy.tls && !proxy.has(&["certificate", "pem"]) {
        return missing("its certificate", &["certificate", "pem"]);
    }
    if proxy.config.is_none() && proxy.command.iter().any(|word| word.contains("{config}")) {
        return Err(format!("the proxy {name} has {{config}} in its `command`, and no `config`"));
    }
    Ok(())
}

/// The files that a value names.
pub(in crate::scenario) fn config_files<'a>(
    value: &'a toml::de::DeValue<'_>,
) -> Vec<(&'a str, std::ops::Range<usize>)> {
    use toml::de::DeValue;
    match value {
        DeValue::Array(listed) => {
            listed.iter().flat_map(|one| config_files(one.get_ref())).collect()
        }
        DeValue::Table(table) => match table.get("config") {
            Some(file) => {
                file.get_ref().as_str().map(|name| (name, file.span())).into_iter().collect()
            }
            None => Vec::new(),
        },
        _ => Vec::new(),
    }
}
