//! Whether a run knows when it must not be believed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use super::support::{Bench, Watched, cannot_run, wait_gone};

/// The cores that a process or, with 0, the calling thread may use.
fn cores_of(process: Pid) -> Vec<usize> {
    let set = sched_getaffinity(process).unwrap();
    (0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap()).collect()
}

/// Confines the calling thread, and what it starts, to `cores`.
fn confine_to(cores: &[usize]) {
    let mut set = CpuSet::new();
    cores.iter().for_each(|&core| set.set(core).unwrap());
    sched_setaffinity(Pid::from_raw(0), &set).unwrap();
}

/// Starts a run on two cores: one for the server, one for the generator.
fn start_on_two_cores(bench: &Bench) -> Option<Watched> {
    let cores = cores_of(Pid::from_raw(0));
    // The first and the last are the least likely to be threads of one physical core.
    let (first, last) = (cores[0], *cores.last()?);
    let confined = || {
        confine_to(&[first, last]);
        bench.start_run()
    };
    (first != last).then(|| thread::scope(|scope| scope.spawn(confined).join().unwrap()))
}

#[test]
fn alone_a_busy_neighbour_of_the_generator_makes_the_run_untrusted() {
    let bench = Bench::alone();
    bench.scenario(
        r#"
        name = "disturbed"
        description = "Something else keeps the generator's core busy."
        compare = ["sse"]
        blocks = 1
        [workload]
        subscribers = 20
        events_per_second = 50
        payload_bytes = 64
        duration = "1s"
        warm_up = "100ms"
        idle = "0s"
        "#,
    );
    let Some(mut run) = start_on_two_cores(&bench) else {
        return cannot_run("it takes two cores");
    };
    // While it starts the server it has that one's cores, which the server inherits.
    run.wait_for("warming up");
    let generator = cores_of(run.pid());
    if generator.len() > 1 {
        run.finish();
        return cannot_run("both cores are threads of one, so the generator has none of its own");
    }
    let is_over = AtomicBool::new(false);
    let (code, said) = thread::scope(|scope| {
        // Several, so that none of them gives way at once.
        for _ in 0..4 {
            scope.spawn(|| {
                confine_to(&generator);
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let ended = run.finish();
        is_over.store(true, Ordering::Relaxed);
        ended
    });
    let rows = bench.rows();
    assert!(rows.contains("\"side\":\"generator\""), "{rows}");
    assert!(
        said.contains("SSE: only 0 of 1 trials are valid; at least 1 is needed: other"),
        "{said}"
    );
    assert_eq!(code, Some(3), "{said}");
}

#[test]
fn alone_a_rate_that_nobody_can_sustain_is_told_and_ends() {
    let bench = Bench::alone();
    bench.scenario(
        r#"
        name = "flood"
        description = "A million events a second."
        compare = ["sse"]
        blocks = 1
        [workload]
        subscribers = 5
        events_per_second = 1_000_000
        payload_bytes = 64
        duration = "300ms"
        warm_up = "0s"
        idle = "0s"
        "#,
    );
    let Some(mut run) = start_on_two_cores(&bench) else {
        return cannot_run("it takes two cores");
    };
    run.wait_for("measuring");
    let server = run.server();
    let (code, said) = run.finish();
    wait_gone(server);
    assert_eq!(code, Some(3), "{said}");
    let rows = bench.rows();
    assert!(rows.contains("fewer-events-than-planned"), "{rows}");
    // Who else is busy may keep both sides from all of their cores, and is named then.
    let kinds = ["generator-saturated", "server-saturated", "other-load"];
    assert!(kinds.iter().any(|kind| rows.contains(kind)), "{rows}");
    let values = &bench.trials()["sse"].values;
    assert_eq!(values["lost"], 0.0, "what was not published is not lost");
    // A fast machine may publish the rest before the drain ends.
    assert!(values["expected"] <= 1_500_000.0, "{}", values["expected"]);
}
