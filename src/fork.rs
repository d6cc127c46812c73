//! Forking: two closures of which the second may be run by somebody else.
//!
//! ```text
//! push b ─ run a ─ pop b ─┬─ still there: run it
//!                         └─ stolen: help its thief, spin, sleep until it is done
//! ```
//!
//! The way without thieves has no fence, no read-modify-write and no clock. All else is [`attend`], which a push asks
//! for: the first one after a rest, one that somebody hungry has asked for, or one that has filled the ring.
//!
//! *Rest.* A ring rests until its owner forks, and again when that first fork has ended. In between it is open. How long it
//! was open is what is learned of the place that opened it: forks that took less than a wake-up costs wake nobody the next
//! time, unless there are many in a row.

use crate::costs::Site;
use crate::crew::Crew;
use crate::delegate::on_a_seat;
use crate::forks::Queue;
use crate::frame;
use crate::isolate::{self, Payload};
use crate::job::{Fork, Job};
use crate::lineage::Node;
use crate::panic::TaskPanic;
use crate::policy::enlist;
use crate::ring::Public;
use crate::sync::{Ordering, fence};
use crate::wait::Wait;

/// How many pushes there are between two looks at the clock, while nobody helps. A power of two.
const PUSHES_A_CLOCK: u32 = 16;

/// Runs `a` here, and `b` here or elsewhere. For a thread that owns `queue`, which is that of its topmost frame.
///
/// Whatever this kept in a register while `a` runs, every call in `a` would have to save: so the queue is looked up again.
#[inline(always)]
pub(crate) fn fork<A, B, RA, RB>(queue: &Queue, a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    let fork = Fork::new(b);
    // SAFETY: (1) the caller's; (2) this function neither returns nor unwinds before `b` was popped or is done.
    let pushed = unsafe { queue.ring.push(fork.job()) };
    fork.lies_at(pushed.at);
    if pushed.wants_attention {
        attend(queue, fork.job(), site::<B, RB>());
    }
    match isolate::catch(a) {
        Ok(ra) => {
            let queue = frame::same_queue();
            // SAFETY: this thread owns the queue; what `a` has pushed was popped before `a` ended.
            if unsafe { queue.ring.pop(fork.place()) } {
                // SAFETY: popped, so it is ours: INVARIANT(stage).
                let b = unsafe { fork.body() };
                return (ra, b());
            }
            finish_public(queue, Ok(ra), &fork)
        }
        Err(payload) => finish_panicked(payload, &fork),
    }
}

/// Where `a` has panicked.
#[cold]
#[inline(never)]
fn finish_panicked<B, RA, RB>(payload: Payload, fork: &Fork<B, RB>) -> (RA, RB)
where
    B: FnOnce() -> RB,
{
    let panic = caught(payload);
    let queue = frame::same_queue();
    // SAFETY: this thread owns the queue; what `a` has pushed was popped before `a` ended.
    if unsafe { queue.ring.pop(fork.place()) } {
        // SAFETY: popped, so it is ours: INVARIANT(stage).
        let b = unsafe { fork.body() };
        return both(Err(panic), isolate::catch(b).map_err(caught));
    }
    finish_public(queue, Err(panic), fork)
}

/// Where `b` is public: somebody else may have it, and the ring may be to rest again.
#[cold]
#[inline(never)]
fn finish_public<B, RA, RB>(
    queue: &Queue,
    ra: Result<RA, TaskPanic>,
    fork: &Fork<B, RB>,
) -> (RA, RB)
where
    B: FnOnce() -> RB,
{
    // SAFETY: this thread owns the queue, and its pop has just failed.
    let ours = unsafe { queue.ring.pop_public(fork.place()) };
    let rb = if ours {
        // SAFETY: popped, so it is ours: INVARIANT(stage).
        let b = unsafe { fork.body() };
        isolate::catch(b).map_err(caught)
    } else {
        frame::with_crew(|crew| {
            let crew = crew.expect("who forks is in a frame");
            wait(crew, queue, fork.stolen());
        });
        // SAFETY: it is done: INVARIANT(stage).
        unsafe { fork.result() }
    };
    if queue.is_opened_by(fork.job()) {
        close(queue, site::<B, RB>(), ours);
    }
    both(ra, rb)
}

