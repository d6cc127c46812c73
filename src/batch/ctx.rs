/// What an item's body is told about itself.
#[derive(Debug)]
pub struct Ctx {
    pub(super) index: usize,
    pub(super) worker: usize,
}

impl Ctx {
    /// The item's index in the batch.
    #[inline]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Under which worker's name it runs: below [`current_num_threads`](crate::Runtime::current_num_threads), or equal to it
    /// for a caller from outside that came when no worker was idle. Two items of one batch that run at the same moment have
    /// different ones.
    #[inline]
    pub fn worker(&self) -> usize {
        self.worker
    }
}
