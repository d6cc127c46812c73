//! End-to-end tests of the example `hash`: what it prints, reports and exits with.
//!
//! The program under test is `target/PROFILE/examples/hash`, which `cargo test` builds before
//! it runs any test. After `cargo test --test hash_cli` alone it may be absent or old: run
//! `cargo build --example hash` first, with `--features report` if these tests have it.
//!
//! Where the tools exist, the output is compared with that of `sha256sum` and `b3sum`.

#![cfg(target_os = "linux")]

#[path = "support/cli.rs"]
mod cli;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use cli::{PATIENCE, Run, collect, end_of, example, run, run_with};
use serde_json::Value;
use tempfile::TempDir;

// ---------------------------------------------------------------------------------------------
// Running programs

const DOC: &str = "/usr/share/doc";

fn hash() -> Command {
    let mut command = Command::new(example("hash"));
    command.env("LC_ALL", "C");
    command
}

fn sha256() -> Command {
    let mut command = hash();
    command.args(["--algorithm", "sha256"]);
    command
}

/// A standard tool, or `None` (and a message) where it is not installed.
fn tool(name: &str) -> Option<Command> {
    let there = Command::new(name)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !there {
        println!("skipped: {name} is not installed");
        return None;
    }
    let mut command = Command::new(name);
    command.env("LC_ALL", "C");
    Some(command)
}

/// What a run says on standard error.
trait Complaints: Sized {
    /// The lines before the line of totals, and that line.
    fn complaints(&self) -> (Vec<String>, String);

    fn complains(self, expected: &[&str]) -> Self;
}

impl Complaints for Run {
    #[track_caller]
    fn complaints(&self) -> (Vec<String>, String) {
        let text = String::from_utf8_lossy(&self.stderr);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let totals = lines.pop().unwrap_or_default();
        assert!(totals.contains(" GB/s, "), "no totals: {}", self.show());
        (lines, totals)
    }

    #[track_caller]
    fn complains(self, expected: &[&str]) -> Self {
        assert_eq!(self.complaints().0, expected);
        self
    }
}

/// What `TOOL` prints for the regular files under a directory, in the order of their paths.
fn reference(name: &str, dir: &Path) -> Option<Vec<u8>> {
    tool(name)?;
    let script = r#"find "$1" -type f -print0 | LC_ALL=C sort -z | xargs -0 "$2" --"#;
    let mut shell = tool("sh")?;
    shell.args(["-c", script, "sh"]).arg(dir).arg(name);
    Some(run(&mut shell, b"").exits(0).stdout)
}

// ---------------------------------------------------------------------------------------------
// Files to hash

/// Bytes without a period that a piece of a file could fall in with.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ len as u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

const ODD_NAMES: [&[u8]; 12] = [
    b"two\nlines",
    b"back\\slash",
    b"a\\nb",
    b"carriage\rreturn",
    b"all\\of\nthem\r",
    b" spaces before and after ",
    b"-dash",
    b"--check",
    b"*",
    b"not \xff\xfe utf-8",
    b"\xc3\xa9t\xc3\xa9",
    b"#comment",
];

/// A tree with everything that is odd in it, and the number of its regular files.
fn tree() -> (TempDir, usize) {
    const MIB: usize = 1 << 20;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let root = dir.path();
    let mut files = 0;
    let mut file = |path: &Path, bytes: &[u8]| {
        fs::write(path, bytes).expect("a file");
        files += 1;
    };

    file(&root.join("empty"), b"");
    for (index, name) in ODD_NAMES.iter().enumerate() {
        file(&root.join(OsStr::from_bytes(name)), &noise(index * 7));
    }
    for len in [1, MIB - 1, MIB, MIB + 1, 2 * MIB] {
        file(&root.join(format!("len-{len}")), &noise(len));
    }
    file(&root.join("large"), &noise(16 * MIB + 12_345));
    for sub in ["a", "a/b", "a b", "a-b", "a.d", "new\nline"] {
        fs::create_dir(root.join(sub)).expect("a directory");
        for index in 0..8 {
            file(&root.join(sub).join(format!("{index}")), &noise(index * 99));
        }
    }

    fs::create_dir(root.join("nothing")).expect("a directory");
    symlink("len-1", root.join("link-to-file")).expect("a link");
    symlink("a", root.join("link-to-dir")).expect("a link");
    symlink("nowhere", root.join("link-to-nothing")).expect("a link");
    symlink("..", root.join("a/loop")).expect("a link");
    fifo(&root.join("fifo"));
    UnixListener::bind(root.join("socket")).expect("a socket");
    (dir, files)
}

fn fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a fifo");
}

fn small(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (name, text) in files {
        fs::write(dir.path().join(name), text).expect("a file");
    }
    dir
}

/// SHA-256 of `abc`.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
/// SHA-256 of nothing.
const NIL: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// ---------------------------------------------------------------------------------------------
// Printing sums

