//! What goes on when something cannot even be started, and what does not.

use super::*;

#[test]
fn a_server_that_never_starts_is_started_once() {
    let dir = tempfile::tempdir().unwrap();
    let (asked, run, said) =
        measure_run(dir.path(), &scenario(&[]), &mut |setup, _| Ok(not_started(setup)));
    assert_eq!((asked.len(), run.trials.len()), (1, 1), "the failure is a row");
    assert!(!run.manifest.interrupted);
    let reason = "Nothing can be measured with the server `/proc/self/exe serve`: the server ended \
                  with exit code 7: no room\n";
    assert!(said.ends_with(reason), "{said}");

    let dir = tempfile::tempdir().unwrap();
    let (asked, ..) = measure_run(dir.path(), &scenario(&[]), &mut |setup, before| {
        Ok(if before == 1 { not_started(setup) } else { valid(setup) })
    });
    assert_eq!(asked.len(), 25, "it has started before");
}

#[test]
fn a_browser_that_is_missing_keeps_nobody_else_from_the_server() {
    let mut was_first = false;
    for seed in 1..=8 {
        let text = format!(
            "name = \"x\"\ndescription = \"x\"\ncompare = [\"sse\"]\nblocks = 2\nseed = {seed}\n\
             [[contender]]\nname = \"page\"\ntransport = \"sse\"\nclient = \"firefox\"\n\
             [workload]\nsubscribers = 2\nevents_per_second = 10.0\npayload_bytes = 64\nduration = \"1s\"\nwarm_up = \"0s\"\n"
        );
        let scenario = Scenario::parse(&text, "").unwrap_or_else(|error| panic!("{error}"));
        let dir = tempfile::tempdir().unwrap();
        let is_page = |setup: &Setup| setup.contender.name() == "page";
        let (asked, _, said) = measure_run(dir.path(), &scenario, &mut |setup, _| {
            Ok(if is_page(setup) { not_started(setup) } else { valid(setup) })
        });
        was_first |= is_page(&asked[0]);
        assert_eq!(asked.iter().filter(|setup| !is_page(setup)).count(), 2, "{said}");
        let reason = "with the server `/proc/self/exe serve` and the browser `Firefox`: ";
        assert!(said.contains(reason), "{said}");
    }
    assert!(was_first, "otherwise it would show nothing");
}
