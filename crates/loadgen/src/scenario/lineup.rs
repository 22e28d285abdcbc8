//! Which contenders a file names, and the settings of each: what a `[[contender]]` leaves out is as
//! in its transport's own table, and what that leaves out has a default.

use std::sync::Arc;
use std::time::Duration;

use pushbench_wire::Transport;
use toml::Spanned;

use super::client_check::usual_client;
use super::contender::default_role;
use super::error::quoted;
use super::file::{ContenderFile, LongPollingFile, PollingFile, ScenarioFile, SseFile, StreamFile};
use super::lineup_ways::{Measured, Usual, through};
use super::network::Keys;
use super::shape::{listed, nearest};
use super::values::Values;
use super::{
    Client, Connection, Contender, ContenderId, Identity, LongPolling, Nodes, OWN_SERVER, Polling,
    Role, Server, Settings, Stream,
};

/// More than a table or a chart can hold apart.
const MAX_CONTENDERS: usize = 32;

/// The longest label, in characters: it heads a row.
const MAX_LABEL: usize = 40;

/// The settings of each transport as its table has them.
struct Tables {
    polling: Polling,
    long_polling: LongPolling,
    sse: Stream,
    websocket: Stream,
    tcp: Stream,
}

impl Tables {
    fn read(file: &ScenarioFile, values: &mut Values<'_, '_>) -> Self {
        let polling =
            Polling { interval: Duration::from_secs(1), connection: Connection::KeepAlive };
        let long_polling =
            LongPolling { timeout: Duration::from_secs(30), connection: Connection::KeepAlive };
        let stream = Stream::every(Duration::from_secs(15));
        Self {
            polling: values.polling(&file.polling, &polling),
            long_polling: values.long_polling(&file.long_polling, &long_polling),
            sse: values.sse(&file.sse, &stream),
            websocket: values.stream(&file.websocket, &stream),
            tcp: values.stream(&file.tcp, &stream),
        }
    }

    /// With what a contender's own tables change.
    fn with(&self, file: &ContenderFile, values: &mut Values<'_, '_>) -> Self {
        fn or<F, T: Clone>(
            own: Option<&Spanned<F>>,
            base: &T,
            read: impl FnOnce(&F, &T) -> T,
        ) -> T {
            own.map_or_else(|| base.clone(), |own| read(own.get_ref(), base))
        }
        let mut stream = |own: &Option<Spanned<StreamFile>>, base| {
            or(own.as_ref(), base, |own, base| values.stream(own, base))
        };
        Self {
            websocket: stream(&file.websocket, &self.websocket),
            tcp: stream(&file.tcp, &self.tcp),
            sse: or(file.sse.as_ref(), &self.sse, |own, base| values.sse(own, base)),
            polling: or(file.polling.as_ref(), &self.polling, |own, base| {
                values.polling(own, base)
            }),
            long_polling: or(file.long_polling.as_ref(), &self.long_polling, |own, base| {
                values.long_polling(own, base)
            }),
        }
    }

    fn settings(&self, transport: Transport) -> Settings {
        match transport {
            Transport::Polling => Settings::Polling(self.polling.clone()),
            Transport::LongPolling => Settings::LongPolling(self.long_polling.clone()),
            Transport::Sse => Settings::Stream(self.sse.clone()),
            Transport::WebSocket => Settings::Stream(self.websocket.clone()),
            Transport::Tcp => Settings::Stream(self.tcp.clone()),
        }
    }
}

