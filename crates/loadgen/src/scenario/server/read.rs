//! From the tables of a file to [`Server`]s: presets are laid under, templates are parsed, and a
//! placeholder that never gets a value is a problem of its line.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use hyper::header::{self, HeaderName};
use pushbench_wire::Transport;
use toml::Spanned;

use super::file::{ServerFile, TokenFile};
use super::read_preset::Presets;
use super::template::FILTERS;
use super::{OWN_SERVER, Publish, Server, Start, Template, Token, Trust};
use crate::scenario::error::{Problems, quoted};
use crate::scenario::shape::{listed, nearest};
use crate::scenario::values::Values;
use crate::scenario::{Contender, Content, Scenario};

/// Where a server is that is started here and does not say.
const DEFAULT_URL: &str = "http://{host}:{port}";

/// Header fields that say where a message ends, and how long a connection lasts.
const OURS: [HeaderName; 3] =
    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];

/// What has a value everywhere.
const KNOWN: [&str; 7] = ["url", "ws", "host", "port", "token", "channel", "subscriber"];

/// How many connections a publisher may have: each has a thread that reads it.
const MAX_PUBLISHER_CONNECTIONS: u32 = 64;

pub(super) type Headers = BTreeMap<String, Spanned<String>>;

/// The servers of a file, by name.
pub(in crate::scenario) fn servers(
    files: &BTreeMap<Spanned<String>, ServerFile>,
    presets: &Presets<'_>,
    values: &mut Values<'_, '_>,
) -> Vec<Arc<Server>> {
    let read = |(name, file): (&Spanned<String>, &ServerFile)| {
        if name.get_ref() == OWN_SERVER {
            let message = format!(
                "`{OWN_SERVER}` is the server that every scenario has: choose another name"
            );
            values.problems.at(name.span(), message);
        }
        let mut reader = Reader {
            values,
            own: name.span(),
            table: format!("server.{}", name.get_ref().escape_debug()),
            names: BTreeSet::new(),
        };
        let server = reader.server(name, file, presets);
        values.problems.behind(None);
        Arc::new(server)
    };
    files.iter().map(read).collect()
}

/// Notes what of a workload servers that are described cannot do.
pub(in crate::scenario) fn check_together<'a>(
    names: impl Iterator<Item = &'a Spanned<String>>,
    scenario: &Scenario,
    problems: &mut Problems<'_>,
) {
    let used = |name: &&Spanned<String>| {
        let of = |contender: &Contender| {
            contender.server.as_ref().is_some_and(|server| server.name == *name.get_ref())
        };
        scenario.contenders.iter().any(of)
    };
    let Some(name) = names.into_iter().find(used) else { return };
    if scenario.workload.upstream.is_some() {
        let message = format!(
            "`upstream` has subscribers send, which is not known of the server `{}`: leave it out",
            name.get_ref()
        );
        problems.at(name.span(), message);
    }
    for of in scenario.contenders.iter().filter(|of| of.shares_connections(&scenario.workload)) {
        let Some(server) = &of.server else { continue };
        let transport = of.id.transport();
        let recipe = server.subscribe.get(&transport);
        if recipe.is_some_and(|recipe| !recipe.carries_several()) {
            let message = format!(
                "nobody says how several channels share a connection over {transport} on `{0}`: leave out \
                 `multiplex` for the contender `{1}`, or add to [server.{0}.{transport}] a `join` that \
                 stands between their names in {{channel}}, or `each = true` to the steps that each \
                 channel has",
                server.name,
                of.id.name()
            );
            problems.at(name.span(), message);
        }
    }
    if scenario.workload.content == Content::Binary {
        let message = format!(
            "`content = \"binary\"` is not possible with the server `{}`: templates hold text",
            name.get_ref()
        );
        problems.at(name.span(), message);
    }
    if scenario.workload.content == Content::Json {
        let message = format!(
            "`content = \"json\"` is not possible with the server `{}`: a template may hold events between \
             quotation marks",
            name.get_ref()
        );
        problems.at(name.span(), message);
    }
    check_connections(name, scenario, problems);
}

