//! The search against made-up systems whose capacity is known.

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::results::capacity::Miss;

const SUBSCRIBERS: Question =
    Question { varied: LoadAxis::Subscribers, start: 100.0, least: 1.0, most: 1e6 };

const MET: Answer = Answer::Met;
const MISSED: Answer = Answer::Missed { why: Miss::Objective, certain: true };
const MAYBE: Answer = Answer::Missed { why: Miss::Objective, certain: false };
const GENERATOR: Answer = Answer::Unknown { obstacle: Obstacle::Generator };
const MACHINE: Answer = Answer::Unknown { obstacle: Obstacle::Machine };

/// What is found of a system that answers each load like this, and what was tried.
fn search(question: &Question, mut system: impl FnMut(f64) -> Answer) -> (Found, Vec<Tried>) {
    let mut tried = Vec::new();
    loop {
        match next(question, &tried) {
            Step::Done(found) => {
                assert_eq!(remaining(question, &tried), 0);
                return (found, tried);
            }
            Step::Measure { load, purpose } => {
                assert!((question.least..=question.most).contains(&load), "{load}");
                assert_eq!(question.varied.round(load), load, "a number that people write");
                assert!(remaining(question, &tried) > 0);
                tried.push(Tried { load, purpose, answer: system(load) });
            }
        }
    }
}

/// A system that copes with so much and nothing beyond.
fn up_to(capacity: f64) -> impl FnMut(f64) -> Answer {
    move |load| if load <= capacity { MET } else { MISSED }
}

fn capacity(found: Found) -> f64 {
    match found {
        Found::Capacity { load, .. } => load,
        other => panic!("{other:?}"),
    }
}

fn loads(tried: &[Tried]) -> Vec<f64> {
    tried.iter().map(|of| of.load).collect()
}

#[test]
fn it_doubles_halves_the_gap_and_confirms() {
    let (found, tried) = search(&SUBSCRIBERS, up_to(530.0));
    assert_eq!(
        loads(&tried),
        [100.0, 200.0, 400.0, 800.0, 566.0, 476.0, 519.0, 542.0, 519.0, 519.0]
    );
    let purposes: Vec<_> = tried.iter().rev().take(3).map(|of| of.purpose).collect();
    assert_eq!(purposes, [Purpose::Confirm, Purpose::Confirm, Purpose::Search]);
    let limit = Limit::Missed { at: 542.0 };
    assert_eq!(found, Found::Capacity { load: 519.0, limit });
}

#[test]
fn it_goes_down_when_the_first_load_is_too_much() {
    let (found, tried) = search(&SUBSCRIBERS, up_to(7.0));
    assert_eq!(loads(&tried)[..6], [100.0, 50.0, 25.0, 13.0, 7.0, 10.0]);
    assert_eq!(found, Found::Capacity { load: 7.0, limit: Limit::Missed { at: 8.0 } });
}

#[test]
fn the_least_load_and_the_most_end_it() {
    let (found, tried) = search(&SUBSCRIBERS, up_to(0.5));
    assert_eq!(found, Found::Nothing);
    assert_eq!(tried.last().unwrap().load, 1.0);
    let bounded = Question { least: 30.0, most: 150.0, ..SUBSCRIBERS };
    assert_eq!(search(&bounded, up_to(20.0)).0, Found::Nothing);
    let (found, tried) = search(&bounded, up_to(1e6));
    assert_eq!(found, Found::Capacity { load: 150.0, limit: Limit::Most });
    assert_eq!(loads(&tried), [100.0, 150.0, 150.0, 150.0]);
}

#[test]
fn a_generator_at_its_limit_leaves_a_bound_from_below() {
    let system = |load| if load <= 330.0 { MET } else { GENERATOR };
    let (found, tried) = search(&SUBSCRIBERS, system);
    let Found::Capacity { load, limit } = found else { panic!("{found:?}") };
    assert!((330.0 / TOLERANCE..=330.0).contains(&load), "{load}");
    assert!(
        matches!(limit, Limit::Unknown { at, obstacle: Obstacle::Generator } if at > 330.0),
        "{limit:?}"
    );
    let at_400 = tried.iter().filter(|of| of.load == 400.0).count();
    assert_eq!(at_400, 2, "it is asked once more");
    let never = search(&SUBSCRIBERS, |_| GENERATOR).0;
    assert_eq!(never, Found::Untrusted { obstacle: Some(Obstacle::Generator) });
}

#[test]
fn a_machine_that_is_busy_now_and_then_only_costs_time() {
    let mut trial = 0;
    let (found, _) = search(&SUBSCRIBERS, |load| {
        trial += 1;
        if trial % 3 == 0 { MACHINE } else { up_to(530.0)(load) }
    });
    assert_eq!(found, search(&SUBSCRIBERS, up_to(530.0)).0);
    let (never, tried) = search(&SUBSCRIBERS, |_| MACHINE);
    assert_eq!(never, Found::Untrusted { obstacle: Some(Obstacle::Machine) });
    assert_eq!(loads(&tried), [100.0; 3], "with fewer it would be as busy");
}

