//! The bar on standard error, if that is a terminal. It counts jobs that have ended, not begun ones.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const TEMPLATE: &str = "{bar:30} {pos}/{len} jobs, {msg} failed, {elapsed} gone, {eta} to go";
const DRAWS_PER_SECOND: u8 = 10;

#[derive(Debug)]
pub(crate) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    pub(crate) fn new(wanted: bool, jobs: u64) -> Self {
        let target = if wanted && io::stderr().is_terminal() {
            ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(jobs), target).with_message("0");
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        Self { bar }
    }

    pub(crate) fn show(&self, failed: u64) {
        // A message is allocated, so none where nobody sees it.
        if !self.bar.is_hidden() {
            self.bar.set_message(failed.to_string());
            self.bar.inc(1);
        }
    }

    /// Does what writes to the terminal, with the bar out of the way.
    pub(crate) fn aside<R>(&self, write: impl FnOnce() -> R) -> R {
        self.bar.suspend(write)
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
