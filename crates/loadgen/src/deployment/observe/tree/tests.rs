use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::*;

/// Numbers that no process has.
const ROOT: i32 = 2_000_000_010;
const CHILD: i32 = 2_000_000_011;
const GRANDCHILD: i32 = 2_000_000_012;

/// A `/proc` of a machine, with processes as it is told.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// `ticks` are those of its own, and those of children that it has waited for.
    fn process(&self, number: i32, parent: i32, ticks: [u64; 2]) {
        self.started(number, parent, ticks, 1);
    }

    fn started(&self, number: i32, parent: i32, [own, waited_for]: [u64; 2], started: u64) {
        let dir = self.0.path().join(number.to_string());
        fs::create_dir_all(&dir).unwrap();
        let stat = format!(
            "{number} (sh) S {parent} 0 0 0 0 0 0 0 0 0 {own} 0 {waited_for} 0 20 0 1 0 {started}"
        );
        fs::write(dir.join("stat"), stat).unwrap();
    }

    fn status(&self, number: i32, status: &str) {
        fs::write(self.0.path().join(number.to_string()).join("status"), status).unwrap();
    }

    fn ends(&self, number: i32) {
        fs::remove_dir_all(self.0.path().join(number.to_string())).unwrap();
    }

    fn tree(&self) -> ProcessTree {
        ProcessTree::within(self.0.path().to_owned(), ROOT, Mark::new())
    }
}

fn ticks(tree: &mut ProcessTree) -> u64 {
    tree.look();
    tree.read().cpu_ns.unwrap() / TICK_NS
}

#[test]
fn all_descendants_count_and_nobody_else() {
    let machine = Machine::new();
    machine.process(ROOT, 1, [5, 0]);
    // Found though the children come before their parents.
    machine.process(ROOT - 2, ROOT - 1, [20, 0]);
    machine.process(ROOT - 1, ROOT, [10, 0]);
    machine.process(CHILD, 1, [1_000, 0]);
    let mut tree = machine.tree();
    assert_eq!(ticks(&mut tree), 35);
    machine.process(GRANDCHILD, ROOT - 2, [7, 0]);
    assert_eq!(ticks(&mut tree), 42, "it came later");
}

#[test]
fn nobody_is_looked_for_while_no_process_starts() {
    let machine = Machine::new();
    let newest = |number: i32| {
        let text = format!("0.10 0.20 0.30 1/99 {number}\n");
        fs::write(machine.0.path().join("loadavg"), text).unwrap();
    };
    machine.process(ROOT, 1, [5, 0]);
    newest(7);
    let mut tree = machine.tree();
    machine.process(CHILD, ROOT, [10, 0]);
    assert_eq!(ticks(&mut tree), 5);
    newest(8);
    assert_eq!(ticks(&mut tree), 15);
}

#[test]
fn a_child_that_was_waited_for_counts_once() {
    let machine = Machine::new();
    machine.process(ROOT, 1, [5, 0]);
    machine.process(CHILD, ROOT, [10, 0]);
    machine.process(GRANDCHILD, CHILD, [20, 0]);
    let mut tree = machine.tree();
    assert_eq!(ticks(&mut tree), 35);
    machine.ends(GRANDCHILD);
    machine.process(CHILD, ROOT, [10, 22]);
    assert_eq!(ticks(&mut tree), 37, "its last two ticks, too");
    machine.ends(CHILD);
    machine.process(ROOT, 1, [5, 33]);
    assert_eq!(ticks(&mut tree), 38);
    // One that nobody ever saw.
    machine.process(ROOT, 1, [5, 40]);
    assert_eq!(ticks(&mut tree), 45);
}

#[test]
fn a_family_that_ends_together_counts_once() {
    let machine = Machine::new();
    machine.process(ROOT, 1, [5, 0]);
    machine.process(CHILD, ROOT, [10, 0]);
    machine.process(GRANDCHILD, CHILD, [20, 0]);
    let mut tree = machine.tree();
    assert_eq!(ticks(&mut tree), 35);
    machine.ends(GRANDCHILD);
    machine.ends(CHILD);
    machine.process(ROOT, 1, [5, 30]);
    assert_eq!(ticks(&mut tree), 35);
}

