//! What `--baseline` and `--candidate` name: a program, a command or a git revision, which is built.
//! It must not know what is measured.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use crate::campaign::{Interrupted, Unusable, own_server};
use crate::results::comparison::Build;
use crate::text::say;

/// Where revisions are built and kept, below the root of their repository.
const BUILDS: &str = "target/pushbench-builds";

/// How long a program may take to say its version.
const VERSION_WITHIN: Duration = Duration::from_secs(5);

/// A server that can be started.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    /// As results name it.
    pub(super) build: Build,
    /// The program and its first arguments.
    pub(super) server: Vec<String>,
    /// Whether every trial may start a copy of the program of its own. A pushbench does not mind where
    /// it is.
    pub(super) copied: bool,
    /// What the words were interpreted as.
    pub(super) kind: Kind,
}

/// What the words of a user can mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A program that is a pushbench, of which `serve` is measured.
    Pushbench(PathBuf),
    /// A command that takes the flags of `pushbench serve`.
    Command,
    /// A revision of the repository that holds the current folder.
    Revision {
        /// Its full name.
        commit: String,
        /// What was built from it.
        program: PathBuf,
    },
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pushbench(program) => write!(f, "the pushbench {}", program.display()),
            Self::Command => f.write_str("a server command"),
            Self::Revision { commit, program } => {
                write!(f, "the git revision {commit}, built as {}", program.display())
            }
        }
    }
}

/// Resolves both in `folder`. A revision that has not been built before is built now, in full view.
///
/// # Errors
/// [`Unusable`] for words that name nothing, [`Interrupted`], or a build that fails.
pub(super) fn resolve(texts: [&str; 2], folder: &Path) -> anyhow::Result<[Resolved; 2]> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for Ctrl-C")?;
        let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
        let both = async { Ok([one(texts[0], folder).await?, one(texts[1], folder).await?]) };
        // What runs is ended by being dropped.
        tokio::select! {
            both = both => both,
            _ = interrupt.recv() => Err(Interrupted.into()),
            _ = terminate.recv() => Err(Interrupted.into()),
        }
    })
}

async fn one(text: &str, folder: &Path) -> anyhow::Result<Resolved> {
    let file = folder.join(text);
    if is_executable(&file) {
        return program(text, &file).await;
    }
    let words = shell_words::split(text)
        .map_err(|error| Unusable(format!("`{text}` is not a command: {error}")))?;
    if let [first, _, ..] = &words[..]
        && (first.contains('/') && is_executable(&folder.join(first)) || on_path(first).is_some())
    {
        return command(text, words, folder).await;
    }
    let asked = commit(text, folder).await;
    if let Ok(Some(commit)) = asked {
        let program = built(&commit, folder)
            .await
            .with_context(|| format!("cannot build the git revision `{text}` ({commit})"))?;
        let resolved = pushbench(text, &program)?;
        return Ok(Resolved { kind: Kind::Revision { commit, program }, ..resolved });
    }
    // Last, because programs have names such as `HEAD`, too.
    let found = on_path(text);
    let message = match (asked, found) {
        (Ok(_), Some(found)) => return program(text, &found).await,
        (Err(refusal), Some(found)) => format!(
            "git cannot say whether `{text}` is a revision: {refusal}; if you mean the program, give \
             its path, {}",
            found.display()
        ),
        (Err(refusal), None) => format!(
            "`{text}` is no executable file and no command whose program can be found, and git cannot \
             say whether it is a revision: {refusal}"
        ),
        (Ok(_), None) => format!(
            "`{text}` is neither an executable file, nor a command whose program can be found, nor a \
             git revision here{}: give a pushbench program, a command as for `run --server`, or a \
             revision",
            if is_shallow(folder).await { SHALLOW } else { "" }
        ),
    };
    Err(Unusable(message).into())
}

/// A program without arguments: a pushbench, or else a server.
async fn program(text: &str, file: &Path) -> anyhow::Result<Resolved> {
    let file = file.canonicalize().with_context(|| format!("cannot find {}", file.display()))?;
    if is_pushbench(&file).await {
        return pushbench(text, &file);
    }
    let server = vec![utf8(&file)?.to_owned()];
    Ok(Resolved { build: build(text, &server), server, copied: false, kind: Kind::Command })
}

/// A command, which may run a pushbench as well.
async fn command(text: &str, mut server: Vec<String>, folder: &Path) -> anyhow::Result<Resolved> {
    let build = build(text, &server);
    let program = match server[0].contains('/') {
        true => folder.join(&server[0]).canonicalize().ok(),
        false => on_path(&server[0]),
    };
    let ours = match program {
        Some(program) if is_pushbench(&program).await => Some(program),
        _ => None,
    };
    let copied = ours.is_some();
    if let Some(program) = ours {
        server[0] = utf8(&program)?.to_owned();
    }
    Ok(Resolved { build, server, copied, kind: Kind::Command })
}

fn build(text: &str, server: &[String]) -> Build {
    Build { name: text.to_owned(), command: shell_words::join(server) }
}

/// The `serve` of a pushbench.
fn pushbench(text: &str, program: &Path) -> anyhow::Result<Resolved> {
    let command = vec![utf8(program)?.to_owned(), "serve".to_owned()];
    let build = build(text, &command);
    let is_this = std::env::current_exe().is_ok_and(|own| own == program);
    let server = if is_this { own_server() } else { command };
    Ok(Resolved { build, server, copied: true, kind: Kind::Pushbench(program.to_owned()) })
}

fn utf8(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8: rename it", path.display()))
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|of| of.is_file() && of.permissions().mode() & 0o111 != 0)
}

