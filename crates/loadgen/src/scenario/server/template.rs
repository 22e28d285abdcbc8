//! Text with placeholders: `{channel}`, `{payload|json}`. It is parsed once, when the file is read, so
//! that what is sent in a trial is only put together.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Text with placeholders. `{` begins one only if a name follows it and then `}` or `|`: anything else
/// stands for itself, so JSON is written as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value { name: String, filters: Vec<Filter> },
}

/// What is made of a value before it is put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    /// A JSON string, with its quotes (RFC 8259 §7).
    Json,
    /// Percent-encoded, all but unreserved characters (RFC 3986 §2.3).
    Url,
    /// RFC 4648 §4.
    Base64,
}

/// The filters, as files write them.
pub(super) const FILTERS: [&str; 3] = ["json", "url", "base64"];

impl Filter {
    fn of(name: &str) -> Option<Self> {
        match name {
            "json" => Some(Self::Json),
            "url" => Some(Self::Url),
            "base64" => Some(Self::Base64),
            _ => None,
        }
    }

    fn apply(self, value: &str) -> String {
        match self {
            Self::Json => serde_json::Value::from(value).to_string(),
            Self::Base64 => BASE64.encode(value),
            Self::Url => {
                let mut encoded = String::with_capacity(value.len());
                for byte in value.bytes() {
                    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                        encoded.push(char::from(byte));
                    } else {
                        // Writing to a `String` cannot fail.
                        let _ = write!(encoded, "%{byte:02X}");
                    }
                }
                encoded
            }
        }
    }
}

impl Template {
    /// Reads `text`.
    ///
    /// # Errors
    /// The name of a filter that there is not.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            literal.push_str(before);
            let Some(inner) = placeholder(from) else {
                literal.push('{');
                rest = &from[1..];
                continue;
            };
            let mut words = inner.split('|');
            let name = words.next().unwrap_or_default().to_owned();
            let filters = words.map(|word| Filter::of(word).ok_or(word.to_owned()));
            let filters = filters.collect::<Result<_, _>>()?;
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(Part::Value { name, filters });
            rest = &from[inner.len() + 2..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self(parts))
    }

    /// The names of its placeholders.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Value { name, .. } => Some(name.as_str()),
        })
    }

    /// The placeholder with which it begins, if it does.
    pub fn begin(&self) -> Option<&str> {
        match self.0.first()? {
            Part::Text(_) => None,
            Part::Value { name, .. } => Some(name),
        }
    }

    /// What is wrong with how it puts in this value, if all of it is to be JSON.
    pub fn advice_on_json(&self, wanted: &str) -> Option<String> {
        let is_wanted = |part: &Part| matches!(part, Part::Value { name, .. } if name == wanted);
        let at = self.0.iter().position(is_wanted)?;
        let Part::Value { filters, .. } = &self.0[at] else { return None };
        let before = at.checked_sub(1).and_then(|before| self.0.get(before));
        let in_quotes = matches!(before, Some(Part::Text(text)) if text.ends_with('"'));
        match (in_quotes, filters.last()) {
            (false, None) => Some(format!("in JSON, write {{{wanted}|json}}")),
            (true, Some(Filter::Json)) => {
                Some(format!("{{{wanted}|json}} brings its quotes: write none around it"))
            }
            _ => None,
        }
    }

    /// Whether this placeholder is in it.
    pub(super) fn has(&self, wanted: &str) -> bool {
        self.names().any(|name| name == wanted)
    }

    /// It with values in the place of this placeholder, and `join` between them.
    pub(super) fn with(&self, wanted: &str, values: &[String], join: &str) -> Self {
        let part = |part: &Part| match part {
            Part::Value { name, filters } if name == wanted => {
                let filtered = |value: &String| {
                    filters.iter().fold(value.clone(), |value, filter| filter.apply(&value))
                };
                Part::Text(values.iter().map(filtered).collect::<Vec<_>>().join(join))
            }
            other => other.clone(),
        };
        Self(self.0.iter().map(part).collect())
    }

    /// Whether it is this placeholder and nothing else.
    #[must_use]
    pub fn is_only(&self, wanted: &str) -> bool {
        matches!(&self.0[..], [Part::Value { name, filters }] if name == wanted && filters.is_empty())
    }

    /// Appends it to `out`, with the values that `value` gives for names.
    ///
    /// # Errors
    /// The name of a value that is not known; then `out` has the part before it.
    pub fn write<'v>(
        &self,
        out: &mut String,
        value: impl Fn(&str) -> Option<Cow<'v, str>>,
    ) -> Result<(), String> {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Value { name, filters } => {
                    let mut value = value(name).ok_or(name.as_str())?;
                    for filter in filters {
                        value = filter.apply(&value).into();
                    }
                    out.push_str(&value);
                }
            }
        }
        Ok(())
    }

    /// It as text of its own; see [`Self::write`].
    ///
    /// # Errors
    /// The name of a value that is not known.
    pub fn render<'v>(
        &self,
        value: impl Fn(&str) -> Option<Cow<'v, str>>,
    ) -> Result<String, String> {
        let mut text = String::new();
        self.write(&mut text, value)?;
        Ok(text)
    }
}

