//! The servers that pushbench knows by name.

/// Each has a page in `docs/servers/`.
const PRESETS: &[(&str, &str)] = &[
    ("action-cable", include_str!("../presets/action-cable.toml")),
    ("centrifugo", include_str!("../presets/centrifugo.toml")),
    ("centrifugo-recovery", include_str!("../presets/centrifugo-recovery.toml")),
    ("centrifugo-stream", include_str!("../presets/centrifugo-stream.toml")),
    ("fastapi", include_str!("../presets/fastapi.toml")),
    ("faye", include_str!("../presets/faye.toml")),
    ("mercure", include_str!("../presets/mercure.toml")),
    ("mercure-0", include_str!("../presets/mercure-0.toml")),
    ("nchan", include_str!("../presets/nchan.toml")),
    ("phoenix", include_str!("../presets/phoenix.toml")),
    ("signalr", include_str!("../presets/signalr.toml")),
    ("socketio", include_str!("../presets/socketio.toml")),
    ("socketio-recovery", include_str!("../presets/socketio-recovery.toml")),
    ("socketio-upgrade", include_str!("../presets/socketio-upgrade.toml")),
    ("sockjs", include_str!("../presets/sockjs.toml")),
    ("sse", include_str!("../presets/sse.toml")),
    ("ws", include_str!("../presets/ws.toml")),
];

/// Whether a preset is a file rather than one of these.
pub(in crate::scenario) fn is_preset_file(name: &str) -> bool {
    name.contains('/') || name.ends_with(".toml")
}

/// Their names.
pub fn preset_names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}

/// What a preset says, as the TOML of a `[server.NAME]`.
#[must_use]
pub fn preset_text(name: &str) -> Option<&'static str> {
    PRESETS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