#[test]
fn a_tree_is_printed_byte_for_byte_as_sha256sum_prints_it() {
    let (dir, files) = tree();
    let Some(expected) = reference("sha256sum", dir.path()) else {
        return;
    };
    assert_eq!(lines(&expected).len(), files);
    for threads in ["1", "2", "8"] {
        run(sha256().args(["--threads", threads]).arg(dir.path()), b"")
            .exits(0)
            .prints(&expected)
            .complains(&[]);
    }
}

#[test]
fn system_files_are_printed_byte_for_byte_as_sha256sum_prints_them() {
    compare_doc("sha256sum", "sha256");
}

#[test]
fn system_files_are_printed_byte_for_byte_as_b3sum_prints_them() {
    compare_doc("b3sum", "blake3");
}

fn compare_doc(tool: &str, algorithm: &str) {
    if !Path::new(DOC).is_dir() {
        println!("skipped: there is no {DOC}");
        return;
    }
    let Some(expected) = reference(tool, Path::new(DOC)) else {
        return;
    };
    for threads in ["1", "2", "8"] {
        let options = ["--algorithm", algorithm, "--threads", threads, DOC];
        run(hash().args(options), b"").exits(0).prints(&expected);
    }
}

#[test]
fn blake3_is_the_default_and_right_for_every_file_with_any_number_of_threads() {
    let (dir, files) = tree();
    let first = run(hash().args(["--threads", "1"]).arg(dir.path()), b"").exits(0);
    let listed = lines(&first.stdout);
    assert_eq!(listed.len(), files);
    for line in listed {
        let (sum, path) = split(line);
        let bytes = fs::read(&path).expect("a listed file");
        assert_eq!(sum, blake3::hash(&bytes).to_hex().as_str(), "{path:?}");
    }
    for threads in ["2", "8"] {
        run(hash().args(["--threads", threads]).arg(dir.path()), b"")
            .exits(0)
            .prints(&first.stdout);
    }
}

#[test]
fn paths_are_sorted_over_all_arguments_and_repeated_ones_printed_again() {
    let dir = small(&[("b", "abc"), ("a", "")]);
    fs::create_dir(dir.path().join("sub")).expect("a directory");
    fs::write(dir.path().join("sub/c"), "abc").expect("a file");
    let arguments = ["sub", "b", "a", "b", "sub/c", "./a"];
    run(sha256().args(arguments).current_dir(&dir), b"")
        .exits(0)
        .prints(format!(
            "{NIL}  ./a\n{NIL}  a\n{ABC}  b\n{ABC}  b\n{ABC}  sub/c\n{ABC}  sub/c\n"
        ));
}

#[test]
fn the_current_directory_is_the_default() {
    let dir = small(&[("b", "abc"), ("a", "")]);
    run(sha256().current_dir(&dir), b"")
        .exits(0)
        .prints(format!("{NIL}  ./a\n{ABC}  ./b\n"));
}

#[test]
fn names_like_options_and_patterns_are_taken_literally() {
    let dir = small(&[("-dash", "abc"), ("*", "")]);
    run(sha256().args(["--", "-dash", "*"]).current_dir(&dir), b"")
        .exits(0)
        .prints(format!("{NIL}  *\n{ABC}  -dash\n"));
}

#[test]
fn a_dash_is_standard_input_and_a_second_one_finds_it_empty() {
    let dir = small(&[("file", "")]);
    run(sha256().arg("-"), b"abc")
        .exits(0)
        .prints(format!("{ABC}  -\n"));
    // Many of them and again and again: a race for the bytes would not be lost every time.
    let others = format!("{NIL}  -\n").repeat(15);
    for _ in 0..10 {
        let mut command = sha256();
        command.args(["--threads", "8", "file"]).args(["-"; 16]);
        run(command.current_dir(&dir), b"abc")
            .exits(0)
            .prints(format!("{ABC}  -\n{others}{NIL}  file\n"));
    }
    let long = noise(3 << 20);
    let sum = blake3::hash(&long).to_hex();
    run(hash().arg("-"), &long)
        .exits(0)
        .prints(format!("{sum}  -\n"));
}

#[test]
fn an_empty_directory_is_no_error() {
    let dir = small(&[]);
    let run = run(hash().arg(dir.path()), b"").exits(0).prints("");
    let (_, totals) = run.complaints();
    assert!(totals.starts_with("hash: 0 files, 0 bytes, "), "{totals}");
}

// ---------------------------------------------------------------------------------------------
// Links, pipes and what cannot be read

#[test]
fn a_link_given_by_name_is_followed_and_one_met_in_a_directory_is_not() {
    let dir = small(&[("file", "abc")]);
    let root = dir.path();
    fs::create_dir(root.join("sub")).expect("a directory");
    fs::write(root.join("sub/x"), "").expect("a file");
    symlink("../file", root.join("sub/y")).expect("a link");
    symlink("file", root.join("to-file")).expect("a link");
    symlink("sub", root.join("to-sub")).expect("a link");
    run(sha256().args(["to-file", "to-sub"]).current_dir(root), b"")
        .exits(0)
        .prints(format!("{ABC}  to-file\n{NIL}  to-sub/x\n"));
}

