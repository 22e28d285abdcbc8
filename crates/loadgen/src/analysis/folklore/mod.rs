//! Published claims, held against runs. What is claimed stands in a file of its own, `claims.toml`, that anybody
//! can check; every figure and every verdict comes from the runs.

mod judge;
mod model;

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use serde::Deserialize;

use self::judge::{findings, outcome};
use super::Analysis;
use crate::results::Run;

pub use model::{Claim, Finding, Held, Outcome, Part, Who};

/// The file with all claims.
const FILE: &str = include_str!("claims.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    claim: Vec<Claim>,
}

/// Every published claim, in the order of its file.
#[must_use]
pub fn claims() -> &'static [Claim] {
    static CLAIMS: LazyLock<Vec<Claim>> = LazyLock::new(|| {
        // It is part of the program, and a test reads it.
        toml::from_str::<Claims>(FILE).map(|of| of.claim).unwrap_or_default()
    });
    &CLAIMS
}

/// Holds every claim against `runs`, which somebody else has found fit to be used.
#[must_use]
pub fn hold(runs: &[(Run, Analysis)]) -> Vec<Held> {
    let held = |claim: &Claim| {
        let found = runs.iter().flat_map(|(run, analysis)| findings(claim, run, analysis));
        let findings: Vec<_> = found.collect();
        let outcome = outcome(claim, &findings);
        Held { claim: claim.clone(), findings, outcome }
    };
    claims().iter().map(held).collect()
}
