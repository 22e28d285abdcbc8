//! How large events are, and what they are made of.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use toml::{Spanned, Value};

use pushbench_wire::stamp::STAMP_LEN;

use crate::scenario::error::Problems;
use crate::scenario::limits::MAX_PAYLOAD_BYTES;

/// The size of events as published, stamp included, in bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum PayloadBytes {
    /// All alike.
    Fixed(usize),
    /// Every size from the first to the second equally often.
    Uniform(usize, usize),
    /// The logarithm is normal; what falls outside of the allowed sizes takes the nearest one.
    LogNormal {
        /// Half of all events are smaller.
        median: usize,
        /// One in a hundred is larger.
        p99: usize,
    },
    /// Sizes and how often each comes in comparison with the others.
    Mix(Vec<(usize, f64)>),
}

/// The standard normal distribution's 99th percentile.
const NORMAL_P99: f64 = 2.326_347_874_040_841;

impl PayloadBytes {
    /// The size that comes out of `rng`.
    pub(in crate::scenario) fn draw(&self, rng: &mut ChaCha8Rng) -> usize {
        match self {
            Self::Fixed(bytes) => *bytes,
            Self::Uniform(least, most) => rng.random_range(*least..=*most),
            Self::LogNormal { median, p99 } => {
                let sigma = (*p99 as f64 / *median as f64).ln() / NORMAL_P99;
                // Box and Muller; 1 - u, because the logarithm of 0 is infinite.
                let (radius, angle) = (1.0 - rng.random::<f64>(), rng.random::<f64>());
                let normal = (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos();
                let bytes = (*median as f64 * (sigma * normal).exp()).round();
                (bytes as usize).clamp(STAMP_LEN, self.most())
            }
            Self::Mix(sizes) => {
                let all: f64 = sizes.iter().map(|(_, weight)| weight).sum();
                let mut left = rng.random::<f64>() * all;
                for (bytes, weight) in sizes {
                    left -= weight;
                    if left < 0.0 {
                        return *bytes;
                    }
                }
                self.most()
            }
        }
    }

    /// No event is larger.
    #[must_use]
    pub fn most(&self) -> usize {
        match self {
            Self::Fixed(bytes) | Self::Uniform(_, bytes) => *bytes,
            // Five deviations above the mean: what one in some millions would exceed takes this.
            Self::LogNormal { median, p99 } => {
                let most = *median as f64 * (*p99 as f64 / *median as f64).powf(5.0 / NORMAL_P99);
                (most as usize).min(MAX_PAYLOAD_BYTES)
            }
            Self::Mix(sizes) => sizes.iter().map(|(bytes, _)| *bytes).max().unwrap_or(STAMP_LEN),
        }
    }
}

/// What payloads are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// Text, which every framing carries as it is.
    Text,
    /// JSON records, other ones in each event: text that compresses as such events do.
    Json,
    /// Bytes: WebSocket and raw TCP carry them as they are, SSE and JSON in base64.
    Binary,
}

/// What sizes may be, for the JSON Schema. The values are read by [`parse`], because serde's
/// untagged enums would say no more than that no variant fits.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub(in crate::scenario) enum PayloadSchema {
    /// All events have this size.
    Fixed(u32),
    /// Sizes are distributed.
    Distribution(DistributionSchema),
}

/// One of them.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
pub(in crate::scenario) struct DistributionSchema {
    /// Every size from the first to the second equally often: [64, 1024].
    uniform: Option<[u32; 2]>,
    /// The logarithm of the size is normal: { median = 300, p99 = 4000 }.
    lognormal: Option<LogNormalSchema>,
    /// Sizes and how often each comes in comparison: [[128, 9], [4096, 1]].
    mix: Option<Vec<[f64; 2]>>,
}

/// Where half of the sizes and where 99 of 100 are below.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
pub(in crate::scenario) struct LogNormalSchema {
    median: u32,
    p99: u32,
}

/// The sizes that `value` asks for; what is wrong is noted.
pub(in crate::scenario) fn parse(
    value: &Spanned<Value>,
    problems: &mut Problems<'_>,
) -> PayloadBytes {
    sizes(value.get_ref()).unwrap_or_else(|message| {
        problems.at(value.span(), message);
        PayloadBytes::Fixed(STAMP_LEN)
    })
}

