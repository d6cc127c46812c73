//! End-to-end tests of the example `gzip`: what it writes, what others read of it, and what it reads of others'.
//!
//! The program under test is `target/PROFILE/examples/gzip`, which `cargo test` builds before it runs any test. Before `cargo test --test gzip_cli` alone,
//! build it by `cargo build --example gzip`, with `--features report` if these tests have it.

#![cfg(target_os = "linux")]

#[path = "support/cli.rs"]
mod cli;

use cli::{Run, end, example, run, run_with};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn ours() -> Command {
    let mut command = Command::new(example("gzip"));
    command.env("LC_ALL", "C");
    command
}

/// Runs ours on an input, with these flags.
fn pass(flags: &[&str], input: &[u8]) -> Run {
    run(ours().args(flags), input)
}

/// Another gzip, if it is installed.
fn other(name: &str) -> Option<Command> {
    let found = Command::new(name).arg("--version").output().is_ok();
    if !found {
        println!("skipped: {name} is not installed");
    }
    found.then(|| Command::new(name))
}

/// Numbers that look random, the same each time.
fn noise(length: usize) -> Vec<u8> {
    let mut x = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn text(length: usize) -> Vec<u8> {
    let words = [
        "the ", "gang ", "works ", "through ", "its ", "queue\n", "and ", "steals ",
    ];
    let picks = noise(length / 4 + 8).into_iter();
    let bytes = picks.flat_map(|pick| words[pick as usize % 8].bytes());
    bytes.take(length).collect()
}

const BLOCK: usize = 128 * 1024;

fn inputs() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("empty", vec![]),
        ("one byte", vec![7]),
        ("tiny", b"hello\n".to_vec()),
        ("a block less one", text(BLOCK - 1)),
        ("a block", text(BLOCK)),
        ("a block and one", text(BLOCK + 1)),
        ("three blocks", text(3 * BLOCK)),
        ("text", text(3_000_000)),
        ("noise", noise(1_000_000)),
        ("zeros", vec![0; 2_000_000]),
    ]
}

#[test]
fn what_it_packs_is_what_anybody_unpacks() {
    for (what, input) in inputs() {
        for flags in [
            &["-1"][..],
            &[],
            &["-9"],
            &["-p", "1"],
            &["-p", "8", "-b", "32"],
        ] {
            let packed = pass(flags, &input).exits(0).stdout;
            println!("{what} {flags:?}: {} to {}", input.len(), packed.len());
            pass(&["-d"], &packed).exits(0).prints(&input);
            pass(&["-t"], &packed).exits(0).prints("");
            for name in ["gzip", "pigz"] {
                if let Some(mut other) = other(name) {
                    run(other.arg("-dc"), &packed).exits(0).prints(&input);
                }
            }
        }
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let input = text(2_000_000);
    let one = pass(&["-p", "1"], &input).exits(0).stdout;
    for threads in ["2", "3", "8"] {
        pass(&["-p", threads], &input).exits(0).prints(&one);
        pass(&["--threads", threads], &input).exits(0).prints(&one);
    }
}

#[test]
fn it_unpacks_what_others_pack() {
    for name in ["gzip", "pigz"] {
        for (what, input) in inputs() {
            let Some(mut other) = other(name) else {
                continue;
            };
            let packed = run(other.arg("-c"), &input).exits(0).stdout;
            println!("{what} by {name}");
            pass(&["-d"], &packed).exits(0).prints(&input);
            // Two members are one file.
            let twice = [&packed[..], &packed].concat();
            pass(&["-d"], &twice)
                .exits(0)
                .prints([&input[..], &input].concat());
        }
    }
}

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).expect("a file");
    }
    folder
}