/// The contenders of a file, references last. Where something is wrong, that is noted.
pub(super) fn contenders(
    file: &ScenarioFile,
    servers: &[Arc<Server>],
    values: &mut Values<'_, '_>,
) -> Vec<Contender> {
    let tables = Tables::read(file, values);
    let network = file.network.as_ref();
    let network = network.map_or_else(Keys::none, |table| values.network(table, &Keys::none()));
    let usual = Usual {
        multiplex: *file.workload.multiplex.get_ref(),
        tls: *file.tls.get_ref(),
        resumes_tls: file.tls_resumption.as_ref().is_some_and(|resumes| *resumes.get_ref()),
        http: file.http.as_ref().map(|http| *http.get_ref()).unwrap_or_default(),
        compression: *file.compression.get_ref(),
        log: file.log.as_ref().map(|log| *log.get_ref()).unwrap_or_default(),
        ways: values.ways(file.proxy.as_ref(), file),
        network,
        nodes: values.nodes(file.nodes.as_ref(), file.broker.as_ref(), Nodes::ALONE),
        fallback: None,
    };
    let compared = values.compared(file, servers);
    let several = compared.iter().any(|(server, _)| server.is_some());
    let compared = compared.into_iter().map(|(server, transport)| {
        let identity = compared_identity(server.as_deref(), transport, several);
        let identity = Identity { client: usual_client(file, transport), ..identity };
        (identity, tables.settings(transport), server, usual.clone())
    });
    let mut lineup: Vec<Measured> = compared.flat_map(through).collect();
    for own in &file.contender {
        let identity = values.identity(own, usual_client(file, *own.transport.get_ref()));
        let server = values.server_of(own, servers);
        let of = values.own(own, &usual, server.is_some(), file);
        let own_ways = through((identity, values.settings(own, &tables), server, of));
        let taken = |name: &str| lineup.iter().any(|(other, ..)| other.name == name);
        if let Some((identity, ..)) = own_ways.iter().find(|(of, ..)| taken(&of.name)) {
            let message = format!(
                "two contenders are called `{}`: rename one, or leave it out of `compare`",
                identity.name
            );
            values.problems.at(own.name.span(), message);
        }
        lineup.extend(own_ways);
    }
    values.check_ways(file, &lineup);
    values.check_nodes(file, &lineup);
    if lineup.len() > MAX_CONTENDERS {
        let message = format!(
            "{} contenders are compared, and the most is {MAX_CONTENDERS}: leave some out",
            lineup.len()
        );
        match file.contender.last() {
            Some(last) => values.problems.at(last.name.span(), message),
            None => values.problems.in_file(message),
        }
    }
    lineup.sort_by_key(|(identity, ..)| identity.role == Role::Reference);
    let ids = ContenderId::all(lineup.iter().map(|(identity, ..)| identity.clone()));
    values.ensure_started(file, &lineup);
    let of = |(id, (_, settings, server, multiplex, road, fallback))| Contender {
        id,
        settings,
        server,
        multiplex,
        road,
        fallback,
    };
    ids.into_iter().zip(lineup).map(of).collect()
}

/// That of a transport which is compared as it is, on one server: ours or, if `several`, one of others.
fn compared_identity(server: Option<&Server>, transport: Transport, several: bool) -> Identity {
    let own = Identity::of(transport);
    match server {
        None if several => Identity { label: format!("{} · {OWN_SERVER}", own.label), ..own },
        None => own,
        Some(server) => Identity {
            name: format!("{}-{}", server.name, own.name),
            label: format!("{} · {}", own.label, server.label),
            ..own
        },
    }
}

impl Values<'_, '_> {
    /// What is compared as it is: transports, on each of the servers that has them.
    fn compared(
        &mut self,
        file: &ScenarioFile,
        servers: &[Arc<Server>],
    ) -> Vec<(Option<Arc<Server>>, Transport)> {
        let transports = self.compared_transports(file);
        let on = match &file.servers {
            None => vec![None],
            Some(named) => self.compared_on(named, servers),
        };
        let offers = |server: &Option<Arc<Server>>, transport| {
            server.as_ref().is_none_or(|server| server.subscribe.contains_key(&transport))
        };
        let mut compared = Vec::new();
        for transport in transports {
            let with = on.iter().filter(|server| offers(server, transport));
            let before = compared.len();
            compared.extend(with.map(|server| (server.clone(), transport)));
            if let (true, Some(compare), false) =
                (compared.len() == before, &file.compare, on.is_empty())
            {
                let message = format!(
                    "nobody says how one subscribes over {transport} on {}: leave it out of `compare`",
                    super::server::on_any_of(&on)
                );
                self.problems.at(compare.span(), message);
            }
        }
        compared
    }

    fn compared_on(
        &mut self,
        named: &Spanned<Vec<Spanned<String>>>,
        servers: &[Arc<Server>],
    ) -> Vec<Option<Arc<Server>>> {
        if named.get_ref().is_empty() {
            let message =
                format!("`servers` must name at least one: \"{OWN_SERVER}\" is always there");
            self.problems.at(named.span(), message);
        }
        let mut found = Vec::new();
        for (index, name) in named.get_ref().iter().enumerate() {
            if named.get_ref()[..index].iter().any(|other| other.get_ref() == name.get_ref()) {
                let message =
                    format!("`servers` names {} twice: remove one", quoted(name.get_ref()));
                self.problems.at(name.span(), message);
            }
            found.extend(self.server(name, servers));
        }
        found
    }

    /// The server of this name: `Some(None)` is pushbench's own, and none is noted.
    fn server(
        &mut self,
        name: &Spanned<String>,
        servers: &[Arc<Server>],
    ) -> Option<Option<Arc<Server>>> {
        if name.get_ref() == OWN_SERVER {
            return Some(None);
        }
        if let Some(server) = servers.iter().find(|server| server.name == *name.get_ref()) {
            return Some(Some(Arc::clone(server)));
        }
        let known: Vec<_> =
            servers.iter().map(|server| &server.name[..]).chain([OWN_SERVER]).collect();
        let hint = match nearest(name.get_ref(), &known) {
            Some(likely) => format!("did you mean \"{likely}\"?"),
            None => format!("there are {}; another one needs [server.NAME]", listed(&known, "and")),
        };
        let message = format!("there is no server {}: {hint}", quoted(name.get_ref()));
        self.problems.at(name.span(), message);
        None
    }

