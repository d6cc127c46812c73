//! SIGINT, SIGTERM and SIGHUP: the first lets running jobs end, the second kills them, the third
//! ends this program at once, whatever it waits for.

use std::io;
use std::sync::Arc;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::stop::Stop;
use super::tally::TROUBLE;
use crate::support::message::say;

/// From now on. Before, while arguments are read, a signal ends the program as usual.
pub(crate) fn obey(stop: &Arc<Stop>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let stop = Arc::clone(stop);
    let obey = move || {
        for (count, _) in signals.forever().enumerate() {
            match count {
                0 => {
                    stop.interrupt();
                    say(
                        "no more jobs are started; waiting for those that run (a second signal \
                         kills them)",
                    );
                }
                1 => {
                    stop.kill();
                    say("killing the jobs that run");
                }
                // Something holds it up: perhaps nobody reads the output.
                _ => std::process::exit(i32::from(TROUBLE)),
            }
        }
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(obey)?;
    Ok(())
}
