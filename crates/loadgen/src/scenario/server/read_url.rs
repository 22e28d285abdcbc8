//! URLs of a description: what leads nowhere is found when the file is read.

use toml::Spanned;

use super::Template;
use super::read::Reader;
use crate::scenario::error::quoted;

/// How one may begin.
const SCHEMES: [&str; 4] = ["http://", "https://", "ws://", "wss://"];

impl Reader<'_, '_, '_> {
    /// The URL at which a server is.
    pub(super) fn base_url(&mut self, text: &Spanned<String>, known: &[&str]) -> Template {
        self.check_url(text, "http://");
        self.template(text, known)
    }

    /// The URL of something that it offers; `base` is the placeholder with which it may begin.
    pub(super) fn url(&mut self, text: &Spanned<String>, known: &[&str], base: &str) -> Template {
        self.check_url(text, base);
        self.template(text, known)
    }

    /// The same with what has a value by now.
    pub(super) fn url_of_names(&mut self, text: &Spanned<String>, base: &str) -> Template {
        self.check_url(text, base);
        self.template_of_names(text)
    }

    /// Notes text that begins neither as a URL nor with a placeholder, which may hold the beginning of one.
    fn check_url(&mut self, text: &Spanned<String>, base: &str) {
        let url = text.get_ref().as_str();
        let begins = |scheme: &str| {
            url.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
        };
        if url.starts_with('{') || SCHEMES.into_iter().any(begins) {
            return;
        }
        let begin = match url.is_empty() || url.starts_with('/') {
            true if base.starts_with('{') => base,
            _ if url.contains("://") => return self.no_scheme(text),
            _ => "http://",
        };
        let message = format!(
            "{} is no URL: begin it with {begin}, as in \"{begin}{}\"",
            quoted(url),
            url.escape_debug()
        );
        self.problem(text.span(), message);
    }

    fn no_scheme(&mut self, text: &Spanned<String>) {
        let message = format!(
            "{} begins with a scheme that is not known: there are http://, https://, ws:// and wss://",
            quoted(text.get_ref())
        );
        self.problem(text.span(), message);
    }
}
