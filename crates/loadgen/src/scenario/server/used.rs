//! Whether each server that is described is measured: one that no contender uses would be left out without
//! a word, and another one measured in its place.

use std::sync::Arc;

use toml::Spanned;

use super::Server;
use crate::scenario::Contender;
use crate::scenario::error::Problems;
use crate::scenario::shape::listed;

/// Notes those of `servers`, which have these names in the file, that none of `contenders` uses. `servers_key`
/// is what the file has of that name.
pub(in crate::scenario) fn check_used<'a>(
    names: impl Iterator<Item = &'a Spanned<String>>,
    servers: &[Arc<Server>],
    servers_key: Option<&[Spanned<String>]>,
    contenders: &[Contender],
    problems: &mut Problems<'_>,
) {
    for (name, server) in names.zip(servers) {
        let uses = |of: &Contender| of.server.as_ref().is_some_and(|of| of.name == server.name);
        if contenders.iter().any(uses) {
            continue;
        }
        let mut named = servers_key.into_iter().flatten();
        if let Some(named) = named.find(|named| named.get_ref() == name.get_ref()) {
            let message = format!(
                "none of what `compare` names is known of the server `{}`, which has {}: add that to \
                 `compare`, or leave the server out",
                server.name,
                transports_of(server)
            );
            problems.at(named.span(), message);
            continue;
        }
        let shown = &server.name;
        let fix = match servers_key {
            Some(_) => format!("add \"{shown}\" to `servers`"),
            None => format!("add servers = [\"{shown}\"] above the first table"),
        };
        let message =
            format!("[server.{shown}] describes a server that nothing is measured on: {fix}");
        problems.at(name.span(), message);
    }
}

/// Servers that lack something, and what they have, in words.
pub(in crate::scenario) fn on_any_of(servers: &[Option<Arc<Server>>]) -> String {
    let each =
        |server: &Arc<Server>| format!("`{}`, which has {}", server.name, transports_of(server));
    servers.iter().flatten().map(each).collect::<Vec<_>>().join(", or ")
}

fn transports_of(server: &Server) -> String {
    let names: Vec<_> = server.subscribe.keys().map(ToString::to_string).collect();
    listed(&names.iter().map(String::as_str).collect::<Vec<_>>(), "and")
}
