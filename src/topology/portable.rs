use core_affinity::CoreId;

/// A set of CPUs a thread may run on. This system cannot put one back, so it is only listed.
#[derive(Clone, Debug)]
pub(crate) struct Mask(Vec<usize>);

impl Mask {
    pub(crate) fn of_this_thread() -> Option<Self> {
        let ids = core_affinity::get_core_ids()?;
        Some(Self(ids.into_iter().map(|core| core.id).collect()))
    }

    pub(crate) fn cpus(&self) -> Vec<usize> {
        self.0.clone()
    }

    pub(crate) fn apply(&self) -> Result<(), String> {
        Err("this system cannot bind a thread to several CPUs".to_owned())
    }
}

pub(crate) fn pin(cpu: usize) -> Result<(), String> {
    let known = core_affinity::get_core_ids()
        .unwrap_or_default()
        .iter()
        .any(|core| core.id == cpu);
    if known && core_affinity::set_for_current(CoreId { id: cpu }) {
        Ok(())
    } else {
        Err("refused by the system, which does not say why".to_owned())
    }
}

pub(crate) fn current_cpu() -> Option<usize> {
    None
}

pub(crate) fn core_of(_cpu: usize) -> Option<String> {
    None
}
