//! Servers that a scenario describes: what is not known of them, and what they promise.

use super::prose;
use crate::results::model::DescribedServer;

/// What speaks against the figures of a server that is not ours.
pub(super) fn caveat(server: &DescribedServer) -> Option<String> {
    let DescribedServer { label, started, seen, insecure, .. } = server;
    let unseen = match (started, seen) {
        (true, _) => None,
        (false, true) => {
            Some("it ran before and goes on, so its memory is not that of a fresh process")
        }
        (false, false) => Some(
            "nobody sees its process, so its CPU time, its memory and whether it was saturated are not \
             known",
        ),
    };
    let insecure = insecure.then_some("its certificate is NOT checked, so it may be anybody");
    let all: Vec<_> = [unseen, insecure].into_iter().flatten().collect();
    (!all.is_empty()).then(|| prose::sentence(&format!("{label}: {}", all.join("; "))))
}

/// How servers that are not ours were measured, and what they promise.
pub(super) fn footnote(servers: &[DescribedServer]) -> Option<String> {
    let labels: Vec<_> = servers.iter().map(|of| of.label.clone()).collect();
    let (verb, whose) = if servers.len() == 1 { ("is", "its") } else { ("are", "their") };
    let promises = servers.iter().filter_map(|DescribedServer { label, promises, .. }| {
        promises.as_ref().map(|promises| format!(" {label} promises subscribers: {promises}."))
    });
    (!servers.is_empty()).then(|| {
        format!(
            "{} {verb} as the scenario describes: what was delivered is known from stamps alone, and how long \
             {whose} payloads are is not.{}",
            prose::list(&labels),
            promises.collect::<String>()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_described_server_has_a_footnote_and_caveats_of_its_own() {
        let server = |started, seen, insecure| DescribedServer {
            label: "Chat".to_owned(),
            promises: Some("at most once".to_owned()),
            started,
            seen,
            insecure,
        };
        assert_eq!(caveat(&server(true, true, false)), None);
        assert_eq!(footnote(&[]), None);
        assert_eq!(
            footnote(&[server(true, true, false)]).unwrap(),
            "Chat is as the scenario describes: what was delivered is known from stamps alone, and how long \
             its payloads are is not. Chat promises subscribers: at most once."
        );
        assert_eq!(
            caveat(&server(false, false, true)).unwrap(),
            "Chat: nobody sees its process, so its CPU time, its memory and whether it was saturated are not \
             known; its certificate is NOT checked, so it may be anybody."
        );
    }
}