fn sizes(value: &Value) -> Result<PayloadBytes, String> {
    if let Value::Integer(bytes) = value {
        return size(*bytes).map(PayloadBytes::Fixed);
    }
    let only = |table: &toml::Table| match table.iter().next() {
        Some((key, value)) if table.len() == 1 => Some((key.clone(), value.clone())),
        _ => None,
    };
    let found = value.as_table().and_then(only);
    match found.as_ref().map(|(key, value)| (key.as_str(), value)) {
        Some(("uniform", value)) => {
            let [least, most] = pair(value, integer).ok_or_else(how_to_write)?;
            let (least, most) = (size(least)?, size(most)?);
            if least > most {
                return Err(format!(
                    "`uniform` of `payload_bytes` must go from the least to the most, found \
                     [{least}, {most}]"
                ));
            }
            Ok(PayloadBytes::Uniform(least, most))
        }
        Some(("lognormal", Value::Table(table))) if table.len() == 2 => {
            let of = |key| table.get(key).and_then(integer).ok_or_else(how_to_write);
            let (median, p99) = (size(of("median")?)?, size(of("p99")?)?);
            if median >= p99 {
                return Err(format!(
                    "`p99` of `payload_bytes` must be more than `median` ({median}), found {p99}"
                ));
            }
            Ok(PayloadBytes::LogNormal { median, p99 })
        }
        Some(("mix", Value::Array(entries))) if !entries.is_empty() => {
            let entry = |entry: &Value| {
                let [bytes, weight] = pair(entry, number).ok_or_else(how_to_write)?;
                if weight <= 0.0 || !weight.is_finite() || bytes.fract() != 0.0 {
                    return Err(how_to_write());
                }
                Ok((size(bytes as i64)?, weight))
            };
            entries.iter().map(entry).collect::<Result<_, _>>().map(PayloadBytes::Mix)
        }
        _ => Err(how_to_write()),
    }
}

fn how_to_write() -> String {
    "`payload_bytes` must be a whole number, or { uniform = [64, 1024] }, { lognormal = { median = \
     300, p99 = 4000 } } or { mix = [[128, 9], [4096, 1]] } (sizes, and how often each comes)"
        .to_owned()
}

fn size(bytes: i64) -> Result<usize, String> {
    let bound = match usize::try_from(bytes) {
        Ok(size @ STAMP_LEN..=MAX_PAYLOAD_BYTES) => return Ok(size),
        Ok(size) if size > MAX_PAYLOAD_BYTES => format!("at most {MAX_PAYLOAD_BYTES}"),
        _ => format!("at least {STAMP_LEN}"),
    };
    Err(format!(
        "`payload_bytes` must be {bound}, found {bytes}: it holds a stamp of {STAMP_LEN} bytes \
         (sequence and times), and the server takes up to {MAX_PAYLOAD_BYTES}"
    ))
}

fn pair<T: Copy>(value: &Value, of: impl Fn(&Value) -> Option<T>) -> Option<[T; 2]> {
    match value.as_array()?.as_slice() {
        [one, other] => Some([of(one)?, of(other)?]),
        _ => None,
    }
}

fn integer(value: &Value) -> Option<i64> {
    value.as_integer()
}

fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|number| number as f64))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn sorted(sizes: &PayloadBytes) -> Vec<usize> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut drawn: Vec<_> = (0..100_000).map(|_| sizes.draw(&mut rng)).collect();
        drawn.sort_unstable();
        drawn
    }

    fn is_near(found: usize, wanted: f64) -> bool {
        (found as f64 / wanted - 1.0).abs() < 0.03
    }

    #[test]
    fn sizes_are_distributed_as_asked() {
        let uniform = sorted(&PayloadBytes::Uniform(100, 1_099));
        assert_eq!((uniform[0], uniform[99_999]), (100, 1_099));
        assert!(is_near(uniform[25_000], 350.0) && is_near(uniform[75_000], 850.0));

        let sizes = PayloadBytes::LogNormal { median: 300, p99: 4_000 };
        let lognormal = sorted(&sizes);
        assert!(is_near(lognormal[50_000], 300.0), "{}", lognormal[50_000]);
        assert!((lognormal[99_000] as f64 / 4_000.0 - 1.0).abs() < 0.1, "{}", lognormal[99_000]);
        // Symmetric in the logarithm, where the stamp does not cut it off.
        assert!(is_near(lognormal[80_000] * lognormal[20_000], 9e4), "{}", lognormal[20_000]);
        assert!(lognormal[99_999] <= sizes.most());

        let mix = sorted(&PayloadBytes::Mix(vec![(4_096, 1.0), (128, 9.0)]));
        let small = mix.iter().filter(|size| **size == 128).count();
        assert!(is_near(small, 90_000.0), "{small}");
        assert!(mix.iter().all(|size| matches!(size, 128 | 4_096)));
    }
}
