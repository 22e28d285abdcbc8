//! Whether the servers that a file names for its contenders can be had, and be reached.

use toml::Spanned;

use super::Nodes;
use super::error::quoted;
use super::file::{ContenderFile, ScenarioFile};
use super::lineup_ways::Measured;
use super::values::Values;

impl Values<'_, '_> {
    /// The same of a contender, which must be of a server that is started so.
    pub(super) fn own_nodes(
        &mut self,
        file: &ContenderFile,
        usual: Nodes,
        is_described: bool,
    ) -> Nodes {
        let (count, broker) = (file.nodes.as_ref(), file.broker.as_ref());
        let span = count.map(Spanned::span).or_else(|| broker.map(Spanned::span));
        if let (Some(span), true) = (span, is_described) {
            let message = "`nodes` and `broker` are about pushbench's own server: let the `command` of another one \
                           start as many as it wants";
            self.problems.at(span, message.to_owned());
        }
        self.nodes(count, broker, usual)
    }

    /// Whether subscribers can reach all servers of everyone.
    pub(super) fn check_nodes(&mut self, file: &ScenarioFile, lineup: &[Measured]) {
        // What several have wrong in the same place is said once.
        let (mut tls_is_right, mut all_are_used, mut all_are_reached) = (true, true, true);
        self.check_logs(file, lineup);
        let own = lineup.iter().filter(|(_, _, server, ..)| server.is_none());
        for (identity, _, _, _, road, _) in own.filter(|(.., road, _)| road.nodes.count > 1) {
            let contender = file.contender.iter().find(|own| *own.name.get_ref() == identity.name);
            let span = contender.and_then(|own| own.nodes.as_ref()).or(file.nodes.as_ref());
            let span = span.map_or(0..0, Spanned::span);
            let (name, count) = (&identity.name, road.nodes.count);
            if road.tls && std::mem::take(&mut tls_is_right) {
                let message = format!(
                    "each of the {count} servers of `{name}` would have a certificate of its own: leave `tls` out, or \
                     put a proxy with TLS before them"
                );
                self.problems.at(span.clone(), message);
            }
            let are_few = *file.workload.subscribers.get_ref() < i64::from(count);
            if are_few && std::mem::take(&mut all_are_used) {
                let message = format!(
                    "`{name}` has more servers ({count}) than subscribers: nobody would be at the last one"
                );
                self.problems.at(span.clone(), message);
            }
            let Some(proxy) = &road.proxy else { continue };
            if !proxy.leads_to(count) && std::mem::take(&mut all_are_reached) {
                let message = format!(
                    "the proxy {} of `{name}` leads to fewer than {count} servers: use \"haproxy\", or nginx \
                     or Caddy, tuned, or a `config` with {{upstream}} to {{upstream_{count}}}",
                    quoted(&proxy.name)
                );
                self.problems.at(span, message);
            }
        }
    }

    /// Whether servers that share their events by a broker keep none of their own on disk: their ids are the broker's.
    fn check_logs(&mut self, file: &ScenarioFile, lineup: &[Measured]) {
        let shared = lineup.iter().find(|(_, _, server, _, road, _)| {
            let is_shared = road.nodes.count > 1 || road.nodes.broker.is_some();
            server.is_none() && is_shared && road.log.sync().is_some()
        });
        let Some((identity, ..)) = shared else { return };
        let name = &identity.name;
        let own = file.contender.iter().find(|own| {
            let of = own.name.get_ref();
            of == name || name.starts_with(&format!("{of}-"))
        });
        let log = own.and_then(|own| own.log.as_ref()).or(file.log.as_ref());
        let message = format!(
            "`log` is that of a server that is alone, and `{name}` shares its events by a broker, which numbers them: \
             leave out `log`, or `nodes` and `broker`"
        );
        self.problems.at(log.map_or(0..0, Spanned::span), message);
    }
}
