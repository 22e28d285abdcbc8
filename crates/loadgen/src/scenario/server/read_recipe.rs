//! From the table of one transport to a [`Recipe`]. A placeholder has a value from the place on at which
//! it gets one.

use std::ops::Range;
use std::time::Duration;

use hyper::header::HeaderName;
use pushbench_wire::Transport;
use toml::Spanned;

use super::file_recipe::{
    MatchFile, PingFile, RecipeFile, ReplyFile, ResumeFile, SplitFile, StepFile,
};
use super::read::{Headers, Reader, is_method};
use super::{Ask, Match, Ping, Recipe, Reply, Request, Resume, Source, Split, Step, Template};
use crate::scenario::error::quoted;

impl Reader<'_, '_, '_> {
    /// `name` is that of the table.
    pub(super) fn recipe(
        &mut self,
        transport: Transport,
        name: String,
        table: &Spanned<RecipeFile>,
    ) -> Recipe {
        let file = table.get_ref();
        let outer = self.names.clone();
        let cursor = self.sources(file.cursor.as_ref());
        let before = self.steps(file.before.as_deref(), true);
        let url = match &file.url {
            Some(url) => self.url_of_names(url, base_of(transport)),
            None => {
                let message = format!("`url` is missing in [{name}]");
                self.problem(table.span(), message);
                Template::default()
            }
        };
        let ask = Ask {
            method: self.method(file.method.as_ref(), "GET"),
            url,
            headers: self.headers(file.headers.as_ref(), None),
            body: file.body.as_ref().map(|body| self.template_of_names(body)),
        };
        let steps = self.steps(file.steps.as_deref(), false);
        // It is only resumed behind an event, which may have brought any of them.
        self.names.insert("id".to_owned());
        let recipe = Recipe {
            table: name,
            ask,
            subprotocol: file.subprotocol.as_ref().map(|text| text.get_ref().clone()),
            before,
            steps,
            split: match (file.split, transport) {
                (None, Transport::Sse) | (Some(SplitFile::Sse), _) => Split::Sse,
                (None | Some(SplitFile::None), _) => Split::None,
                (Some(SplitFile::Lines), _) => Split::Lines,
                (Some(SplitFile::Rs), _) => Split::RecordSeparator,
            },
            replies: self.replies(file.reply.as_deref()),
            ping: file.ping.as_ref().map(|ping| self.ping(ping)),
            resume: match &file.resume {
                Some(resume) => Some(self.resume(resume, transport)),
                // As an `EventSource` does (WHATWG HTML §9.2.4).
                None if transport == Transport::Sse => Some(last_event_id()),
                None => None,
            },
            cursor,
            until_empty: file.until_empty.unwrap_or_default(),
            join: file.join.clone(),
        };
        self.check_transport(transport, table, &recipe);
        self.names = outer;
        recipe
    }

    /// What means nothing to a transport.
    fn check_transport(
        &mut self,
        transport: Transport,
        table: &Spanned<RecipeFile>,
        recipe: &Recipe,
    ) {
        let file = table.get_ref();
        let is_websocket = transport == Transport::WebSocket;
        let pulls = matches!(transport, Transport::Polling | Transport::LongPolling);
        let mut refuse = |span: Option<Range<usize>>, key: &str, why: &str| {
            let Some(span) = span else { return };
            self.problem(span, format!("`{key}` has no effect on {transport}{why}: remove it"));
        };
        let span = |text: &Option<Spanned<String>>| text.as_ref().map(Spanned::span);
        if is_websocket {
            refuse(span(&file.method), "method", ", which begins with GET");
            refuse(span(&file.body), "body", ", which begins with GET");
        } else {
            refuse(span(&file.subprotocol), "subprotocol", "");
        }
        // Over a WebSocket alone something can be sent that is no request.
        let beside = |has: bool, send: &Spanned<String>| (!has).then(|| send.span());
        let of_steps = |steps: &Option<Vec<StepFile>>| -> Vec<Range<usize>> {
            let silent = |step: &StepFile| beside(step.request.is_some(), step.send.as_ref()?);
            steps.iter().flatten().filter_map(silent).collect()
        };
        let mut over_connection = of_steps(&file.steps);
        over_connection.extend(file.resume.iter().flat_map(|resume| of_steps(&resume.steps)));
        let replies = file.reply.iter().flatten();
        over_connection.extend(replies.filter_map(|of| beside(of.request.is_some(), &of.send)));
        let pings = file.ping.iter();
        over_connection.extend(pings.filter_map(|of| beside(of.request.is_some(), &of.send)));
        if !is_websocket {
            for span in over_connection {
                let message = format!(
                    "nothing can be sent over {transport}: add `request = \"POST {{url}}/…\"`"
                );
                self.problem(span, message);
            }
        }
        if transport == Transport::Sse && recipe.split == Split::None {
            let message = "`split = \"none\"` would cut events where packets end: use \"sse\", \"lines\" or \"rs\"";
            self.problem(table.span(), message.to_owned());
        }
        for (name, from) in file.cursor.iter().flatten() {
            let never = match from.get_ref().split_once(':') {
                Some(("header", _)) => !pulls,
                Some(("sse", _)) => transport != Transport::Sse,
                _ => false,
            };
            if never {
                let message = format!(
                    "`{}` never gets a value from {} over {transport}",
                    name.escape_debug(),
                    quoted(from.get_ref())
                );
                self.problem(from.span(), message);
            }
        }
        if pulls && let Some(ping) = &file.ping {
            let message =
                format!("`ping` has no effect on {transport}, which asks by itself: remove it");
            self.problem(ping.send.span(), message);
        }
        if transport != Transport::Polling && recipe.until_empty {
            let message = format!("`until_empty` has no effect on {transport}: remove it");
            self.problem(table.span(), message);
        }
        if pulls && !recipe.steps.is_empty() {
            let first = file.steps.as_deref().and_then(|steps| steps.first());
            let place = first.and_then(|step| span(&step.send).or(span(&step.request)));
            let own = self.own.clone();
            let message = format!(
                "`steps` follow an open connection, which {transport} has not: write them as `before`"
            );
            self.problem(place.unwrap_or(own), message);
        }
    }

    fn resume(&mut self, file: &ResumeFile, transport: Transport) -> Resume {
        Resume {
            url: file.url.as_ref().map(|url| self.url_of_names(url, base_of(transport))),
            headers: self.headers(file.headers.as_ref(), None),
            before: file.before.as_deref().map(|before| self.steps(Some(before), true)),
            steps: file.steps.as_deref().map(|steps| self.steps(Some(steps), false)),
        }
    }

    fn ping(&mut self, file: &PingFile) -> Ping {
        let allowed = Duration::from_millis(100)..=Duration::from_secs(3_600);
        Ping {
            every: self.values.duration("every", &file.every, allowed),
            request: file.request.as_ref().map(|request| self.request(request)),
            send: self.template_of_names(&file.send),
        }
    }

    fn replies(&mut self, files: Option<&[ReplyFile]>) -> Vec<Reply> {
        let reply = |file: &ReplyFile| {
            let ReplyFile { is, starts, has, request, send } = file;
            let to = MatchFile { is: is.clone(), starts: starts.clone(), has: has.clone() };
            Reply {
                to: self.matching(&to, send.span()),
                request: request.as_ref().map(|request| self.request(request)),
                send: self.template_of_names(send),
            }
        };
        files.unwrap_or_default().iter().map(reply).collect()
    }

    /// Steps, each of which may use what those before it have noted. Those `before` the connection is
    /// open are requests.
    fn steps(&mut self, files: Option<&[StepFile]>, before: bool) -> Vec<Step> {
        let mut steps = Vec::new();
        for file in files.unwrap_or_default() {
            let span = [&file.request, &file.send].into_iter().flatten().map(Spanned::span).next();
            let span = span.or(file.wait.as_ref().map(Spanned::span)).unwrap_or(self.own.clone());
            if before && file.request.is_none() {
                let message = "a step of `before` must have `request = \"POST {url}/…\"`: there is no \
                               connection yet";
                self.problem(span, message.to_owned());
            } else if file.wait.is_none() && file.send.is_none() && file.request.is_none() {
                let message = "a step must have `wait`, `send` or `request`".to_owned();
                self.problem(span, message);
            }
            let wait = file.wait.as_ref().map(|wait| self.matching(wait.get_ref(), wait.span()));
            let own_first = file.request.is_none();
            // A message is waited for before anything is sent over the connection, and an answer after
            // the request.
            let mut capture =
                if own_first { self.sources(file.capture.as_ref()) } else { Vec::new() };
            let request = file.request.as_ref().map(|request| self.request(request));
            let send = file.send.as_ref().map(|send| self.template_of_names(send));
            if !own_first {
                capture = self.sources(file.capture.as_ref());
            }
            let number = steps.len() + 1;
            steps.push(Step { number, wait, request, send, capture, each: file.each });
        }
        steps
    }

    fn request(&mut self, text: &Spanned<String>) -> Request {
        let (method, url) = match text.get_ref().split_once(' ') {
            Some((method, url)) if is_method(method) => (method.to_owned(), url.trim()),
            _ => {
                let message = format!(
                    "`request` must be a method and a URL, such as \"POST {{url}}/join\", found {}",
                    quoted(text.get_ref())
                );
                self.problem(text.span(), message);
                (String::new(), "{url}")
            }
        };
        let url = Spanned::new(text.span(), url.to_owned());
        Request { method, url: self.url_of_names(&url, "{url}") }
    }

    pub(super) fn matching(&mut self, file: &MatchFile, span: Range<usize>) -> Match {
        match (&file.is, &file.starts, &file.has) {
            (Some(text), None, None) => Match::Is(text.clone()),
            (None, Some(text), None) => Match::Starts(text.clone()),
            (None, None, Some(text)) => Match::Has(text.clone()),
            _ => {
                let message = "a message is meant by one of `is`, `starts` and `has`".to_owned();
                self.problem(span, message);
                Match::Has(String::new())
            }
        }
    }

    /// From now on they have values.
    fn sources(&mut self, files: Option<&Headers>) -> Vec<(String, Source)> {
        let mut sources = Vec::new();
        for (name, from) in files.into_iter().flatten() {
            self.names.insert(name.clone());
            let source = match from.get_ref().split_once(':') {
                _ if from.get_ref().starts_with('/') => Source::Pointer(from.get_ref().clone()),
                Some(("header", header)) if !header.is_empty() => {
                    Source::Header(header.to_ascii_lowercase())
                }
                Some(("sse", "id")) => Source::SseId,
                _ => {
                    let message = format!(
                        "`{}` must come from \"/json/pointer\", \"header:NAME\" or \"sse:id\", found {}",
                        name.escape_debug(),
                        quoted(from.get_ref())
                    );
                    self.problem(from.span(), message);
                    continue;
                }
            };
            sources.push((name.clone(), source));
        }
        sources
    }
}

/// The placeholder with which URLs begin.
fn base_of(transport: Transport) -> &'static str {
    if transport == Transport::WebSocket { "{ws}" } else { "{url}" }
}

fn last_event_id() -> Resume {
    let id = Template::parse("{id}").unwrap_or_default();
    Resume { headers: vec![(HeaderName::from_static("last-event-id"), id)], ..Resume::default() }
}
