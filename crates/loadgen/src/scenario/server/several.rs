//! One subscription to several channels: a recipe with all of their names in it.

use super::{Ask, Ping, Recipe, Reply, Request, Resume, Step, Template};

/// The placeholder for the name of a channel.
const CHANNEL: &str = "channel";

impl Recipe {
    /// Whether it says how one subscribes to several channels at once: with their names joined, or in
    /// steps for each.
    #[must_use]
    pub fn carries_several(&self) -> bool {
        let mut steps = self.all_steps();
        // Names that are in no such step would be left out.
        self.join.is_some()
            || (steps.any(|step| step.each) && !self.single().any(|of| of.has(CHANNEL)))
    }

    /// It for a subscriber of these channels.
    #[must_use]
    pub fn for_channels(&self, channels: &[String]) -> Self {
        let join = self.join.as_deref().unwrap_or_default();
        let all = |of: &Template| of.with(CHANNEL, channels, join);
        let headers = |headers: &[(_, Template)]| -> Vec<_> {
            headers.iter().map(|(name, value)| (Clone::clone(name), all(value))).collect()
        };
        let request = |request: &Option<Request>| {
            let of = |Request { method, url }: &Request| Request {
                method: method.clone(),
                url: all(url),
            };
            request.as_ref().map(of)
        };
        let steps = |steps: &[Step]| -> Vec<Step> {
            steps.iter().flat_map(|step| step.for_channels(channels, join)).collect()
        };
        let Ask { method, url, headers: asked, body } = &self.ask;
        Self {
            ask: Ask {
                method: method.clone(),
                url: all(url),
                headers: headers(asked),
                body: body.as_ref().map(all),
            },
            before: steps(&self.before),
            steps: steps(&self.steps),
            replies: self
                .replies
                .iter()
                .map(|reply| Reply {
                    to: reply.to.clone(),
                    request: request(&reply.request),
                    send: all(&reply.send),
                })
                .collect(),
            ping: self.ping.as_ref().map(|ping| Ping {
                every: ping.every,
                request: request(&ping.request),
                send: all(&ping.send),
            }),
            resume: self.resume.as_ref().map(|resume| Resume {
                url: resume.url.as_ref().map(all),
                headers: headers(&resume.headers),
                before: resume.before.as_deref().map(steps),
                steps: resume.steps.as_deref().map(steps),
            }),
            ..self.clone()
        }
    }

    fn all_steps(&self) -> impl Iterator<Item = &Step> {
        let resumed = self.resume.iter().flat_map(Resume::all_steps);
        self.before.iter().chain(&self.steps).chain(resumed)
    }

    /// The templates that are used once, however many channels there are.
    fn single(&self) -> impl Iterator<Item = &Template> {
        let once = self.all_steps().filter(|step| !step.each).flat_map(Step::templates);
        let replies = self.replies.iter().flat_map(|reply| {
            reply.request.as_ref().map(|of| &of.url).into_iter().chain([&reply.send])
        });
        let ping = self.ping.iter().flat_map(|ping| {
            ping.request.as_ref().map(|of| &of.url).into_iter().chain([&ping.send])
        });
        let headers = self.ask.headers.iter().chain(self.resume.iter().flat_map(|of| &of.headers));
        [&self.ask.url]
            .into_iter()
            .chain(&self.ask.body)
            .chain(headers.map(|(_, value)| value))
            .chain(self.resume.iter().flat_map(|resume| &resume.url))
            .chain(once)
            .chain(replies)
            .chain(ping)
    }
}

impl Resume {
    fn all_steps(&self) -> impl Iterator<Item = &Step> {
        [&self.before, &self.steps].into_iter().flatten().flatten()
    }
}

impl Step {
    fn templates(&self) -> impl Iterator<Item = &Template> {
        self.request.as_ref().map(|of| &of.url).into_iter().chain(&self.send)
    }

    fn for_channels(&self, channels: &[String], join: &str) -> Vec<Self> {
        let of = |channels: &[String]| {
            let with = |of: &Template| of.with(CHANNEL, channels, join);
            Self {
                request: self.request.as_ref().map(|Request { method, url }| Request {
                    method: method.clone(),
                    url: with(url),
                }),
                send: self.send.as_ref().map(with),
                ..self.clone()
            }
        };
        match self.each {
            true => channels.chunks(1).map(of).collect(),
            false => vec![of(channels)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        Template::parse(text).unwrap()
    }

    fn step(send: &str, each: bool) -> Step {
        Step {
            number: 1,
            wait: None,
            request: None,
            send: Some(template(send)),
            capture: Vec::new(),
            each,
        }
    }

    fn filled(template: &Template) -> String {
        template.render(|name| Some(format!("<{name}>").into())).unwrap()
    }

    #[test]
    fn names_are_joined_or_each_has_its_step() {
        let mut recipe = Recipe {
            ask: Ask { url: template("{url}/?t={channel|url}"), ..Ask::default() },
            steps: vec![step("hello", false), step("[{channel|json}]", true)],
            ..Recipe::default()
        };
        assert!(!recipe.carries_several(), "the address would have none");
        recipe.join = Some("&t=".to_owned());
        assert!(recipe.carries_several());
        let both = recipe.for_channels(&["a b".to_owned(), "c".to_owned()]);
        assert_eq!(filled(&both.ask.url), "<url>/?t=a%20b&t=c");
        let sent: Vec<_> = both.steps.iter().map(|of| filled(of.send.as_ref().unwrap())).collect();
        assert_eq!(sent, ["hello", "[\"a b\"]", "[\"c\"]"]);
        recipe.ask.url = template("{url}/");
        recipe.join = None;
        assert!(recipe.carries_several());
        recipe.steps.pop();
        assert!(!recipe.carries_several());
    }
}
