//! The CPU time that a process uses while it has nothing to do.

use std::time::Duration;

/// Of all threads, over `length`; at least 1 ns, so that it can be divided by.
pub(crate) fn cpu_while_idle(length: Duration) -> Duration {
    let before = cpu();
    std::thread::sleep(length);
    (cpu() - before).max(Duration::from_nanos(1))
}

/// The CPU time of all threads alive. Each is asked for its own: the process's clock, and `/proc`, know of a thread that runs
/// on another CPU only what it had at the last tick.
pub(crate) fn cpu() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let ids = tasks
        .flatten()
        .filter_map(|task| task.file_name().to_str()?.parse::<i32>().ok());
    ids.map(thread_cpu).sum()
}

fn thread_cpu(id: i32) -> Duration {
    /// The kernel's number for "CPU time by the scheduler, of one thread".
    const SCHED_OF_THREAD: i32 = 0b110;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for writing.
    let result = unsafe { libc::clock_gettime(!id << 3 | SCHED_OF_THREAD, &raw mut time) };
    assert_eq!(result, 0, "no clock of thread {id}");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
