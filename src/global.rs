use crate::builder::MOST_THREADS;
use crate::crew::Crew;
use crate::forked::Process;
use crate::isolate;
use crate::runtime::Runtime;
use std::ffi::OsStr;
use std::sync::{Arc, Once, OnceLock};

/// The runtime of the process, built at its first use and never dropped.
///
/// It has as many workers as the environment variable `GANGER_THREADS` says, a number from 1 to 4096; if that is not set,
/// as many as can run at once. A value that is no such number is reported on stderr, once, and passed over. If no thread
/// can be started at all, batches run on their callers alone.
///
/// ```
/// let lengths = ganger::global().batch(&["a", "bc"]).map(|text| text.len());
/// assert_eq!(lengths, [1, 2]);
/// ```
pub fn global() -> &'static Runtime {
    static GLOBAL: OnceLock<Runtime> = OnceLock::new();
    /// Set first: a child of `fork` does not wait for a thread of its parent's that was building it.
    static BUILDS: OnceLock<Process> = OnceLock::new();
    if let Some(built) = GLOBAL.get() {
        return built;
    }
    BUILDS.get_or_init(Process::this).enter();
    #[cfg(unix)]
    extern "C" fn at_exit() {
        if let Some(runtime) = GLOBAL.get().filter(|it| it.crew().process.is_this()) {
            // Nothing may unwind from here.
            let written = isolate::catch(|| runtime.write_dump());
            written.unwrap_or_else(isolate::discard);
        }
    }
    let built = GLOBAL.get_or_init(|| {
        let asked = std::env::var_os("GANGER_THREADS");
        let built = match asked.as_deref().map(threads_from) {
            Some(Ok(threads)) => Runtime::builder().num_threads(threads).build(),
            Some(Err(message)) => {
                eprintln!("ganger: {message}");
                Runtime::new()
            }
            None => Runtime::new(),
        };
        built.unwrap_or_else(|error| {
            eprintln!("ganger: {error}; batches run on their callers alone");
            let crew = Arc::new(Crew::new(0, 0, 1, &[], true));
            Runtime::new_with(crew, Arc::new([]), None, None, None)
        })
    });
    static EXIT: Once = Once::new();
    EXIT.call_once(|| {
        #[cfg(unix)]
        if built.has_dump() {
            // SAFETY: the handler is a function of this library, which is not unloaded. If there is no room for it the file is not written.
            let _ = unsafe { libc::atexit(at_exit) };
        }
    });
    built
}

fn threads_from(value: &OsStr) -> Result<usize, String> {
    let number = value.to_str().and_then(|text| text.trim().parse().ok());
    number
        .filter(|threads| (1..=MOST_THREADS).contains(threads))
        .ok_or_else(|| {
            format!(
                "GANGER_THREADS is {value:?}, which is no number from 1 to {}; using the default",
                MOST_THREADS
            )
        })
}
