//! The browser that runs the subscribers of a trial: where its program is, its profile in a folder of its own, and
//! what it is told, so that it talks to nobody but its page and the server.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use super::network::Network;
use super::profile::Profile;
use super::{Cores, Deployment, NotStarted, PartRole, Readiness, ServerStart};
use crate::scenario::Browser;

/// How long a browser may take to say its version, in seconds.
const VERSION_WITHIN: &str = "5";

/// How much of a version is kept.
const MAX_VERSION: usize = 120;

/// What a browser is started for.
pub(crate) struct BrowserPage<'a> {
    /// Which one.
    pub(crate) browser: Browser,
    /// What it opens.
    pub(crate) url: &'a str,
    /// Where that is.
    pub(crate) address: SocketAddr,
    /// The SHA-256 of the key that it is to trust, in base64; none without TLS.
    pub(crate) trusted_key: Option<String>,
    /// Whether it may speak HTTP/2 where it is offered.
    pub(crate) http2: bool,
    /// Where it is to speak HTTP/3, without having been told so by the server.
    pub(crate) http3_at: Option<SocketAddr>,
}

/// How a browser is found: the variable that names its program, the names that it has on `PATH`, and the package
/// of Debian.
struct Known {
    variable: &'static str,
    programs: &'static [&'static str],
    package: &'static str,
}

const fn known(browser: Browser) -> Known {
    match browser {
        Browser::Chromium => Known {
            variable: "CHROMIUM",
            programs: &["chromium", "chromium-browser", "google-chrome"],
            package: "chromium",
        },
        Browser::Firefox => Known {
            variable: "FIREFOX",
            programs: &["firefox", "firefox-esr"],
            package: "firefox-esr",
        },
    }
}

/// What Chromium is told beside where everything is: to do nothing by itself, and not to slow down a page that
/// nobody looks at. Its sandbox takes rights that containers do not give, and it opens only a page of ours.
const CHROMIUM_FLAGS: [&str; 18] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--metrics-recording-only",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
];