/// Everything in a folder, by name.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<_> = entries.flatten().map(name).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_replaced_and_comes_back_with_its_mode_and_time() {
    let input = text(500_000);
    let folder = folder(&[("a.txt", &input)]);
    let path = folder.path().join("a.txt");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let before = fs::metadata(&path).unwrap();
    let packed = folder.path().join("a.txt.gz");
    run(ours().arg(&path), b"").exits(0).prints("");
    assert_eq!(names(folder.path()), ["a.txt.gz"]);
    assert_eq!(
        fs::metadata(&packed).unwrap().permissions(),
        before.permissions()
    );
    assert_eq!(
        fs::metadata(&packed).unwrap().modified().unwrap(),
        before.modified().unwrap()
    );
    if let Some(mut gzip) = other("gzip") {
        // The name in the header.
        let listed = run(gzip.args(["-lN"]).arg(&packed), b"").exits(0).stdout;
        assert!(String::from_utf8_lossy(&listed).contains("a.txt"));
    }
    run(ours().arg("-d").arg(&packed), b"").exits(0);
    assert_eq!(names(folder.path()), ["a.txt"]);
    assert_eq!(fs::read(&path).unwrap(), input);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions(),
        before.permissions()
    );
    assert_eq!(
        fs::metadata(&path).unwrap().modified().unwrap(),
        before.modified().unwrap()
    );
    // Kept, and to standard output.
    run(ours().arg("-k").arg(&path), b"").exits(0);
    assert_eq!(names(folder.path()), ["a.txt", "a.txt.gz"]);
    run(ours().arg("-dc").arg(&packed), b"")
        .exits(0)
        .prints(&input);
    assert_eq!(names(folder.path()), ["a.txt", "a.txt.gz"]);
}

#[test]
fn what_is_there_is_not_overwritten_and_what_makes_no_sense_is_said() {
    let folder = folder(&[("a", b"aaaa"), ("a.gz", b"old"), ("b.txt", b"b")]);
    let at = |name: &str| folder.path().join(name);
    run(ours().arg(at("a")), b"")
        .exits(2)
        .says("already exists");
    assert_eq!(fs::read(at("a.gz")).unwrap(), b"old");
    run(ours().arg(at("a.gz")), b"")
        .exits(2)
        .says("already has the suffix");
    run(ours().arg("-d").arg(at("b.txt")), b"")
        .exits(2)
        .says("has no suffix");
    run(ours().arg(folder.path()), b"")
        .exits(1)
        .says("directory");
    run(ours().arg("-f").arg(at("a")), b"").exits(0);
    assert_eq!(names(folder.path()), ["a.gz", "b.txt"]);
    for flag in ["-p", "--threads"] {
        run(ours().args([flag, "0"]), b"")
            .exits(2)
            .says("at least 1 thread");
    }
    run(ours().args(["-p", "2", "--threads", "2"]), b"")
        .exits(2)
        .says("cannot be used with");
    run(ours().args(["-1", "-9"]), b"")
        .exits(2)
        .says("cannot be used with");
    run(ours().args(["-b", "3"]), b"")
        .exits(2)
        .says("3 is not in 32..=65536");
}

#[test]
fn what_is_no_plain_file_is_left_alone() {
    let whole = pass(&[], b"data").exits(0).stdout;
    let folder = folder(&[("a", b"aaaa"), (".gz", &whole)]);
    let at = |name: &str| folder.path().join(name);
    // Named after nothing: its output would have its own name.
    let force = ["-d", "-f"];
    run(ours().args(force).arg(at(".gz")), b"")
        .exits(2)
        .says("has no suffix");
    assert_eq!(fs::read(at(".gz")).unwrap(), whole);
    symlink(at("a"), at("link")).unwrap();
    run(ours().arg(at("link")), b"")
        .exits(1)
        .says("symbolic link");
    fs::hard_link(at("a"), at("b")).unwrap();
    run(ours().arg(at("a")), b"")
        .exits(2)
        .says("has 1 other links");
    let fifo = Command::new("mkfifo").arg(at("pipe")).status();
    assert!(fifo.expect("mkfifo").success());
    // Nobody writes to it: opening it would wait for ever.
    run(ours().arg(at("pipe")), b"")
        .exits(2)
        .says("not a regular file");
    assert_eq!(names(folder.path()), [".gz", "a", "b", "link", "pipe"]);
    // Asked for, all the same.
    run(ours().arg("-k").arg(at("a")), b"").exits(0);
    run(ours().arg("-c").arg(at("link")), b"").exits(0);
}

