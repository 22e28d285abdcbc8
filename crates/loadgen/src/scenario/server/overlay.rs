//! What a file leaves out is as in the preset that it names.

use std::collections::BTreeMap;

use toml::Spanned;

use super::file::ServerFile;
use super::file_publish::{PublishFile, PublishRedisFile, PublishSocketFile};
use super::file_recipe::RecipeFile;

impl ServerFile {
    /// This one, with what it leaves out from `base`.
    pub(super) fn over(self, base: Self) -> Self {
        Self {
            preset: self.preset,
            label: self.label.or(base.label),
            promises: self.promises.or(base.promises),
            command: self.command.or(base.command),
            pid_file: self.pid_file.or(base.pid_file),
            cgroup: self.cgroup.or(base.cgroup),
            ready: self.ready.or(base.ready),
            url: self.url.or(base.url),
            token: self.token.or(base.token),
            tls: self.tls.or(base.tls),
            publish: both(self.publish, base.publish, PublishFile::over),
            polling: spanned(self.polling, base.polling, RecipeFile::over),
            long_polling: spanned(self.long_polling, base.long_polling, RecipeFile::over),
            sse: spanned(self.sse, base.sse, RecipeFile::over),
            websocket: spanned(self.websocket, base.websocket, RecipeFile::over),
        }
    }
}

impl PublishFile {
    fn over(self, base: Self) -> Self {
        // Who says another way to publish has no use for the keys of the one that the preset has.
        let base = match (&self.websocket, &self.redis) {
            (None, None) if self.url.is_none() => base,
            (None, None) => Self { websocket: None, redis: None, ..base },
            (websocket, redis) => Self {
                websocket: base.websocket.filter(|_| websocket.is_some()),
                redis: base.redis.filter(|_| redis.is_some()),
                ..Self::default()
            },
        };
        Self {
            method: self.method.or(base.method),
            url: self.url.or(base.url),
            headers: headers(self.headers, base.headers),
            body: self.body.or(base.body),
            refused: self.refused.or(base.refused),
            websocket: spanned(self.websocket, base.websocket, PublishSocketFile::over),
            redis: spanned(self.redis, base.redis, PublishRedisFile::over),
        }
    }
}

impl PublishSocketFile {
    fn over(self, base: Self) -> Self {
        Self {
            url: self.url.or(base.url),
            headers: headers(self.headers, base.headers),
            subprotocol: self.subprotocol.or(base.subprotocol),
            before: self.before.or(base.before),
            steps: self.steps.or(base.steps),
            split: self.split.or(base.split),
            reply: self.reply.or(base.reply),
            ping: self.ping.or(base.ping),
            send: self.send.or(base.send),
            acknowledged: self.acknowledged.or(base.acknowledged),
            refused: self.refused.or(base.refused),
        }
    }
}

impl PublishRedisFile {
    fn over(self, base: Self) -> Self {
        Self {
            url: self.url.or(base.url),
            channel: self.channel.or(base.channel),
            message: self.message.or(base.message),
            command: self.command.or(base.command),
        }
    }
}

impl RecipeFile {
    fn over(self, base: Self) -> Self {
        Self {
            url: self.url.or(base.url),
            method: self.method.or(base.method),
            headers: headers(self.headers, base.headers),
            body: self.body.or(base.body),
            subprotocol: self.subprotocol.or(base.subprotocol),
            before: self.before.or(base.before),
            steps: self.steps.or(base.steps),
            split: self.split.or(base.split),
            reply: self.reply.or(base.reply),
            ping: self.ping.or(base.ping),
            cursor: self.cursor.or(base.cursor),
            resume: self.resume.or(base.resume),
            until_empty: self.until_empty.or(base.until_empty),
            join: self.join.or(base.join),
        }
    }
}

fn both<T>(own: Option<T>, base: Option<T>, over: impl FnOnce(T, T) -> T) -> Option<T> {
    match (own, base) {
        (Some(own), Some(base)) => Some(over(own, base)),
        (own, base) => own.or(base),
    }
}

fn spanned<T>(
    own: Option<Spanned<T>>,
    base: Option<Spanned<T>>,
    over: impl FnOnce(T, T) -> T,
) -> Option<Spanned<T>> {
    both(own, base, |own, base| Spanned::new(own.span(), over(own.into_inner(), base.into_inner())))
}

/// Each of both; of one name, the own one.
fn headers<T>(
    own: Option<BTreeMap<String, T>>,
    base: Option<BTreeMap<String, T>>,
) -> Option<BTreeMap<String, T>> {
    both(own, base, |own, mut base| {
        base.extend(own);
        base
    })
}
