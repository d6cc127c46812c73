use crate::caller::Call;
use crate::cancel::CancelToken;
use crate::closure::Closure;
use crate::costs::Site;
use crate::crew::Crew;
use crate::drive::{Body, drive};
use crate::frame;
use crate::isolate;
use crate::lineage::Node;
use crate::panic::TaskPanic;
use crate::priority::Priority;
use crate::region::{Claims, Items, Label, Region, Task};
use crate::stem::Stem;
use crate::sync::{AtomicPtr, Mutex, Ordering};
use crossbeam::deque::{Injector, Steal};
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::{Arc, Weak};

/// Where closures are spawned that may borrow from outside of it. Made by [`Runtime::scope`](crate::Runtime::scope).
///
/// It may be shared with other threads for as long as they live inside of the scope.
pub struct Scope<'scope> {
    /// A region of tickets: each is the right to one closure in `spawned`, which was put there before.
    region: AtomicPtr<Region<'static>>,
    spawned: Injector<Closure<'scope, Self>>,
    /// The first panic of a closure.
    panic: Mutex<Option<TaskPanic>>,
    kept: Mutex<Vec<Kept>>,
    /// INVARIANT(caller): null, or what waits for the scope, and so is there until `run` has returned.
    caller: AtomicPtr<Node<'static>>,
    /// `'scope` must not be shortened: what is spawned may hold on to it until the end.
    invariant: PhantomData<fn(&'scope ()) -> &'scope ()>,
}

/// Something that was handed in, and may borrow: it must be gone before the scope has ended.
struct Kept {
    stem: Arc<Stem>,
    /// To be told to end, if it may go on for ever.
    ending: Option<CancelToken>,
}

/// What was handed in; tells its stem when it is gone.
struct Last<'scope> {
    work: Option<Closure<'scope, bool>>,
    stem: Weak<Stem>,
}

impl Drop for Last<'_> {
    fn drop(&mut self) {
        isolate::drop_quietly(self.work.take());
        // The scope has it, until this.
        if let Some(stem) = self.stem.upgrade() {
            stem.end();
        }
    }
}

impl<'scope> Scope<'scope> {
    /// Spawns a closure, which may run on any worker, or on the thread that waits for the scope, at once or later. It is given the
    /// scope, to spawn more.
    ///
    /// A small closure (two words, as a reference and a number) is stored without an allocation of its own. Closures are
    /// begun in the order in which they were spawned, about.
    ///
    /// If it panics, the others run all the same, and the scope throws the first panic on when all have ended.
    pub fn spawn<F>(&self, body: F)
    where
        F: FnOnce(&Scope<'scope>) + Send + 'scope,
    {
        // SAFETY: set before the scope was shown to anybody, and valid until all that was spawned has ended; whoever calls
        // this keeps the scope open: its body, or one of its closures.
        let region = unsafe { &*self.region.load(Ordering::Relaxed) };
        region.crew.process.enter();
        self.spawned.push(Closure::new(body));
        region.add();
    }

    /// What work of this class descends from that is handed in to `crew`, and [kept](Self::keep): whoever waits for the scope waits for it, too, and may help.
    pub(crate) fn stem(&self, crew: &Crew, priority: Option<Priority>) -> Arc<Stem> {
        // SAFETY: INVARIANT(caller). Set before the scope was shown to anybody.
        let caller = unsafe { self.caller.load(Ordering::Relaxed).as_ref() };
        // SAFETY: `run` does not return before what is kept is over: INVARIANT(caller).
        unsafe { Stem::below(caller, crew, priority) }
    }

    /// Has the end of the scope wait until `work` is gone, which is work of `stem`. `ending`: tells it then to end, if it would go on for ever.
    pub(crate) fn keep(
        &self,
        stem: &Arc<Stem>,
        ending: Option<CancelToken>,
        work: Closure<'scope, bool>,
    ) -> Closure<'static, bool> {
        let stem = stem.clone();
        let mut last = Last {
            work: Some(work),
            stem: Arc::downgrade(&stem),
        };
        self.kept.lock().push(Kept { stem, ending });
        let work = Closure::new(move |runs_items: &bool| {
            let work = last.work.take().expect("called once");
            work.call(runs_items);
        });
        // SAFETY: when it was called or dropped, the stem is told, after all else; and `run` returns only after that.
        unsafe { work.forever() }
    }