/// What stands between the braces with which `text` begins, if it is a placeholder.
fn placeholder(text: &str) -> Option<&str> {
    let inner = &text[1..];
    let name = inner.len() - inner.trim_start_matches(is_of_name).len();
    let begins = inner.starts_with(|first: char| first.is_ascii_lowercase());
    if !begins {
        return None;
    }
    match inner.as_bytes().get(name)? {
        b'}' => Some(&inner[..name]),
        b'|' => {
            let end = inner.find('}')?;
            let filters = &inner[name..end];
            filters.chars().all(|of| of == '|' || is_of_name(of)).then_some(&inner[..end])
        }
        _ => None,
    }
}

fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn render(text: &str) -> String {
        let value = |name: &str| match name {
            "channel" => Some("a/b".into()),
            "payload" => Some("say \"é\"".into()),
            _ => None,
        };
        Template::parse(text).unwrap().render(value).unwrap_or_else(|name| format!("no {name}"))
    }

    #[test]
    fn values_go_in_and_json_stays() {
        for (text, rendered) in [
            ("/pub/{channel}", "/pub/a/b"),
            ("/pub/{channel|url}", "/pub/a%2Fb"),
            ("{payload|json}", r#""say \"é\"""#),
            ("{payload|json|json}", r#""\"say \\\"é\\\"\"""#),
            ("{payload|base64}", "c2F5ICLDqSI="),
            (r#"{"id":1,"a":{"b":{}}}"#, r#"{"id":1,"a":{"b":{}}}"#),
            (r#"{"c":{channel|json}}"#, r#"{"c":"a/b"}"#),
            ("{}{{channel}}{Name}{a b}{", "{}{a/b}{Name}{a b}{"),
            ("{token}", "no token"),
            ("", ""),
        ] {
            assert_eq!(render(text), rendered, "{text}");
        }
        assert_eq!(Template::parse("{payload|xml}").unwrap_err(), "xml");
        assert!(Template::parse("{payload}").unwrap().is_only("payload"));
        assert!(!Template::parse("{payload|json}").unwrap().is_only("payload"));
        let names = Template::parse("{a}b{c|url}").unwrap();
        assert_eq!(names.names().collect::<Vec<_>>(), ["a", "c"]);
    }

    #[test]
    fn every_filter_has_its_name() {
        for name in FILTERS {
            assert!(Filter::of(name).is_some(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[{}|a-z\"é ]{0,40}") {
            if let Ok(template) = Template::parse(&text) {
                let same = template.render(|name| Some(format!("{{{name}}}").into())).unwrap();
                // Filters change the value; without any, it is the same text again.
                prop_assert!(text.contains('|') || same == text);
            }
        }
    }
}
