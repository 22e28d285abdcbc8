//! The servers that pushbench knows by name.

/// Each has a page in `docs/servers/`.
const PRESETS: &[(&str, &str)] = &[];

/// Their names.
pub fn preset_names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}

/// What a preset says, as the TOML of a `[server.NAME]`.
#[must_use]
pub fn preset_text(name: &str) -> Option<&'static str> {
    PRESETS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
