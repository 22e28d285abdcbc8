//! From the table that says how an event is published to a [`Publish`].

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use pushbench_wire::Transport;
use toml::Spanned;

use super::file_publish::{PublishFile, PublishRedisFile, PublishSocketFile};
use super::read::Reader;
use super::{Publish, PublishRedis, PublishRequest, PublishSocket, Recipe, Step, Template};

/// What has a value when an event is published.
const KNOWN: [&str; 5] = ["url", "host", "port", "token", "channel"];
const WITH_PAYLOAD: [&str; 6] = ["url", "host", "port", "token", "channel", "payload"];

impl Reader<'_, '_, '_> {
    pub(super) fn publish(&mut self, file: &PublishFile, server: &Spanned<String>) -> Publish {
        let ways: Vec<(&str, Range<usize>)> = [
            ("url", file.url.as_ref().map(Spanned::span)),
            ("websocket", file.websocket.as_ref().map(Spanned::span)),
            ("redis", file.redis.as_ref().map(Spanned::span)),
        ]
        .into_iter()
        .filter_map(|(name, span)| Some((name, span?)))
        .collect();
        if let [(one, _), (other, span), ..] = &ways[..] {
            let message = format!(
                "an event is published in one way, but here by `{one}` and by `{other}`: remove one"
            );
            self.problem(span.clone(), message);
            return Publish::default();
        }
        if let Some(socket) = &file.websocket {
            self.no_request(file, "websocket");
            return Publish::Socket(self.publish_socket(socket));
        }
        if let Some(redis) = &file.redis {
            self.no_request(file, "redis");
            return Publish::Redis(self.publish_redis(redis));
        }
        let Some(url) = &file.url else {
            let name = server.get_ref().escape_debug();
            let message = format!(
                "it is not said how an event is published on the server `{name}`: add `url`, `websocket` \
                 or `redis` in [server.{name}.publish]"
            );
            self.problem(server.span(), message);
            return Publish::default();
        };
        let body = self.with_payload("body", file.body.as_ref(), &WITH_PAYLOAD);
        Publish::Request(PublishRequest {
            method: self.method(file.method.as_ref(), "POST"),
            url: self.url(url, &KNOWN, "{url}"),
            headers: self.headers(file.headers.as_ref(), Some(&KNOWN)),
            body,
            refused: file.refused.as_ref().map(|refused| refused.get_ref().clone()),
        })
    }

    /// Notes keys that only a request has.
    fn no_request(&mut self, file: &PublishFile, way: &str) {
        let span = |text: &Option<Spanned<String>>| text.as_ref().map(Spanned::span);
        let header = file.headers.iter().flatten().next().map(|(_, value)| value.span());
        for (key, span) in [
            ("method", span(&file.method)),
            ("headers", header),
            ("body", span(&file.body)),
            ("refused", span(&file.refused)),
        ] {
            if let Some(span) = span {
                let message = format!(
                    "`{key}` is of a request, and has no effect beside `{way}`: remove it, or write it there"
                );
                self.problem(span, message);
            }
        }
    }

    /// Text that carries the event.
    fn with_payload(
        &mut self,
        key: &str,
        text: Option<&Spanned<String>>,
        known: &[&str],
    ) -> Template {
        let Some(text) = text else { return Template::parse("{payload}").unwrap_or_default() };
        let template = self.template(text, known);
        if !has(&template, "payload") {
            let message = format!("`{key}` must contain {{payload}}, which carries the event");
            self.problem(text.span(), message);
        }
        template
    }

    fn publish_socket(&mut self, table: &Spanned<PublishSocketFile>) -> PublishSocket {
        let file = table.get_ref();
        if file.url.is_none() {
            let message = format!(
                "`url` is missing in [{}.publish.websocket], such as \"{{ws}}/socket\"",
                self.table
            );
            self.problem(table.span(), message);
            return unknown_socket();
        }
        let outer = self.names.clone();
        // The publisher is none of those that are counted.
        self.names.remove("subscriber");
        let name = format!("{}.publish.websocket", self.table);
        let file_recipe = Spanned::new(table.span(), file.recipe());
        let recipe = self.recipe(Transport::WebSocket, name, &file_recipe);
        let noted = [&recipe.before, &recipe.steps].into_iter().flatten();
        let noted = noted.flat_map(|step| step.capture.iter().map(|(name, _)| name.clone()));
        let mut known: BTreeSet<String> = noted.collect();
        known.extend(self.names.iter().cloned());
        known.insert("payload".to_owned());
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let send = self.with_payload("send", file.send.as_ref(), &known);
        let mut matching = |of: &Option<Spanned<_>>| {
            of.as_ref().map(|wanted| self.matching(wanted.get_ref(), wanted.span()))
        };
        let (acknowledged, refused) = (matching(&file.acknowledged), matching(&file.refused));
        self.names = outer;
        let each_channel = names_channel(&recipe);
        PublishSocket { recipe: Arc::new(recipe), send, acknowledged, refused, each_channel }
    }

    fn publish_redis(&mut self, table: &Spanned<PublishRedisFile>) -> PublishRedis {
        let file = table.get_ref();
        let url = match &file.url {
            Some(url) => {
                let template = self.template(url, &["port", "token"]);
                if !["redis://", "rediss://"].iter().any(|scheme| url.get_ref().starts_with(scheme))
                {
                    let message = "`url` must begin with redis:// or rediss://".to_owned();
                    self.problem(url.span(), message);
                }
                template
            }
            None => {
                let message =
                    "`url` is missing in `publish.redis`, such as \"redis://127.0.0.1:6379\"";
                self.problem(table.span(), message.to_owned());
                Template::default()
            }
        };
        let Some(command) = &file.command else {
            let channel = match &file.channel {
                Some(channel) => self.template(channel, &KNOWN),
                None => Template::parse("{channel}").unwrap_or_default(),
            };
            let message = self.with_payload("message", file.message.as_ref(), &WITH_PAYLOAD);
            let publish = Template::parse("PUBLISH").unwrap_or_default();
            return PublishRedis { url, command: vec![publish, channel, message] };
        };
        for (key, other) in [("channel", &file.channel), ("message", &file.message)] {
            if let Some(other) = other {
                let message = format!("`{key}` has no effect beside `command`: remove it");
                self.problem(other.span(), message);
            }
        }
        let word = |word: &String| {
            self.template(&Spanned::new(command.span(), word.clone()), &WITH_PAYLOAD)
        };
        let words: Vec<_> = command.get_ref().iter().map(word).collect();
        if !words.iter().any(|word| has(word, "payload")) {
            let message = "`command` must contain {payload}, which carries the event".to_owned();
            self.problem(command.span(), message);
        }
        PublishRedis { url, command: words }
    }
}

fn has(template: &Template, wanted: &str) -> bool {
    template.names().any(|name| name == wanted)
}

/// Whether a connection is of one channel.
fn names_channel(recipe: &Recipe) -> bool {
    let of_steps = |step: &Step| {
        let url = step.request.as_ref().map(|request| request.url.clone());
        [url, step.send.clone()]
    };
    let steps = recipe.before.iter().chain(&recipe.steps).flat_map(of_steps).flatten();
    let headers = recipe.ask.headers.iter().map(|(_, value)| value.clone());
    let replies = recipe.replies.iter().map(|reply| reply.send.clone());
    let pings = recipe.ping.iter().map(|ping| ping.send.clone());
    let mut all = [recipe.ask.url.clone()]
        .into_iter()
        .chain(steps)
        .chain(headers)
        .chain(replies)
        .chain(pings);
    all.any(|template| has(&template, "channel"))
}

fn unknown_socket() -> PublishSocket {
    PublishSocket {
        recipe: Arc::default(),
        send: Template::default(),
        acknowledged: None,
        refused: None,
        each_channel: false,
    }
}
