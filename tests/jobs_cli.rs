//! End-to-end tests of the example `jobs`: what it prints, logs, kills and exits with.
//!
//! The program under test is `target/PROFILE/examples/jobs`, which `cargo test` builds before
//! it runs any test. After `cargo test --test jobs_cli` alone it may be absent or old: run
//! `cargo build --example jobs` first, with `--features report` if these tests have it.
//!
//! Where GNU parallel is installed, both programs get the same command line and are compared.
//! Jobs and tests signal each other by named pipes.

#![cfg(target_os = "linux")]

#[path = "support/cli.rs"]
mod cli;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use cli::{PATIENCE, Run, end, example, run, run_with};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

// ---------------------------------------------------------------------------------------------
// Running programs

fn plain(program: impl AsRef<std::ffi::OsStr>, dir: &TempDir) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C").env("PARALLEL_SHELL", "/bin/sh");
    command.current_dir(dir);
    command
}

fn jobs(dir: &TempDir) -> Command {
    plain(example("jobs"), dir)
}

/// GNU parallel, or `None` (and a message) where it is not installed.
fn parallel(dir: &TempDir) -> Option<Command> {
    let version = Command::new("parallel").arg("--version").output();
    let is_gnu = version.is_ok_and(|output| output.stdout.starts_with(b"GNU parallel"));
    if !is_gnu {
        println!("skipped: GNU parallel is not installed");
        return None;
    }
    let mut command = plain("parallel", dir);
    command.arg("--will-cite").env("HOME", dir.path());
    Some(command)
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

// ---------------------------------------------------------------------------------------------
// What both programs are compared by

/// The lines of a joblog without the times, by number.
fn logged(path: &Path) -> BTreeMap<u64, Vec<String>> {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(HEADER));
    let line = |line: &str| {
        let fields: Vec<&str> = line.splitn(9, '\t').collect();
        assert_eq!(fields.len(), 9, "{line}");
        let times: Vec<f64> = fields[2..4]
            .iter()
            .map(|time| {
                let (_, decimals) = time.split_once('.').expect("decimals");
                assert_eq!(decimals.len(), 3, "{line}");
                time.trim_start().parse().expect("a number")
            })
            .collect();
        assert!(times[0] > 1e9 && times[1] >= 0.0, "{line}");
        let rest = [&fields[1..2], &fields[4..]].concat();
        let rest = rest.into_iter().map(str::to_owned).collect();
        (fields[0].parse().expect("a number"), rest)
    };
    lines.map(line).collect()
}

const HEADER: &str = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand";

/// Gives both programs the same arguments, and compares output, joblog and exit code.
#[track_caller]
fn agree(arguments: &[&str], input: &[u8]) -> Option<Run> {
    let dir = directory();
    let log = |name: &str| dir.path().join(name);
    let joblog = |name| ["--joblog", name];
    let ours = run(jobs(&dir).args(joblog("ours")).args(arguments), input);
    let mut theirs = parallel(&dir)?;
    let theirs = run(theirs.args(joblog("theirs")).args(arguments), input);
    assert!(
        ours.status.code() == theirs.status.code() && ours.stdout == theirs.stdout,
        "{arguments:?}\nours: {}\n\ntheirs: {}",
        ours.show(),
        theirs.show()
    );
    let dry = arguments.contains(&"--dry-run");
    if !dry {
        assert_eq!(
            logged(&log("ours")),
            logged(&log("theirs")),
            "{arguments:?}"
        );
    }
    Some(ours)
}

// ---------------------------------------------------------------------------------------------
// Signals between jobs and tests

fn fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a fifo");
}

/// What a job writes to a pipe; waits for it.
#[track_caller]
fn hear(path: &Path) -> String {
    let (send, heard) = mpsc::channel();
    let path = path.to_owned();
    thread::spawn(move || send.send(fs::read_to_string(path).expect("a pipe")));
    let heard = heard.recv_timeout(PATIENCE).expect("a job writes");
    heard.trim().to_owned()
}

/// Lets a job go on that reads from a pipe.
#[track_caller]
fn tell(path: &Path) {
    let (send, told) = mpsc::channel();
    let path = path.to_owned();
    thread::spawn(move || send.send(fs::write(path, "go\n").is_ok()));
    assert!(told.recv_timeout(PATIENCE).expect("a job reads"));
}

/// Polls, as nobody tells of the end of a process that is not one's own.
#[track_caller]
fn gone(process: &str) {
    let end = Instant::now() + PATIENCE;
    while let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) {
        if stat
            .rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']))
        {
            return;
        }
        assert!(Instant::now() < end, "process {process} lives: {stat}");
        thread::yield_now();
    }
}

/// A run that is signalled on the way.
struct Running {
    child: Child,
    stderr: mpsc::Receiver<Vec<u8>>,
    lines: mpsc::Receiver<String>,
}

impl Running {
    #[track_caller]
    fn start(command: &mut Command) -> Self {
        Self::start_with(command.stdout(Stdio::piped()))
    }

    /// With the standard output that the command has been given.
    #[track_caller]
    fn start_with(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("a child");
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let (send_all, all) = mpsc::channel();
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut text = Vec::new();
            for line in stderr.lines() {
                let line = line.expect("a line");
                text.extend(line.as_bytes());
                text.push(b'\n');
                let _ = send.send(line);
            }
            let _ = send_all.send(text);
        });
        Self {
            child,
            stderr: all,
            lines,
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("to signal");
    }

    /// The processes that it has started and not waited for.
    fn children(&self) -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let children = |task: std::io::Result<fs::DirEntry>| {
            fs::read_to_string(task.ok()?.path().join("children")).ok()
        };
        let children: Vec<String> = tasks.expect("its threads").filter_map(children).collect();
        let ids = children.iter().flat_map(|ids| ids.split_whitespace());
        ids.map(str::to_owned).collect()
    }

    #[track_caller]
    fn until(&self, words: &str) {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("another line");
            if line.contains(words) {
                return;
            }
        }
    }

    #[track_caller]
    fn end(self) -> Run {
        end(self.child, Some(self.stderr))
    }
}

