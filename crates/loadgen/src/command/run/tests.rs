use std::fs;
use std::slice::from_ref;

use super::*;
use crate::campaign::scripted::{self, Said, ScriptedRunner, disturbed, failed, valid};
use crate::campaign::{Interrupted, Setup, TrialOutput};
use crate::results::{Metric, store};

/// What SSE costs, in one block.
fn tiny(name: &str) -> String {
    format!(
        "name = \"{name}\"\ndescription = \"As short as it gets.\"\ncompare = [\"sse\"]\nblocks = 1\n\
         [workload]\nsubscribers = 5\nevents_per_second = 20\npayload_bytes = 64\n\
         duration = \"300ms\"\nwarm_up = \"100ms\"\nidle = \"0s\"\n"
    )
}

/// What a command said and left.
struct Ran {
    status: ExitStatus,
    /// Standard output and standard error.
    out: String,
    said: String,
    dir: tempfile::TempDir,
}

impl Ran {
    fn read(&self, name: &str) -> String {
        let path = self.dir.path().join("out").join(name);
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

fn options(scenarios: Vec<PathBuf>, out: PathBuf, max_time: Option<Duration>) -> RunOptions {
    let invocation = scripted::invocation(out);
    RunOptions { scenarios, max_time, max_repeats: None, dry_run: false, invocation }
}

/// Runs scenarios by a script: one by itself, several as a folder. Nothing is rendered.
fn run_with(
    scenarios: &[String],
    max_time: Option<Duration>,
    script: impl FnMut(&Setup, usize) -> Result<TrialOutput, Interrupted>,
) -> Ran {
    run_and_render(scenarios, max_time, |_, _, _| Ok(Vec::new()), script)
}

fn run_and_render(
    scenarios: &[String],
    max_time: Option<Duration>,
    render: Render,
    script: impl FnMut(&Setup, usize) -> Result<TrialOutput, Interrupted>,
) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("mine");
    fs::create_dir(&folder).unwrap();
    let mut files = Vec::new();
    for (number, text) in scenarios.iter().enumerate() {
        files.push(folder.join(format!("{number}.toml")));
        fs::write(&files[number], text).unwrap();
    }
    let paths = if scenarios.len() == 1 { files } else { vec![folder] };
    let options = options(paths, dir.path().join("out"), max_time);
    let session = Session::new(&options, render).unwrap();
    let detail = if session.is_several() { Detail::Trials } else { Detail::Phases };
    let (said, mut out) = (Said::default(), Vec::new());
    let mut progress = said.progress(detail);
    let status = session
        .run(&mut ScriptedRunner::new(script), &mut progress, &mut Screen::kept(&mut out))
        .unwrap();
    Ran { status, out: String::from_utf8(out).unwrap(), said: said.text(), dir }
}

/// Runs one scenario with thresholds, all of whose trials are valid.
fn run_with_threshold(threshold: &str) -> Ran {
    let text = tiny("limits") + "[thresholds]\n" + threshold + "\n";
    run_with(&[text], None, |setup, _| Ok(valid(setup)))
}

#[test]
fn a_folder_gives_its_name_and_one_file_none() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("mine");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("a.toml");
    fs::write(&file, "").unwrap();
    assert_eq!(name_together(from_ref(&folder)).as_deref(), Some("mine"));
    assert_eq!(name_together(&[folder.join(".")]).as_deref(), Some("mine"));
    assert_eq!(name_together(from_ref(&file)), None);
    assert_eq!(name_together(&[file, folder]).as_deref(), Some("scenarios"));
}