#[test]
fn follow_takes_linked_files_and_reports_each_loop_once() {
    let dir = small(&[("file", "abc")]);
    let root = dir.path();
    fs::create_dir(root.join("sub")).expect("a directory");
    symlink("../file", root.join("sub/link")).expect("a link");
    symlink("..", root.join("sub/up")).expect("a link");
    symlink("nowhere", root.join("sub/dangling")).expect("a link");
    symlink("itself", root.join("sub/itself")).expect("a link");
    let run = run(sha256().args(["--follow", "."]).current_dir(root), b"")
        .exits(1)
        .prints(format!("{ABC}  ./file\n{ABC}  ./sub/link\n"));
    let (mut complaints, totals) = run.complaints();
    complaints.sort();
    let expected = [
        "hash: ./sub/itself: Too many levels of symbolic links",
        "hash: ./sub/up: loop of links: leads back to .",
    ];
    assert_eq!(complaints, expected);
    assert!(totals.contains(" 2 failures"), "{totals}");
}

#[test]
fn a_pipe_given_by_name_is_read() {
    let dir = small(&[]);
    let path = dir.path().join("fifo");
    fifo(&path);
    let writer = path.clone();
    // Waits in `open` for the reader; a reader that never comes is the watchdog's business.
    thread::spawn(move || fs::write(writer, "abc"));
    run(sha256().arg(&path), b"")
        .exits(0)
        .prints(format!("{ABC}  {}\n", path.display()));
}

#[test]
fn each_path_that_cannot_be_read_is_one_line_and_the_others_are_hashed() {
    let dir = small(&[("file", "abc")]);
    symlink("nowhere", dir.path().join("dangling")).expect("a link");
    // Opens, even for root, but cannot be read at its start.
    let arguments = ["missing\nname", "dangling", "file", "/proc/self/mem"];
    let run = run(sha256().args(arguments).current_dir(&dir), b"")
        .exits(1)
        .prints(format!("{ABC}  file\n"))
        .complains(&[
            "hash: missing\\nname: No such file or directory",
            "hash: dangling: No such file or directory",
            "hash: /proc/self/mem: Input/output error",
        ]);
    let (_, totals) = run.complaints();
    assert!(totals.starts_with("hash: 1 files, 3 bytes, "), "{totals}");
    assert!(totals.contains(" 3 failures, "), "{totals}");
}

#[test]
fn an_unreadable_directory_or_file_in_a_tree_is_one_line_and_the_others_are_hashed() {
    let dir = small(&[("file", "abc")]);
    // Too long a path fails for root too. It comes about by moving one deep directory into
    // another: either is short enough by itself.
    let name = "n".repeat(200);
    let mut deep = dir.path().join("deep");
    while deep.as_os_str().len() < 3880 {
        deep.push(&name);
    }
    fs::create_dir_all(&deep).expect("a deep directory");
    let moved = dir.path().join("moved");
    fs::create_dir_all(moved.join("d".repeat(250)).join("below")).expect("directories");
    fs::write(moved.join("f".repeat(250)), "abc").expect("a file");
    fs::write(moved.join("good"), "abc").expect("a file");
    let inside = deep.join("moved");
    fs::rename(&moved, &inside).expect("a move");

    let run = run(sha256().arg(dir.path()), b"").exits(1).prints(format!(
        "{ABC}  {}\n{ABC}  {}\n",
        inside.join("good").display(),
        dir.path().join("file").display()
    ));
    let (mut complaints, _) = run.complaints();
    complaints.sort();
    let expected = ["d", "f"].map(|letter| {
        let path = inside.join(letter.repeat(250));
        format!("hash: {}: File name too long", path.display())
    });
    assert_eq!(complaints, expected);
    dir.close().expect("to clear up");
}

// ---------------------------------------------------------------------------------------------
// Large files, and files that change

/// As in the example: the length from which on a file is forked, and that of a piece of it.
const LARGE: usize = 1 << 20;
const PIECE: usize = 512 << 10;

const THREADS: [&str; 4] = ["1", "2", "3", "8"];

const TRUNCATED: &str = "truncated while it was read";
const CHANGED: &str = "changed while it was read";

/// Writes files of noise, and returns what the program should print for their directory.
fn noisy(dir: &Path, files: impl IntoIterator<Item = (String, usize)>) -> String {
    let mut sums: Vec<(PathBuf, String)> = files
        .into_iter()
        .map(|(name, len)| {
            let (path, bytes) = (dir.join(name), noise(len));
            fs::write(&path, &bytes).expect("a file");
            (path, blake3::hash(&bytes).to_hex().to_string())
        })
        .collect();
    sums.sort();
    sums.iter()
        .map(|(path, sum)| format!("{sum}  {}\n", path.display()))
        .collect()
}

