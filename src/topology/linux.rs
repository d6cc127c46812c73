use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// A set of CPUs a thread may run on.
#[derive(Clone, Debug)]
pub(crate) struct Mask(CpuSet);

impl Mask {
    pub(crate) fn of_this_thread() -> Option<Self> {
        sched_getaffinity(None).ok().map(Self)
    }

    pub(crate) fn cpus(&self) -> Vec<usize> {
        (0..CpuSet::MAX_CPU)
            .filter(|&cpu| self.0.is_set(cpu))
            .collect()
    }

    pub(crate) fn apply(&self) -> Result<(), String> {
        sched_setaffinity(None, &self.0).map_err(|error| error.to_string())
    }
}

pub(crate) fn pin(cpu: usize) -> Result<(), String> {
    if cpu >= CpuSet::MAX_CPU {
        return Err(format!(
            "CPU {cpu} is beyond the {} that the system can name",
            CpuSet::MAX_CPU
        ));
    }
    let mut set = CpuSet::new();
    set.set(cpu);
    Mask(set).apply()
}

/// The CPU that runs this thread at this moment.
#[inline]
pub(crate) fn current_cpu() -> Option<usize> {
    Some(sched_getcpu())
}

/// Something that all CPUs of one physical core have in common, and no other has.
pub(crate) fn core_of(cpu: usize) -> Option<String> {
    let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
    std::fs::read_to_string(path).ok()
}
