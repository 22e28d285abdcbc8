//! How figures came about: the machine, the command and the scenario.

use super::block::{Block, Code, Depth, Fold, List, Section};
use super::format;
use crate::results::Manifest;

/// The section that says how to run it again, with facts of its own before those of every report.
pub(super) fn section(manifest: &Manifest, own: Vec<(&'static str, String)>) -> Block {
    let facts = own.into_iter().chain(facts(manifest));
    let blocks = vec![
        Block::Prose(measured(manifest)),
        Block::Code(Code { language: "sh", text: manifest.command.clone(), is_command: true }),
        Block::section(Depth::Full, "", vec![Block::List(List::terms(facts))]),
    ];
    Block::section(Depth::Detail, "Run it again", blocks)
}

/// The scenario as its file had it.
pub(super) fn scenario(manifest: &Manifest) -> Block {
    let text = manifest.scenario.text.clone();
    let code = Block::Code(Code { language: "toml", text, is_command: false });
    Section::new(Depth::Full, "The scenario, as its file had it", vec![code])
        .folded(Fold::Closed)
        .into()
}

/// In a sentence, when and where it was measured and with what.
pub(super) fn measured(manifest: &Manifest) -> String {
    let revision = manifest.revision.as_ref().map(|revision| format!(" ({revision})"));
    format!(
        "Measured at {} with pushbench {}{} on {}, {} cores, seed {}:",
        manifest.started_at,
        manifest.version,
        revision.unwrap_or_default(),
        manifest.machine.cpu_model.as_deref().unwrap_or("an unknown CPU"),
        manifest.machine.cores,
        manifest.seed,
    )
}

/// What lay between clients and servers. Contenders that had the same are told together.
fn networks(manifest: &Manifest) -> String {
    let mut distinct: Vec<&str> = Vec::new();
    for laid in &manifest.networks {
        if !distinct.contains(&&*laid.network) {
            distinct.push(&laid.network);
        }
    }
    match &distinct[..] {
        [] => "none: loopback".to_owned(),
        distinct => distinct.join("; "),
    }
}

/// What figures hold for.
pub(super) fn facts(manifest: &Manifest) -> Vec<(&'static str, String)> {
    let machine = &manifest.machine;
    let or_unknown = |value: Option<String>| value.unwrap_or_else(|| "unknown".to_owned());
    let cores = |cores: &[u32]| match cores {
        [] => "not pinned".to_owned(),
        cores => cores.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let memory = machine.memory_bytes.map(|bytes| format::bytes(bytes as f64));
    vec![
        ("Run", manifest.run.clone()),
        ("Started", manifest.started_at.clone()),
        ("pushbench", manifest.version.clone()),
        ("Revision", or_unknown(manifest.revision.clone())),
        ("Server", manifest.server.clone()),
        ("Seed", manifest.seed.to_string()),
        ("CPU", or_unknown(machine.cpu_model.clone())),
        ("Frequency governor", or_unknown(machine.cpu_governor.clone())),
        ("Cores", machine.cores.to_string()),
        (
            "CPU limit",
            machine
                .cpu_limit_cores
                .map_or_else(|| "none".to_owned(), |cores| format!("{cores:.2} cores")),
        ),
        ("Server's cores", cores(&machine.server_cores)),
        ("Generator's cores", cores(&machine.generator_cores)),
        ("Memory", or_unknown(memory)),
        ("Kernel", machine.kernel.clone()),
        ("Congestion control, both sides", or_unknown(machine.congestion_control.clone())),
        ("Network", networks(manifest)),
        ("Scenario", format!("{} ({})", manifest.scenario.name, manifest.scenario.path)),
        ("Scenario's SHA-256", manifest.scenario.sha256.clone()),
    ]
}
