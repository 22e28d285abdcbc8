//! The values of placeholders, and where new ones come from.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::HeaderMap;

use super::pointer;
use crate::client::ClientError;
use crate::scenario::{Source, Template};

/// What placeholders stand for, by name. Copies share them.
#[derive(Clone, Default)]
pub(crate) struct Values(Arc<Mutex<BTreeMap<String, String>>>);

/// The name of the value that nobody may see.
const SECRET: &str = "token";

/// How it is written beside as it is.
const SECRET_FORMS: [&str; 3] = ["{token|json}", "{token|url}", "{token|base64}"];

/// What stands in its place.
const HIDDEN: &str = "***";

/// How much of its beginning tells nobody anything, and is too short to be told from other text.
const MIN_SHOWN: usize = 4;

impl std::fmt::Debug for Values {
    /// Without the values, of which some are secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.lock().keys()).finish()
    }
}

impl Values {
    /// With these values.
    pub(crate) fn new<'a>(values: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value));
        Self(Arc::new(Mutex::new(values.collect())))
    }

    /// A set of its own that begins with the same values, and these.
    pub(crate) fn with<'a>(&self, more: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        let mut values = self.lock().clone();
        values.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
        Self(Arc::new(Mutex::new(values)))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `template` with these values in it; the name of one that is not known otherwise.
    pub(crate) fn put_into(&self, template: &Template) -> Result<String, String> {
        let values = self.lock();
        template.render(|name| values.get(name).map(|value| Cow::Borrowed(&value[..])))
    }

    /// The same, where all values should be known.
    ///
    /// # Errors
    /// When one is not: the server has not said it.
    pub(super) fn fill(&self, template: &Template) -> Result<String, ClientError> {
        self.put_into(template).map_err(|name| {
            ClientError::Foreign(format!("the server has not said the value of {{{name}}}"))
        })
    }

    /// The value of a name.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.lock().get(name).cloned()
    }

    pub(super) fn set(&self, name: &str, value: String) {
        self.lock().insert(name.to_owned(), value);
    }

    /// Takes the values that a message, or an answer with this body, has for `sources`. Those that it
    /// has not, stay as they are.
    pub(super) fn note(
        &self,
        sources: &[(String, Source)],
        body: &[u8],
        headers: Option<&HeaderMap>,
    ) -> Vec<String> {
        let mut missing = Vec::new();
        for (name, source) in sources {
            let value = match source {
                Source::Pointer(pointer) => pointer::find(pointer, body),
                Source::Header(header) => headers
                    .and_then(|headers| headers.get(header))
                    .and_then(|value| value.to_str().ok())
                    .map(str::to_owned),
                // Whoever splits the stream knows it.
                Source::SseId => continue,
            };
            match value {
                Some(value) => self.set(name, value),
                None => missing.push(name.clone()),
            }
        }
        missing
    }

    /// `text` without secrets, in any form in which templates write them. What is cut may end with the
    /// beginning of one, which goes, too.
    pub(crate) fn redact(&self, text: &str) -> String {
        let secret = self.get(SECRET).filter(|secret| !secret.is_empty());
        let Some(secret) = secret else { return text.to_owned() };
        let forms = SECRET_FORMS.iter().filter_map(|form| {
            let form = Template::parse(form).ok()?.render(|_| Some(Cow::Borrowed(&secret))).ok()?;
            let inner = form.strip_prefix('"').and_then(|form| form.strip_suffix('"'));
            Some(inner.unwrap_or(&form).to_owned())
        });
        let forms: Vec<String> = [secret.clone()].into_iter().chain(forms).collect();
        let mut text = text.to_owned();
        for form in &forms {
            text = text.replace(form, HIDDEN);
        }
        for form in &forms {
            let end = text.trim_end_matches(['"', '…']).len();
            let ends = form.char_indices().map(|(at, _)| at).filter(|at| *at >= MIN_SHOWN);
            let mut begins = ends.rev().map(|at| &form[..at]);
            if let Some(begin) = begins.find(|begin| text[..end].ends_with(begin)) {
                text.replace_range(end - begin.len()..end, HIDDEN);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_from_messages_and_headers() {
        let values = Values::new([("url", "http://a".to_owned()), ("token", "s3cret".to_owned())]);
        let pointer = |name: &str, at: &str| (name.to_owned(), Source::Pointer(at.to_owned()));
        let sources = [
            pointer("sid", "/sid"),
            pointer("ping", "/pingInterval"),
            pointer("none", "/none"),
            ("tag".to_owned(), Source::Header("etag".to_owned())),
        ];
        let mut headers = HeaderMap::new();
        headers.insert("etag", "0".parse().unwrap());
        let missing =
            values.note(&sources, br#"0{"sid":"a\"b","pingInterval":25}[1]"#, Some(&headers));
        assert_eq!(missing, ["none"]);
        let filled = |text: &str| values.put_into(&Template::parse(text).unwrap());
        assert_eq!(filled("{sid} {ping} {tag} {url}").unwrap(), "a\"b 25 0 http://a");
        assert_eq!(filled("{none}").unwrap_err(), "none");
        assert_eq!(values.redact("/?token=s3cret"), "/?token=***");
        let odd = Values::new([("token", "a\"b/c".to_owned())]);
        assert_eq!(odd.redact(r#"a"b/c a%22b%2Fc YSJiL2M= a\"b/c"#), "*** *** *** ***");
        assert!(!format!("{values:?}").contains("s3cret"));
        let secret = Values::new([("token", "a\"b/cdef".to_owned())]);
        for (text, shown) in [
            (r#"{"token":"a\"b/cdef"}"#, r#"{"token":"***"}"#),
            ("/?t=a%22b%2Fcdef&a=b", "/?t=***&a=b"),
            ("Basic YSJiL2NkZWY=", "Basic ***"),
            ("cut: a\"b/c", "cut: ***"),
            ("cut: \"a\"b/cd\"…", "cut: \"***\"…"),
            ("a\"b", "a\"b"),
        ] {
            assert_eq!(secret.redact(text), shown);
        }
        let other = values.with([("sid", "c".to_owned())]);
        assert_eq!(other.put_into(&Template::parse("{sid}").unwrap()).unwrap(), "c");
        assert_eq!(filled("{sid}").unwrap(), "a\"b", "its own");
    }
}