// ---------------------------------------------------------------------------------------------
// Commands and arguments

#[test]
fn replacement_strings_take_what_parallel_takes() {
    let command =
        "echo {} {.} {/} {//} {/.} {#} {1} {2} {-1} {1.} {1/} {1//} {1/.} {3} {..} { } {-}";
    let arguments = [
        "a",
        "a/",
        "a/b.c",
        "/",
        "//",
        "///x",
        ".x",
        "a.b.c",
        "a/b.c/d",
        "a.",
        "./a.",
        "/.a.b",
        "a b/c d.e",
        "",
        "..",
        "a//b",
        "a/b//",
        "\u{e9}/\u{fc}.\u{df}",
        "x.tar.gz",
        "-n",
        "a/.b/.c",
    ];
    let start = ["--dry-run", "-k", "-j1", command, ":::"];
    agree(&[&start[..], &arguments].concat(), b"");
    let two = [&start[..], &arguments[..4], &[":::", "p q", "r/s.t"]].concat();
    agree(&two, b"");
    let dir = directory();
    run(
        jobs(&dir).args(["--dry-run", "echo {} {/.} {//} {#}", ":::", "d/e f.g"]),
        b"",
    )
    .exits(0)
    .prints("echo 'd/e f.g' 'e f' d 1\n");
}

#[test]
fn commands_are_composed_as_parallel_composes_them() {
    let commands: [&[&str]; 11] = [
        &["echo"],
        &["echo", "a", "b"],
        &["echo", "a  b", "{}"],
        &["{} x {}"],
        &[" {} x"],
        &["{.}/x"],
        &["echo", "x{}y", "{}}{"],
        &["echo", "{#}"],
        &["echo", "-k", "--", "{}"],
        &["--", "echo", "{}"],
        &["echo {{}} {"],
    ];
    for command in commands {
        let start = ["--dry-run", "-j1", "-k"];
        agree(&[&start[..], command, &[":::", "a b", "c"]].concat(), b"");
    }
    agree(
        &["-k", ":::", "echo a; echo b", "exit 3", "echo 'c  d'"],
        b"",
    );
}

#[test]
fn nasty_arguments_reach_the_command_as_they_are() {
    let nasty = [
        "it's",
        "''",
        "'",
        "'''",
        "a'",
        "'a",
        "\"",
        "$HOME",
        "`id`",
        "$(id)",
        "\\",
        "\\n",
        "*",
        "?",
        "~",
        "!",
        "#",
        "a b",
        " ",
        "\t",
        "(",
        ";",
        "&",
        "|",
        "<",
        ">",
        "{}",
        "{#}",
        "%s",
        "\u{1F600}",
        "",
        "=",
        "a=b",
        "[a]",
        "^",
        "-",
        "--",
    ];
    let print = r"printf '<%s>\n' {}";
    let expected: String = nasty.iter().map(|text| format!("<{text}>\n")).collect();
    let dir = directory();
    let arguments = [&["-k", print, ":::"], &nasty[..]].concat();
    run(jobs(&dir).args(&arguments), b"")
        .exits(0)
        .prints(expected);
    agree(&arguments, b"");
    agree(
        &[&["--dry-run", "-k", "echo {}", ":::"], &nasty[..]].concat(),
        b"",
    );
    let with_newlines = b"a\nb\0\n\0c\n";
    run(jobs(&dir).args(["-0", "-k", print]), with_newlines)
        .exits(0)
        .prints("<a\nb>\n<\n>\n<c\n>\n");
    agree(&["-0", "-k", print], with_newlines);
    run(jobs(&dir).args(["-k", print, ":::", "a\nb"]), b"")
        .exits(0)
        .prints("<a\nb>\n");
    let not_unicode = b"\xff\xfe/\x80.\x81\n";
    run(
        jobs(&dir).args(["-k", "printf '<%s>' {} {.} {/}"]),
        not_unicode,
    )
    .exits(0)
    .prints(b"<\xff\xfe/\x80.\x81><\xff\xfe/\x80><\x80.\x81>");
}

#[test]
fn arguments_come_from_lines_files_and_products() {
    let dir = directory();
    fs::write(dir.path().join("f"), "1\n2\n").expect("a file");
    type Case = (
        &'static [&'static str],
        &'static [&'static str],
        &'static [u8],
        &'static str,
    );
    let cases: [Case; 8] = [
        (&[], &[], b"a\n\nb\r\nc d", "a\n\nb\r\nc d\n"),
        (&["-a", "f"], &[], b"unread", "1\n2\n"),
        (&["-a", "-"], &[], b"x\n", "x\n"),
        (&["-a", "f", "-a", "f"], &[], b"", "1 1\n1 2\n2 1\n2 2\n"),
        (
            &["-a", "f"],
            &[":::", "x", "y"],
            b"",
            "1 x\n1 y\n2 x\n2 y\n",
        ),
        (
            &[],
            &[":::", "a", ":::", "1", "2", ":::", "x"],
            b"",
            "a 1 x\na 2 x\n",
        ),
        (&[], &[":::"], b"unread", ""),
        (&["-a", "/dev/null"], &[], b"", ""),
    ];
    for (options, arguments, input, expected) in cases {
        let mut command = jobs(&dir);
        command
            .args(["-k", "-j2"])
            .args(options)
            .arg("echo")
            .args(arguments);
        run(&mut command, input).exits(0).prints(expected);
    }
}