/// Notes a publisher that would need too many connections.
fn check_connections(name: &Spanned<String>, scenario: &Scenario, problems: &mut Problems<'_>) {
    let channels = scenario.workload.channels;
    let each = |contender: &Contender| match contender.server.as_deref() {
        Some(Server { publish: Publish::Socket(socket), .. }) => socket.each_channel,
        _ => false,
    };
    if channels > MAX_PUBLISHER_CONNECTIONS && scenario.contenders.iter().any(each) {
        let message = format!(
            "what opens the publisher's WebSocket names {{channel}}, so each of {channels} channels \
             would have one, and at most {MAX_PUBLISHER_CONNECTIONS} may: name {{channel}} in `send` \
             alone, or lower `channels`"
        );
        problems.at(name.span(), message);
    }
}

/// Reads one server.
pub(super) struct Reader<'v, 'p, 't> {
    pub(super) values: &'v mut Values<'p, 't>,
    /// Where what has no place of its own is noted.
    pub(super) own: Range<usize>,
    /// The name of its table.
    pub(super) table: String,
    /// The placeholders that have a value where it reads.
    pub(super) names: BTreeSet<String>,
}

impl Reader<'_, '_, '_> {
    pub(super) fn problem(&mut self, span: Range<usize>, message: String) {
        self.values.problems.at(span, message);
    }

    fn server(
        &mut self,
        name: &Spanned<String>,
        own: &ServerFile,
        presets: &Presets<'_>,
    ) -> Server {
        self.values.name(name, "contenders know the server by it");
        let file = match &own.preset {
            None => own.clone(),
            Some(preset) => {
                self.own = preset.span();
                // What it would have said cannot be missed as well.
                let Some(base) = presets.read(preset, self.values.problems) else {
                    return unknown(name);
                };
                own.clone().over(base)
            }
        };
        self.names = KNOWN.map(str::to_owned).into();
        if file.token.is_none() {
            self.names.remove("token");
        }
        let url = match (&file.url, &file.command) {
            (Some(url), Some(_)) => self.base_url(url, &["host", "port"]),
            (Some(url), None) => self.base_url(url, &["port"]),
            (None, Some(_)) => Template::parse(DEFAULT_URL).unwrap_or_default(),
            (None, None) => {
                let message = format!(
                    "the server `{}` has neither `command` nor `url`: say how it is started, or where \
                     it runs",
                    name.get_ref().escape_debug()
                );
                self.problem(name.span(), message);
                Template::default()
            }
        };
        let tables = [
            (Transport::Polling, &file.polling),
            (Transport::LongPolling, &file.long_polling),
            (Transport::Sse, &file.sse),
            (Transport::WebSocket, &file.websocket),
        ];
        let mut subscribe = BTreeMap::new();
        for (transport, table) in tables {
            if let Some(table) = table {
                let name = format!("{}.{transport}", self.table);
                let recipe = self.recipe(transport, name, table);
                subscribe.insert(transport, Arc::new(recipe));
            }
        }
        if subscribe.is_empty() {
            let message = format!(
                "nobody can subscribe to the server `{0}`: add [server.{0}.sse], [server.{0}.websocket], \
                 [server.{0}.long-polling] or [server.{0}.polling]",
                name.get_ref().escape_debug()
            );
            self.problem(name.span(), message);
        }
        let text = |text: &Option<Spanned<String>>| {
            text.as_ref().map(|text| text.get_ref().trim().to_owned())
        };
        let label = match &file.label {
            Some(label) => self.values.label(label),
            None => name.get_ref().clone(),
        };
        Server {
            name: name.get_ref().clone(),
            label,
            promises: text(&file.promises),
            start: self.start(&file),
            url,
            trust: file.tls.map_or_else(Trust::default, |tls| Trust {
                ca: tls.ca.map(PathBuf::from),
                insecure: tls.insecure,
            }),
            token: file.token.as_ref().and_then(|token| self.token(token)),
            publish: self.publish(&file.publish.unwrap_or_default(), name),
            subscribe,
        }
    }

    fn token(&mut self, file: &Spanned<TokenFile>) -> Option<Token> {
        match file.get_ref() {
            TokenFile { env: Some(variable), hs256: None, claims: None } => {
                Some(Token::Variable(variable.clone()))
            }
            TokenFile { env: None, hs256: Some(key_variable), claims: Some(claims) } => {
                let json: Result<serde_json::Map<_, _>, _> = serde_json::from_str(claims.get_ref());
                if let Err(error) = json {
                    let message = format!("`claims` must be a JSON object: {error}");
                    self.problem(claims.span(), message);
                }
                let claims = claims.get_ref().clone();
                Some(Token::Signed { key_variable: key_variable.clone(), claims })
            }
            _ => {
                let message = "`token` must be `{ env = \"NAME\" }` or `{ hs256 = \"NAME\", claims = '{…}' }`";
                self.problem(file.span(), message.to_owned());
                None
            }
        }
    }

    pub(super) fn headers(
        &mut self,
        files: Option<&Headers>,
        known: Option<&[&str]>,
    ) -> Vec<(HeaderName, Template)> {
        let mut headers = Vec::new();
        for (name, value) in files.into_iter().flatten() {
            let Ok(header) = HeaderName::try_from(name) else {
                let message = format!("`{}` is no name of a header field", name.escape_debug());
                self.problem(value.span(), message);
                continue;
            };
            if OURS.contains(&header) {
                let message = format!("`{header}` is written by pushbench itself: remove it");
                self.problem(value.span(), message);
            }
            let template = match known {
                Some(known) => self.template(value, known),
                None => self.template_of_names(value),
            };
            headers.push((header, template));
        }
        headers
    }

    pub(super) fn method(&mut self, method: Option<&Spanned<String>>, usual: &str) -> String {
        let Some(method) = method else { return usual.to_owned() };
        if !is_method(method.get_ref()) {
            let message = format!(
                "`method` must be a method of HTTP, such as \"{usual}\", found {}",
                quoted(method.get_ref())
            );
            self.problem(method.span(), message);
        }
        method.get_ref().clone()
    }

    /// With what has a value by now.
    pub(super) fn template_of_names(&mut self, text: &Spanned<String>) -> Template {
        let names: Vec<String> = self.names.iter().cloned().collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.template(text, &names)
    }

    pub(super) fn template(&mut self, text: &Spanned<String>, known: &[&str]) -> Template {
        let template = match Template::parse(text.get_ref()) {
            Ok(template) => template,
            Err(filter) => {
                let message = format!(
                    "there is no filter `{}`: there are {}",
                    filter.escape_debug(),
                    listed(&FILTERS, "and")
                );
                self.problem(text.span(), message);
                return Template::default();
            }
        };
        let unknown: BTreeSet<_> = template.names().filter(|name| !known.contains(name)).collect();
        for name in unknown {
            let hint = match nearest(name, known) {
                Some(likely) => format!("did you mean `{{{likely}}}`?"),
                None => format!("there are {} here", listed(known, "and")),
            };
            self.problem(text.span(), format!("`{{{name}}}` has no value here: {hint}"));
        }
        template
    }
}

pub(super) fn is_method(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Stands for one that cannot be read, so that nothing more is said of it.
fn unknown(name: &Spanned<String>) -> Server {
    let transports = Transport::ALL.iter().map(|&transport| (transport, Arc::default()));
    Server {
        name: name.get_ref().clone(),
        label: name.get_ref().clone(),
        promises: None,
        start: Start::Running { seen: None },
        url: Template::default(),
        token: None,
        trust: Trust::default(),
        publish: Publish::default(),
        subscribe: transports.collect(),
    }
}
