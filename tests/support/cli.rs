//! Running the example programs to their ends, for the tests of what they print and exit with.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "shared by several test programs, each of which uses a part of it"
)]

use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long any child process may take.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// `target/PROFILE/examples/NAME`, which `cargo test` builds before it runs any test.
pub fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    // target/PROFILE/deps/TEST-0123456789abcdef
    let profile = test.ancestors().nth(2).expect("a target directory");
    let program = profile.join("examples").join(name);
    assert!(
        program.is_file(),
        "{} is not there: build it with `cargo build --example {name}` (and --release if these \
         tests are)",
        program.display()
    );
    program
}

/// A program that has ended.
#[derive(Debug)]
pub struct Run {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Run {
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{}", self.show());
        self
    }

    #[track_caller]
    pub fn prints(self, stdout: impl AsRef<[u8]>) -> Self {
        let expected = stdout.as_ref();
        let differs = || {
            let both = expected.iter().zip(&self.stdout);
            let at = both.take_while(|(a, b)| a == b).count();
            let from = at.saturating_sub(80);
            let part = |text: &[u8]| {
                let text = &text[from.min(text.len())..];
                text[..text.len().min(240)].escape_ascii().to_string()
            };
            let (expected, got) = (part(expected), part(&self.stdout));
            let run = self.show();
            format!("differs at byte {at}:\nexpected {expected}\n     got {got}\n{run}")
        };
        assert!(self.stdout == expected, "{}", differs());
        self
    }

    /// Somewhere on standard error.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        let text = String::from_utf8_lossy(&self.stderr);
        assert!(text.contains(words), "no `{words}`: {}", self.show());
        self
    }

    /// The lines of `--log NAME`: `LEVEL: TEXT`, without their times.
    #[track_caller]
    pub fn log(&self, name: &str) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.stderr);
        let lines = text.lines();
        let logged = lines.filter_map(|line| line.strip_prefix(&format!("{name}: [")));
        let line = |line: &str| {
            let (at, rest) = line.split_once(" s, ").expect("a time");
            assert!(at.parse::<f64>().is_ok_and(|at| at >= 0.0), "{line}");
            rest.replacen("] ", ": ", 1)
        };
        logged.map(line).collect()
    }

    pub fn show(&self) -> String {
        let part =
            |text: &[u8]| String::from_utf8_lossy(&text[..text.len().min(4000)]).into_owned();
        let (stdout, stderr) = (part(&self.stdout), part(&self.stderr));
        format!(
            "{}\n--- stdout\n{stdout}\n--- stderr\n{stderr}",
            self.status
        )
    }
}

/// Runs a program to its end with the given input, and kills it if that does not come.
#[track_caller]
pub fn run(command: &mut Command, input: &[u8]) -> Run {
    run_with(command.stdout(Stdio::piped()), input)
}

/// The same, with the standard output that the command has been given.
#[track_caller]
pub fn run_with(command: &mut Command, input: &[u8]) -> Run {
    let child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    if let Some(mut stdin) = child.stdin.take() {
        let input = input.to_vec();
        // A program that does not read its input closes it: no error of the test.
        thread::spawn(move || drop(stdin.write_all(&input)));
    }
    let stderr = child.stderr.take().map(collect);
    end(child, stderr)
}

/// Waits for a program, of which standard error is read elsewhere.
#[track_caller]
pub fn end(mut child: Child, stderr: Option<mpsc::Receiver<Vec<u8>>>) -> Run {
    let stdout = child.stdout.take().map(collect);
    let deadline = Instant::now() + PATIENCE;
    // The program itself never closes these, so their ends are the sign that it has ended.
    let stdout = stdout.map_or_else(Vec::new, |pipe| end_of(&pipe, &mut child, deadline));
    let stderr = stderr.map_or_else(Vec::new, |pipe| end_of(&pipe, &mut child, deadline));
    let status = child.wait().expect("the status of a child");
    let run = Run {
        status,
        stdout,
        stderr,
    };
    let panicked = String::from_utf8_lossy(&run.stderr).contains("panicked");
    assert!(!panicked && run.status.signal().is_none(), "{}", run.show());
    run
}

/// What bash offers for `--` with the script that an example prints. What follows the flag makes no difference.
#[track_caller]
pub fn completed(name: &str) -> Vec<String> {
    let script = run(
        Command::new(example(name)).args(["--completions", "bash", "--unheard-of"]),
        b"",
    );
    let script = script.exits(0);
    assert_eq!(String::from_utf8_lossy(&script.stderr), "");
    let ask = format!(
        "source /dev/stdin && COMP_WORDS=({name} --) COMP_CWORD=1 && _{name} {name} -- {name} && printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let offered = run(Command::new("bash").args(["-c", &ask]), &script.stdout).exits(0);
    let offered = String::from_utf8(offered.stdout).expect("UTF-8");
    offered.lines().map(str::to_owned).collect()
}

/// Of a timeline as JSON: how many batches of this name have begun and ended, and how many items were run.
#[track_caller]
pub fn traced(path: &Path, batch: &str) -> (usize, u64) {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let trace: Value = serde_json::from_str(&text).expect("JSON");
    let events = trace["traceEvents"].as_array().expect("events");
    let phases = |phase| {
        let all = events.iter();
        all.filter(|it| it["ph"] == phase && it["cat"] == "batch" && it["name"] == batch)
            .count()
    };
    assert_eq!(phases("b"), phases("e"), "{text}");
    let slices = events
        .iter()
        .filter(|it| it["ph"] == "X" && it["cat"] == "items");
    let items = slices.map(|it| it["args"]["count"].as_u64().expect("a count"));
    (phases("b"), items.sum())
}

/// What a report shows.
#[track_caller]
pub fn reported(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let (_, rest) = text.split_once("id=\"data\">").expect("there are data");
    let (data, _) = rest.split_once("</script>").expect("they end");
    assert!(!data.contains(['<', '>', '&']), "what is not escaped");
    serde_json::from_str(data).expect("JSON")
}

/// The values of `key` in an array.
pub fn each<'v>(array: &'v Value, key: &str) -> Vec<&'v str> {
    let all = array.as_array().into_iter().flatten();
    all.filter_map(|it| it[key].as_str()).collect()
}

/// Reads a pipe to its end, elsewhere.
pub fn collect(mut pipe: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        let _ = send.send(bytes);
    });
    receive
}

/// What `pipe` was read to be. Kills `child` if that does not come in time.
#[track_caller]
pub fn end_of(pipe: &mpsc::Receiver<Vec<u8>>, child: &mut Child, deadline: Instant) -> Vec<u8> {
    let left = deadline.saturating_duration_since(Instant::now());
    pipe.recv_timeout(left).unwrap_or_else(|_| {
        let _ = child.kill();
        let _ = child.wait();
        panic!("still running after {PATIENCE:?}: killed");
    })
}
