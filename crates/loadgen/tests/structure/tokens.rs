//! Splits Rust source into the tokens that matter for imports, without comments, literals and what
//! only tests compile. It knows no grammar.

/// A name, `::`, or a single other character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// Counted from 1.
    pub(crate) line: usize,
}

impl Token {
    pub(crate) fn is_name(&self) -> bool {
        self.text.starts_with(|first: char| first == '_' || first.is_ascii_alphabetic())
    }
}

/// The tokens of `source` that are compiled into the program.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    without_tests(&all_tokens(source))
}

fn all_tokens(source: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = source;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let ignored = ignored(rest);
        let length = match first {
            _ if ignored.is_some() => ignored,
            _ if is_part_of_name(first) => rest.find(|c| !is_part_of_name(c)),
            ':' if rest.starts_with("::") => Some(2),
            _ => Some(first.len_utf8()),
        };
        let (text, after) = rest.split_at(length.unwrap_or(rest.len()));
        if ignored.is_none() {
            found.push(Token { text: text.to_owned(), line });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    found
}

fn is_part_of_name(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric()
}

/// How many bytes of space, comment, literal or lifetime `rest` begins with.
fn ignored(rest: &str) -> Option<usize> {
    let end_of = |end: &str, from: usize| rest[from..].find(end).map(|at| from + at + end.len());
    if rest.starts_with(char::is_whitespace) {
        return rest.find(|c: char| !c.is_whitespace()).or(Some(rest.len()));
    }
    if rest.starts_with("//") {
        return rest.find('\n').or(Some(rest.len()));
    }
    if rest.starts_with("/*") {
        return end_of("*/", 2);
    }
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        let after = rest.strip_prefix(prefix);
        after.is_some_and(|after| after.trim_start_matches('#').starts_with('"'))
    });
    if let Some(prefix) = prefix {
        let hashes = rest[prefix.len()..].find('"')?;
        let open = prefix.len() + hashes + 1;
        if prefix.ends_with('r') {
            return end_of(&format!("\"{}", "#".repeat(hashes)), open);
        }
        if hashes == 0 {
            return end_of_quoted(rest, open, '"');
        }
    }
    if let Some(after) = rest.strip_prefix('\'') {
        let is_character = after.starts_with('\\') || after.chars().nth(1) == Some('\'');
        let end_of_lifetime = || after.find(|c| !is_part_of_name(c)).map(|at| at + 1);
        return if is_character { end_of_quoted(rest, 1, '\'') } else { end_of_lifetime() };
    }
    None
}

/// Where a literal ends whose content begins at `from`.
fn end_of_quoted(rest: &str, from: usize, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in rest[from..].char_indices() {
        if c == quote && !is_escaped {
            return Some(from + at + 1);
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    None
}

/// Leaves out every item below `#[cfg(test)]`.
fn without_tests(all: &[Token]) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < all.len() {
        let Some(after) = end_of_attribute(all, at) else {
            kept.push(all[at].clone());
            at += 1;
            continue;
        };
        let names: Vec<_> = all[at..after].iter().map(|token| &*token.text).collect();
        if names.contains(&"cfg") && names.contains(&"test") && !names.contains(&"not") {
            while let Some(after) = end_of_attribute(all, at) {
                at = after;
            }
            at = end_of_item(all, at);
        } else {
            kept.extend_from_slice(&all[at..after]);
            at = after;
        }
    }
    kept
}

fn end_of_attribute(all: &[Token], at: usize) -> Option<usize> {
    let is_attribute = all.get(at)?.text == "#" && all.get(at + 1)?.text == "[";
    is_attribute.then(|| end_of_brackets(all, at + 1))
}

/// The first token behind an item: behind its `;`, or its last brace.
fn end_of_item(all: &[Token], mut at: usize) -> usize {
    while let Some(token) = all.get(at) {
        match &*token.text {
            ";" => return at + 1,
            "{" => {
                let end = end_of_brackets(all, at);
                // `use a::{b, c};`
                return end + usize::from(all.get(end).is_some_and(|next| next.text == ";"));
            }
            "(" | "[" => at = end_of_brackets(all, at),
            _ => at += 1,
        }
    }
    at
}

/// The first token behind the bracket that closes the one at `at`.
pub(crate) fn end_of_brackets(all: &[Token], at: usize) -> usize {
    let mut depth = 0;
    for (index, token) in all.iter().enumerate().skip(at) {
        match &*token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index + 1;
        }
    }
    all.len()
}

#[test]
fn comments_literals_and_tests_are_left_out() {
    let source = r##"
        // use a::comment;
        use b::{C, d as e}; /* and::this */
        const TEXT: &'static str = "not \" f::g"; const C: char = '\''; const RAW: &str = r#"h"::i"#;
        #[cfg(test)]
        #[allow(unused)]
        use j::{k};
        #[cfg(test)]
        mod tests { use super::*; fn f() {} }
        #[cfg(not(test))]
        fn last<'a>(x: &'a l::M) {}
    "##;
    let texts: Vec<_> = tokens(source).into_iter().map(|token| token.text).collect();
    assert_eq!(
        texts.join(" "),
        "use b :: { C , d as e } ; const TEXT : & str = ; const C : char = ; const RAW : & str = ; \
         # [ cfg ( not ( test ) ) ] fn last < > ( x : & l :: M ) { }"
    );
    assert_eq!(tokens("a\n\nb")[1].line, 3);
}
