use std::fs;

use super::*;
use crate::campaign::scripted::{self, Said, ScriptedRunner, valid};
use crate::campaign::{Interrupted, Setup, TrialOutput};
use crate::results::store;

fn options(out: PathBuf, only: &[&str], max_time: Duration) -> TableOptions {
    TableOptions {
        scenario: None,
        only: only.iter().map(|key| (*key).to_owned()).collect(),
        results: None,
        max_time,
        invocation: scripted::invocation(out),
    }
}

fn chosen(options: &TableOptions) -> Vec<Row> {
    rows().iter().filter(|row| options.only.contains(&row.key)).cloned().collect()
}

/// Makes what is pending by a script, and says which runs that were.
fn make(
    options: &TableOptions,
    script: impl FnMut(&Setup, usize) -> Result<TrialOutput, Interrupted>,
) -> (ExitStatus, Vec<String>, Vec<String>) {
    let top = options.invocation.out.clone().unwrap();
    let Pending { jobs, said } = pending(options, &chosen(options), &top).unwrap();
    let names = jobs.iter().map(name_of).collect();
    let run_options = run_options(options, &top);
    let session = Session::of_jobs(&run_options, jobs, ("table", &top), |_, _, _| Ok(Vec::new()));
    let mut progress = Said::default().progress(Detail::Trials);
    let mut runner = ScriptedRunner::new(script);
    let status = session.each(&mut runner, &mut progress, |_, _| Ok(())).unwrap();
    (status, names, said)
}

const TIME: Duration = Duration::from_secs(1200);

#[test]
fn what_was_interrupted_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path().to_owned(), &["use-case"], TIME);
    let (status, names, said) = make(&options, |setup, _| match &setup.scenario.name[..] {
        "table-notifications" => Err(Interrupted),
        _ => Ok(valid(setup)),
    });
    assert_eq!(status, ExitStatus::Interrupted);
    assert_eq!(names, ["rare-events", "live-feed", "notifications", "chat", "game"]);
    assert!(said.is_empty());
    let first = fs::read(dir.path().join("rare-events").join(ROWS_FILE)).unwrap();

    let (status, names, said) = make(&options, |setup, _| Ok(valid(setup)));
    assert_eq!(status, ExitStatus::Complete);
    assert_eq!(names, ["notifications", "chat", "game"], "two runs were whole");
    assert_eq!(said.iter().filter(|line| line.ends_with("it is there already")).count(), 2);
    assert!(said[2].ends_with("notifications-earlier-1 from now on"), "{said:?}");
    assert!(dir.path().join("notifications-earlier-1").join(Run::FILE).exists());
    let again = fs::read(dir.path().join("rare-events").join(ROWS_FILE)).unwrap();
    assert_eq!(first, again, "it was not measured again");

    let (_, names, _) = make(&options, |setup, _| Ok(valid(setup)));
    assert!(names.is_empty(), "all of it is there: {names:?}");
}

#[test]
fn another_program_another_time_or_another_scenario_is_another_run() {
    let dir = tempfile::tempdir().unwrap();
    let first = options(dir.path().to_owned(), &["binary"], TIME);
    make(&first, |setup, _| Ok(valid(setup)));
    let pending = |of: &TableOptions| {
        let run = store::load::<Run>(&dir.path().join("binary")).unwrap().content;
        let planned = table_runs(&chosen(of), None).unwrap();
        let sources = planned.into_iter().map(|(_, source)| source).collect();
        let all = jobs(sources, true, dir.path(), Some(of.max_time));
        !is_measured(&run, &all[0].source, &all[0].shortenings, &of.invocation)
    };
    assert!(!pending(&first));
    let newer = Invocation { version: "0.2.0", ..first.invocation.clone() };
    assert!(pending(&TableOptions { invocation: newer, ..first.clone() }));
    let built = Invocation { revision: Some("0123abc"), ..first.invocation.clone() };
    assert!(pending(&TableOptions { invocation: built, ..first.clone() }));
    assert!(pending(&TableOptions { max_time: Duration::from_secs(10), ..first }));
}

