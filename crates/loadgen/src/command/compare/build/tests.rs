use super::*;

fn run(folder: &Path, program: &str, arguments: &[&str]) {
    let output = std::process::Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

fn script(path: &Path, says: &str) {
    fs::write(path, format!("#!/bin/sh\necho {says}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn resolved(text: &str, folder: &Path) -> anyhow::Result<Resolved> {
    resolve([text, text], folder).map(|[one, _]| one)
}

#[test]
fn a_program_a_command_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().canonicalize().unwrap();
    script(&folder.join("old"), "pushbench 0.1.0");
    script(&folder.join("other"), "something else");

    let old = resolved("old", &folder).unwrap();
    assert_eq!(old.kind, Kind::Pushbench(folder.join("old")));
    assert_eq!(old.server, [folder.join("old").to_str().unwrap(), "serve"]);
    assert_eq!((&old.build.name[..], old.copied), ("old", true));
    let with_flags = resolved("./old serve --threads 1", &folder).unwrap();
    assert_eq!((with_flags.kind, with_flags.copied), (Kind::Command, true));
    assert_eq!(with_flags.server[0], old.server[0], "the same file from anywhere");
    let other = resolved("./other", &folder).unwrap();
    assert_eq!((other.kind, other.copied), (Kind::Command, false), "it may need its place");
    assert_eq!(other.server, [folder.join("other").to_str().unwrap()], "as it is");
    let command = resolved("sh -c 'exit 1'", &folder).unwrap();
    assert_eq!(
        (command.kind, command.copied, &command.server[..]),
        (Kind::Command, false, &["sh", "-c", "exit 1"].map(str::to_owned)[..])
    );

    for nothing in ["no-such-thing", "no-such-thing serve", "", "sh 'unclosed"] {
        let error = resolved(nothing, &folder).unwrap_err();
        assert!(error.is::<Unusable>(), "{nothing}: {error}");
    }
}

#[test]
fn what_git_refuses_to_say_is_no_leave_to_measure_a_program_of_that_name() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), "git", &["init", "--quiet"]);
    assert!(resolved("true", dir.path()).is_ok(), "a program, as git knows no such revision");
    fs::write(dir.path().join(".git/config"), "[broken").unwrap();
    let error = resolved("true", dir.path()).unwrap_err();
    assert!(error.is::<Unusable>(), "{error}");
    let said = error.to_string();
    assert!(
        said.starts_with("git cannot say whether `true` is a revision: fatal: bad config"),
        "{said}"
    );
    assert!(said.ends_with("/true"), "{said}");
    let error = resolved("no-such-thing", dir.path()).unwrap_err().to_string();
    assert!(error.contains("and git cannot say whether"), "{error}");
}

#[test]
fn a_shallow_clone_is_named() {
    let origin = repository("fn main() {}");
    let dir = tempfile::tempdir().unwrap();
    let url = format!("file://{}", origin.path().display());
    run(dir.path(), "git", &["clone", "--quiet", "--depth", "1", &url, "clone"]);
    let error = resolved("HEAD~1", &dir.path().join("clone")).unwrap_err().to_string();
    assert!(error.contains("this clone is shallow; `git fetch --unshallow`"), "{error}");
}

/// A repository whose only revision is a program that calls itself pushbench.
fn repository(main: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("Cargo.toml", "[package]\nname = \"pushbench\"\nversion = \"0.1.0\"\n");
    write("Cargo.lock", "version = 3\n\n[[package]]\nname = \"pushbench\"\nversion = \"0.1.0\"\n");
    write("src/main.rs", main);
    write(".gitignore", "target\n");
    run(dir.path(), "git", &["init", "--quiet", "--initial-branch", "trunk"]);
    run(dir.path(), "git", &["add", "."]);
    let who = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
    let commit = ["commit", "--quiet", "--message", "Begin"];
    run(dir.path(), "git", &[&who[..], &commit].concat());
    dir
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_revision_is_built_once_and_its_checkout_removed() {
    let dir = repository("fn main() { println!(\"pushbench 0.1.0\"); }");
    // What is not committed is not part of it.
    fs::write(dir.path().join("src/main.rs"), "no program").unwrap();
    let trunk = resolved("trunk", dir.path()).unwrap();
    let Kind::Revision { commit, program } = trunk.kind else { panic!("{trunk:?}") };
    assert_eq!(trunk.server[1], "serve");
    assert!(program.ends_with(&commit));
    let mut kept = [commit.as_str(), "cache"];
    kept.sort_unstable();
    assert_eq!(names(&dir.path().join(BUILDS)), kept);
    assert!(!dir.path().join(".git/worktrees").exists(), "git knows of no other checkout");

    fs::remove_dir_all(dir.path().join(BUILDS).join("cache")).unwrap();
    resolved(&commit[..10], dir.path()).unwrap();
    assert_eq!(names(&dir.path().join(BUILDS)), [commit.as_str()], "nothing is built again");
}

#[test]
fn a_revision_that_does_not_build_leaves_nothing() {
    let dir = repository("no program");
    let error = format!("{:#}", resolved("HEAD", dir.path()).unwrap_err());
    assert!(error.starts_with("cannot build the git revision `HEAD` ("), "{error}");
    assert!(error.contains("cargo build failed"), "{error}");
    assert_eq!(names(&dir.path().join(BUILDS)), ["cache"]);
    assert!(!dir.path().join(".git/worktrees").exists());
}