#[test]
fn the_sum_is_right_on_both_sides_of_every_border_of_the_tree() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let borders = [
        1024,
        2048,
        PIECE,
        LARGE,
        LARGE + 1024,
        LARGE + PIECE,
        LARGE + PIECE / 2,
        2 * LARGE,
        3 * LARGE,
    ];
    let mut lens = vec![0, 1, 2 * LARGE + 12_345, 9 * LARGE + PIECE + 1025];
    lens.extend(borders.iter().flat_map(|len| [len - 1, *len, len + 1]));
    let expected = noisy(dir.path(), lens.iter().map(|len| (len.to_string(), *len)));
    if let Some(theirs) = reference("b3sum", dir.path()) {
        assert_eq!(String::from_utf8_lossy(&theirs), expected);
    }
    for threads in THREADS {
        run(hash().args(["--threads", threads]).arg(dir.path()), b"")
            .exits(0)
            .prints(&expected)
            .complains(&[]);
        let mut check = hash();
        check.args(["--threads", threads, "--check", "-"]);
        let verified = run(&mut check, expected.as_bytes()).exits(0).complains(&[]);
        assert_eq!(lines(&verified.stdout).len(), lens.len());
    }
}

#[test]
fn large_files_among_many_small_ones_are_right_and_counted() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut files: Vec<(String, usize)> = (0..400)
        .map(|number| (format!("{number:03}"), number * 17))
        .collect();
    for (name, len) in [("000-large", 5), ("200-large", 16), ("399-large", 3)] {
        files.push((name.to_owned(), len * LARGE + 12_345));
    }
    let bytes: usize = files.iter().map(|(_, len)| len).sum();
    let expected = noisy(dir.path(), files);
    for threads in THREADS {
        let mut command = hash();
        command.args(["--threads", threads, "--progress", "always"]);
        let run = run(command.arg(dir.path()), b"").exits(0).prints(&expected);
        let text = String::from_utf8_lossy(&run.stderr);
        let totals = format!("hash: 403 files, {bytes} bytes, ");
        assert!(text.contains(&totals), "{text}");
    }
}

#[test]
fn what_has_no_length_is_read_to_its_end() {
    let dir = small(&[]);
    let path = dir.path().join("fifo");
    fifo(&path);
    let (writer, bytes) = (path.clone(), noise(3 * LARGE + 1));
    let sum = blake3::hash(&bytes).to_hex();
    thread::spawn(move || fs::write(writer, bytes));
    let version = fs::read("/proc/version").expect("a file of length 0");
    let version = blake3::hash(&version).to_hex();
    run(hash().arg("/proc/version").arg(&path), b"")
        .exits(0)
        .prints(format!(
            "{version}  /proc/version\n{sum}  {}\n",
            path.display()
        ));
}

#[test]
fn a_large_file_truncated_while_it_is_read_is_an_error() {
    // Nothing is stored of it, and nobody hashes that much before it is truncated.
    const LEN: u64 = 64 << 30;
    for threads in ["1", "3"] {
        let dir = small(&[("file", "abc")]);
        let large = File::create(dir.path().join("large")).expect("a file");
        large.set_len(LEN).expect("to set the length");
        let mut child = hash()
            .args(["--threads", threads, "--progress", "always", "."])
            .current_dir(&dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a child");
        let deadline = Instant::now() + PATIENCE;
        let stdout = collect(child.stdout.take().expect("a pipe"));
        let mut stderr = child.stderr.take().expect("a pipe");
        let (send, begun) = mpsc::channel();
        let stderr = thread::spawn(move || {
            let mut text = Vec::new();
            let mut part = [0; 4096];
            while let Ok(count @ 1..) = stderr.read(&mut part) {
                text.extend(&part[..count]);
                // Before that it says `0 B/64.00 GiB`, or the 3 bytes of the other file.
                if text.windows(13).any(|shown| shown == b"iB/64.00 GiB ") {
                    let _ = send.send(Vec::new());
                }
            }
            String::from_utf8_lossy(&text).into_owned()
        });
        end_of(&begun, &mut child, deadline);
        large.set_len(0).expect("to truncate");
        let stdout = end_of(&stdout, &mut child, deadline);
        let status = child.wait().expect("the status of a child");
        let stderr = stderr.join().expect("standard error");
        assert_eq!(status.code(), Some(1), "{status}: {stderr}");
        let abc = blake3::hash(b"abc").to_hex();
        assert_eq!(String::from_utf8_lossy(&stdout), format!("{abc}  ./file\n"));
        assert!(
            stderr.contains(&format!("hash: ./large: {TRUNCATED}\n")),
            "{stderr}"
        );
        assert!(stderr.contains(" 1 failures"), "{stderr}");
    }
}

#[test]
fn a_large_file_that_grows_while_it_is_read_is_an_error() {
    let dir = small(&[]);
    let path = dir.path().join("growing");
    let file = File::create(&path).expect("a file");
    let mut len = 16 * LARGE as u64;
    file.set_len(len).expect("to set the length");
    let ended = AtomicBool::new(false);
    let run = thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                len += 1;
                file.set_len(len).expect("to set the length");
            }
        });
        let deadline = Instant::now() + PATIENCE;
        let run = std::panic::catch_unwind(|| {
            // The writer may stand still just then.
            loop {
                let run = run(hash().arg(&path), b"");
                if !run.status.success() || Instant::now() > deadline {
                    return run;
                }
            }
        });
        ended.store(true, Ordering::Relaxed);
        run.expect("a run")
    });
    run.exits(1)
        .prints("")
        .complains(&[&format!("hash: {}: {CHANGED}", path.display())]);
}