#[test]
fn one_accident_does_not_make_a_miss_and_two_do() {
    let mut accident = true;
    let (found, tried) = search(&SUBSCRIBERS, |load| {
        let is_accident = load == 200.0 && std::mem::take(&mut accident);
        if is_accident { MAYBE } else { up_to(530.0)(load) }
    });
    assert_eq!(capacity(found), 519.0);
    assert_eq!(loads(&tried)[..5], [100.0, 200.0, 200.0, 200.0, 400.0], "the majority of three");
    let found = search(&SUBSCRIBERS, |load| if load <= 150.0 { MET } else { MAYBE }).0;
    assert!((143.0..=150.0).contains(&capacity(found)));
}

#[test]
fn what_does_not_hold_is_lowered_until_it_does() {
    let mut at_519 = 0;
    let (found, tried) = search(&SUBSCRIBERS, |load| {
        at_519 += u32::from(load == 519.0);
        if load == 519.0 && at_519 == 3 { MAYBE } else { up_to(530.0)(load) }
    });
    assert_eq!(found, Found::Capacity { load: 493.0, limit: Limit::Missed { at: 519.0 } });
    let confirmed = tried.iter().filter(|of| of.load == 493.0).count();
    assert_eq!(confirmed, 3, "as often as any other capacity");
}

#[test]
fn a_machine_that_gets_busy_at_the_end_leaves_it_unconfirmed() {
    let mut trial = 0;
    let (found, tried) = search(&SUBSCRIBERS, |load| {
        trial += 1;
        if trial > 8 { MACHINE } else { up_to(530.0)(load) }
    });
    assert_eq!(found, Found::Untrusted { obstacle: Some(Obstacle::Machine) });
    assert_eq!(tried.len(), 8 + 3);
    assert_eq!(so_far(&tried).0, Some(519.0));
}

#[test]
fn what_never_holds_is_not_believed() {
    // Once each load meets the objectives, and then it does not.
    let mut seen = Vec::new();
    let (found, tried) = search(&SUBSCRIBERS, |load| {
        let is_new = !seen.contains(&load);
        seen.push(load);
        if load > 530.0 || (!is_new && load > 100.0) { MAYBE } else { MET }
    });
    assert_eq!(found, Found::Untrusted { obstacle: None });
    assert!(tried.len() < 40, "it gives up: {}", tried.len());
}

#[test]
fn a_server_that_never_runs_is_given_up_and_one_that_crashes_under_load_is_not() {
    let (found, tried) = search(&SUBSCRIBERS, |_| Answer::Failed);
    assert_eq!((found, tried.len()), (Found::Failed, 3));
    let (found, _) = search(&SUBSCRIBERS, |load| if load <= 530.0 { MET } else { Answer::Failed });
    assert_eq!(capacity(found), 519.0);
}

#[test]
fn a_search_that_is_cut_off_knows_what_it_knows() {
    let (_, tried) = search(&SUBSCRIBERS, up_to(530.0));
    assert_eq!(so_far(&[]), (None, None));
    assert_eq!(so_far(&tried[..2]), (Some(200.0), None));
    assert_eq!(so_far(&tried[..5]), (Some(400.0), Some(566.0)));
}

#[test]
fn whatever_happens_it_ends() {
    let answers = [MET, MISSED, MAYBE, GENERATOR, MACHINE, Answer::Failed];
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..300 {
        let kinds = rng.random_range(1..=answers.len());
        let (_, tried) = search(&SUBSCRIBERS, |_| answers[rng.random_range(0..kinds)]);
        assert!(tried.len() <= MAX_TRIALS);
    }
}

/// Each trial is as if the capacity were a few per cent off, and one in 30 has an accident.
#[test]
fn noise_moves_it_by_no_more_than_a_tenth() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let (mut wrong, mut trials) = (0, 0);
    const SEARCHES: usize = 400;
    for _ in 0..SEARCHES {
        let truth = 10_f64.powf(rng.random_range(1.0..4.0));
        let (found, tried) = search(&SUBSCRIBERS, |load| {
            let off = truth * (1.0 + 0.02 * (rng.random_range(-1.0..1.0_f64)));
            match load <= off {
                true if rng.random_bool(1.0 / 30.0) => MAYBE,
                true => MET,
                false => MISSED,
            }
        });
        trials += tried.len();
        let load = capacity(found);
        let is_near = (0.9 * truth - 1.0..=1.02 * truth).contains(&load);
        wrong += usize::from(!is_near);
    }
    assert!(wrong * 50 <= SEARCHES, "{wrong} of {SEARCHES} are off");
    assert!(trials < 20 * SEARCHES, "{trials} trials");
}

proptest! {
    #[test]
    fn what_a_faithful_system_can_do_is_found(
        truth in 1_u32..200_000, start in 1_u32..5_000, rate in prop::bool::ANY,
    ) {
        let varied = if rate { LoadAxis::Rate } else { LoadAxis::Subscribers };
        let question = Question { varied, start: varied.round(f64::from(start)), ..SUBSCRIBERS };
        let truth = f64::from(truth);
        let (found, tried) = search(&question, up_to(truth));
        let load = capacity(found);
        // Rates have three digits, so one that is within reach may read up to 1 % less.
        prop_assert!(load <= truth, "{load} of {truth}");
        prop_assert!(load * TOLERANCE * 1.01 >= truth || load + 1.0 > truth, "{load} of {truth}");
        let doublings = (truth / question.start).log2().abs().ceil() as usize;
        prop_assert!(tried.len() <= doublings + 9, "{} trials", tried.len());
    }
}