#[test]
fn an_input_that_cannot_be_read_is_an_error_and_leaves_no_output() {
    // It opens, and fails to be read.
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("mem");
    symlink("/proc/self/mem", &path).unwrap();
    run(ours().args(["-k", "-f"]).arg(&path), b"")
        .exits(1)
        .says("Input/output error");
    assert_eq!(names(folder.path()), ["mem"]);
}

/// What was wrong before is not forgotten when the reader goes.
#[test]
fn an_early_end_hides_no_failure() {
    let mut command = ours();
    command.args(["-c", "missing", "/dev/zero"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("gzip");
    let mut some = [0; 1000];
    let mut out = child.stdout.take().expect("a pipe");
    out.read_exact(&mut some).expect("it goes on");
    drop(out);
    let stderr = child.stderr.take().map(cli::collect);
    end(child, stderr).exits(1).says("missing: No such file");
}

#[test]
fn several_files_are_treated_though_one_is_missing() {
    let folder = folder(&[("a", b"aaaa"), ("c", b"cccc")]);
    let at = |name: &str| folder.path().join(name);
    let paths: [PathBuf; 3] = ["a", "b", "c"].map(at);
    run(ours().args(paths), b"").exits(1).says("No such file");
    assert_eq!(names(folder.path()), ["a.gz", "c.gz"]);
}

#[test]
fn damage_is_an_error_and_leaves_no_output() {
    let input = text(600_000);
    let whole = pass(&[], &input).exits(0).stdout;
    let damaged = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        bytes
    };
    let end = whole.len();
    let mut cases = vec![
        ("magic", damaged(0), "not in gzip format"),
        ("method", damaged(2), ""),
        ("middle", damaged(end / 2), ""),
        ("crc", damaged(end - 8), "invalid compressed data"),
        ("length", damaged(end - 1), "invalid compressed data"),
        ("not at all", b"plain text".to_vec(), "not in gzip format"),
    ];
    for cut in [1, 5, 12, end / 3, end / 2, end - 9, end - 8, end - 1] {
        cases.push(("cut", whole[..cut].to_vec(), "unexpected end of file"));
    }
    for (what, bytes, says) in cases {
        let folder = folder(&[("a.gz", &bytes)]);
        let path = folder.path().join("a.gz");
        println!("{what}, {} of {end} bytes", bytes.len());
        run(ours().arg("-d").arg(&path), b"")
            .exits(1)
            .says("a.gz: ")
            .says(says);
        assert_eq!(names(folder.path()), ["a.gz"]);
        run(ours().arg("-t").arg(&path), b"")
            .exits(1)
            .says("a.gz: ");
        pass(&["-d"], &bytes).exits(1).says("stdin: ");
    }
    // What gzip warns of, and what it does not mind.
    let behind = |rest: &[u8]| [&whole[..], rest].concat();
    let run = pass(&["-d"], &behind(b"xyz")).exits(2);
    run.says("trailing garbage").prints(&input);
    pass(&["-d"], &behind(&[0; 5000])).exits(0).prints(&input);
    pass(&["-d"], &behind(b"\x1fnot a member"))
        .exits(2)
        .prints(&input);
}

/// A run's summary.
#[track_caller]
fn summed_up(folder: &TempDir, args: &[&str], code: i32) -> Value {
    let to = TempDir::new().expect("a temporary folder");
    let path = to.path().join("summary");
    let mut command = ours();
    command.args(args).arg("--json").arg(&path);
    run(command.current_dir(folder), b"").exits(code);
    let text = fs::read_to_string(path).expect("the summary");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn the_json_summary_adds_up() {
    let (a, b) = (text(500_000), text(40));
    let length = (a.len() + b.len()) as u64;
    let folder = folder(&[("a", &a), ("b", &b), ("c.gz", b"")]);
    let packed = summed_up(&folder, &["--threads", "3", "a", "b"], 0);
    let on_disk = |name: &str| fs::metadata(folder.path().join(name)).unwrap().len();
    let is = |summary: &Value, counts: [(&str, u64); 6]| {
        for (key, count) in counts {
            assert_eq!(summary[key], count, "{key}: {summary}");
        }
        assert!(summary["seconds"].as_f64().expect("seconds") > 0.0);
    };
    let small = on_disk("a.gz") + on_disk("b.gz");
    let counts = |files, bytes_in, bytes_out, warnings, failures| {
        [
            ("threads", 3),
            ("files", files),
            ("bytes_in", bytes_in),
            ("bytes_out", bytes_out),
            ("warnings", warnings),
            ("failures", failures),
        ]
    };
    is(&packed, counts(2, length, small, 0, 0));
    // What is tested is not written, and counted all the same.
    let tested = summed_up(&folder, &["-p3", "-t", "a.gz", "b.gz"], 0);
    is(&tested, counts(2, small, length, 0, 0));
    let unpacked = summed_up(&folder, &["-p3", "-d", "a.gz", "b.gz"], 0);
    is(&unpacked, counts(2, small, length, 0, 0));
    let troubled = summed_up(&folder, &["-p3", "c.gz", "missing"], 1);
    is(&troubled, counts(0, 0, 0, 1, 1));
}

#[test]
fn a_file_about_the_run_that_cannot_be_written_is_an_error() {
    let mut flags = vec!["--json", "--trace"];
    flags.extend(cfg!(feature = "report").then_some("--report"));
    for flag in flags {
        for (path, says) in [
            ("/dev/full", "gzip: /dev/full: No space left on device\n"),
            ("/no/dir", "gzip: /no/dir: No such file or directory\n"),
        ] {
            let run = pass(&[flag, path], b"data").exits(1);
            assert_eq!(String::from_utf8_lossy(&run.stderr), says);
            pass(&["-d"], &run.stdout).exits(0).prints("data");
        }
    }
}

/// Two files are two streams; the third is none.
#[test]
fn a_trace_has_a_stream_for_each_file_however_the_run_ends() {
    let folder = folder(&[("a", &text(500_000)), ("b", b"short")]);
    let mut command = ours();
    command.args(["-k", "a", "b", "missing", "--trace", "trace"]);
    run(command.current_dir(&folder), b"").exits(1);
    let blocks = 500_000_u64.div_ceil(128 << 10) + 1;
    let trace = folder.path().join("trace");
    assert_eq!(cli::traced(&trace, "gzip"), (2, blocks));
}

#[test]
#[cfg(feature = "report")]
fn a_report_counts_the_blocks_of_all_files() {
    let folder = folder(&[("a", &text(500_000)), ("b", b"short")]);
    let mut command = ours();
    command.args(["-k", "a", "b", "missing", "--report", "page"]);
    run(command.current_dir(&folder), b"").exits(1);
    let report = cli::reported(&folder.path().join("page"));
    assert_eq!(
        (&report["of"], &report["name"]),
        (&"runtime".into(), &"gzip".into())
    );
    let blocks = 500_000_u64.div_ceil(128 << 10) + 1;
    assert_eq!(report["counts"]["items"], blocks);
}

#[test]
#[cfg(not(feature = "report"))]
fn a_report_without_the_feature_is_refused() {
    pass(&["--report", "page"], b"data")
        .exits(2)
        .prints("")
        .says("--report needs the feature report: cargo run --release --features report");
}

#[test]
fn a_log_tells_of_streams_and_blocks() {
    let log = |level| {
        let mut lines = pass(&["-p1", "--log", level], b"data").exits(0).log("gzip");
        for line in &mut lines {
            let end = line.find(" after ").or(line.find(" on worker "));
            line.truncate(end.unwrap_or(line.len()));
        }
        lines.sort();
        lines
    };
    assert_eq!(log("warn"), [""; 0]);
    let (begins, ended) = (
        "info: batch 1 (gzip) begins: a stream",
        "info: batch 1 (gzip) has ended",
    );
    assert_eq!(log("info"), [begins, ended]);
    let done = "debug: batch 1: block 0: done, in run 1";
    assert_eq!(log("debug"), [done, begins, ended]);
}

#[test]
fn a_shell_completes_every_flag() {
    let offered = cli::completed("gzip");
    for flag in [
        "--stdout",
        "--decompress",
        "--keep",
        "--processes",
        "--threads",
        "--blocksize",
        "--best",
        "--trace",
        "--log",
        "--json",
        "--completions",
        "--help",
    ] {
        assert!(offered.iter().any(|it| it == flag), "{flag}: {offered:?}");
    }
}

#[test]
fn an_output_that_cannot_be_written_is_an_error() {
    let full = File::options()
        .write(true)
        .open("/dev/full")
        .expect("/dev/full");
    let run = run_with(ours().stdout(Stdio::from(full)), &text(1_000_000));
    run.exits(1).says("No space left");
}

/// The input never ends, and the reader goes after some of the output: memory is bounded, and the end is quiet.
#[test]
fn an_endless_pipe_needs_no_memory() {
    let mut yes = Command::new("yes")
        .stdout(Stdio::piped())
        .spawn()
        .expect("yes");
    let source = yes.stdout.take().expect("a pipe");
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v 400000; exec \"$0\" -1 -p 2"]);
    command.arg(example("gzip"));
    command
        .stdin(source)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("gzip");
    let mut out = child.stdout.take().expect("a pipe");
    // Of `yes`, each byte is some hundreds of input: more than the limit on memory.
    let mut some = vec![0; 1 << 20];
    out.read_exact(&mut some).expect("it goes on");
    drop(out);
    let stderr = child.stderr.take().map(cli::collect);
    let run = end(child, stderr).exits(0);
    assert_eq!(run.stderr, b"");
    let _ = yes.kill();
    let _ = yes.wait();
}