#[test]
fn what_nobody_waited_for_is_kept() {
    let machine = Machine::new();
    machine.process(ROOT, 1, [5, 0]);
    // The 17th signal is ignored.
    machine.status(ROOT, "Name:\tsh\nSigIgn:\t0000000000010000\n");
    machine.process(CHILD, ROOT, [10, 0]);
    let mut tree = machine.tree();
    assert_eq!(ticks(&mut tree), 15);
    machine.ends(CHILD);
    assert_eq!(ticks(&mut tree), 15);
    machine.process(ROOT, 1, [6, 0]);
    assert_eq!(ticks(&mut tree), 16, "and only once");
    assert!(tree.read().cpu_is_incomplete, "there may be others");
}

#[test]
fn an_orphan_still_belongs_to_the_tree() {
    let machine = Machine::new();
    machine.process(ROOT, 1, [5, 0]);
    machine.process(CHILD, ROOT, [10, 0]);
    machine.process(GRANDCHILD, CHILD, [20, 0]);
    let mut tree = machine.tree();
    assert_eq!(ticks(&mut tree), 35);
    machine.ends(CHILD);
    machine.process(ROOT, 1, [5, 10]);
    machine.process(GRANDCHILD, 1, [21, 0]);
    assert_eq!(ticks(&mut tree), 36);
    machine.ends(GRANDCHILD);
    assert_eq!(ticks(&mut tree), 36, "nobody of the tree waits for it");
}

#[test]
fn a_number_that_is_used_again_is_another_process() {
    let machine = Machine::new();
    machine.process(ROOT, 1, [5, 0]);
    machine.process(CHILD, ROOT, [10, 0]);
    let mut tree = machine.tree();
    assert_eq!(ticks(&mut tree), 15);
    machine.process(ROOT, 1, [5, 10]);
    machine.started(CHILD, 1, [500, 0], 2);
    assert_eq!(ticks(&mut tree), 15);
}

#[test]
fn time_never_runs_backwards() {
    let machine = Machine::new();
    machine.process(ROOT, 1, [5, 0]);
    machine.process(CHILD, ROOT, [10, 0]);
    let mut tree = machine.tree();
    assert_eq!(ticks(&mut tree), 15);
    machine.ends(CHILD);
    machine.process(ROOT, 1, [5, 9]);
    assert_eq!(ticks(&mut tree), 15, "a tick was not whole");
}

#[test]
fn memory_is_that_of_all_and_its_peak_is_kept() {
    let memory = |resident: u64, peak: u64, anonymous: u64| {
        format!("VmHWM:\t{peak} kB\nVmRSS:\t{resident} kB\nRssAnon:\t{anonymous} kB\n")
    };
    let machine = Machine::new();
    machine.process(ROOT, 1, [5, 0]);
    machine.status(ROOT, &memory(10, 50, 4));
    let mut tree = machine.tree();
    let kibibytes = |tree: &mut ProcessTree| {
        tree.look();
        let Observation { memory_bytes, memory_peak_bytes, .. } = tree.read();
        (memory_bytes.unwrap() / 1024, memory_peak_bytes.unwrap() / 1024)
    };
    assert_eq!(kibibytes(&mut tree), (4, 50), "of one process the kernel knows it");
    machine.process(CHILD, ROOT, [1, 0]);
    machine.status(CHILD, &memory(60, 99, 30));
    assert_eq!(kibibytes(&mut tree), (34, 99), "one of them alone had as much");
    machine.status(CHILD, &memory(100, 100, 30));
    assert_eq!(kibibytes(&mut tree), (34, 110), "together they have more");
    machine.ends(CHILD);
    machine.process(ROOT, 1, [5, 1]);
    assert_eq!(kibibytes(&mut tree), (4, 110));
    machine.status(ROOT, "Name:\tsh\n");
    assert_eq!(tree.read().memory_bytes, None);
}

#[test]
fn what_has_gone_is_not_observed() {
    let machine = Machine::new();
    machine.process(ROOT, 1, [5, 0]);
    let mut tree = machine.tree();
    machine.ends(ROOT);
    assert_eq!(tree.read().cpu_ns, None);
}

