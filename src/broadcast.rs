use crate::crew::Crew;
use crate::frame;
use crate::isolate;
use crate::lineage::Node;
use crate::mail::Letter;
use crate::panic::TaskPanic;
use crate::sync::{AtomicU64, Mutex, Ordering, fence};
use crate::wait::Wait;
use crate::waiter::Waiter;
use std::sync::Arc;

/// What a share of a [broadcast](crate::Runtime::broadcast) knows.
#[derive(Clone, Debug)]
pub struct BroadcastCtx {
    worker: usize,
    num_threads: usize,
}

impl BroadcastCtx {
    /// The worker this runs on.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// How many workers the runtime has.
    pub fn num_threads(&self) -> usize {
        self.num_threads
    }
}

/// None before it has been run.
type Share<R> = Option<Result<R, TaskPanic>>;

/// One broadcast, on its caller's stack.
struct Broadcast<'b, F, R> {
    body: &'b F,
    crew: &'b Crew,
    node: Node<'b>,
    /// What came of each worker's share.
    shares: Box<[Mutex<Share<R>>]>,
    /// How many have neither run theirs nor left.
    left: AtomicU64,
    /// Outlives this, for the last one to call.
    waiter: Arc<Waiter>,
}

impl<F, R> Letter for Broadcast<'_, F, R>
where
    F: Fn(&BroadcastCtx) -> R + Sync,
    R: Send,
{
    fn read(&self, worker: usize, seat: usize) {
        let ctx = BroadcastCtx {
            worker,
            num_threads: self.crew.workers(),
        };
        let result = frame::enter(self.crew, seat, Some(&self.node), || {
            isolate::catch(|| (self.body)(&ctx))
        });
        self.crew.process.stay();
        let result = result.map_err(|payload| TaskPanic::caught(payload, worker));
        *self.shares[worker].lock() = Some(result);
    }

    fn settle(&self) {
        let waiter = self.waiter.clone();
        // AcqRel: what all have written is the caller's. The last of them lets it go.
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Pairs with the fence of a caller that falls asleep.
            fence(Ordering::SeqCst);
            waiter.rouse();
        }
    }
}

/// Runs `body` on each worker of `crew` that has not left.
pub(crate) fn broadcast<F, R>(crew: &Crew, body: &F) -> Vec<R>
where
    F: Fn(&BroadcastCtx) -> R + Sync,
    R: Send,
{
    crew.process.enter();
    let waiter = Arc::new(Waiter::new());
    let shares = with_helped(crew, |helped| {
        frame::with_node(|parent| {
            let workers = crew.workers();
            let letter = Broadcast {
                body,
                crew,
                node: Node::new(parent, &waiter, helped.map_or(std::ptr::null(), Crew::id)),
                shares: (0..workers).map(|_| Mutex::new(None)).collect(),
                left: AtomicU64::new(workers as u64),
                waiter: waiter.clone(),
            };
            letter.node.announce_broadcast();
            for worker in 0..workers {
                // SAFETY: this function neither returns nor unwinds before all are settled.
                if !unsafe { crew.mail.send(worker, &letter) } {
                    letter.settle();
                }
            }
            // Pairs with the fences of sleepers: they see the letter, or are called.
            fence(Ordering::SeqCst);
            let own = frame::home_in(crew);
            let others = (0..workers).filter(|worker| Some(*worker) != own);
            others.for_each(|worker| crew.sleep.call(worker));
            // Acquire pairs with `settle`.
            let is_done = || letter.left.load(Ordering::Acquire) == 0;
            match helped {
                Some(helped) => Wait {
                    crew: helped,
                    worker: frame::seat_in(helped).expect("its frame is on this stack"),
                    node: &letter.node,
                    waiter: &waiter,
                    lends: frame::queue().filter(|_| frame::forks_in(helped)),
                    reads_mail: true,
                    passes_on: &|| letter.node.pass_on(),
                }
                .until(is_done),
                None => {
                    while !is_done() {
                        waiter.sleep(None, is_done);
                    }
                }
            }
            letter.shares
        })
    });
    let mut results = Vec::with_capacity(shares.len());
    let mut panics = Vec::new();
    for share in shares.into_iter().filter_map(Mutex::into_inner) {
        match share {
            Ok(result) => results.push(result),
            Err(panic) => panics.push(panic),
        }
    }
    if panics.is_empty() {
        return results;
    }
    results.into_iter().for_each(isolate::drop_quietly);
    let first = panics.swap_remove(0);
    // Now, not while unwinding: their payloads may panic in turn.
    drop(panics);
    first.resume()
}

/// Runs `body` with the crew in which this thread can help while it waits: `crew` if it has a seat there, else the one whose work
/// it does, if any.
fn with_helped<R>(crew: &Crew, body: impl FnOnce(Option<&Crew>) -> R) -> R {
    match frame::seat_in(crew) {
        Some(_) => body(Some(crew)),
        None => frame::with_crew(body),
    }
}