#[test]
fn a_job_finds_its_number_and_its_slot_and_no_input() {
    let dir = directory();
    let command = "echo {#} {%} $PARALLEL_SEQ $PARALLEL_JOBSLOT; cat";
    run(
        jobs(&dir).args(["-j1", "-k", command, ":::", "a", "b"]),
        b"unread",
    )
    .exits(0)
    .prints("1 1 1 1 a\n2 1 2 1 b\n".replace(" a", "").replace(" b", ""));
}

#[test]
fn exactly_so_many_jobs_run_at_once() {
    for at_once in [1_usize, 2, 3, 8] {
        let dir = directory();
        let path = |name: String| dir.path().join(name);
        let all = 2 * at_once;
        fifo(&path("here".to_owned()));
        (1..=all).for_each(|seq| fifo(&path(format!("go{seq}"))));
        // None of them ends before it is told to, so the first round can only be there together.
        let command = "echo {#} {%} > here; read x < go{#}";
        let numbers = (1..=all).map(|seq| seq.to_string());
        let j = format!("-j{at_once}");
        let running = Running::start(jobs(&dir).args([&j, command, ":::"]).args(numbers));
        let mut heard: Vec<(usize, usize)> = Vec::new();
        let listen = |heard: &mut Vec<_>| {
            // What several have written may be read at once.
            for line in hear(&path("here".to_owned())).lines() {
                let (seq, slot) = line.split_once(' ').expect("two numbers");
                let number = |text: &str| text.parse().expect("a number");
                heard.push((number(seq), number(slot)));
            }
        };
        while heard.len() < at_once {
            listen(&mut heard);
        }
        let mut round: Vec<_> = std::mem::take(&mut heard);
        round.sort_unstable();
        let seqs: Vec<usize> = round.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(
            seqs,
            (1..=at_once).collect::<Vec<_>>(),
            "in the order of the input"
        );
        let mut slots: Vec<usize> = round.iter().map(|(_, slot)| *slot).collect();
        slots.sort_unstable();
        assert_eq!(slots, (1..=at_once).collect::<Vec<_>>());
        for (ended, slot) in round {
            // The one that ends makes room for one, in its slot.
            tell(&path(format!("go{ended}")));
            listen(&mut heard);
            assert_eq!(heard.pop().map(|(_, new)| new), Some(slot));
            assert_eq!(heard, []);
        }
        (at_once + 1..=all).for_each(|seq| tell(&path(format!("go{seq}"))));
        running.end().exits(0);
    }
}

// ---------------------------------------------------------------------------------------------
// Output

#[test]
fn output_is_kept_apart_and_with_k_in_order() {
    let command = "echo {} begins; sleep 0.{}; echo {} ends; echo {} errs >&2; exit {}";
    agree(&["-j4", "-k", command, ":::", "3", "0", "2", "1"], b"");
    let dir = directory();
    let noisy = "for i in 1 2 3 4 5 6 7 8 9; do echo {}; done";
    let list: Vec<String> = (0..40).map(|index| index.to_string()).collect();
    for j in ["-j1", "-j2", "-j8"] {
        let run = run(jobs(&dir).args([j, noisy, ":::"]).args(&list), b"").exits(0);
        let text = String::from_utf8(run.stdout).expect("text");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 360);
        let whole = |group: &[&str]| group.iter().all(|line| *line == group[0]);
        assert!(lines.chunks(9).all(whole), "{text}");
    }
}

#[test]
fn a_hundred_thousand_arguments_and_huge_outputs_are_no_trouble() {
    let dir = directory();
    let list: String = (1..=100_000).map(|index| format!("{index}\n")).collect();
    let run_all = run(jobs(&dir).args(["--dry-run", "echo"]), list.as_bytes()).exits(0);
    assert_eq!(
        run_all.stdout.iter().filter(|&&byte| byte == b'\n').count(),
        100_000
    );
    // The limit of memory is far below the output; a slow first job has all the others wait for it.
    let script = r#"ulimit -v 600000; exec "$0" -j2 -k "$@""#;
    let mut command = plain("sh", &dir);
    command.args(["-c", script]).arg(example("jobs"));
    command.args([
        "head -c {} /dev/zero; echo >&2",
        ":::",
        "300000000",
        "200000000",
        "5",
    ]);
    command.stdout(Stdio::piped());
    let mut child = command
        .stderr(Stdio::null())
        .stdin(Stdio::null())
        .spawn()
        .expect("a child");
    let mut out = child.stdout.take().expect("a pipe");
    let bytes = std::io::copy(&mut out, &mut std::io::sink()).expect("to read");
    assert_eq!(bytes, 500_000_005);
    assert!(child.wait().expect("a status").success());
}

#[test]
fn hundreds_wait_for_a_slow_job_without_descriptors() {
    let dir = directory();
    fifo(&dir.path().join("go"));
    // The first job ends when the last one says so, and all the others end between.
    let job = "case {} in 1) read x < go;; 400) echo > go;; esac; echo out{}; echo err{} >&2";
    let script = r#"ulimit -n 60; exec "$0" -j3 -k "$@""#;
    let mut command = plain("sh", &dir);
    command.args(["-c", script]).arg(example("jobs")).arg(job);
    let list: String = (1..=400).map(|seq| format!("{seq}\n")).collect();
    let lines = |word: &str| -> String { (1..=400).map(|seq| format!("{word}{seq}\n")).collect() };
    let run = run(&mut command, list.as_bytes())
        .exits(0)
        .prints(lines("out"));
    assert_eq!(String::from_utf8_lossy(&run.stderr), lines("err"));
}