#[test]
fn a_file_that_changes_while_it_is_read_does_no_harm() {
    let dir = small(&[]);
    let path = dir.path().join("changing");
    let file = File::create(&path).expect("a file");
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                for len in [5 << 20, 0, 1 << 20, 100] {
                    file.set_len(len).expect("to change the length");
                }
            }
        });
        let paths = vec![path.as_os_str(); 60];
        let run = std::panic::catch_unwind(|| run(hash().args(paths), b""));
        ended.store(true, Ordering::Relaxed);
        let run = run.expect("the run");
        let (complaints, _) = run.complaints();
        for complaint in &complaints {
            let known = [TRUNCATED, CHANGED].map(|what| complaint.ends_with(what));
            assert!(known.contains(&true), "{complaint}");
        }
        assert_eq!(lines(&run.stdout).len() + complaints.len(), 60);
        run.exits(i32::from(!complaints.is_empty()));
    });
}

// ---------------------------------------------------------------------------------------------
// Verifying

#[test]
fn a_printed_list_verifies_and_names_what_has_changed_since() {
    let (dir, files) = tree();
    for algorithm in ["blake3", "sha256"] {
        let options = ["--algorithm", algorithm];
        let list = run(hash().args(options).current_dir(&dir), b"").exits(0);
        let check = ["--check", "-"];
        let mut command = hash();
        command.args(options).args(check).current_dir(&dir);
        let verified = run(&mut command, &list.stdout).exits(0).complains(&[]);
        let ok = lines(&verified.stdout)
            .iter()
            .filter(|line| line.ends_with(b": OK"))
            .count();
        assert_eq!(ok, files);
    }
    let list = run(hash().current_dir(&dir), b"").exits(0).stdout;
    let list_file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(list_file.path(), &list).expect("a list");
    // The last byte, so that all of the pieces have to be looked at.
    let mut large = fs::read(dir.path().join("large")).expect("a file");
    *large.last_mut().expect("bytes") ^= 1;
    fs::write(dir.path().join("large"), large).expect("a file");
    fs::remove_file(dir.path().join("a/3")).expect("a removal");
    let mut command = hash();
    command.arg("--check").arg(list_file.path());
    let checked = run(command.current_dir(&dir), b"").exits(1).complains(&[
        "hash: ./a/3: No such file or directory",
        "hash: WARNING: 1 listed file could not be read",
        "hash: WARNING: 1 computed checksum did NOT match",
    ]);
    let verdicts = lines(&checked.stdout);
    assert_eq!(verdicts.len(), files);
    let failed: Vec<_> = verdicts
        .into_iter()
        .filter(|line| !line.ends_with(b": OK"))
        .map(String::from_utf8_lossy)
        .collect();
    assert_eq!(failed, ["./a/3: FAILED open or read", "./large: FAILED"]);
}

/// Checks a list both ways, and compares everything but the line of totals.
#[track_caller]
fn agree_on(dir: &Path, list: &[u8], code: i32) {
    let path = dir.join("list");
    fs::write(&path, list).expect("a list");
    let Some(mut tool) = tool("sha256sum") else {
        return;
    };
    let theirs = run(tool.args(["--check", "list"]).current_dir(dir), b"").exits(code);
    let ours = run(sha256().args(["--check", "list"]).current_dir(dir), b"")
        .exits(code)
        .prints(&theirs.stdout);
    let text = String::from_utf8_lossy(&theirs.stderr);
    let expected: Vec<String> = text
        .lines()
        .map(|line| line.replacen("sha256sum: ", "hash: ", 1))
        .collect();
    let text = String::from_utf8_lossy(&ours.stderr);
    let complaints: Vec<&str> = text
        .lines()
        .filter(|line| !line.contains(" GB/s, "))
        .collect();
    assert_eq!(complaints, expected, "{}", list.escape_ascii());
}