/// A signal in the middle of it: the program ends by that, and leaves the input alone.
#[test]
fn a_signal_leaves_nothing_but_the_input() {
    let folder = folder(&[("big", &text(64 << 20))]);
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut command = ours();
        command.args(["-9", "-p", "1", "big"]).current_dir(&folder);
        let mut child = command.spawn().expect("gzip");
        let end = Instant::now() + Duration::from_secs(20);
        while names(folder.path()).len() < 2 {
            assert!(Instant::now() < end, "no output comes");
            thread::yield_now();
        }
        kill_process(Pid::from_child(&child), signal).expect("it runs");
        let status = child.wait().expect("its end");
        assert_eq!(status.signal(), Some(signal.as_raw()));
        assert_eq!(names(folder.path()), ["big"]);
    }
}

/// A gigabyte there and back. For an optimised build: `cargo test --release --test gzip_cli -- --ignored`.
#[test]
#[ignore = "takes long where it is not optimised"]
fn a_gigabyte_comes_back() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("large");
    let part = [text(3 << 20), noise(1 << 20)].concat();
    let mut file = File::create(&path).expect("a file");
    for _ in 0..256 {
        std::io::Write::write_all(&mut file, &part).expect("room");
    }
    run(ours().arg("-k").arg(&path), b"").exits(0);
    let packed = folder.path().join("large.gz");
    run(Command::new("gzip").arg("-t").arg(&packed), b"").exits(0);
    fs::rename(&path, folder.path().join("before")).unwrap();
    run(ours().arg("-d").arg(&packed), b"").exits(0);
    let same = Command::new("cmp")
        .arg(folder.path().join("before"))
        .arg(&path)
        .status();
    assert!(same.expect("cmp").success());
}
