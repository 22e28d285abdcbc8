//! Text of users in a table: no cell is a formula where the file is opened as a spreadsheet
//! (<https://owasp.org/www-community/attacks/CSV_Injection>), because an apostrophe precedes it there.

use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

const STARTS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

pub(super) fn serialize<S: Serializer>(text: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
    match text {
        Some(text) if text.trim_start_matches('\'').starts_with(STARTS) => {
            format!("'{text}").serialize(to)
        }
        text => text.serialize(to),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(|text| match text.strip_prefix('\'') {
        Some(rest) if rest.trim_start_matches('\'').starts_with(STARTS) => rest.to_owned(),
        _ => text,
    }))
}
