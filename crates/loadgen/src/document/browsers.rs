//! Browsers that ran subscribers: which ones, and whose.

use super::prose;
use crate::results::{Manifest, UsedBrowser};

/// Which browsers there were, in a sentence each.
pub(super) fn footnote(manifest: &Manifest) -> Option<String> {
    let each = manifest.browsers.iter().map(|UsedBrowser { label, version, contenders }| {
        let program = version.as_ref().unwrap_or(label);
        format!("{program} ran the subscribers of {}.", prose::list(contenders))
    });
    let each: Vec<_> = each.collect();
    (!each.is_empty()).then(|| each.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::fixture;

    #[test]
    fn a_browser_is_named_with_its_version_if_it_has_said_it() {
        let mut manifest = fixture::run().0.manifest;
        assert_eq!(footnote(&manifest), None);
        let browser = |label: &str, version: Option<&str>, contenders: &[&str]| UsedBrowser {
            label: label.to_owned(),
            version: version.map(str::to_owned),
            contenders: contenders.iter().map(|&name| name.to_owned()).collect(),
        };
        manifest.browsers = vec![
            browser("Chromium", Some("Chromium 1.2"), &["SSE", "WebSocket"]),
            browser("Firefox", None, &["Polling"]),
        ];
        assert_eq!(
            footnote(&manifest).unwrap(),
            "Chromium 1.2 ran the subscribers of SSE and WebSocket. Firefox ran the subscribers of Polling."
        );
    }
}
