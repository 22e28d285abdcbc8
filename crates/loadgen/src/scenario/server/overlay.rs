//! What a file leaves out is as in the preset that it names.

use std::collections::BTreeMap;

use toml::Spanned;

use super::file::{PublishFile, RecipeFile, ServerFile};

impl ServerFile {
    /// This one, with what it leaves out from `base`.
    pub(super) fn over(self, base: Self) -> Self {
        Self {
            preset: self.preset,
            label: self.label.or(base.label),
            promises: self.promises.or(base.promises),
            command: self.command.or(base.command),
            pid_file: self.pid_file.or(base.pid_file),
            ready: self.ready.or(base.ready),
            url: self.url.or(base.url),
            token: self.token.or(base.token),
            tls: self.tls.or(base.tls),
            publish: both(self.publish, base.publish, PublishFile::over),
            polling: recipe(self.polling, base.polling),
            long_polling: recipe(self.long_polling, base.long_polling),
            sse: recipe(self.sse, base.sse),
            websocket: recipe(self.websocket, base.websocket),
        }
    }
}

impl PublishFile {
    fn over(self, base: Self) -> Self {
        Self {
            method: self.method.or(base.method),
            url: self.url.or(base.url),
            headers: headers(self.headers, base.headers),
            body: self.body.or(base.body),
            refused: self.refused.or(base.refused),
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

fn recipe(
    own: Option<Spanned<RecipeFile>>,
    base: Option<Spanned<RecipeFile>>,
) -> Option<Spanned<RecipeFile>> {
    both(own, base, |own, base| Spanned::new(own.span(), own.into_inner().over(base.into_inner())))
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