    /// Waits until what was handed in is gone. After all who might hand in more.
    fn let_go(&self, crew: &Crew) {
        let kept = std::mem::take(&mut *self.kept.lock());
        kept.iter()
            .filter_map(|kept| kept.ending.as_ref())
            .for_each(CancelToken::cancel);
        for Kept { stem, ending } in kept {
            // As who joins it; a stream that nobody has begun ends so, and takes nothing.
            if ending.is_some() || frame::does_work() {
                stem.run(ending.is_none() || crew.stewards.has_refused());
            }
            stem.wait_until(crew, || stem.is_over());
        }
    }

    /// Runs `body` and all that it spawns, in `crew`.
    pub(crate) fn run<R>(
        crew: &Crew,
        caller: &'static Location<'static>,
        body: impl FnOnce(&Scope<'scope>) -> R,
    ) -> R {
        let scope = Self {
            region: AtomicPtr::default(),
            spawned: Injector::new(),
            panic: Mutex::new(None),
            kept: Mutex::new(Vec::new()),
            caller: AtomicPtr::default(),
            invariant: PhantomData,
        };
        let call = Call {
            crew,
            site: Site::new(caller, 0),
            task: &scope,
            items: Items::Growing,
            len: 0,
            cut: None,
            priority: None,
            label: Label::default(),
            called_ns: None,
        };
        frame::with_node(|node| {
            let node = node.map_or(std::ptr::null(), std::ptr::from_ref);
            let caller = node.cast::<Node<'static>>().cast_mut();
            scope.caller.store(caller, Ordering::Relaxed);
        });
        let mut body = Some(body);
        let mut result = None;
        call.run_growing(&mut |region| {
            let address = std::ptr::from_ref(region).cast::<Region<'static>>();
            scope.region.store(address.cast_mut(), Ordering::Relaxed);
            let body = body.take().expect("called once");
            result = Some(isolate::catch(|| body(&scope)).map_err(|it| TaskPanic::caught(it, 0)));
            crew.process.stay();
        });
        scope.let_go(crew);
        let of_closures = scope.panic.into_inner();
        match (result.expect("it was called"), of_closures) {
            (Ok(result), None) => result,
            (Ok(result), Some(panic)) => {
                isolate::drop_quietly(result);
                panic.resume()
            }
            (Err(panic), of_closures) => {
                drop(of_closures);
                panic.resume()
            }
        }
    }
}

impl Task for Scope<'_> {
    fn participate(&self, claims: &mut Claims<'_>) {
        drive(claims, &mut Stay(self));
    }
}

/// One participation.
struct Stay<'a, 'scope>(&'a Scope<'scope>);

impl Body for Stay<'_, '_> {
    fn run(&mut self, at: &mut u32, until: u32) {
        while *at < until {
            let body = loop {
                // Not empty: we hold a ticket. It may take a moment until this thread sees that.
                if let Steal::Success(body) = self.0.spawned.steal() {
                    break body;
                }
                std::hint::spin_loop();
            };
            *at += 1;
            body.call(self.0);
        }
    }

    fn caught(&mut self, _at: &mut u32, panic: TaskPanic) {
        let mut first = self.0.panic.lock();
        let further = match &*first {
            None => {
                *first = Some(panic);
                None
            }
            Some(_) => Some(panic),
        };
        drop(first);
        // Its payload may do anything when it is dropped.
        drop(further);
    }
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}