/// The panic's place is taken before anything else may panic on this thread. Who catches it in the end says which worker that was.
fn caught(payload: Payload) -> TaskPanic {
    TaskPanic::caught(payload, 0)
}

/// Both have ended: the results, or the first panic.
fn both<RA, RB>(ra: Result<RA, TaskPanic>, rb: Result<RB, TaskPanic>) -> (RA, RB) {
    match (ra, rb) {
        (Ok(ra), Ok(rb)) => (ra, rb),
        (Err(panic), rb) => {
            isolate::drop_quietly(rb);
            panic.resume()
        }
        (ra, Err(panic)) => {
            isolate::drop_quietly(ra);
            panic.resume()
        }
    }
}

/// The push of `job` asks for attention. If it is the first one since the ring rested, [`close`] follows at its pop: which comes by
/// there, because such a job is public at once, and the oldest of those that are left stays so.
#[cold]
#[inline(never)]
fn attend(queue: &Queue, job: *const Job, site: Site) {
    frame::with_crew(|crew| {
        let crew = crew.expect("who forks is in a frame");
        let opens = !queue.ring.is_active();
        let public = if opens || queue.ring.is_asked() {
            Public::Oldest
        } else {
            Public::Same
        };
        // Whoever sleeps now, or is called and finds no more than one fork, relies on being thought of at the next push.
        let is_anybody_asleep = || crew.sleep.parked() > 0 || crew.is_anybody_dozing();
        let alert = is_anybody_asleep();
        // SAFETY: who forks owns the queue.
        unsafe { queue.ring.attend(public, alert) };
        // Pairs with the fences of sleepers: they see the fork in an active ring, or are seen from here on.
        fence(Ordering::SeqCst);
        if !alert && is_anybody_asleep() {
            queue.ring.alert();
        }
        let wake = if opens {
            queue.set_opener(job);
            open(crew, queue, site)
        } else {
            is_long(crew, queue)
        };
        if wake {
            // SAFETY: as above.
            unsafe { queue.ring.attend(Public::All, true) };
            fence(Ordering::SeqCst);
            call(crew);
        }
    });
}

/// The first fork after a rest: whether to wake somebody for it.
fn open(crew: &Crew, queue: &Queue, site: Site) -> bool {
    let now_ns = crew.now_ns();
    queue.began_ns.store(now_ns, Ordering::Relaxed);
    queue.unattended.store(0, Ordering::Relaxed);
    if !is_anybody_idle(crew) {
        return false;
    }
    let known_ns = crew.costs.ns_per_item(site).map(|ns| ns as u64);
    crew.is_worth_a_wake_up(known_ns) || crew.sleep.all_quiet() && crew.costs.spend_savings(now_ns)
}

/// A fork among others, while somebody sleeps and nobody searches: whether this has gone on for so long that a wake-up pays.
fn is_long(crew: &Crew, queue: &Queue) -> bool {
    if !is_anybody_idle(crew) {
        return false;
    }
    let unattended = queue.unattended.load(Ordering::Relaxed) + 1;
    queue.unattended.store(unattended, Ordering::Relaxed);
    // A young ring is believed to be empty again soon.
    let believed = crew.sleep.parked() == 0 || crew.sleep.relies_on_watch();
    if believed && unattended & (PUSHES_A_CLOCK - 1) != 0 {
        return false;
    }
    let age_ns = crew
        .now_ns()
        .saturating_sub(queue.began_ns.load(Ordering::Relaxed));
    !believed || enlist::pays(Some(age_ns), crew.costs.wake_price_ns())
}

/// Whether somebody sleeps who might help, and nobody searches.
fn is_anybody_idle(crew: &Crew) -> bool {
    crew.sleep.searching() == 0
        && (crew.sleep.parked() > 0
            || frame::with_node(|node| node.is_some_and(|node| crew.has_sleeper(node))))
}