#[test]
fn lists_are_judged_as_sha256sum_judges_them() {
    let dir = small(&[("a", "abc"), ("b", "abc"), ("nil", ""), (" a", "")]);
    let dir = dir.path();
    let upper = ABC.to_uppercase();
    let good = [
        format!("{ABC}  a\n{NIL}  nil\n"),
        format!("{ABC} *a\r\n{upper}  b"),
        format!("# comment\n\n{ABC}  a\n \t{NIL}  nil\n"),
        format!("SHA256 (a) = {ABC}\nSHA256(nil)={NIL}\n"),
        format!("{ABC} a\n{NIL}  a\n"),
        format!("{ABC}\ta\n"),
        // Lines that are no sums are only warned about.
        format!("{ABC}  a\nnonsense\n"),
        format!("{ABC}  a\nMD5 (a) = 900150983cd24fb0d6963f7d28e17f72\nx\n"),
        format!("{ABC}  a\n{ABC} b\n{ABC}b\n{ABC}\n{ABC} \n"),
        format!("{ABC}  a\n\\{ABC}  a\\t\n\\{ABC}  a\\\n{}  a\n", &ABC[1..]),
    ];
    for list in good {
        agree_on(dir, list.as_bytes(), 0);
    }
    let bad = [
        format!("{NIL}  a\n"),
        format!("{NIL}  a\n{NIL}  b\n{ABC}  b\nx\n"),
        format!("{ABC}  missing\n{ABC}  a\n"),
        format!("{ABC}  missing\n{ABC}  missing\nx\ny\n{NIL}  a\n"),
        format!("{ABC}  .\n"),
        String::new(),
        "nonsense\n".to_owned(),
        format!("SHA256 (a) = {ABC}0\n"),
    ];
    for list in bad {
        agree_on(dir, list.as_bytes(), 1);
    }
}

#[test]
fn odd_names_in_a_list_are_judged_as_sha256sum_judges_them() {
    let (dir, _) = tree();
    for option in ["--binary", "--tag"] {
        let Some(mut tool) = tool("sha256sum") else {
            return;
        };
        let names = ODD_NAMES.map(OsStr::from_bytes);
        let command = tool.arg(option).arg("--").args(names);
        let list = run(command.current_dir(&dir), b"").exits(0).stdout;
        agree_on(dir.path(), &list, 0);
    }
}

#[test]
fn a_list_of_another_algorithm_fails() {
    let dir = small(&[("a", "abc")]);
    let list = format!("{ABC}  a\n");
    run(
        hash().args(["--check", "-"]).current_dir(&dir),
        list.as_bytes(),
    )
    .exits(1)
    .prints("a: FAILED\n");
    let list = format!("SHA256 (a) = {ABC}\n");
    let run = run(
        hash().args(["--check", "-"]).current_dir(&dir),
        list.as_bytes(),
    )
    .exits(1)
    .prints("");
    assert_eq!(
        String::from_utf8_lossy(&run.stderr),
        "hash: standard input: no properly formatted checksum lines found\n"
    );
}

#[test]
fn a_list_may_name_standard_input_unless_it_is_read_from_there() {
    let dir = small(&[("list", &format!("{ABC}  -\n"))]);
    run(sha256().args(["--check", "list"]).current_dir(&dir), b"abc")
        .exits(0)
        .prints("-: OK\n");
    let list = format!("{ABC}  -\n");
    run(sha256().args(["--check", "-"]), list.as_bytes())
        .exits(1)
        .prints("");
}

#[test]
fn a_list_that_cannot_be_read_is_one_line() {
    let dir = small(&[]);
    let run = run(hash().args(["--check", "nowhere"]).current_dir(&dir), b"")
        .exits(1)
        .prints("");
    assert_eq!(
        String::from_utf8_lossy(&run.stderr),
        "hash: nowhere: No such file or directory\n"
    );
}

// ---------------------------------------------------------------------------------------------
// Totals, progress, wrong usage, output that fails

#[test]
fn the_json_summary_adds_up() {
    let dir = small(&[("a", "abc"), ("b", "defgh"), ("c", "")]);
    let to = tempfile::tempdir().expect("a temporary directory");
    let json = to.path().join("summary.json");
    let mut command = sha256();
    command.args(["--threads", "2", "missing", "/proc/self/mem", "."]);
    command.arg("--json").arg(&json).current_dir(&dir);
    let run = run(&mut command, b"").exits(1);
    let (_, totals) = run.complaints();
    assert!(totals.starts_with("hash: 3 files, 8 bytes, "), "{totals}");
    assert!(totals.contains(" GB/s, 2 failures, balance "), "{totals}");

    let text = fs::read_to_string(&json).expect("the summary");
    let summary: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(summary["files"], 3);
    assert_eq!(summary["bytes"], 8);
    assert_eq!(summary["failures"], 2);
    assert_eq!(summary["threads"], 2);
    assert_eq!(summary["algorithm"], "sha256");
    for key in ["seconds", "gb_per_s", "balance"] {
        let number = summary[key].as_f64().expect(key);
        assert!(number > 0.0, "{key}: {number}");
    }
    let workers = summary["workers"].as_array().expect("workers");
    let items = |worker: &Value| worker["items"].as_u64().expect("items");
    // `missing` never became an item; the file that could not be read did.
    assert_eq!(workers.iter().map(items).sum::<u64>(), 4);
    for worker in workers {
        assert!(worker["worker"].is_u64(), "{worker}");
        assert!(worker["steals"].is_u64(), "{worker}");
        assert!(
            worker["busy"].as_f64().is_some_and(|s| s >= 0.0),
            "{worker}"
        );
    }
}