/// The program of that name, as a shell would find it.
fn on_path(name: &str) -> Option<PathBuf> {
    if name.is_empty() || name.contains('/') {
        return None;
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|at| is_executable(at))
}

async fn is_pushbench(program: &Path) -> bool {
    let version =
        Command::new(program).arg("--version").stdin(Stdio::null()).kill_on_drop(true).output();
    matches!(timeout(VERSION_WITHIN, version).await,
        Ok(Ok(output)) if output.stdout.starts_with(b"pushbench "))
}

/// What a shallow clone lacks is not there for git either.
const SHALLOW: &str = " (this clone is shallow; `git fetch --unshallow` brings the others)";

async fn is_shallow(folder: &Path) -> bool {
    git(folder, ["rev-parse", "--is-shallow-repository"]).await.is_ok_and(|is| is == "true")
}

/// The full name of a revision; none if there is no such revision, or no repository. An error says why
/// git does not know, which is in nobody's way who gives a program.
async fn commit(revision: &str, folder: &Path) -> anyhow::Result<Option<String>> {
    let wanted = format!("{revision}^{{commit}}");
    let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted];
    let mut command = Command::new("git");
    // So that its words can be told apart.
    command.args(arguments).current_dir(folder).env("LC_ALL", "C").kill_on_drop(true);
    let Output { status, stdout, stderr } = command.output().await.context("cannot run git")?;
    if status.success() {
        return Ok(Some(String::from_utf8_lossy(&stdout).trim().to_owned()));
    }
    let words = String::from_utf8_lossy(&stderr);
    let is_answer = status.code() == Some(1) || words.contains("not a git repository");
    ensure!(is_answer, "{}", words.lines().next().unwrap_or("it failed without a word"));
    Ok(None)
}

/// The program of a revision, built unless it has been built before.
async fn built(commit: &str, folder: &Path) -> anyhow::Result<PathBuf> {
    let root = git(folder, ["rev-parse", "--show-toplevel"]).await?;
    let builds = Path::new(&root).join(BUILDS);
    let program = builds.join(commit);
    if is_executable(&program) {
        return Ok(program);
    }
    say(&format!("building the git revision {commit}"));
    fs::create_dir_all(&builds).with_context(|| format!("cannot make {}", builds.display()))?;
    let checkout = Checkout::new(folder, &builds)?;
    let path = utf8(&checkout.path)?;
    git(folder, ["worktree", "add", "--quiet", "--detach", path, commit]).await?;
    let made = cargo_build(&checkout.path, &builds.join("cache")).await?;
    // Whoever finds it under its name finds all of it.
    let whole = checkout.folder.path().join("pushbench");
    fs::copy(&made, &whole)
        .and_then(|_| fs::rename(&whole, &program))
        .with_context(|| format!("cannot keep {}", program.display()))?;
    Ok(program)
}

/// A working tree of its own, which is removed when it is dropped.
struct Checkout {
    repository: PathBuf,
    path: PathBuf,
    folder: TempDir,
}

impl Checkout {
    fn new(repository: &Path, builds: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("checkout-")
            .tempdir_in(builds)
            .with_context(|| format!("cannot make a folder in {}", builds.display()))?;
        let path = folder.path().join("source");
        Ok(Self { repository: repository.to_owned(), path, folder })
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        // Should it fail, the folder goes all the same, and git prunes its own note of it later.
        let _ = std::process::Command::new("git")
            .args(["worktree", "remove", "--force"])
            .arg(&self.path)
            .current_dir(&self.repository)
            .output();
    }
}

async fn git<I: AsRef<OsStr>>(
    folder: &Path,
    arguments: impl IntoIterator<Item = I>,
) -> anyhow::Result<String> {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    let Output { status, stdout, stderr } = command.output().await.context("cannot run git")?;
    ensure!(status.success(), "git: {}", String::from_utf8_lossy(&stderr).trim());
    Ok(String::from_utf8_lossy(&stdout).trim().to_owned())
}

/// Builds the release in `source` and says where its program is.
async fn cargo_build(source: &Path, cache: &Path) -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let child = Command::new(cargo)
        .args(["build", "--release", "--locked", "--package", "pushbench"])
        .arg("--message-format=json-render-diagnostics")
        .env("CARGO_TARGET_DIR", cache)
        .current_dir(source)
        .stdin(Stdio::null())
        // Cargo's progress and errors stay on standard error.
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .context("cannot run cargo, which builds revisions: install it, or give a program")?;
    let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw));
    let Output { status, stdout, .. } =
        child.wait_with_output().await.context("cannot wait for cargo")?;
    group.has_ended();
    if !status.success() {
        bail!("cargo build failed ({status}); its output is above");
    }
    let program = stdout.split(|&byte| byte == b'\n').filter_map(executable_of).next_back();
    program.context("cargo build did not produce a program called pushbench")
}

/// A compiler and its helpers, ended together when this is dropped.
struct Group(Option<Pid>);

impl Group {
    fn has_ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = killpg(group, Signal::SIGTERM);
        }
    }
}

/// The program that a message of `cargo build` announces
/// (<https://doc.rust-lang.org/cargo/reference/external-tools.html#artifact-messages>).
fn executable_of(line: &[u8]) -> Option<PathBuf> {
    #[derive(serde::Deserialize)]
    struct Artifact {
        target: Target,
        executable: PathBuf,
    }
    #[derive(serde::Deserialize)]
    struct Target {
        name: String,
    }
    let artifact: Artifact = serde_json::from_slice(line).ok()?;
    (artifact.target.name == "pushbench").then_some(artifact.executable)
}

#[cfg(test)]
mod tests;