#[test]
fn a_process_that_is_left_behind_keeps_nobody_waiting() {
    let dir = directory();
    let command = "sleep 1000 & echo $!; exit 0 #";
    let run = run(jobs(&dir).args([command, ":::", "a"]), b"").exits(0);
    let process = String::from_utf8_lossy(&run.stdout);
    let process: i32 = process.trim().parse().expect("a number");
    // It was none of the program's business; here it is tidied away.
    let process = Pid::from_raw(process).expect("a process");
    kill_process(process, Signal::KILL).expect("it lives");
}

#[test]
fn output_that_waits_for_its_turn_is_kept_when_the_run_ends_early() {
    let dir = directory();
    let go = dir.path().join("go");
    fifo(&go);
    // The first waits until the third has failed, so the second waits in the spool.
    let command =
        "case {} in 1) read x < go; exit 0;; 3) echo out{}; exit 1;; *) echo out{};; esac";
    let arguments = ["-j2", "-k", "--halt", "now,fail=1", "--joblog", "log"];
    run(
        jobs(&dir)
            .args(arguments)
            .args([command, ":::", "1", "2", "3", "4"]),
        b"",
    )
    .exits(1)
    .prints("out2\nout3\n");
    let numbers: Vec<u64> = logged(&dir.path().join("log")).into_keys().collect();
    assert_eq!(numbers, [2, 3]);
}

#[test]
fn results_are_laid_out_as_parallel_does() {
    let files = |dir: &Path| {
        let mut found = BTreeMap::new();
        for entry in walkdir::WalkDir::new(dir).into_iter().flatten() {
            if entry.file_type().is_file() {
                let name = entry.path().strip_prefix(dir).expect("inside").to_owned();
                found.insert(name, fs::read(entry.path()).expect("a file"));
            }
        }
        found
    };
    let one: &[&str] = &["a", "b/c", "d\\e", "t\tb", "it's", "\u{e9}"];
    let two: &[&str] = &["a", "b", ":::", "c", "d"];
    for arguments in [one, two] {
        let dir = directory();
        let command = "echo out {}; echo err {} >&2; exit 1";
        let options = |name| ["--results", name, command, ":::"];
        let ours = run(jobs(&dir).args(options("ours")).args(arguments), b"").prints("");
        let found = files(&dir.path().join("ours"));
        assert_eq!(
            found.contains_key(Path::new("1/a/2/c/seq")),
            arguments == two
        );
        if arguments == one {
            assert_eq!(found[Path::new("1/b\\_c/stdout")], b"out b/c\n");
            assert_eq!(found[Path::new("1/b\\_c/stderr")], b"err b/c\n");
            assert_eq!(found[Path::new("1/b\\_c/seq")], b"2");
        }
        let Some(mut theirs) = parallel(&dir) else {
            continue;
        };
        let theirs = run(theirs.args(options("theirs")).args(arguments), b"");
        assert_eq!(ours.status, theirs.status);
        assert_eq!(found, files(&dir.path().join("theirs")));
    }
    let dir = directory();
    let long = ["a".repeat(400) + "1", "a".repeat(400) + "2"];
    run(
        jobs(&dir)
            .args(["--results", "r", "echo {#}", ":::"])
            .args(long),
        b"",
    )
    .exits(0);
    assert_eq!(files(dir.path()).len(), 6, "two names that begin alike");
}

#[test]
fn a_reader_that_has_gone_and_a_full_device_end_the_run() {
    let dir = directory();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let full = File::options()
        .write(true)
        .open("/dev/full")
        .expect("/dev/full");
    let cases: [(Stdio, &str); 2] = [
        (writer.into(), "standard output: Broken pipe"),
        (full.into(), "standard output: No space left on device"),
    ];
    for (stdout, words) in cases {
        let mut command = jobs(&dir);
        command.args([
            "-j1",
            "--joblog",
            "log",
            "echo {}; echo {} >> ran",
            ":::",
            "1",
            "2",
            "3",
        ]);
        run_with(command.stdout(stdout), b"").exits(255).says(words);
        // What could not be printed is not done.
        assert!(logged(&dir.path().join("log")).is_empty());
        assert_eq!(fs::read(dir.path().join("ran")).expect("a file"), b"1\n");
        fs::remove_file(dir.path().join("ran")).expect("to remove");
    }
    let mut command = jobs(&dir);
    command.args(["-j1", "--joblog", "/dev/full", "echo", ":::", "1"]);
    run(&mut command, b"")
        .exits(255)
        .says("/dev/full: No space left on device");
}

#[test]
fn no_bar_is_drawn_where_there_is_no_terminal() {
    let dir = directory();
    let run = run(
        jobs(&dir).args(["--bar", "-k", "echo", ":::", "1", "2"]),
        b"",
    );
    let run = run.exits(0).prints("1\n2\n");
    assert_eq!(String::from_utf8_lossy(&run.stderr), "");
}

// ---------------------------------------------------------------------------------------------
// Failures, retries, timeouts, halting

