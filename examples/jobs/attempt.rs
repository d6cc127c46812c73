//! One try of a job.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use super::ending::Ending;
use super::process::{self, End};
use super::results;
use super::sink::Sink;
use super::stop::Stop;
use crate::support::reason::reason;

/// How commands are run.
#[derive(Debug)]
pub(crate) struct Manner {
    pub(crate) shell: OsString,
    pub(crate) timeout: Option<Duration>,
    pub(crate) results: Option<PathBuf>,
}

/// What is run.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    /// From 1 on.
    pub(crate) seq: u64,
    pub(crate) arguments: Vec<&'a [u8]>,
    pub(crate) slot: usize,
    pub(crate) command: Vec<u8>,
}

/// A try that has ended.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) began: SystemTime,
    pub(crate) runtime: Duration,
    pub(crate) ending: Ending,
    /// None if it could not be started.
    pub(crate) sink: Option<Sink>,
    /// What is to be told of it, beside its output.
    pub(crate) complaint: Option<String>,
}

/// None if it was killed because the run is to end.
pub(crate) fn make(job: &Job<'_>, manner: &Manner, stop: &Stop) -> Option<Attempt> {
    let began = SystemTime::now();
    let clock = Instant::now();
    let (ending, sink, complaint) = match start(job, manner, stop) {
        Ok((End::ByItself(ending), sink)) => (ending, Some(sink), None),
        Ok((End::TimedOut(ending), sink)) => {
            let complaint = "this job was killed because it took too long:".to_owned();
            (ending, Some(sink), Some(complaint))
        }
        Ok((End::Killed, _)) => return None,
        Err(error) => {
            let complaint = format!("this job cannot run: {}:", reason(&error));
            (Ending::NOT_STARTED, None, Some(complaint))
        }
    };
    Some(Attempt {
        began,
        runtime: clock.elapsed(),
        ending,
        sink,
        complaint,
    })
}

fn start(job: &Job<'_>, manner: &Manner, stop: &Stop) -> io::Result<(End, Sink)> {
    let sink = match &manner.results {
        Some(dir) => results::open(dir, &job.arguments, job.seq)?,
        None => Sink::temporary()?,
    };
    let (stdout, stderr) = sink.ends()?;
    let mut command = Command::new(&manner.shell);
    command
        .arg("-c")
        .arg(OsStr::from_bytes(&job.command))
        .env("PARALLEL_SEQ", job.seq.to_string())
        .env("PARALLEL_JOBSLOT", job.slot.to_string())
        .env("PARALLEL_PID", std::process::id().to_string())
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr);
    let end = process::run(&mut command, manner.timeout, stop)?;
    Ok((end, sink))
}