#[test]
fn a_run_leaves_what_it_measured_and_its_report() {
    let ran = run_and_render(&[tiny("one")], None, write_run, |setup, _| Ok(valid(setup)));
    assert_eq!(ran.status, ExitStatus::Complete);
    for file in ["run.json", "trials.jsonl", "latency.hlog", "report.html", "trials.csv"] {
        assert!(!ran.read(file).is_empty(), "{file}");
    }
    assert!(ran.out.contains("report.html\n"), "{}", ran.out);
    assert!(ran.said.contains("[1/1] SSE: measuring\n[1/1] SSE: valid\n"), "{}", ran.said);
    assert!(ran.out.contains("SSE") && ran.out.contains(" files; open "), "{}", ran.out);
    let run = store::load::<Run>(&ran.dir.path().join("out")).unwrap().content;
    assert_eq!((run.manifest.planned_trials, run.manifest.interrupted), (1, false));

    let again = options(vec![ran.dir.path().join("mine")], ran.dir.path().join("out"), None);
    let error = Session::new(&again, write_run).err().unwrap().to_string();
    assert!(
        error.ends_with("out already holds a run: name another folder with --out, or remove it")
    );
}

#[test]
fn thresholds_decide_the_status_and_are_the_last_word() {
    let kept = run_with_threshold("\"sse.delivered\" = [\"count==24000\"]");
    assert_eq!(kept.status, ExitStatus::Complete);
    assert!(kept.said.ends_with("SSE: valid\n"), "nothing more to say: {}", kept.said);

    let crossed = run_with_threshold("\"sse.delivered\" = [\"count<500\"]");
    assert_eq!(crossed.status, ExitStatus::Exceeded);
    let last = crossed.said.lines().last().unwrap();
    assert!(last.starts_with("sse.delivered: count<500") && last.contains("24,000"), "{last}");
    assert!(crossed.out.contains("  ✗ sse.delivered: count<500"), "{}", crossed.out);

    let unknown = run_with_threshold("\"sse.latency\" = [\"p(99.9)<10s\"]");
    assert_eq!(unknown.status, ExitStatus::Untrusted);
    let last = unknown.said.lines().last().unwrap();
    assert!(last.starts_with("sse.latency: p(99.9)<10s"), "{last}");
}

#[test]
fn trials_decide_the_status() {
    let status = |script: fn(&Setup) -> TrialOutput| {
        run_with(&[tiny("one")], None, |setup, _| Ok(script(setup)))
    };
    assert_eq!(status(failed).status, ExitStatus::Failed);
    let busy = status(disturbed);
    assert_eq!(busy.status, ExitStatus::Untrusted);
    let last = busy.said.lines().last().unwrap();
    assert!(
        last.starts_with("SSE: only 0 of 1 trials are valid; at least 1 is needed: "),
        "{last}"
    );
    let lost = status(|setup| {
        let mut output = valid(setup);
        output.trial.values.insert(Metric::Lost, 1.0);
        output
    });
    assert_eq!(lost.status, ExitStatus::DeliveryErrors);
    let stopped = run_with(&[tiny("one")], None, |_, _| Err(Interrupted));
    assert_eq!(stopped.status, ExitStatus::Interrupted);
    assert!(stopped.out.contains(" files; open "), "it is rendered all the same: {}", stopped.out);
}

#[test]
fn several_scenarios_have_a_folder_each_and_an_index() {
    let ran = run_with(&[tiny("one"), tiny("two")], None, |setup, _| Ok(valid(setup)));
    assert_eq!(ran.status, ExitStatus::Complete);
    let index = ran.read("summary.md");
    let row = |name: &str| index.find(&format!("\n| [{name}]({name}/report.html) | ")).unwrap();
    assert!(row("one") < row("two"), "{index}");
    assert!(!ran.read("one/run.json").is_empty() && !ran.read("two/run.json").is_empty());
    let lines: Vec<_> = ran.said.lines().collect();
    assert!(lines[0].starts_with("2 scenarios, about "), "{}", ran.said);
    assert!(lines[1].starts_with("[1/2] one, SSE: valid; about "), "{}", ran.said);
    assert!(lines[2].starts_with("[2/2] two, SSE: valid; about 0 s left"), "{}", ran.said);
    assert!(ran.out.contains("1 of 1 trials valid"), "{}", ran.out);
}

