//! What a server of ours is asked over its control routes: whether it is well, and what it counts. It must not
//! know how it was started.

use std::net::SocketAddr;

use anyhow::{Context as _, anyhow, bail, ensure};
use pushbench_wire::endpoint::HEALTH_PATH;

use super::patience::within;
use super::readiness::READY_WITHIN;

/// How much of an answer to a control request is read.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// The first of `addresses` at which somebody says to be well.
pub(super) async fn answering(
    client: &reqwest::Client,
    addresses: &[SocketAddr],
) -> anyhow::Result<SocketAddr> {
    let mut reason = anyhow!("the server has no address");
    for &address in addresses {
        match get(client, address, HEALTH_PATH).await {
            Ok(_) => return Ok(address),
            Err(error) => reason = error,
        }
    }
    Err(reason)
}

pub(super) async fn get(
    client: &reqwest::Client,
    address: SocketAddr,
    path: &str,
) -> anyhow::Result<String> {
    let url = format!("http://{address}{path}");
    let asked = async {
        let mut answer = client.get(&url).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await? {
            body.extend_from_slice(&piece);
            ensure!(
                body.len() <= MAX_ANSWER_BYTES,
                "its answer is larger than {MAX_ANSWER_BYTES} bytes"
            );
        }
        Ok(String::from_utf8_lossy(&body).into_owned())
    };
    let answer = within(READY_WITHIN, asked).await;
    answer
        .unwrap_or_else(|| bail!("it takes longer than {READY_WITHIN:?}"))
        .with_context(|| format!("the server does not answer {url}"))
}

/// The value of one series in Prometheus text.
pub(super) fn sample(metrics: &str, series: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_samples() {
        let text = "# HELP a b\na{t=\"x\"} 12\na{t=\"y\"} 3e2\n";
        assert_eq!(sample(text, "a{t=\"y\"}"), Some(300.0));
        assert_eq!(sample(text, "a{t=\"z\"}"), None);
    }
}