/// Real processes: one that works and is waited for, and one that works on and on.
#[test]
fn the_kernel_keeps_the_time_of_children_that_have_ended() {
    let count = "i=0; while [ $i -lt 1000000 ]; do i=$((i+1)); done";
    let script = format!(
        "ulimit -t 20; sh -c '{count}; cat /proc/$$/stat'; \
         sh -c 'while :; do :; done' & read -r line; kill $!; wait"
    );
    let mut root = Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(root.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let ended_ns = Stat::parse(&said).unwrap().cpu.sum() * TICK_NS;
    assert!(ended_ns > 2 * TICK_NS, "the child has worked: {ended_ns} ns");

    let process = Pid::from_raw(root.id().cast_signed());
    let mut tree = ProcessTree::new(process, Mark::new());
    let root_clock = CpuClock::of(process).unwrap();
    let mut used_ns = |members: usize| {
        loop {
            tree.look();
            if tree.members.len() == members {
                return tree.read().cpu_ns.unwrap();
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
    };
    // User and system time each lose a part of a tick.
    let least_ns = ended_ns - 2 * TICK_NS;
    let first_ns = used_ns(2);
    assert!(first_ns >= least_ns, "{first_ns} ns, of which one child alone took {ended_ns} ns");
    while used_ns(2) < first_ns + 50_000_000 {
        std::thread::park_timeout(Duration::from_millis(5));
    }
    assert!(root_clock.read_ns().unwrap() < least_ns, "most of it is not the root's own");
    root.stdin.take().unwrap().write_all(b"\n").unwrap();
    root.wait().unwrap();
}

/// A shell that leaves a process in the background and ends: whose child that is then, nobody of its
/// family knows.
#[test]
fn what_is_left_in_the_background_is_known_by_its_mark() {
    let mark = Mark::new();
    let (variable, value) = mark.variable();
    // It says its number when it runs, and stands still; the root says when it has waited for the shell between.
    let mut root = Command::new("sh")
        .args(["-c", "(sh -c 'echo $$; kill -STOP $$' &); echo left; exec sleep 60"])
        .env(variable, value)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(root.stdout.take().unwrap()).lines().take(2);
    let said: Vec<_> = lines.map(Result::unwrap).filter(|line| line != "left").collect();
    let orphan = Pid::from_raw(said[0].parse().unwrap());
    let process = Pid::from_raw(root.id().cast_signed());
    let parent = Stat::read(&Path::new("/proc").join(orphan.to_string())).unwrap().parent;
    assert_ne!(parent, process.as_raw());
    let finds = |mark| ProcessTree::new(process, mark).processes().contains(&orphan);
    assert!(finds(mark) && !finds(Mark::new()), "another mark is another server's");
    root.kill().unwrap();
    root.wait().unwrap();
    nix::sys::signal::kill(orphan, nix::sys::signal::SIGKILL).unwrap();
}

/// Two processes that share the memory of their parent, which wrote it.
#[test]
fn memory_that_is_shared_counts_once() {
    const SHARED: u64 = 32 << 20;
    let script = format!(
        "shared=$(head -c {SHARED} /dev/zero | tr '\\0' x); \
         for child in 1 2; do (echo ready; sleep 60; : \"$shared\") & done; wait"
    );
    let mut root = Command::new("sh").args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(root.stdout.take().unwrap());
    for _ in 0..2 {
        lines.read_line(&mut String::new()).unwrap();
    }
    let mut tree = ProcessTree::new(Pid::from_raw(root.id().cast_signed()), Mark::new());
    let each = |tree: &ProcessTree| {
        let status = |process| Memory::parse(&tree.file(process, "status")?);
        let members = tree.members.keys();
        members.filter_map(|&process| Some(status(process)?.anonymous)).sum::<u64>()
    };
    // The shells still give back what they needed on the way.
    let (each, together) = loop {
        let before = each(&tree);
        let together = tree.read().memory_bytes.unwrap();
        std::thread::park_timeout(Duration::from_millis(20));
        if each(&tree) == before {
            break (before, together);
        }
    };
    for process in tree.processes() {
        let _ = nix::sys::signal::kill(process, nix::sys::signal::SIGKILL);
    }
    root.wait().unwrap();
    assert!(each >= 3 * SHARED, "all three have it: {each}");
    assert!((SHARED..each / 2).contains(&together), "{together} of {each}");
}
