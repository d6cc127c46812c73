//! Where the workers report to. One lock, so that the output of a job, its line in the joblog, and
//! what follows for `--halt` belong together, and the order of the lines is that of the judgements.

use parking_lot::Mutex;

use super::attempt::{Attempt, Job};
use super::bar::Bar;
use super::halt::When;
use super::joblog::{Joblog, Line};
use super::message;
use super::printer::Printer;
use super::stop::Stop;
use super::tally::{TROUBLE, Tally};
use crate::support::message::say;

#[derive(Debug)]
pub(crate) struct Collector<'a> {
    stop: &'a Stop,
    desk: Mutex<Desk>,
}

#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) printer: Printer,
    /// Whether output is for the printer; with `--results` it is where it belongs.
    pub(crate) prints: bool,
    pub(crate) joblog: Option<Joblog>,
    pub(crate) tally: Tally,
    pub(crate) bar: Bar,
    /// The first thing that went wrong with the run itself; it has been told.
    pub(crate) trouble: bool,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(stop: &'a Stop, desk: Desk) -> Self {
        Self {
            stop,
            desk: Mutex::new(desk),
        }
    }

    /// Takes the last try of a job. `turn`: which job of this run, in the order of the input.
    pub(crate) fn ended(&self, turn: usize, job: &Job<'_>, attempt: &Attempt) {
        let desk = &mut *self.desk.lock();
        if desk.trouble {
            // What cannot be printed or logged is not done: the next run repeats it.
            return;
        }
        match desk.take(turn, job, attempt) {
            Ok(None) => {}
            Ok(Some(When::Soon)) => self.stop.drain(),
            Ok(Some(When::Now)) => self.stop.kill(),
            Err(trouble) => {
                desk.trouble = true;
                self.stop.kill();
                let told = format!("{trouble}; killing the jobs that run");
                desk.bar.aside(|| say(&told));
            }
        }
    }

    /// Takes a try after which the job is tried again.
    pub(crate) fn failed(&self, job: &Job<'_>, attempt: &Attempt) {
        self.desk.lock().complain(job, attempt);
    }

    /// After all have ended: prints what is left. Returns what became of them, and the exit code.
    pub(crate) fn finish(self) -> (Tally, u8) {
        let mut desk = self.desk.into_inner();
        desk.bar.finish();
        if !desk.trouble
            && let Err(trouble) = desk.printer.finish()
        {
            say(&trouble);
            desk.trouble = true;
        }
        let code = if desk.trouble {
            TROUBLE
        } else {
            desk.tally.code()
        };
        (desk.tally, code)
    }
}

impl Desk {
    fn take(
        &mut self,
        turn: usize,
        job: &Job<'_>,
        attempt: &Attempt,
    ) -> Result<Option<When>, String> {
        self.complain(job, attempt);
        if self.prints {
            let sink = attempt.sink.as_ref();
            self.bar.aside(|| self.printer.print(turn, sink))?;
        }
        if let Some(joblog) = &mut self.joblog {
            let lens = attempt.sink.as_ref().map(|sink| sink.lens());
            joblog.write(Line {
                seq: job.seq,
                began: attempt.began,
                runtime: attempt.runtime,
                received: lens.and_then(Result::ok).map_or(0, |(stdout, _)| stdout),
                ending: attempt.ending,
                command: &job.command,
            })?;
        }
        let (when, told) = self.tally.count(attempt.ending);
        if let Some(told) = told {
            self.bar.aside(|| message::job(told, &job.command));
        }
        self.bar.show(self.tally.failed());
        Ok(when)
    }

    fn complain(&self, job: &Job<'_>, attempt: &Attempt) {
        if let Some(complaint) = &attempt.complaint {
            self.bar.aside(|| message::job(complaint, &job.command));
        }
    }
}
