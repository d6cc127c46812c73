//! The pool that people write themselves: boxed jobs through one crossbeam channel.

use crossbeam::channel::{Sender, unbounded};
use std::thread::{self, JoinHandle};

pub(crate) type Job = Box<dyn FnOnce() + Send>;

pub(crate) struct ChannelPool {
    /// `None` only while it is dropped: the workers end when no sender is left.
    jobs: Option<Sender<Job>>,
    workers: Vec<JoinHandle<()>>,
}

impl ChannelPool {
    pub(crate) fn new(threads: usize) -> Self {
        let (jobs, queue) = unbounded::<Job>();
        let worker = |_| {
            let queue = queue.clone();
            thread::spawn(move || queue.iter().for_each(|job| job()))
        };
        Self {
            workers: (0..threads).map(worker).collect(),
            jobs: Some(jobs),
        }
    }

    pub(crate) fn sender(&self) -> &Sender<Job> {
        self.jobs.as_ref().expect("the pool is not being dropped")
    }

    pub(crate) fn threads(&self) -> usize {
        self.workers.len()
    }

    pub(crate) fn execute(&self, job: impl FnOnce() + Send + 'static) {
        self.sender().send(Box::new(job)).expect("workers live");
    }
}

impl Drop for ChannelPool {
    fn drop(&mut self) {
        drop(self.jobs.take());
        for worker in self.workers.drain(..) {
            worker.join().expect("a job panicked");
        }
    }
}
