//! Whether a file has the shape of its JSON Schema: known keys, none missing, the right types. The
//! schema comes from the types that are read afterwards, so keys and types are told in one place;
//! this is what lets all mistakes be named at once, each with the nearest right spelling.

use std::fmt::Write as _;
use std::ops::Range;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::duration;
use super::error::{Problems, quoted};

/// From here on two words are taken for the same one misspelt (Jaro-Winkler, where 1 is equal).
const LIKENESS: f64 = 0.8;

/// The table that a preset stands for.
const PRESET: &str = "server.NAME";

/// Notes where `file` differs from the shape that `schema` gives a table.
pub(super) fn check(file: &Spanned<DeTable<'_>>, schema: &Value, problems: &mut Problems<'_>) {
    Shape { root: schema, problems }.table(None, file.get_ref(), file.span(), schema);
}

/// The same of a table that stands in a file of its own for [server.NAME]; whether it has that shape.
pub(super) fn check_server(
    file: &Spanned<DeTable<'_>>,
    schema: &Value,
    problems: &mut Problems<'_>,
) -> bool {
    let before = problems.count();
    Shape { root: schema, problems }.table(Some(PRESET), file.get_ref(), file.span(), schema);
    problems.count() == before
}

struct Shape<'a, 't> {
    root: &'a Value,
    problems: &'a mut Problems<'t>,
}

impl Shape<'_, '_> {
    /// `name` is that of the table, `None` for the file itself.
    fn table(
        &mut self,
        name: Option<&str>,
        table: &DeTable<'_>,
        span: Range<usize>,
        schema: &Value,
    ) {
        let mut likely = Vec::new();
        for (key, value) in table {
            let within = within(name, key.get_ref());
            match schema["properties"].get(key.get_ref().as_ref()) {
                Some(schema) => self.value(key.get_ref(), &within, value, schema),
                // Any key may stand here; whoever reads the table knows which mean something.
                None if schema["additionalProperties"].is_object() => {
                    self.value(key.get_ref(), &within, value, &schema["additionalProperties"]);
                }
                None => likely.extend(self.unknown(name, key, schema)),
            }
        }
        // One that is misspelt is not missing as well.
        let is_missing = |key: &&str| !table.contains_key(*key) && !likely.contains(key);
        for key in strings(&schema["required"]).filter(is_missing) {
            let property = &schema["properties"][key];
            let example = &property["examples"][0];
            match name {
                Some(table) => self.problems.at(
                    span.clone(),
                    format!("`{key}` is missing in [{table}]: add, for example, `{key} = {example}`"),
                ),
                None if property["type"] == "object" => {
                    self.problems.in_file(format!("the table [{key}] is missing"));
                }
                None => self.problems.in_file(format!(
                    "`{key}` is missing: add, for example, `{key} = {example}` above the first [table]"
                )),
            }
        }
    }

