//! A JSON pointer (RFC 6901) into text, of which nothing else is kept: polls bring much beside the one
//! value that is looked for. In a list, `-1` is the last one: RFC 6901 has no meaning for it there.

use std::collections::VecDeque;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// What the pointer leads to in the first object or array of `bytes`: text as it is, and everything else
/// as JSON. What stands in front of it is the server's framing.
pub(super) fn find(pointer: &str, bytes: &[u8]) -> Option<String> {
    let begin = memchr::memchr2(b'{', b'[', bytes)?;
    let tokens: Vec<String> = pointer
        .split('/')
        .skip(1)
        .map(|token| token.replace("~1", "/").replace("~0", "~"))
        .collect();
    let mut found = None;
    let mut json = serde_json::Deserializer::from_slice(&bytes[begin..]);
    // What is wrong behind the value does not make it another one.
    let _ = Behind { tokens: &tokens, found: &mut found }.deserialize(&mut json);
    found.map(|value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    })
}

/// Looks behind the tokens that have been followed.
struct Behind<'a> {
    tokens: &'a [String],
    found: &'a mut Option<Value>,
}

impl<'de> DeserializeSeed<'de> for Behind<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.tokens.is_empty() {
            *self.found = Some(serde::Deserialize::deserialize(deserializer)?);
            return Ok(());
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Behind<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let [first, rest @ ..] = self.tokens else { return Ok(()) };
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if key == first.as_str() {
                map.next_value_seed(Behind { tokens: rest, found: self.found })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let [first, rest @ ..] = self.tokens else { return Ok(()) };
        if let Some(from_end) = first.strip_prefix('-').and_then(|count| count.parse().ok()) {
            return self.count_back(list, rest, from_end);
        }
        let wanted: Option<usize> = first.parse().ok();
        let mut index = 0;
        loop {
            let more = match wanted == Some(index) {
                true => list.next_element_seed(Behind { tokens: rest, found: self.found })?,
                false => list.next_element::<IgnoredAny>()?.map(drop),
            };
            if more.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

impl Behind<'_> {
    /// What the element leads to that is so many before the end of the list, which is 1 of the last one.
    fn count_back<'de, A: SeqAccess<'de>>(
        self,
        mut list: A,
        rest: &[String],
        from_end: usize,
    ) -> Result<(), A::Error> {
        let mut last: VecDeque<Option<Value>> = VecDeque::new();
        loop {
            let mut found = None;
            let behind = Behind { tokens: rest, found: &mut found };
            if list.next_element_seed(behind)?.is_none() {
                break;
            }
            last.push_back(found);
            if last.len() > from_end {
                last.pop_front();
            }
        }
        if last.len() == from_end {
            *self.found = last.pop_front().flatten();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_is_found_behind_framing() {
        let text =
            br#"42["event",{"a/b":{"~":7},"s":"q\"","n":null,"deep":[[1],[2,{"x":true}]]}] tail"#;
        for (pointer, value) in [
            ("/0", Some("event")),
            ("/1/s", Some("q\"")),
            ("/1/a~1b/~0", Some("7")),
            ("/1/n", Some("null")),
            ("/1/deep/1/1/x", Some("true")),
            ("/1/deep/0", Some("[1]")),
            ("/2", None),
            ("/1/none", None),
            ("/0/none", None),
            ("/-2", Some("event")),
            ("/-1/deep/-1/-1/x", Some("true")),
            ("/-1/deep/-2/-1", Some("1")),
            ("/-3", None),
            ("/-0", None),
            ("/-", None),
        ] {
            assert_eq!(find(pointer, text).as_deref(), value, "{pointer}");
        }
        assert_eq!(find("/a", b"no JSON"), None);
        assert_eq!(find("/a", br#"{"a":1"#).as_deref(), Some("1"), "cut behind it");
        assert_eq!(find("/-1", b"[1, 2"), None, "nobody knows where it ends");
        assert_eq!(find("/-1", br#"{"-1":3}"#).as_deref(), Some("3"), "a key like any other");
    }

    proptest! {
        #[test]
        fn agrees_with_a_parsed_document(
            keys in proptest::collection::vec("[a-c0-2]", 1..4),
            text in "[{}\\[\\]\",:a-c0-9]{0,40}",
        ) {
            let pointer: String = keys.iter().map(|key| format!("/{key}")).collect();
            let found = find(&pointer, text.as_bytes());
            let begin = text.find(['{', '[']);
            let whole = begin.and_then(|begin| serde_json::from_str::<Value>(&text[begin..]).ok());
            if let Some(whole) = whole {
                let expected = whole.pointer(&pointer).map(|value| match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                });
                prop_assert_eq!(found, expected);
            }
        }
    }
}