    fn server_of(&mut self, file: &ContenderFile, servers: &[Arc<Server>]) -> Option<Arc<Server>> {
        let name = file.server.as_ref()?;
        let server = self.server(name, servers)??;
        let transport = *file.transport.get_ref();
        if !server.subscribe.contains_key(&transport) {
            let message = format!(
                "nobody says how one subscribes over {transport} on `{0}`: add [server.{0}.{transport}]",
                server.name
            );
            self.problems.at(file.transport.span(), message);
        }
        Some(server)
    }

    fn compared_transports(&mut self, file: &ScenarioFile) -> Vec<Transport> {
        let Some(compare) = &file.compare else {
            let none = !file.contender.is_empty() && file.servers.is_none();
            return if none { Vec::new() } else { Transport::ALL.to_vec() };
        };
        if compare.get_ref().is_empty() && file.contender.is_empty() {
            self.problems.at(
                compare.span(),
                "`compare` must name at least one transport; leave it out to compare all"
                    .to_owned(),
            );
        }
        let mut transports = Vec::new();
        for transport in compare.get_ref() {
            if transports.contains(transport.get_ref()) {
                self.problems.at(
                    transport.span(),
                    format!("`compare` names \"{}\" twice: remove one", transport.get_ref()),
                );
            }
            transports.push(*transport.get_ref());
        }
        transports.sort_unstable();
        transports
    }

    fn identity(&mut self, file: &ContenderFile, usual: Client) -> Identity {
        let name = self.name(&file.name, "thresholds and results know the contender by it");
        let transport = *file.transport.get_ref();
        let label = match &file.label {
            None => name.clone(),
            Some(label) => self.label(label),
        };
        Identity {
            role: file.role.unwrap_or_else(|| default_role(transport)),
            client: file.client.as_ref().map_or(usual, |client| *client.get_ref()),
            name,
            label,
            transport,
        }
    }

    pub(super) fn label(&mut self, label: &Spanned<String>) -> String {
        let text = label.get_ref().trim();
        let is_line = !text.is_empty() && !text.chars().any(char::is_control);
        if !is_line || text.chars().count() > MAX_LABEL {
            self.problems.at(
                label.span(),
                format!(
                    "`label` must be one line of 1 to {MAX_LABEL} characters, found {}",
                    quoted(label.get_ref())
                ),
            );
        }
        text.to_owned()
    }

    fn settings(&mut self, file: &ContenderFile, tables: &Tables) -> Settings {
        let transport = *file.transport.get_ref();
        let tables_of_others = [
            (Transport::Polling, file.polling.as_ref().map(Spanned::span)),
            (Transport::LongPolling, file.long_polling.as_ref().map(Spanned::span)),
            (Transport::Sse, file.sse.as_ref().map(Spanned::span)),
            (Transport::WebSocket, file.websocket.as_ref().map(Spanned::span)),
            (Transport::Tcp, file.tcp.as_ref().map(Spanned::span)),
        ];
        for (other, span) in tables_of_others.into_iter().filter(|(other, _)| *other != transport) {
            if let Some(span) = span {
                let message = format!(
                    "`{other}` has no effect on the contender `{}`, whose transport is \
                     \"{transport}\": remove it",
                    file.name.get_ref().escape_debug()
                );
                self.problems.at(span, message);
            }
        }
        tables.with(file, self).settings(transport)
    }

    fn polling(&mut self, file: &PollingFile, base: &Polling) -> Polling {
        Polling {
            interval: file.interval.as_ref().map_or(base.interval, |text| self.interval(text)),
            connection: file.connection.unwrap_or(base.connection),
        }
    }

    fn long_polling(&mut self, file: &LongPollingFile, base: &LongPolling) -> LongPolling {
        let allowed = Duration::from_millis(100)..=Duration::from_secs(600);
        LongPolling {
            timeout: file
                .timeout
                .as_ref()
                .map_or(base.timeout, |text| self.duration("timeout", text, allowed)),
            connection: file.connection.unwrap_or(base.connection),
        }
    }

    fn stream(&mut self, file: &StreamFile, base: &Stream) -> Stream {
        let heartbeat = file.heartbeat.as_ref();
        let heartbeat = heartbeat.map_or(base.heartbeat, |text| self.heartbeat(text));
        Stream { heartbeat, ..base.clone() }
    }

    fn sse(&mut self, file: &SseFile, base: &Stream) -> Stream {
        let heartbeat = file.heartbeat.as_ref();
        Stream {
            heartbeat: heartbeat.map_or(base.heartbeat, |text| self.heartbeat(text)),
            framing: file.framing.unwrap_or(base.framing),
            accel_buffering_hint: file.accel_buffering_hint.unwrap_or(base.accel_buffering_hint),
            retry: file.retry.as_ref().map_or(base.retry, |text| self.retry(text)),
        }
    }
}
