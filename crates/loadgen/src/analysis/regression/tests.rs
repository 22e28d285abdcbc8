use super::*;

fn gate() -> Gate {
    Gate { metric: Metric::ServerCpuPerDelivery, share: 0.05, floor: 0.0 }
}

fn evidence(ratios: &[f64]) -> Evidence {
    Evidence::of(ratios.iter().map(|ratio| (100.0, 100.0 * ratio)).collect(), gate())
}

#[test]
fn the_critical_counts() {
    let counts: Vec<_> = (0..=10).map(critical_count).collect();
    let few = [None; 5];
    let known = [0, 0, 1, 2, 4, 6].map(Some);
    assert_eq!(counts, [&few[..], &known].concat());
}

/// Identical builds: given their sizes, all 2^K signs of the differences are equally likely. In
/// how many of them is there a suspicion, whatever the sizes are?
#[test]
fn every_pattern_of_signs_is_tried() {
    for blocks in 5..=10_u32 {
        let critical = critical_count(blocks as usize).unwrap();
        let mut suspicious = 0;
        for signs in 0..1_u32 << blocks {
            let ratios: Vec<f64> = (0..blocks)
                .map(|block| {
                    // Far above any gate, and no two sums alike.
                    let size = 0.5 + 0.01 * 1.9_f64.powf(f64::from(block));
                    if signs >> block & 1 == 1 { size.exp() } else { (-size).exp() }
                })
                .collect();
            let evidence = evidence(&ratios);
            assert_eq!(evidence.critical, Some(critical));
            suspicious += u32::from(evidence.against <= critical);
        }
        let chance = f64::from(suspicious) / f64::from(1_u32 << blocks);
        assert_eq!(Some(chance), false_suspicion(blocks as usize), "{blocks} blocks");
    }
    assert_eq!(false_suspicion(8), Some(3.0 / 256.0));
}

#[test]
fn a_suspicion_takes_a_change_that_is_sure_and_large() {
    assert!(evidence(&[1.10, 1.12, 1.08, 1.11, 1.09, 1.10, 1.13, 1.07]).is_suspect());
    assert!(!evidence(&[1.03; 8]).is_suspect(), "sure, but within the gate");
    let unsure = evidence(&[1.4, 0.8, 1.5, 0.9, 1.4, 0.7, 1.6, 1.3]);
    assert!(!unsure.is_suspect());
    assert_eq!(unsure.unsuspicious(), Verdict::Inconclusive);
    assert!(evidence(&[1.2; 4]).upper.is_none(), "four blocks decide nothing");
    assert_eq!(evidence(&[1.2; 4]).unsuspicious(), Verdict::Invalid);
    let pass = evidence(&[1.01, 0.99, 1.02, 0.98, 1.0, 1.01, 0.99, 1.0]);
    assert_eq!(pass.unsuspicious(), Verdict::Pass);
    assert_eq!(evidence(&[0.8; 8]).unsuspicious(), Verdict::Improved);
}

#[test]
fn a_floor_keeps_small_changes_of_small_figures_out() {
    let blocks: Vec<_> = [1.2; 8].iter().map(|ratio| (300e3, 300e3 * ratio)).collect();
    let p50 = Gate { metric: Metric::LatencyP50, share: 0.10, floor: 100e3 };
    assert!(!Evidence::of(blocks.clone(), p50).is_suspect(), "60 µs");
    let lower = Gate { floor: 50e3, ..p50 };
    assert!(Evidence::of(blocks, lower).is_suspect());
}

#[test]
fn a_change_of_nothing_to_something_has_no_ratio() {
    let evidence = Evidence::of(vec![(0.0, 1.0); 8], gate());
    assert_eq!((evidence.ratio, evidence.upper), (None, None));
    assert!(!evidence.is_suspect());
}

#[test]
fn a_block_that_is_missing_decides_nothing() {
    let mut comparison = crate::results::fixture::comparison();
    let regressed = |comparison: &Comparison| {
        let cells = decide(comparison).cells.into_iter();
        cells.filter(|cell| cell.verdict == Verdict::Regressed).collect::<Vec<_>>()
    };
    let GatedCell { scenario, contender, gate, .. } = regressed(&comparison)[0].clone();
    assert!(suspects(&comparison).contains(&(scenario, contender.clone())));
    let missing = comparison.trials.iter().position(|of| {
        (of.scenario, &of.trial.contender, of.stage) == (scenario, &contender, Stage::First)
    });
    comparison.trials.remove(missing.unwrap());
    assert!(!suspects(&comparison).contains(&(scenario, contender.clone())));
    let cells = decide(&comparison).cells;
    let same = |cell: &&GatedCell| {
        (cell.scenario, &cell.contender, cell.gate) == (scenario, &contender, gate)
    };
    let cell = cells.iter().find(same).unwrap();
    assert_eq!((cell.verdict, cell.first.blocks.len()), (Verdict::Invalid, 7));
}