#[test]
fn the_worst_of_several_is_the_status_and_the_last_word() {
    let crossed = tiny("two") + "[thresholds]\n\"sse.delivered\" = [\"count<1\"]\n";
    let ran = run_with(&[crossed, tiny("later")], None, |setup, before| {
        Ok(if before == 0 { valid(setup) } else { disturbed(setup) })
    });
    assert_eq!(ran.status, ExitStatus::Exceeded);
    let [.., before, last] = &ran.said.lines().collect::<Vec<_>>()[..] else { panic!() };
    assert!(before.starts_with("later: SSE: only 0 of 1"), "{}", ran.said);
    assert!(last.starts_with("two: sse.delivered: count<1"), "{}", ran.said);
    assert!(ran.read("summary.md").contains("; thresholds crossed: 1 |"));
}

#[test]
fn an_interruption_ends_all_scenarios() {
    let ran = run_with(&[tiny("one"), tiny("two"), tiny("three")], None, |setup, before| {
        if before == 0 { Ok(valid(setup)) } else { Err(Interrupted) }
    });
    assert_eq!(ran.status, ExitStatus::Interrupted);
    let index = ran.read("summary.md");
    assert!(index.contains("| [one](one/report.html) | "), "{index}");
    assert!(index.contains("| [two](two/report.html) | – | 0 of 1 trials valid; not run: 1 |"));
    assert!(index.contains("| three | – | not run |"), "{index}");
    assert!(!ran.dir.path().join("out/three/run.json").exists());
}

#[test]
fn a_run_with_little_time_is_shortened_and_says_so() {
    let text = tiny("short").replace("blocks = 1", "blocks = 4").replace("300ms", "60s");
    let ran = run_with(&[text], Some(Duration::from_secs(3)), |setup, _| {
        assert!(setup.scenario.workload.duration < Duration::from_secs(3));
        Ok(valid(setup))
    });
    assert!(ran.said.starts_with("short: 1 instead of 4 blocks, "), "{}", ran.said);
    assert!(ran.said.contains(" instead of 1m of measured time"), "{}", ran.said);
    let Manifests { planned_trials, shortenings, settings } = manifest(&ran);
    assert_eq!((planned_trials, shortenings), (1, 2));
    assert!(settings.iter().any(|subscribers| subscribers == "1 instead of 4"), "{settings:?}");

    let long = tiny("long").replace("300ms", "60s");
    let ran = run_with(&[long], Some(Duration::from_millis(100)), |setup, _| Ok(valid(setup)));
    assert!(ran.said.contains("longer than 100ms: shorter trials would tell too little."));
}

struct Manifests {
    planned_trials: u32,
    shortenings: usize,
    settings: Vec<String>,
}

fn manifest(ran: &Ran) -> Manifests {
    let run = store::load::<Run>(&ran.dir.path().join("out")).unwrap().content;
    let settings = run.manifest.settings.into_iter().map(|setting| setting.subscribers);
    Manifests {
        planned_trials: run.manifest.planned_trials,
        shortenings: run.manifest.shortenings.len(),
        settings: settings.collect(),
    }
}

#[test]
fn published_figures_stand_beside_the_measured_ones() {
    let figure = "[[published]]\ntransport = \"sse\"\nmetric = \"bytes_per_delivery\"\nvalue = \"871B\"\n\
                  source = \"Somebody\"\nnote = \"calculated\"\n";
    let published = tiny("published") + figure;
    let ran = run_and_render(&[published], None, write_run, |setup, _| Ok(valid(setup)));
    let summary = ran.read("summary.md");
    assert!(summary.contains("## Published and measured\n"), "{summary}");
    assert!(summary.contains("| SSE | Bytes per delivery | 871 B | "), "{summary}");
    assert!(summary.contains(" | Somebody | calculated |\n"), "{summary}");
}