#[test]
fn exit_codes_and_joblogs_are_those_of_parallel() {
    let many: Vec<String> = (1..=120).map(|index| index.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for count in [1, 30, 100, 101, 120] {
        let arguments = [&["-k", "false", ":::"], &many[..count]].concat();
        agree(&arguments, b"");
        let dir = directory();
        run(jobs(&dir).args(&arguments), b"").exits(count.min(101) as i32);
    }
    agree(
        &["-k", "echo {}; exit {}", ":::", "0", "7", "0", "255"],
        b"",
    );
    agree(&["-k", "kill -{} $$; #", ":::", "9", "15"], b"");
    agree(&["-k", "no-such-command", ":::", "a"], b"");
    agree(&["-k", "echo 'a\tb'; printf '%s' {}", ":::", "x\ty"], b"");
    agree(&["-k", "echo"], b"");
}

#[test]
fn retries_are_counted_as_parallel_counts_them() {
    let dir = directory();
    let command = "echo {} >> tries; echo try; exit {}";
    for (retries, expected) in [("1", 1), ("2", 2), ("5", 5)] {
        let arguments = [
            "-j1",
            "--retries",
            retries,
            "--joblog",
            "log",
            command,
            ":::",
            "0",
            "3",
        ];
        run(jobs(&dir).args(arguments), b"")
            .exits(1)
            .prints("try\ntry\n");
        let tries = fs::read_to_string(dir.path().join("tries")).expect("a file");
        assert_eq!(tries, "0\n".to_owned() + &"3\n".repeat(expected));
        fs::remove_file(dir.path().join("tries")).expect("to remove");
        assert_eq!(logged(&dir.path().join("log")).len(), 2);
        let arguments = ["-k", "--retries", retries, command, ":::", "0", "3"];
        agree(&arguments, b"");
    }
    // Until it succeeds; and one success is enough.
    let third = "echo x >> count; test $(wc -l < count) -ge 3 #";
    for retries in ["0", "9"] {
        run(
            jobs(&dir).args(["--retries", retries, third, ":::", "a"]),
            b"",
        )
        .exits(0);
        assert_eq!(
            fs::read(dir.path().join("count")).expect("a file"),
            b"x\nx\nx\n"
        );
        fs::remove_file(dir.path().join("count")).expect("to remove");
    }
}

#[test]
fn a_timeout_kills_grandchildren_too() {
    let dir = directory();
    let started = dir.path().join("started");
    fifo(&started);
    // Deaf to SIGTERM, so that only SIGKILL helps.
    let deaf = "trap '' TERM; sleep 1000 & echo $! > started; wait; sleep 1000 #";
    // Only the grandchild is, so that the shell ends first.
    let half = "(trap '' TERM; exec sleep 1000) & echo $! > started; exec sleep 1000 #";
    for command in [deaf, half] {
        let arguments = ["--timeout", "2", "--joblog", "log", command, ":::", "a"];
        let running = Running::start(jobs(&dir).args(arguments));
        let grandchild = hear(&started);
        running.end().exits(1).says("it took too long");
        gone(&grandchild);
        let line = &logged(&dir.path().join("log"))[&1];
        assert_eq!(line[3], "-1", "{line:?}");
    }
}

#[test]
fn a_job_whose_time_is_up_has_failed_as_in_parallel() {
    agree(
        &[
            "-k",
            "--timeout",
            "1",
            "echo {}; sleep {}",
            ":::",
            "30",
            "0",
        ],
        b"",
    );
    agree(
        &[
            "-k",
            "--timeout",
            "1",
            "trap 'exit 7' TERM; sleep {} & wait",
            ":::",
            "30",
        ],
        b"",
    );
    let dir = directory();
    let command = "echo x >> tries; sleep 1000";
    let arguments = ["--timeout", "1s", "--retries", "2", command, ":::", "a"];
    run(jobs(&dir).args(arguments), b"").exits(1);
    assert_eq!(
        fs::read(dir.path().join("tries")).expect("a file"),
        b"x\nx\n"
    );
    // Far more than any clock holds.
    for long in ["99999999999999d", "1h30m", "1.5"] {
        run(
            jobs(&dir).args(["--timeout", long, "echo", ":::", "a"]),
            b"",
        )
        .exits(0);
    }
}

#[test]
fn halting_is_judged_as_parallel_judges_it() {
    let conditions = [
        "never",
        "0",
        "1",
        "2",
        "-1",
        "-2",
        "30%",
        "now,fail=1",
        "now,fail=2",
        "now,fail=50%",
        "soon,fail=1",
        "soon,fail=2",
        "soon,fail=50%",
        "soon,fail=90%",
        "now,success=1",
        "now,success=5",
        "soon,success=40%",
        "now,done=1",
        "now,done=2",
        "soon,done=50%",
    ];
    for condition in conditions {
        let start = ["-j1", "--halt", condition, "echo {}; exit {}", ":::"];
        agree(&[&start[..], &["0", "3", "1", "2", "0"]].concat(), b"");
    }
    agree(
        &[
            "-j1",
            "--halt",
            "now,fail=1",
            "kill -9 $$; #",
            ":::",
            "a",
            "b",
        ],
        b"",
    );
    agree(
        &[
            "-j1",
            "--halt",
            "now,fail=1",
            "--timeout",
            "1",
            "sleep",
            ":::",
            "30",
        ],
        b"",
    );
}

#[test]
fn halt_now_kills_what_runs_and_halt_soon_lets_it_end() {
    for (when, expected, numbers) in [("now", "", &[1_u64][..]), ("soon", "ended\n", &[1, 2])] {
        let dir = directory();
        let (go, other) = (dir.path().join("go"), dir.path().join("other"));
        fifo(&go);
        fifo(&other);
        // The second has started when the first fails; with `soon` it is then let go on.
        let first = "read x < other; exit 4";
        let second = "echo $$ > other; read x < go; echo ended";
        let halt = format!("{when},fail=1");
        let options = ["-j2", "--halt", &halt, "--joblog", "log", ":::"];
        let running = Running::start(jobs(&dir).args(options).args([first, second, "echo third"]));
        running.until("this job failed");
        if when == "soon" {
            tell(&go);
        }
        running.end().exits(4).prints(expected);
        let logged: Vec<u64> = logged(&dir.path().join("log")).into_keys().collect();
        assert_eq!(logged, numbers, "{when}");
    }
}

// ---------------------------------------------------------------------------------------------
// Signals

/// Starts one job after the other; the first tells its process and that of its child, and waits.
fn waiting(dir: &TempDir) -> (Running, String) {
    let started = dir.path().join("started");
    fifo(&started);
    fifo(&dir.path().join("go"));
    let command = "sleep 1000 & echo $! > started; read x < go; kill $!; echo ended {}";
    let arguments = ["-j1", "--joblog", "log", command, ":::", "1", "2"];
    let running = Running::start(jobs(dir).args(arguments));
    let grandchild = hear(&started);
    (running, grandchild)
}

#[test]
fn the_first_signal_drains() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let dir = directory();
        let (running, _) = waiting(&dir);
        running.signal(signal);
        running.until("no more jobs are started");
        tell(&dir.path().join("go"));
        running
            .end()
            .exits(255)
            .prints("ended 1\n")
            .says("interrupted: 1 of 2 jobs");
        let numbers: Vec<u64> = logged(&dir.path().join("log")).into_keys().collect();
        assert_eq!(numbers, [1]);
        // And the rest is done by the next run.
        let arguments = ["--joblog", "log", "--resume", "echo", ":::", "1", "2"];
        run(jobs(&dir).args(arguments), b"").exits(0).prints("2\n");
    }
}