#[test]
#[cfg(feature = "report")]
fn a_report_has_the_paths_and_why_some_failed() {
    let odd = "<b>&amp;";
    let dir = small(&[("a", "abc"), (odd, "defgh")]);
    let to = tempfile::tempdir().expect("a temporary directory");
    let page = to.path().join("page.html");
    let mut command = hash();
    command.args(["/proc/self/mem", "."]).current_dir(&dir);
    run(command.arg("--report").arg(&page), b"").exits(1);
    let data = cli::reported(&page);
    assert_eq!(data["name"], "hash");
    assert_eq!(data["counts"]["done"], 2);
    let mut labels = cli::each(&data["slowest"], "label");
    labels.sort_unstable();
    assert_eq!(labels, [&*format!("./{odd}"), "./a", "/proc/self/mem"]);
    assert_eq!(cli::each(&data["failures"], "label"), ["/proc/self/mem"]);
    assert_eq!(cli::each(&data["failures"], "text"), ["Input/output error"]);
    let slices = data["timeline"]["slices"].as_array();
    assert!(slices.is_some_and(|it| !it.is_empty()), "no timeline");

    let list = format!("{ABC}  a\n{ABC}  missing\n");
    let mut command = sha256();
    command.args(["--check", "-", "--report"]).arg(&page);
    run(command.current_dir(&dir), list.as_bytes()).exits(1);
    let data = cli::reported(&page);
    assert_eq!(cli::each(&data["failures"], "label"), ["missing"]);
    let text = "No such file or directory";
    assert_eq!(cli::each(&data["failures"], "text"), [text]);
}

#[test]
#[cfg(not(feature = "report"))]
fn a_report_without_the_feature_is_refused_before_anything_is_done() {
    let dir = small(&[("a", "abc")]);
    let mut command = hash();
    command.args(["a", "--report", "page.html", "--json", "summary"]);
    run(command.current_dir(&dir), b"")
        .exits(2)
        .prints("")
        .says("--report needs the feature report: cargo run --release --features report");
    assert_eq!(fs::read_dir(&dir).expect("the directory").count(), 1);
}

#[test]
fn a_trace_is_written_however_the_run_ends() {
    let dir = small(&[("a", "abc"), ("b", "defgh")]);
    let to = tempfile::tempdir().expect("a temporary directory");
    let trace = to.path().join("trace.json");
    let runs: [(&[&str], i32, (usize, u64)); 3] = [
        (&["."], 0, (1, 2)),
        (&[".", "/proc/self/mem"], 1, (1, 3)),
        (&["--check", "no list"], 1, (0, 0)),
    ];
    for (arguments, code, expected) in runs {
        let mut command = hash();
        command.args(arguments).arg("--trace").arg(&trace);
        run(command.current_dir(&dir), b"").exits(code);
        assert_eq!(cli::traced(&trace, "hash"), expected, "{arguments:?}");
    }
}

#[test]
fn a_log_tells_what_its_level_says() {
    let dir = small(&[("a", "abc")]);
    let log = |level| {
        let mut command = hash();
        command.args(["--log", level, "a", "/proc/self/mem"]);
        let run = run(command.current_dir(&dir), b"").exits(1);
        let mut lines = run.log("hash");
        for line in &mut lines {
            if let Some(at) = line.find(" on worker ").or(line.find(" after ")) {
                line.truncate(at);
            }
        }
        lines
    };
    assert_eq!(log("off"), [""; 0]);
    assert_eq!(log("error"), [""; 0]);
    let (begins, ended) = (
        "info: batch 1 (hash) begins: 2 items",
        "warn: batch 1 (hash) has ended",
    );
    assert_eq!(log("warn"), [ended]);
    assert_eq!(log("info"), [begins, ended]);
    // Items are told by another thread than batches.
    let mut all = log("debug");
    all.sort_unstable();
    let (done, failed) = (
        "debug: batch 1: a: done, in run 1",
        "warn: batch 1: /proc/self/mem: failed, in run 1",
    );
    assert_eq!(all, [done, begins, ended, failed]);
}

#[test]
fn progress_is_shown_when_asked_for_and_not_by_itself_without_a_terminal() {
    let (dir, files) = tree();
    for quiet in [&[][..], &["--progress", "auto"], &["--progress", "never"]] {
        run(hash().args(quiet).arg(dir.path()), b"")
            .exits(0)
            .complains(&[]);
    }
    let shown = run(hash().args(["--progress", "always"]).arg(dir.path()), b"").exits(0);
    let text = String::from_utf8_lossy(&shown.stderr);
    assert!(text.contains(&format!("/{files} files")), "{text}");
    let plain = run(hash().arg(dir.path()), b"").exits(0);
    shown.prints(plain.stdout);
}