/// The same for Firefox. How many connections it opens, and how exact its clock is, stays as users have it.
const FIREFOX_PREFERENCES: &str = r#"
user_pref("app.normandy.enabled", false);
user_pref("app.update.enabled", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("browser.newtabpage.enabled", false);
user_pref("browser.safebrowsing.downloads.enabled", false);
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.homepage_override.mstone", "ignore");
user_pref("datareporting.healthreport.uploadEnabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("dom.min_background_timeout_value", 4);
user_pref("extensions.getAddons.cache.enabled", false);
user_pref("extensions.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("network.dns.disablePrefetch", true);
user_pref("network.prefetch-next", false);
user_pref("network.proxy.type", 0);
user_pref("services.settings.server", "data:,");
user_pref("toolkit.telemetry.enabled", false);
user_pref("toolkit.telemetry.server", "data:,");
user_pref("toolkit.telemetry.unified", false);
"#;

impl Deployment {
    /// Starts a browser on the generator's cores, where clients are, and lets it open its page. It is there when its
    /// page has called back, which nobody waits for here.
    ///
    /// # Errors
    /// Why it cannot be started.
    pub(crate) async fn add_browser(
        &mut self,
        page: &BrowserPage<'_>,
        cores: &Cores,
    ) -> Result<(), NotStarted> {
        self.open(page, cores).await.map_err(NotStarted)
    }

    async fn open(&mut self, page: &BrowserPage<'_>, cores: &Cores) -> anyhow::Result<()> {
        let program = program(page.browser)?;
        let folder = tempfile::tempdir().context("cannot make a folder for a browser")?;
        let start = ServerStart {
            what: format!("the browser {}", page.browser.label()),
            command: command(&program, page, folder.path())?,
            folder: None,
            ready: Readiness::Calls { at: page.address },
            scratch: Some(folder.path().to_owned()),
            install: None,
        };
        self.profiles.push(Profile::new(folder.keep()));
        let clients = self.network().and_then(Network::clients);
        let _there = clients.map(|clients| clients.enter()).transpose()?;
        let generator = &cores.generator;
        let cores = Cores { server: generator.clone(), generator: generator.clone() };
        self.start(PartRole::Browser(0), &start, &cores).await?;
        Ok(())
    }
}

/// The program and its arguments, which keep all that it writes in `folder`.
fn command(program: &str, page: &BrowserPage<'_>, folder: &Path) -> anyhow::Result<Vec<String>> {
    let profile = folder.join("profile");
    let shown = profile.display();
    let arguments = match page.browser {
        Browser::Chromium => {
            let flags = CHROMIUM_FLAGS.map(str::to_owned).into_iter();
            let own = [
                Some(format!("--user-data-dir={shown}")),
                page.trusted_key
                    .as_ref()
                    .map(|key| format!("--ignore-certificate-errors-spki-list={key}")),
                (!page.http2).then(|| "--disable-http2".to_owned()),
                Some(match page.http3_at {
                    Some(at) => format!("--origin-to-force-quic-on={at}"),
                    None => "--disable-quic".to_owned(),
                }),
            ];
            flags.chain(own.into_iter().flatten()).collect::<Vec<_>>()
        }
        Browser::Firefox => {
            fs::create_dir(&profile)
                .and_then(|()| fs::write(profile.join("user.js"), FIREFOX_PREFERENCES))
                .context("cannot write a profile for Firefox")?;
            ["--headless", "--no-remote", "--profile", &shown.to_string()].map(str::to_owned).into()
        }
    };
    let words = std::iter::once("env".to_owned()).chain(home(folder)).chain([program.to_owned()]);
    Ok(words.chain(arguments).chain([page.url.to_owned()]).collect())
}

/// Whatever they keep beside their profile goes with it.
fn home(folder: &Path) -> [String; 4] {
    let variables = ["HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"];
    variables.map(|variable| format!("{variable}={}", folder.display()))
}

/// Where the program of a browser is.
///
/// # Errors
/// When it is nowhere, with how it is had.
fn program(browser: Browser) -> anyhow::Result<String> {
    let Known { variable, programs, package } = known(browser);
    if let Some(named) = env::var_os(variable).filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        if !named.is_file() {
            bail!("there is no program {}, which {variable} names", named.display());
        }
        return Ok(named.display().to_string());
    }
    let paths = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = env::split_paths(&paths).collect();
    let all = programs.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let Some(found) = all.into_iter().find(|path| path.is_file()) else {
        bail!(
            "there is no {} on this machine ({}): apt-get install {package}, or name its program in {variable}",
            browser.label(),
            programs.join(", ")
        );
    };
    Ok(found.display().to_string())
}

/// What the program of a browser says of its version; nothing where it is not there, or does not say so in time.
pub(crate) fn browser_version(browser: Browser) -> Option<String> {
    version_of(&program(browser).ok()?, VERSION_WITHIN)
}

/// It is asked away from the user's profile, and in a group of its own that is killed when it takes too long.
fn version_of(program: &str, seconds: &str) -> Option<String> {
    let folder = tempfile::tempdir().ok()?;
    let said = folder.path().join("said");
    // Into a file: whoever has the other end of a pipe may keep it.
    let status = Command::new("timeout")
        .args(["--signal=KILL", seconds, "env"])
        .args(home(folder.path()))
        .args([program, "--version"])
        .stdin(Stdio::null())
        .stdout(fs::File::create(&said).ok()?)
        .stderr(Stdio::null())
        .status();
    if !status.ok()?.success() {
        return None;
    }
    let said = fs::read(&said).ok()?;
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().take(MAX_VERSION).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn page(browser: Browser) -> BrowserPage<'static> {
        BrowserPage {
            browser,
            url: "http://127.0.0.1:1/x/",
            address: ([127, 0, 0, 1], 1).into(),
            trusted_key: None,
            http2: false,
            http3_at: None,
        }
    }

    #[test]
    fn a_browser_keeps_everything_in_its_folder_and_speaks_what_it_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let words = |page: &BrowserPage<'_>| command("/bin/it", page, folder.path()).unwrap();
        let plain = words(&page(Browser::Chromium));
        let home = format!("HOME={}", folder.path().display());
        assert_eq!((&plain[0][..], plain.contains(&home)), ("env", true));
        assert_eq!(plain.last().unwrap(), "http://127.0.0.1:1/x/");
        let has = |words: &[String], begin: &str| words.iter().any(|word| word.starts_with(begin));
        assert!(has(&plain, "--disable-http2") && has(&plain, "--disable-quic"));
        assert!(!has(&plain, "--ignore-certificate-errors"), "nobody is trusted who need not be");
        let at = Some(([127, 0, 0, 1], 443).into());
        let trusted_key = Some("key=".to_owned());
        let by_quic =
            BrowserPage { http2: true, http3_at: at, trusted_key, ..page(Browser::Chromium) };
        let by_quic = words(&by_quic);
        assert!(has(&by_quic, "--origin-to-force-quic-on=127.0.0.1:443"));
        assert!(has(&by_quic, "--ignore-certificate-errors-spki-list=key="));
        assert!(!has(&by_quic, "--disable-http2") && !has(&by_quic, "--disable-quic"));
        assert!(has(&words(&page(Browser::Firefox)), "--profile"));
        assert!(folder.path().join("profile/user.js").is_file());
    }

    #[test]
    fn a_version_is_asked_away_from_home_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it");
        let asked = |script: &str| {
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            version_of(path.to_str().unwrap(), "1")
        };
        assert_eq!(asked("echo; echo \" It 1.0 \""), Some("It 1.0".to_owned()));
        let home = asked("echo $HOME").unwrap();
        assert!(!Path::new(&home).exists() && env::var("HOME").ok() != Some(home), "it is gone");
        assert_eq!(asked("echo It; exit 1"), None);
        assert_eq!(asked("echo It; sleep 60"), None);
        assert_eq!(
            asked("sleep 3 & echo It 1.0"),
            Some("It 1.0".to_owned()),
            "nobody waits for that"
        );
    }
}
