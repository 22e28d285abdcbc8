//! The smallest clients, and how many lines they have: those of `docs/clients`, which are tested to lose nothing
//! when their connection is cut. What is counted is neither blank nor a comment.

use pushbench_wire::Transport;

use super::model::Language;

macro_rules! client {
    ($file:literal) => {
        Some(($file, include_str!(concat!("../../../../../docs/clients/", $file))))
    };
}

/// The file below `docs/clients` and its text; none of a transport that has no such client.
fn client(transport: Transport, language: Language) -> Option<(&'static str, &'static str)> {
    match (language, transport) {
        (_, Transport::Tcp) => None,
        (Language::JavaScript, Transport::Polling) => client!("javascript/polling.mjs"),
        (Language::JavaScript, Transport::LongPolling) => client!("javascript/long-polling.mjs"),
        (Language::JavaScript, Transport::Sse) => client!("javascript/sse.mjs"),
        (Language::JavaScript, Transport::WebSocket) => client!("javascript/websocket.mjs"),
        (Language::Python, Transport::Polling) => client!("python/polling.py"),
        (Language::Python, Transport::LongPolling) => client!("python/long_polling.py"),
        (Language::Python, Transport::Sse) => client!("python/sse.py"),
        (Language::Python, Transport::WebSocket) => client!("python/websocket.py"),
        (Language::Rust, Transport::Polling) => client!("rust/src/bin/polling.rs"),
        (Language::Rust, Transport::LongPolling) => client!("rust/src/bin/long_polling.rs"),
        (Language::Rust, Transport::Sse) => client!("rust/src/bin/sse.rs"),
        (Language::Rust, Transport::WebSocket) => client!("rust/src/bin/websocket.rs"),
    }
}

/// How many lines the smallest client of a transport has, if there is one.
pub(in crate::analysis) fn lines(transport: Transport, language: Language) -> Option<usize> {
    let (_, text) = client(transport, language)?;
    let is_code = |line: &&str| {
        let line = line.trim();
        let is_comment = line.starts_with("//") || line.starts_with('#');
        let is_documentation = line.starts_with("\"\"\"");
        !line.is_empty() && !is_comment && !is_documentation
    };
    // An attribute of Rust is no comment.
    let is_attribute = |line: &&str| line.trim().starts_with("#[");
    Some(text.lines().filter(|line| is_code(line) || is_attribute(line)).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scripts/clients` counts the same with other tools, and writes it there.
    #[test]
    fn they_are_those_that_the_page_says() {
        let page = include_str!("../../../../../docs/clients/README.md");
        for transport in Transport::ALL.iter().filter(|of| !of.is_reference()) {
            for language in Language::ALL {
                let (file, _) = client(*transport, language).unwrap();
                let lines = lines(*transport, language).unwrap();
                assert!(page.contains(&format!("[{lines}]({file})")), "{lines} of {file}");
            }
        }
        assert_eq!(lines(Transport::Tcp, Language::Rust), None);
    }
}