    /// Gives what it is likely to mean.
    fn unknown<'s>(
        &mut self,
        table: Option<&str>,
        key: &Spanned<impl AsRef<str>>,
        schema: &'s Value,
    ) -> Option<&'s str> {
        let found = key.get_ref().as_ref();
        let mut message = match table {
            Some(table) => format!("[{table}] has no key `{}`", found.escape_debug()),
            None => format!("a scenario has no key `{}`", found.escape_debug()),
        };
        let known = keys(schema);
        let homes = self.homes_of(found);
        // What is right elsewhere is not misspelt.
        let likely = nearest(found, &known).filter(|_| homes.is_empty());
        if let Some(likely) = likely {
            let _ = write!(message, ": did you mean `{likely}`?");
        } else if !homes.is_empty() {
            let _ = write!(message, ": it belongs {}", homes.join(" or "));
        } else {
            let _ = write!(message, ": there are {}", listed(&known, "and"));
        }
        self.problems.at(key.span(), message);
        likely
    }

    /// Where else a key would be right.
    fn homes_of(&self, key: &str) -> Vec<String> {
        let mut homes = Vec::new();
        for (name, property) in self.root["properties"].as_object().into_iter().flatten() {
            if name == key && property["type"] != "object" {
                homes.push("above the first [table]".to_owned());
            }
            if property["properties"].get(key).is_some() {
                homes.push(format!("in [{name}]"));
            }
            if property["items"]["properties"].get(key).is_some() {
                homes.push(format!("in [[{name}]]"));
            }
        }
        homes
    }

    /// `within` is the name of `key` if it is a table.
    fn value(&mut self, key: &str, within: &str, value: &Spanned<DeValue<'_>>, schema: &Value) {
        let choices = choices(schema);
        match (value.get_ref(), schema["type"].as_str()) {
            (DeValue::Table(table), Some("object")) => {
                self.table(Some(within), table, value.span(), schema);
            }
            (DeValue::Array(items), Some("array")) => {
                for item in items {
                    match item.get_ref() {
                        DeValue::Table(table) if schema["items"]["type"] == "object" => {
                            let name = format!("[{within}]");
                            self.table(Some(&name), table, item.span(), &schema["items"]);
                        }
                        _ => self.value(key, within, item, &schema["items"]),
                    }
                }
            }
            (DeValue::String(text), _) if choices.contains(&text.as_ref()) => {}
            (DeValue::String(_), Some("string")) if choices.is_empty() => {}
            (DeValue::Integer(number), Some("integer" | "number")) => {
                if i64::from_str_radix(number.as_str(), number.radix()).is_err() {
                    let message = format!("`{key}` must fit into 64 bits, found {number}");
                    self.problems.at(value.span(), message);
                }
            }
            (DeValue::Float(_), Some("number")) | (DeValue::Boolean(_), Some("boolean")) => {}
            // Anything may stand here.
            _ if *schema == Value::Bool(true) => {}
            // Whoever reads it has one sentence for all that it may be.
            _ if schema["anyOf"].is_array() => {}
            // `sse.latency = …`, which TOML reads as a table within a table.
            (DeValue::Table(table), Some("array"))
                if !table.is_empty() && schema["items"]["type"] != "object" =>
            {
                let inner = table.keys().next().map_or("", |inner| inner.get_ref());
                let message = format!(
                    "`{key}` must be {}: put a key with a dot in quotes, \"{key}.{}\"",
                    expected(key, schema),
                    inner.escape_debug()
                );
                self.problems.at(value.span(), message);
            }
            (DeValue::String(text), Some("object")) if schema["properties"]["has"].is_object() => {
                let message = format!(
                    "`{key}` must say which messages are meant: write {key} = {{ has = {:?} }}",
                    text.as_ref()
                );
                self.problems.at(value.span(), message);
            }
            (found, _) => {
                let mut message = format!(
                    "`{key}` must be {}, found {}",
                    expected(within, schema),
                    describe(found)
                );
                if let Some(likely) = found.as_str().and_then(|text| nearest(text, &choices)) {
                    let _ = write!(message, ": did you mean \"{likely}\"?");
                }
                self.problems.at(value.span(), message);
            }
        }
    }
}

/// The name of a table in another one, as the line has it that begins it. In a preset it is that of the
/// preset, where nobody writes the server's.
fn within(table: Option<&str>, key: &str) -> String {
    match table.filter(|table| *table != PRESET) {
        Some(table) => format!("{}.{key}", table.trim_matches(['[', ']'])),
        None => key.to_owned(),
    }
}

fn expected(key: &str, schema: &Value) -> String {
    let choices: Vec<_> = choices(schema).iter().map(|name| format!("\"{name}\"")).collect();
    match schema["type"].as_str() {
        _ if !choices.is_empty() => enumerate(&choices, "or"),
        _ if *schema == Value::Bool(true) => "values".to_owned(),
        Some("string") if schema["pattern"] == duration::PATTERN => {
            duration::HOW_TO_WRITE.to_owned()
        }
        Some("string") => "text in quotes".to_owned(),
        Some("integer") => "a whole number".to_owned(),
        Some("number") => "a number".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        Some("array") if schema["items"]["type"] == "object" => {
            format!("a list of tables, each of which starts with the line [[{key}]]")
        }
        Some("array") => format!("a list of {}", expected(key, &schema["items"])),
        _ => format!("a table, which starts with the line [{key}]"),
    }
}

fn describe(found: &DeValue<'_>) -> String {
    match found {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(_) => "a date or time".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// The texts that a value may be; none when any may.
fn choices(schema: &Value) -> Vec<&str> {
    let described = schema["oneOf"].as_array().into_iter().flatten();
    described
        .filter_map(|choice| choice["const"].as_str())
        .chain(strings(&schema["enum"]))
        .collect()
}

fn keys(schema: &Value) -> Vec<&str> {
    schema["properties"].as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// The one of the `known` words that `word` is likely to mean.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let likeness = |known: &str| strsim::jaro_winkler(word, known);
    known
        .iter()
        .copied()
        .filter(|known| likeness(known) > LIKENESS)
        .max_by(|one, other| likeness(one).total_cmp(&likeness(other)))
}

/// Names as a message lists them: "`a`, `b` and `c`".
pub(super) fn listed(names: &[&str], conjunction: &str) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    enumerate(&names, conjunction)
}

fn enumerate(items: &[String], conjunction: &str) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} {conjunction} {last}", first.join(", ")),
    }
}