/// Calls one more runner, after a fence.
fn call(crew: &Crew) {
    if !crew.wake_one() {
        frame::with_node(|node| node.is_some_and(|node| crew.rouse(node)));
    }
}

/// Forks are told apart by their second half.
#[inline(always)]
fn site<B: FnOnce() -> RB, RB>() -> Site {
    Site::of(Fork::<B, RB>::execute as *const () as usize)
}

/// The first fork has ended: the ring rests again.
fn close(queue: &Queue, site: Site, alone: bool) {
    // SAFETY: who forks owns the queue.
    unsafe { queue.ring.rest() };
    frame::with_crew(|crew| {
        // None in a child of `fork` that returns from `b`: it is in no frame any more.
        let Some(crew) = crew else { return };
        let now_ns = crew.now_ns();
        let took_ns = now_ns.saturating_sub(queue.began_ns.load(Ordering::Relaxed));
        if alone {
            crew.costs.learn(site, 1, took_ns);
        }
        crew.costs.region_ended(now_ns, took_ns, alone);
    });
}

/// Waits until the thief has run `job`.
fn wait(crew: &Crew, queue: &Queue, job: &Job) {
    Wait {
        crew,
        worker: frame::seat_in(crew).expect("who forks sits somewhere"),
        node: job.node(),
        waiter: &queue.waiter,
        lends: Some(queue),
        reads_mail: false,
        passes_on: &|| job.node().pass_on(),
    }
    .until(|| job.node().is_done());
}

/// As [`fork`], for a thread that is [`inside`] of a crew. It has no queue if too many threads from outside fork already.
pub(crate) fn here<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    match frame::queue() {
        Some(queue) => fork(queue, a, b),
        None => in_turn(a, b),
    }
}

/// Where there is no queue: one after the other.
#[cold]
fn in_turn<RA, RB>(a: impl FnOnce() -> RA, b: impl FnOnce() -> RB) -> (RA, RB) {
    let ra = isolate::catch(a).map_err(caught);
    let rb = isolate::catch(b).map_err(caught);
    both(ra, rb)
}

/// Runs `body` as one who forks in `crew`: to the queue that this thread has there, or as a guest.
pub(crate) fn inside<R: Send>(crew: &Crew, body: impl FnOnce() -> R + Send) -> R {
    if frame::forks_in(crew) {
        return body();
    }
    crew.process.enter();
    frame::with_node(|node| match frame::seat_in(crew) {
        Some(worker) if frame::has_queue_in(crew) => frame::enter(crew, worker, node, body),
        // It works along on a batch, and has a seat for that.
        Some(worker) => match crew.forks.claim() {
            Some(guest) => frame::enter_forking(crew, worker, guest.queue(), node, body),
            None => frame::enter(crew, worker, node, body),
        },
        // A worker that takes this over is inside already.
        None => on_a_seat(crew, || match frame::seat_in(crew) {
            Some(_) => body(),
            None => as_guest(crew, node, body),
        }),
    })
}

/// Runs `body` as a thread from outside.
fn as_guest<R>(crew: &Crew, node: Option<&Node<'_>>, body: impl FnOnce() -> R) -> R {
    let nobody = crew.extra();
    let Some(guest) = crew.forks.claim() else {
        return frame::enter(crew, nobody, node, body);
    };
    let _seat = GuestSeat::take(crew, guest.queue());
    frame::enter_forking(crew, nobody, guest.queue(), node, body)
}

/// The seat of a sleeping worker, kept free while a guest runs: so there are no more runners than seats as long as somebody
/// sleeps. The guest does not run under that worker's name.
struct GuestSeat<'c> {
    crew: &'c Crew,
    queue: &'c Queue,
}

impl<'c> GuestSeat<'c> {
    fn take(crew: &'c Crew, queue: &'c Queue) -> Self {
        queue.set_seat(crew.borrow_seat());
        Self { crew, queue }
    }
}

impl Drop for GuestSeat<'_> {
    fn drop(&mut self) {
        if let Some(index) = self.queue.take_seat()
            && self.crew.process.is_this()
        {
            self.crew.give_back_seat(index);
        }
    }
}
