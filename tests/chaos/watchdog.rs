//! Notices that a run does not end, and says what a debugger would want to know of it.

use crate::stage::Stage;
use crate::support;
use parking_lot::{Condvar, Mutex};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Watchdog {
    run: Mutex<(u64, Option<Arc<Stage>>)>,
    changed: Condvar,
    patience: Duration,
}

impl Watchdog {
    /// `hung` is called when a run hangs, and has been dumped.
    pub(crate) fn start(patience: Duration, hung: impl FnOnce() + Send + 'static) -> Arc<Self> {
        let this = Arc::new(Self {
            run: Mutex::new((0, None)),
            changed: Condvar::new(),
            patience,
        });
        let watch = this.clone();
        let builder = thread::Builder::new().name("watchdog".to_owned());
        let _detached = builder
            .spawn(move || {
                watch.watch();
                hung();
            })
            .expect("a thread for the watchdog");
        this
    }

    /// Another run begins, or none.
    pub(crate) fn sees(&self, stage: Option<Arc<Stage>>) {
        let mut run = self.run.lock();
        run.0 += 1;
        let before = std::mem::replace(&mut run.1, stage);
        drop(run);
        self.changed.notify_one();
        drop(before);
    }

    /// Returns when a run hangs.
    fn watch(&self) {
        let mut run = self.run.lock();
        loop {
            let seen = run.0;
            let timeout = self.changed.wait_for(&mut run, self.patience);
            if timeout.timed_out()
                && run.0 == seen
                && let Some(stage) = run.1.clone()
            {
                drop(run);
                dump(&stage);
                return;
            }
        }
    }
}

/// All that is known of a run that hangs.
fn dump(stage: &Arc<Stage>) {
    let mut text = format!("\nRUN HANGS, seed {}\n{:#?}\n", stage.plan.seed, stage.plan);
    let _ = writeln!(text, "workers:\n{}", ask(stage));
    let _ = writeln!(text, "deaths: {:?}", stage.fates.calm());
    let _ = writeln!(text, "threads:");
    #[cfg(target_os = "linux")]
    for task in support::tasks("") {
        let path = format!("/proc/self/task/{}/wchan", task.id);
        let place = std::fs::read_to_string(path).unwrap_or_default();
        let _ = writeln!(
            text,
            "    {} {:<16} {} {place}",
            task.id, task.name, task.state
        );
    }
    let _ = writeln!(text, "values not dropped: {:?}", stage.log.drops.open());
    let _ = writeln!(text, "wrong so far: {:?}", stage.log.wrongs());
    let _ = writeln!(text, "calls:");
    for record in stage.log.records() {
        let _ = writeln!(text, "    {record}");
    }
    let _ = writeln!(text, "the last points that threads came to:");
    for line in stage.fates.passed() {
        let _ = writeln!(text, "    {line}");
    }
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// What the runtime says of itself, if it still answers.
fn ask(stage: &Arc<Stage>) -> String {
    let (sender, answer) = channel();
    let stage = stage.clone();
    // It may never answer: then this thread is left behind.
    let asks = thread::Builder::new().spawn(move || {
        let answer = match stage.try_runtime() {
            None => "it is gone, or being dropped".to_owned(),
            Some(runtime) => {
                let workers = runtime.workers();
                let lines = workers.iter().map(|it| {
                    format!(
                        "    {it}, {} restarts, fell asleep {} times",
                        it.restarts(),
                        it.sleeps()
                    )
                });
                let lines: Vec<String> = lines.collect();
                format!("{}\n    health: {}", lines.join("\n"), runtime.health())
            }
        };
        let _ = sender.send(answer);
    });
    drop(asks);
    let answer = answer.recv_timeout(Duration::from_secs(3));
    answer.unwrap_or_else(|_| "    it does not answer".to_owned())
}
