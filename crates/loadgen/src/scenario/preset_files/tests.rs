use std::fs;

use super::*;
use crate::scenario::{Cell, Scenario, ScenarioError};

const SCENARIO: &str = r#"
name = "x"
description = "x"
servers = ["mine", "yours"]
compare = ["sse"]
[workload]
subscribers = 2
events_per_second = 5
payload_bytes = 64
duration = "1s"
warm_up = "1s"
[server.mine]
preset = "./presets/mine.toml"
url = "http://localhost:1"
[server.yours]
preset = "presets/mine.toml"
url = "http://localhost:2"
label = "Yours""#;

const PRESET: &str =
    "label = 'Mine'\n[publish]\nurl = \"{url}/p\"\n[sse]\nurl = \"{url}/{channel}\"\n";

/// The scenario beside a preset that says this.
fn load(preset: &str) -> Result<(Scenario, String), ScenarioError> {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("presets")).unwrap();
    fs::write(dir.path().join("presets/mine.toml"), preset).unwrap();
    let path = dir.path().join("x.toml");
    fs::write(&path, SCENARIO).unwrap();
    Scenario::load(&path)
}

/// What is said first of a preset.
fn wrong(preset: &str) -> String {
    let said = load(preset).unwrap_err().to_string();
    let (_, said) = said.lines().next().unwrap().split_once("x.toml:").unwrap();
    let message = said.strip_prefix("13: ./presets/mine.toml:");
    message.unwrap_or_else(|| panic!("where it is named, and which it is: {said}")).to_owned()
}

#[test]
fn what_a_file_says_is_kept_with_the_scenario() {
    // What TOML and its kinds of strings are sensitive to.
    let odd = format!("{PRESET}# ''' \"\"\" \\u00 \u{7f}é").replace('\u{7f}', "");
    let crlf = PRESET.replace('\n', "\r\n");
    for preset in [PRESET, PRESET.trim_end(), &odd, &crlf, &format!("{PRESET}# '''")] {
        let (scenario, text) = load(preset).unwrap_or_else(|error| panic!("{error}"));
        let labels: Vec<_> = scenario.contender_ids().map(|id| id.label().to_owned()).collect();
        assert_eq!(labels, ["SSE · Mine", "SSE · Yours"]);
        assert!(text.starts_with(SCENARIO), "lines stay where they are: {text}");
        // As a report does, in whose folder no preset is.
        let again = Scenario::parse(&text, "run.json").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again, scenario);
        assert_eq!(with_preset_files(text.clone(), Path::new("/nowhere")).unwrap(), text);
    }
}

#[test]
fn a_file_is_named_with_its_line() {
    for (preset, message) in [
        ("a = = 1", "1: extra `=`, expected nothing"),
        (
            "\n[publish]\nurl = \"{url}\"\n[sse]\nuri = \"{url}\"\n",
            "5: [sse] has no key `uri`: did you mean `url`?",
        ),
        ("[publish]\nurl = 1\n", "2: `url` must be text in quotes, found 1"),
        (
            &PRESET.replace("{channel}", "{chanel}"),
            "5: `{chanel}` has no value here: did you mean `{channel}`?",
        ),
        (
            &PRESET.replace("'Mine'", "''"),
            "1: `label` must be one line of 1 to 40 characters, found \"\"",
        ),
        (
            &format!("preset = 'ws'\n{PRESET}"),
            "1: `preset` has no place in a preset: write what that one says",
        ),
        (
            &format!("{PRESET}until_empty = true\n"),
            "4: `until_empty` has no effect on sse: remove it",
        ),
    ] {
        assert_eq!(wrong(preset), message, "{preset}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let missing =
        Scenario::in_folder(SCENARIO.to_owned(), Path::new("x.toml"), Path::new("/nowhere"));
    let said = missing.unwrap_err().to_string();
    let first =
        "x.toml:13: the file \"./presets/mine.toml\" cannot be read: No such file or directory";
    assert!(said.starts_with(first), "{said}");
    let nowhere = Scenario::parse(SCENARIO, "x.toml").unwrap_err().to_string();
    assert!(nowhere.contains("it is a file, and there is no folder to read it from"), "{nowhere}");
}

#[test]
fn files_can_be_swept() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        fs::write(dir.path().join(format!("{name}.toml")), PRESET.replace("Mine", name)).unwrap();
    }
    let (begin, _) = SCENARIO.split_once("[server.mine]").unwrap();
    let begin = begin.replace(", \"yours\"", "");
    let text = format!(
        "{begin}[server.mine]\npreset = \"a.toml\"\nurl = \"http://localhost:1\"\n\
         [sweep]\n\"server.mine.preset\" = [\"a.toml\", \"b.toml\"]\n"
    );
    let (scenario, text) = Scenario::in_folder(text, Path::new("x.toml"), dir.path()).unwrap();
    let label = |cell: &Cell| cell.scenario.contenders[0].id.label().to_owned();
    let labels: Vec<_> = scenario.sweep.iter().map(label).collect();
    assert_eq!(labels, ["SSE · a", "SSE · b"]);
    assert_eq!(Scenario::parse(&text, "").unwrap().sweep, scenario.sweep);
}

#[test]
fn a_preset_is_told_from_a_scenario() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.toml");
    let with_place = format!("url = 'http://localhost:1'\n{PRESET}");
    for (text, says_where) in [
        (PRESET, Some(false)),
        (&with_place, Some(true)),
        (SCENARIO, None),
        ("a = = 1", None),
        ("", None),
    ] {
        fs::write(&path, text).unwrap();
        assert_eq!(preset_says_where(&path), says_where, "{text}");
    }
    assert!(preset_says_where(dir.path()).or(preset_says_where(Path::new("/nowhere"))).is_none());
}