#[test]
fn a_table_is_written_from_what_is_there_and_says_what_is_not() {
    let dir = tempfile::tempdir().unwrap();
    make(&options(dir.path().to_owned(), &["binary"], TIME), |setup, _| Ok(valid(setup)));
    let both = options(dir.path().to_owned(), &["browsers", "binary"], TIME);
    let again = TableOptions { results: Some(dir.path().to_owned()), ..both };
    assert_eq!(table(&again, false).unwrap(), ExitStatus::Complete);
    let page = fs::read_to_string(dir.path().join("table.html")).unwrap();
    assert!(page.contains("Binary data") && page.contains("its run was not made"), "{page}");
    assert!(page.contains("href=\"binary/report.html\""), "{page}");
    let text = fs::read_to_string(dir.path().join("table.md")).unwrap();
    assert!(text.contains("binary/report.html)"), "{text}");
    let rows: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.path().join("table.json")).unwrap()).unwrap();
    assert_eq!(rows[0]["row"], "browsers");
    assert_eq!(rows[0]["cells"][0]["verdict"], "not-measured");
    assert!(fs::metadata(dir.path().join("table.png")).unwrap().len() > 10_000);

    let empty = tempfile::tempdir().unwrap();
    let nothing = TableOptions { results: Some(empty.path().to_owned()), ..again };
    let error = table(&nothing, false).unwrap_err();
    assert!(error.is::<Unusable>() && error.to_string().contains("holds no run of a table"));
}

#[test]
fn what_others_wrote_is_no_markup() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path().to_owned(), &["binary"], TIME);
    make(&options, |setup, _| Ok(valid(setup)));
    let head = dir.path().join("binary").join(Run::FILE);
    let text = fs::read_to_string(&head).unwrap();
    let hostile =
        text.replace("\"description\": \"For", "\"description\": \"<script>alert(1)</script>");
    assert_ne!(text, hostile);
    fs::write(&head, hostile).unwrap();
    table(&TableOptions { results: Some(dir.path().to_owned()), ..options }, false).unwrap();
    let page = fs::read_to_string(dir.path().join("table.html")).unwrap();
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert(1)"), "{page}");
}

#[test]
fn a_run_of_which_nothing_came_fails_unless_a_program_is_to_be_installed() {
    let status = |reason: &str| {
        let dir = tempfile::tempdir().unwrap();
        let options = options(dir.path().to_owned(), &["binary"], TIME);
        make(&options, |setup, _| Ok(TrialOutput::failed(setup, reason.to_owned())));
        table(&TableOptions { results: Some(dir.path().to_owned()), ..options }, false).unwrap()
    };
    assert_eq!(status("the server answered 500"), ExitStatus::Failed);
    let missing = "there is no program `caddy` on this machine: apt-get install caddy";
    assert_eq!(status(missing), ExitStatus::Complete);
}

#[test]
fn one_folder_that_cannot_be_read_leaves_its_own_cells_empty() {
    let dir = tempfile::tempdir().unwrap();
    make(&options(dir.path().to_owned(), &["binary"], TIME), |setup, _| Ok(valid(setup)));
    fs::create_dir(dir.path().join("browsers")).unwrap();
    fs::write(dir.path().join("browsers").join(Run::FILE), "{").unwrap();
    let both = options(dir.path().to_owned(), &["browsers", "binary"], TIME);
    let both = TableOptions { results: Some(dir.path().to_owned()), ..both };
    assert_eq!(table(&both, false).unwrap(), ExitStatus::Complete);
    let text = fs::read_to_string(dir.path().join("table.md")).unwrap();
    assert!(text.contains("browsers/run.json"), "it names what cannot be read: {text}");
}
