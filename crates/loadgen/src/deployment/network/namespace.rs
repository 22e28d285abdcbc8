//! Network namespaces without a name: they live as long as somebody holds them or a process is in them, so
//! that nothing is left behind, whatever ends this process.

use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, ensure};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{Gid, Uid};

/// The network that the calling thread is in. That of the process is that of its first thread.
const OWN: &str = "/proc/thread-self/ns/net";

/// A network of its own.
#[derive(Clone, Debug)]
pub(crate) struct Namespace(Arc<File>);

/// Puts the thread back where it was.
pub(crate) struct Inside(Namespace);

impl Namespace {
    /// A new one, with nothing in it but a loopback interface that is down.
    pub(super) fn new() -> anyhow::Result<Self> {
        let made = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).map_err(refused)?;
            Self::own()
        });
        made.join().map_err(|_| anyhow!("the thread that makes a network panicked"))?
    }

    /// That of the calling thread.
    pub(super) fn own() -> anyhow::Result<Self> {
        let file = File::open(OWN).with_context(|| format!("cannot open {OWN}"))?;
        Ok(Self(Arc::new(file)))
    }

    /// Moves the calling thread into it, for good.
    ///
    /// # Errors
    /// A kernel that refuses.
    pub(crate) fn move_in(&self) -> anyhow::Result<()> {
        setns(&*self.0, CloneFlags::CLONE_NEWNET).context("cannot enter a network namespace")
    }

    /// Moves the calling thread into it, as long as the answer lives.
    ///
    /// # Errors
    /// A kernel that refuses.
    pub(crate) fn enter(&self) -> anyhow::Result<Inside> {
        let before = Self::own()?;
        self.move_in()?;
        Ok(Inside(before))
    }

    /// Does `work` in it, on a thread of its own.
    pub(in crate::deployment) fn within<T: Send>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T> + Send,
    ) -> anyhow::Result<T> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                self.move_in()?;
                work()
            });
            thread.join().map_err(|_| anyhow!("a thread of the network panicked"))?
        })
    }

    /// A path by which other programs of ours find it.
    pub(super) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // Whoever did not would measure in the wrong network.
        self.0.move_in().expect("whoever left a network may come back");
    }
}

/// What lets this process make networks.
pub(super) enum Rights {
    /// It has them.
    Own,
    /// It is the root of a user namespace of its own. As such it could not come back to the network that it
    /// was in, whose settings these are, so it has left it for one of its own.
    OfUserNamespace { settings: Vec<(&'static str, String)> },
}

/// Makes sure that this process may make networks: with the rights that it has, or as the root of a user
/// namespace of its own. That takes a process with a single thread.
///
/// # Errors
/// When it may not, with what to do about it.
pub(super) fn gain_rights() -> anyhow::Result<Rights> {
    match Namespace::new() {
        Err(error) if error.downcast_ref() == Some(&Errno::EPERM) => {}
        others => return others.map(|_| Rights::Own),
    }
    let (user, group) = (Uid::effective(), Gid::effective());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(refused)?;
    // See user_namespaces(7): who may not change groups may map their own.
    let write = |file: &str, text: String| {
        fs::write(file, text).with_context(|| format!("cannot write {file} of a user namespace"))
    };
    write("/proc/self/setgroups", "deny".to_owned())?;
    write("/proc/self/uid_map", format!("0 {user} 1"))?;
    write("/proc/self/gid_map", format!("0 {group} 1"))?;
    let settings = settings();
    unshare(CloneFlags::CLONE_NEWNET).map_err(refused)?;
    Ok(Rights::OfUserNamespace { settings })
}

fn refused(errno: Errno) -> anyhow::Error {
    anyhow::Error::new(errno).context(
        "this process may not make a network namespace, which `[network]` takes: run it as root, or allow \
         user namespaces (`sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000`), or \
         write `mode = \"relay\"`, which takes no right",
    )
}

/// Settings of the kernel that a new network has of its own, and that shall be those of the network that
/// the run began in: so that loopback and network differ in nothing else.
const SETTINGS: [&str; 4] =
    ["tcp_congestion_control", "tcp_rmem", "tcp_wmem", "ip_local_port_range"];

/// The settings of the calling thread's network.
pub(super) fn settings() -> Vec<(&'static str, String)> {
    let read = |name| Some((name, fs::read_to_string(path_of(name)).ok()?));
    SETTINGS.into_iter().filter_map(read).collect()
}

/// Gives the calling thread's network these settings.
pub(super) fn adopt(settings: &[(&'static str, String)]) -> anyhow::Result<()> {
    for (name, value) in settings {
        let path = path_of(name);
        if fs::read_to_string(&path).is_ok_and(|own| own == *value) {
            continue;
        }
        fs::write(&path, value).with_context(|| {
            format!("cannot set {path} of a network to {} as it is outside", value.trim())
        })?;
        let found = fs::read_to_string(&path).unwrap_or_default();
        ensure!(found == *value, "{path} of a network stays {}", found.trim());
    }
    Ok(())
}

fn path_of(name: &str) -> String {
    format!("/proc/sys/net/ipv4/{name}")
}

/// Lets connections to the same address follow each other as quickly as over loopback: whoever polls over
/// a new connection each time would run out of ports, which a closed one keeps for a minute.
pub(super) fn reuse_ports() -> anyhow::Result<()> {
    let path = path_of("tcp_tw_reuse");
    fs::write(&path, "1").with_context(|| format!("cannot write {path}"))
}