#[test]
fn wrong_usage_exits_2_and_says_what_is_wrong() {
    let cases: [(&[&str], &str); 7] = [
        (&["--threads", "0"], "at least 1 thread"),
        (&["--threads", "many"], "not a whole number"),
        (&["--algorithm", "md5"], "sha256"),
        (&["--progress", "sometimes"], "never"),
        (&["--log", "loud"], "debug"),
        (&["--check", "list", "file"], "cannot be used with"),
        (&["--unheard-of"], "--unheard-of"),
    ];
    for (arguments, words) in cases {
        let run = run(hash().args(arguments), b"").exits(2).prints("");
        let text = String::from_utf8_lossy(&run.stderr);
        assert!(text.contains(words), "{arguments:?}: {text}");
    }
}

#[test]
fn help_names_every_option_and_the_exit_codes() {
    let run = run(hash().arg("--help"), b"").exits(0);
    let text = String::from_utf8_lossy(&run.stdout);
    for word in [
        "--algorithm",
        "--check",
        "--follow",
        "--threads",
        "--trace",
        "--log",
        "--json",
        "--report",
        "--progress",
        "--completions",
        "Exit codes",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn a_shell_completes_every_flag() {
    let offered = cli::completed("hash");
    for flag in [
        "--algorithm",
        "--check",
        "--follow",
        "--threads",
        "--trace",
        "--log",
        "--json",
        "--report",
        "--progress",
        "--completions",
        "--help",
    ] {
        assert!(offered.iter().any(|it| it == flag), "{flag}: {offered:?}");
    }
    run(hash().args(["--completions", "tcsh"]), b"")
        .exits(2)
        .says("bash");
    let full = File::options().write(true).open("/dev/full");
    let mut command = hash();
    command.args(["--completions", "bash"]);
    run_with(command.stdout(full.expect("/dev/full")), b"")
        .exits(1)
        .says("hash: standard output: No space left on device");
}

#[test]
fn a_reader_that_has_gone_ends_it_quietly() {
    let (dir, _) = tree();
    let list = run(hash().current_dir(&dir), b"").exits(0).stdout;
    let check: &[&str] = &["--check", "-"];
    for arguments in [&["."][..], check] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = hash();
        command.args(arguments).current_dir(&dir);
        command.stdin(Stdio::piped()).stdout(writer);
        let run = run_with(&mut command, &list).exits(0);
        assert_eq!(String::from_utf8_lossy(&run.stderr), "");
    }
}

#[test]
fn a_full_device_is_an_error() {
    let dir = small(&[("a", "abc"), ("list", &format!("{ABC}  a\n"))]);
    for arguments in [&["a"][..], &["--check", "list"]] {
        let full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full");
        let mut command = sha256();
        command.args(arguments).current_dir(&dir);
        command.stdin(Stdio::null()).stdout(full);
        let run = run_with(&mut command, b"").exits(1);
        assert_eq!(
            String::from_utf8_lossy(&run.stderr),
            "hash: standard output: No space left on device\n"
        );
    }
    let arguments = ["a", "--json", "/dev/full"];
    run(sha256().args(arguments).current_dir(&dir), b"")
        .exits(1)
        .prints(format!("{ABC}  a\n"))
        .complains(&["hash: /dev/full: No space left on device"]);
    // When the run is over, its totals included.
    run(
        sha256()
            .args(["a", "--trace", "/dev/full"])
            .current_dir(&dir),
        b"",
    )
    .exits(1)
    .prints(format!("{ABC}  a\n"))
    .says("balance 1.00\nhash: /dev/full: No space left on device\n");
}

#[test]
#[cfg(feature = "report")]
fn a_report_that_cannot_be_written_is_an_error() {
    let dir = small(&[("a", "abc")]);
    for (path, reason) in [
        ("/dev/full", "No space left on device"),
        ("no/dir", "No such file or directory"),
    ] {
        let mut command = sha256();
        command.args(["a", "--report", path]).current_dir(&dir);
        run(&mut command, b"")
            .exits(1)
            .prints(format!("{ABC}  a\n"))
            .complains(&[&format!("hash: {path}: {reason}")]);
    }
}

// ---------------------------------------------------------------------------------------------
// Reading lists

fn lines(text: &[u8]) -> Vec<&[u8]> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    if text.is_empty() {
        Vec::new()
    } else {
        text.split(|&byte| byte == b'\n').collect()
    }
}

/// The sum and the path of a line.
fn split(line: &[u8]) -> (String, PathBuf) {
    let (escaped, line) = match line.strip_prefix(b"\\") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (sum, name) = line.split_at(64);
    let name = name.strip_prefix(b"  ").expect("two spaces");
    let mut plain = Vec::new();
    let mut rest = name.iter();
    while let Some(&byte) = rest.next() {
        plain.push(match byte {
            b'\\' if escaped => match rest.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b'\\') => b'\\',
                other => panic!("escaped {other:?}"),
            },
            other => other,
        });
    }
    let sum = String::from_utf8(sum.to_vec()).expect("hexadecimal digits");
    (sum, OsString::from_vec(plain).into())
}
