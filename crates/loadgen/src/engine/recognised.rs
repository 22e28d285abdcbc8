//! What is said where no event of a server that is not ours was recognised: mostly its description lacks
//! something, rather than that it loses all.

use anyhow::ensure;
use pushbench_wire::Transport;

use super::recorder::Account;
use crate::scenario::{Publish, Recipe, Server};

/// What is likely to be wrong, behind what came instead of an event.
pub(super) struct Suspicion<'a> {
    pub(super) server: &'a Server,
    pub(super) transport: Transport,
    /// The last thing that the publisher was told, if that was no event.
    pub(super) publisher_told: Option<&'a str>,
}

impl Suspicion<'_> {
    /// That subscribers have to say what they want. Whose URL names the channel has said so.
    pub(super) fn must_join(&self) -> Option<String> {
        let recipe = self.server.subscribe.get(&self.transport)?;
        let says_channel = || recipe.ask.url.names().any(|name| name == "channel");
        let is_silent = self.transport == Transport::WebSocket && has_no_steps(recipe);
        (is_silent && !says_channel())
            .then(|| format!("does one have to join first? [{}] has no `steps`", recipe.table))
    }

    /// What the publisher heard, as a part of a sentence.
    pub(super) fn publisher(&self) -> Option<String> {
        let told = self.publisher_told?;
        let join = match &self.server.publish {
            Publish::Socket(socket) if has_no_steps(&socket.recipe) => {
                format!(": does it have to join? [{}] has no `steps`", socket.recipe.table)
            }
            _ => String::new(),
        };
        Some(format!("the publisher was told {told}{join}"))
    }
}

fn has_no_steps(recipe: &Recipe) -> bool {
    recipe.steps.is_empty() && recipe.before.is_empty()
}

/// Whether any event was recognised.
pub(super) fn ensure_recognised(
    account: &Account,
    suspicion: &Suspicion<'_>,
) -> anyhow::Result<()> {
    let join = suspicion.must_join().map_or_else(String::new, |join| format!(": {join}"));
    let publisher = suspicion.publisher().map_or_else(String::new, |told| format!("; {told}"));
    ensure!(
        account.delivered > 0 || account.duplicated > 0,
        "no event was recognised in what the server sent; {}{publisher}",
        match &account.first_other {
            Some(message) =>
                format!("the first message that nothing is said of: {message:?}{join}"),
            None => match &account.first_reconnect {
                Some(reason) => format!("its connections ended again and again: {reason}"),
                None => format!("it sent no message at all behind the opening{join}"),
            },
        }
    );
    Ok(())
}