#[test]
fn the_second_signal_kills() {
    let dir = directory();
    let (running, grandchild) = waiting(&dir);
    running.signal(Signal::INT);
    running.until("no more jobs are started");
    running.signal(Signal::INT);
    running
        .end()
        .exits(255)
        .prints("")
        .says("interrupted: 2 of 2 jobs");
    gone(&grandchild);
    assert!(
        logged(&dir.path().join("log")).is_empty(),
        "a killed job runs again"
    );
}

#[test]
fn the_third_signal_ends_a_run_whose_output_nobody_reads() {
    let dir = directory();
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    // More than a pipe holds, so that printing it waits for the reader.
    let big = "head -c 1000000 /dev/zero";
    let mut command = jobs(&dir);
    command
        .args(["-j2", ":::", big, "sleep 1000"])
        .stdout(writer);
    let mut running = Running::start_with(&mut command);
    // The first byte is there when the printing has begun.
    reader.read_exact(&mut [0]).expect("a byte");
    for words in ["no more jobs are started", "killing the jobs that run"] {
        running.signal(Signal::INT);
        running.until(words);
    }
    // Only the worker that prints is held up: the other one kills its job.
    let children = running.children();
    children.iter().for_each(|child| gone(child));
    running.signal(Signal::INT);
    let status = running.child.wait().expect("a status");
    assert_eq!(status.code(), Some(255));
}

// ---------------------------------------------------------------------------------------------
// Resuming

