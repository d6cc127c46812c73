//! SIGINT, SIGTERM and SIGHUP: the first lets running jobs end, the second kills them.

use std::io;
use std::sync::Arc;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::message;
use super::stop::Stop;

/// From now on. Before, while arguments are read, a signal ends the program as usual.
pub(crate) fn obey(stop: &Arc<Stop>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let stop = Arc::clone(stop);
    let obey = move || {
        for _ in signals.forever() {
            message::general(if stop.interrupt() {
                "no more jobs are started; waiting for those that run (a second signal kills them)"
            } else {
                "killing the jobs that run"
            });
        }
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(obey)?;
    Ok(())
}
