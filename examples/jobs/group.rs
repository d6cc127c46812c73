//! A process group that a job's shell leads: what is killed of a job.
//!
//! As long as the leader was not waited for, dead or not, no other process can get the number of
//! the group. So a group lives no longer than the borrow of its [`Child`].

use std::fs;
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process_group};

#[derive(Debug)]
pub(crate) struct Group<'a> {
    leader: &'a Child,
}

impl<'a> Group<'a> {
    /// `leader`: started in a group of its own, and not waited for.
    pub(crate) fn led_by(leader: &'a Child) -> Self {
        Self { leader }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // An error means that nothing of it is left, or nothing that we may kill.
        let _ = kill_process_group(Pid::from_child(self.leader), signal);
    }

    /// Whether there are living members beside the leader. The system has no question for that, so all
    /// processes are looked at; only killing needs to know.
    pub(crate) fn has_others(&self) -> bool {
        let Ok(processes) = fs::read_dir("/proc") else {
            return true;
        };
        let leader = self.leader.id();
        processes.flatten().any(|process| {
            let id = process.file_name();
            let id: Option<u32> = id.to_str().and_then(|id| id.parse().ok());
            id.is_some_and(|id| id != leader && group_of_living(id) == Some(leader))
        })
    }
}

/// None also for a process that is dead, or was just now.
fn group_of_living(process: u32) -> Option<u32> {
    let stat = fs::read(format!("/proc/{process}/stat")).ok()?;
    // The name before it may have anything in it.
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let mut fields = str::from_utf8(&stat[end + 1..]).ok()?.split_whitespace();
    let state = fields.next()?;
    let group = fields.nth(1)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(group)
}