#[test]
fn either_program_resumes_what_the_other_has_begun() {
    let failing = [
        "-k",
        "-j1",
        "--joblog",
        "log",
        "echo {}; exit {}",
        ":::",
        "0",
        "1",
        "0",
        "2",
    ];
    let more = ["echo again {}", ":::", "0", "1", "0", "2", "3", "4"];
    for (option, expected) in [
        ("--resume", "again 3\nagain 4\n"),
        ("--resume-failed", "again 1\nagain 2\nagain 3\nagain 4\n"),
    ] {
        let resume = ["-k", "--joblog", "log", option];
        for (begins, goes_on) in [(true, true), (true, false), (false, true)] {
            let dir = directory();
            let tool = |ours: bool| {
                if ours {
                    Some(jobs(&dir))
                } else {
                    parallel(&dir)
                }
            };
            let (Some(mut first), Some(mut second)) = (tool(begins), tool(goes_on)) else {
                continue;
            };
            run(first.args(failing), b"").exits(2);
            run(second.args(resume).args(more), b"")
                .exits(0)
                .prints(expected);
            let log = logged(&dir.path().join("log"));
            assert_eq!(log.into_keys().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        }
    }
}

#[test]
fn a_torn_line_is_run_again_and_a_wrong_one_is_an_error() {
    let dir = directory();
    let log = dir.path().join("log");
    let line = |seq: u32| format!("{seq}\t:\t1700000000.000\t     0.001\t0\t0\t0\t0\techo\n");
    let whole = format!("{HEADER}\n{}{}", line(1), line(12));
    let resume = ["-k", "--joblog", "log", "--resume", "echo"];
    let list: String = (1..=12).map(|index| format!("{index}\n")).collect();
    // Torn at every byte of the last line: a piece of `12` must not count as 1 or 12.
    let torn_at = whole.len() - line(12).len()..whole.len();
    for end in torn_at.step_by(7).chain([whole.len() - 1]) {
        fs::write(&log, &whole[..end]).expect("a joblog");
        let run = run(jobs(&dir).args(resume), list.as_bytes()).exits(0);
        assert_eq!(
            run.stdout.split(|&byte| byte == b'\n').count(),
            12,
            "{}",
            run.show()
        );
        assert_eq!(logged(&log).len(), 12, "torn at {end}");
    }
    for torn in ["", "Seq\tHo", HEADER] {
        fs::write(&log, torn).expect("a joblog");
        run(jobs(&dir).args(resume), b"a\n").exits(0).prints("a\n");
        assert_eq!(logged(&log).len(), 1, "{torn}");
    }
    for wrong in [
        "not a joblog\n".to_owned(),
        format!("{HEADER}\nx\n"),
        format!("{HEADER}\n1\t2\n"),
    ] {
        fs::write(&log, &wrong).expect("a joblog");
        run(jobs(&dir).args(resume), b"a\n")
            .exits(255)
            .says("log: ")
            .prints("");
        assert_eq!(
            fs::read_to_string(&log).expect("a joblog"),
            wrong,
            "left alone"
        );
    }
}

#[test]
fn a_joblog_is_replaced_or_appended_to() {
    let dir = directory();
    let log = dir.path().join("log");
    let numbers = || -> Vec<u64> { logged(&log).into_keys().collect() };
    run(
        jobs(&dir).args(["--joblog", "log", "true", ":::", "a", "b", "c"]),
        b"",
    )
    .exits(0);
    assert_eq!(numbers(), [1, 2, 3]);
    run(
        jobs(&dir).args(["--joblog", "log", "true", ":::", "a"]),
        b"",
    )
    .exits(0);
    assert_eq!(numbers(), [1]);
    run(
        jobs(&dir).args(["--joblog", "+log", "true", ":::", "a", "b"]),
        b"",
    )
    .exits(0);
    assert_eq!(
        fs::read_to_string(&log).expect("a joblog").lines().count(),
        4
    );
    let dry = [
        "--joblog",
        "log",
        "--resume",
        "--dry-run",
        "echo",
        ":::",
        "a",
        "b",
        "c",
    ];
    run(jobs(&dir).args(dry), b"").exits(0).prints("echo c\n");
    assert_eq!(
        fs::read_to_string(&log).expect("a joblog").lines().count(),
        4
    );
}

// ---------------------------------------------------------------------------------------------
// The summary

/// Runs three jobs, which exit with 0, 1 and 0, and gives the summary.
#[track_caller]
fn summed_up(dir: &TempDir, arguments: &[&str], code: i32) -> Value {
    let path = dir.path().join("summary");
    let mut command = jobs(dir);
    command.arg("--json").arg(&path).args(arguments);
    run(command.args(["exit {}", ":::", "0", "1", "0"]), b"").exits(code);
    let text = fs::read_to_string(path).expect("the summary");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn the_json_summary_adds_up() {
    let dir = directory();
    let summary = summed_up(&dir, &["--threads", "2", "--joblog", "log"], 1);
    assert_eq!(summary["threads"], 2);
    assert!(summary["seconds"].as_f64().expect("seconds") > 0.0);
    let workers = summary["workers"].as_array().expect("workers");
    assert_eq!(workers.len(), 2);
    let items = workers.iter().map(|worker| worker["items"].as_u64());
    assert_eq!(items.sum::<Option<u64>>(), Some(3), "{summary}");
    let counts = |skipped, succeeded, failed, not_run| {
        serde_json::json!({
            "all": 3,
            "skipped": skipped,
            "succeeded": succeeded,
            "failed": failed,
            "not_run": not_run,
        })
    };
    assert_eq!(summary["jobs"], counts(0, 2, 1, 0));
    let again = ["-j1", "--joblog", "log", "--resume-failed"];
    assert_eq!(summed_up(&dir, &again, 1)["jobs"], counts(2, 0, 1, 0));
    let halted = summed_up(&dir, &["-j1", "--halt", "soon,fail=1"], 1);
    assert_eq!(halted["threads"], 1);
    assert_eq!(halted["jobs"], counts(0, 1, 1, 1));
}

#[test]
fn a_file_about_the_run_that_cannot_be_written_is_an_error() {
    let dir = directory();
    let mut flags = vec!["--json", "--trace"];
    flags.extend(cfg!(feature = "report").then_some("--report"));
    for flag in flags {
        for (path, says) in [
            ("/dev/full", "jobs: /dev/full: No space left on device\n"),
            ("no/dir", "jobs: no/dir: No such file or directory\n"),
        ] {
            let run = run(jobs(&dir).args([flag, path, "echo", ":::", "1"]), b"");
            let run = run.exits(255).prints("1\n");
            assert_eq!(String::from_utf8_lossy(&run.stderr), says);
        }
    }
}

// ---------------------------------------------------------------------------------------------
// What happened: the report, the trace, the log

#[test]
#[cfg(feature = "report")]
fn a_report_has_the_commands_and_how_they_failed() {
    let dir = directory();
    let mut command = jobs(&dir);
    command.args([
        "-j1",
        "--retries",
        "2",
        "--timeout",
        "60",
        "--report",
        "page",
    ]);
    command.args([":::", "true", "exit 3 # <b>&", "kill -9 $$"]);
    run(&mut command, b"").exits(2);
    let data = cli::reported(&dir.path().join("page"));
    assert_eq!(data["name"], "jobs");
    assert_eq!(
        (&data["counts"]["done"], &data["counts"]["failed"]),
        (&1.into(), &2.into())
    );
    let labels = ["job 2: exit 3 # <b>&", "job 3: kill -9 $$"];
    assert_eq!(cli::each(&data["failures"], "label"), labels);
    let texts = ["exit code 3", "killed by signal 9"];
    assert_eq!(cli::each(&data["failures"], "text"), texts);
    assert_eq!(data["failures"][0]["attempts"], 2);
    assert!(cli::each(&data["slowest"], "label").contains(&"job 1: true"));
    assert!(data["timeline"].is_object());
}

#[test]
#[cfg(not(feature = "report"))]
fn a_report_without_the_feature_is_refused_before_anything_is_done() {
    let dir = directory();
    let mut command = jobs(&dir);
    command.args(["--report", "page", "--joblog", "log", "echo", ":::", "1"]);
    run(&mut command, b"")
        .exits(255)
        .prints("")
        .says("--report needs the feature report: cargo run --release --features report");
    assert_eq!(fs::read_dir(&dir).expect("the directory").count(), 0);
}

#[test]
fn a_trace_has_the_jobs_of_runs_that_fail_or_are_halted() {
    let dir = directory();
    let path = dir.path().join("trace");
    let runs: [(&[&str], (usize, u64)); 3] = [
        (&["exit {}", ":::", "0", "1"], (1, 2)),
        (&["--retries", "3", "exit {}", ":::", "0", "1"], (1, 4)),
        (
            &["--halt", "now,fail=1", "exit {}", ":::", "1", "0"],
            (1, 1),
        ),
    ];
    for (arguments, expected) in runs {
        let mut command = jobs(&dir);
        command.args(["-j1", "--trace", "trace"]).args(arguments);
        run(&mut command, b"").exits(1);
        assert_eq!(cli::traced(&path, "jobs"), expected, "{arguments:?}");
    }
}

#[test]
fn a_log_tells_of_failures_retries_and_stops() {
    let dir = directory();
    let log = |arguments: &[&str]| {
        let mut command = jobs(&dir);
        command.arg("-j1").args(arguments);
        let run = run(command.args(["exit {}", ":::", "1", "0"]), b"");
        let mut lines = run.exits(1).log("jobs");
        for line in &mut lines {
            if let Some(at) = line.find(" after ") {
                let (_, counts) = line.split_once(" s: ").expect("a time");
                *line = format!("{}: {counts}", &line[..at]);
            }
        }
        // The batch is told of by another thread than its jobs.
        lines.sort();
        lines
    };
    let failed = |run| format!("warn: batch 1: job 1: exit 1: failed, in run {run} on worker 0");
    let again = |run| {
        format!(
            "info: batch 1: job 1: exit 1: run {run} has failed, the next one may begin at once"
        )
    };
    let begins = "info: batch 1 (jobs) begins: 2 items";
    let ended = "warn: batch 1 (jobs) has ended: 1 done, 1 failed, 0 cancelled";
    assert_eq!(log(&["--log", "warn"]), [ended, &failed(1)]);
    assert_eq!(
        log(&["--log", "info", "--retries", "3"]),
        [begins, &again(1), &again(2), ended, &failed(3)]
    );
    assert_eq!(
        log(&["--log", "warn", "--halt", "soon,fail=1"]),
        [
            "warn: batch 1 (jobs) has ended: 0 done, 1 failed, 1 cancelled",
            "warn: batch 1 is stopped: it was cancelled",
            &failed(1),
        ]
    );
    let all = log(&["--log", "debug"]);
    assert_eq!(
        all[0],
        "debug: batch 1: job 2: exit 0: done, in run 1 on worker 0"
    );
    assert_eq!(log(&[]), [""; 0]);
}

// ---------------------------------------------------------------------------------------------
// Wrong usage

#[test]
fn own_errors_exit_255_and_say_what_is_wrong() {
    let dir = directory();
    let cases: [(&[&str], &[u8], &str); 15] = [
        (&["--unheard-of", "echo"], b"", "--unheard-of"),
        (&["-j0", "echo"], b"", "at least 1 job"),
        (
            &["-jmany", "echo"],
            b"",
            "neither a whole number nor a percentage",
        ),
        (&["-j9999", "true"], &[b'\n'; 9999], "9999"),
        (&["--timeout", "soon", "echo"], b"", "not a time"),
        (&["--halt", "later,fail=1", "echo"], b"", "soon"),
        (&["--halt", "now,fail=0", "echo"], b"", "at least 1"),
        (&["--resume", "echo"], b"", "--joblog"),
        (&["--threads", "0", "echo"], b"", "at least 1 thread"),
        (
            &["--threads", "2", "-j2", "echo"],
            b"",
            "cannot be used with",
        ),
        (
            &["--dry-run", "--json", "x", "echo"],
            b"",
            "cannot be used with",
        ),
        (
            &["--dry-run", "--trace", "x", "echo"],
            b"",
            "cannot be used with",
        ),
        (
            &["-a", "missing", "echo"],
            b"",
            "missing: No such file or directory",
        ),
        (
            &["--joblog", "no/dir/log", "echo"],
            b"a\n",
            "no/dir/log: No such file or directory",
        ),
        (
            &["echo"],
            b"a\nb\0c\n",
            "standard input: line 2 has a NUL in it",
        ),
    ];
    for (arguments, input, words) in cases {
        let run = run(jobs(&dir).args(arguments), input).exits(255).prints("");
        run.says(words);
    }
    let mut command = jobs(&dir);
    command
        .env("PARALLEL_SHELL", "/no/shell")
        .args(["echo", ":::", "a"]);
    run(&mut command, b"")
        .exits(255)
        .says("$PARALLEL_SHELL is /no/shell");
}

#[test]
fn a_command_that_cannot_be_started_has_failed() {
    let dir = directory();
    let long = "a".repeat(200_000);
    let run = run(
        jobs(&dir).args(["--joblog", "log", "echo"]),
        long.as_bytes(),
    );
    let run = run
        .exits(1)
        .says("this job cannot run: Argument list too long");
    assert!(
        run.stderr.len() < 1000,
        "the command is not repeated in full"
    );
    assert_eq!(logged(&dir.path().join("log"))[&1][3], "126");
}

#[test]
fn help_names_every_option_and_the_exit_codes() {
    let dir = directory();
    let run = run(jobs(&dir).arg("--help"), b"").exits(0);
    let text = String::from_utf8_lossy(&run.stdout);
    for word in [
        "--jobs",
        "--arg-file",
        "--null",
        "--keep-order",
        "--retries",
        "--timeout",
        "--halt",
        "--joblog",
        "--resume",
        "--resume-failed",
        "--results",
        "--bar",
        "--dry-run",
        "--threads",
        "--trace",
        "--log",
        "--json",
        "--report",
        "--completions",
        "Exit codes",
        "{/.}",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn a_shell_completes_every_flag() {
    let offered = cli::completed("jobs");
    for flag in [
        "--jobs",
        "--threads",
        "--keep-order",
        "--halt",
        "--joblog",
        "--results",
        "--bar",
        "--trace",
        "--log",
        "--json",
        "--report",
        "--completions",
        "--help",
    ] {
        assert!(offered.iter().any(|it| it == flag), "{flag}: {offered:?}");
    }
    let dir = directory();
    run(jobs(&dir).args(["--completions", "tcsh"]), b"")
        .exits(255)
        .says("bash");
}
