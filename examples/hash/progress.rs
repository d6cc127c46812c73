//! The progress line on standard error. It counts what has been hashed, not what was begun.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike};

use crate::support::progress::When;
use crate::walk::File;

const TEMPLATE: &str = "{bar:30} {bytes}/{total_bytes} {binary_bytes_per_sec} {files}";
const DRAWS_PER_SECOND: u8 = 10;

#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    files: Arc<AtomicUsize>,
}

impl Progress {
    pub(crate) fn new(when: When, files: &[File]) -> Self {
        let terminal = io::stderr().is_terminal();
        let target = match when {
            When::Always if !terminal => {
                ProgressDrawTarget::term_like_with_hz(Box::new(Redirected), DRAWS_PER_SECOND)
            }
            When::Always | When::Auto if terminal => {
                ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND)
            }
            _ => ProgressDrawTarget::hidden(),
        };
        let bytes = files
            .iter()
            .fold(0_u64, |sum, file| sum.saturating_add(file.len));
        let bar = ProgressBar::with_draw_target(Some(bytes), target);
        let done = Arc::new(AtomicUsize::new(0));
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            let (done, all) = (Arc::clone(&done), files.len());
            let count = move |_: &ProgressState, line: &mut dyn std::fmt::Write| {
                let _ = write!(line, "{}/{all} files", done.load(Ordering::Relaxed));
            };
            bar.set_style(style.with_key("files", count));
        }
        Self { bar, files: done }
    }

    pub(crate) fn bytes(&self, count: u64) {
        self.bar.inc(count);
    }

    pub(crate) fn file(&self) {
        self.files.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A standard error that is no terminal, for `--progress always`: indicatif would draw nothing
/// on it by itself.
#[derive(Debug)]
struct Redirected;

impl TermLike for Redirected {
    fn width(&self) -> u16 {
        80
    }

    fn move_cursor_up(&self, _lines: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _lines: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _columns: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _columns: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        writeln!(io::stderr(), "{text}")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        write!(io::stderr(), "{text}")
    }

    fn clear_line(&self) -> io::Result<()> {
        write!(io::stderr(), "\r\x1b[K")
    }

    fn flush(&self) -> io::Result<()> {
        io::stderr().flush()
    }
}
