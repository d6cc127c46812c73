//! A stream under way: what its steward does from the first item to the last.

use super::inlet::Inlet;
use super::input::{Input, Meanwhile};
use super::outlet::Outlet;
use crate::batch::again::Again;
use crate::batch::ctx::Ctx;
use crate::batch::failure::Decide;
use crate::batch::launch::Layout;
use crate::batch::oversee::{Desk, Overseen};
use crate::batch::settings::Supervised;
use crate::batch::state::MakeState;
use crate::batch::watch::{Called, Watch};
use crate::crew::Crew;
use crate::error::StreamError;
use crate::isolate;
use crate::panic::TaskPanic;
use crate::region::Region;
use crate::sync::AtomicBool;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a puller sleeps that nobody wakes.
const NAP: Duration = Duration::from_millis(1);

/// All that a stream owns.
pub(super) struct Flow<I: Input, M, F> {
    pub(super) input: I,
    pub(super) inlet: Inlet<I::Item>,
    pub(super) make: M,
    pub(super) body: F,
    pub(super) caller: &'static Location<'static>,
    pub(super) layout: Layout,
    pub(super) began: Instant,
}

impl<I: Input, M, F> Flow<I, M, F> {
    /// Steward: from the first item to the last.
    pub(super) fn run<D, R, E>(
        self,
        crew: &Arc<Crew>,
        settings: Supervised<'_, D>,
        outlet: &Arc<Outlet<R, E>>,
    ) where
        I: Input<Item: Send>,
        M: MakeState<E>,
        F: Fn(&mut M::State, I::Item, &Ctx<'_>) -> Result<R, E> + Sync,
        D: Decide<E>,
        R: Send,
        E: Send,
    {
        let (make, input) = (self.make, self.input);
        if crew.is_deserted() {
            // Those who left before this was handed in have told it nothing.
            outlet.end();
        }
        let brake = outlet.brake();
        let run = |watch: Watch<'_, D>| {
            let overseen = Overseen {
                crew,
                parts: self.inlet,
                make: &make,
                body: self.body,
                decide: watch.decide,
                retry: watch.retry,
                brake: brake.clone(),
                patrol: watch.patrol,
                notice: watch.notice,
                progress: None,
                exit: None,
                outcomes: outlet.clone(),
                again: Again::new(brake.clone()),
                desk: Desk::default(),
                chair: AtomicBool::new(false),
            };
            let mut input = Some(input);
            // Its class is that of the stem.
            let body = |region: &Region<'_>| {
                let input = input.take().expect("called once");
                pull(input, &overseen, outlet, region);
            };
            overseen.run_tickets(self.caller, None, body, None);
            overseen.tell_why_it_stops();
            overseen.notice.end(|| *overseen.desk.counts.lock());
            // Its body is the user's.
            isolate::drop_quietly(overseen);
        };
        let leaves_behind = settings.retry.is_none();
        let called = Called {
            layout: &self.layout,
            items: None,
            began: self.began,
        };
        let ((), thrown) = settings.watched(crew, called, brake, leaves_behind, run);
        isolate::drop_quietly((make, thrown));
        outlet.finish();
    }
}

/// The items of a stream, with what looks after them.
type Streamed<'o, I, M, F, D, R, E> =
    Overseen<'o, Inlet<<I as Input>::Item>, M, F, D, Arc<Outlet<R, E>>, R, E>;

/// Takes from the input what there is room for.
fn pull<I, M, F, D, R, E>(
    mut input: I,
    overseen: &Streamed<'_, I, M, F, D, R, E>,
    outlet: &Outlet<R, E>,
    region: &Region<'_>,
) where
    I: Input<Item: Send>,
    R: Send,
    E: Send,
{
    // The board is full, and nobody else sees the items: nobody tells of those that come back, either.
    let is_alone = region.caller_runs;
    let run = || {
        if is_alone {
            region.run_unseen();
        }
    };
    let meanwhile = Meanwhile {
        has_news: &|| overseen.has_news() || is_alone && region.entry.has_work(),
        attend: &|| {
            overseen.attend(outlet.puller());
            run();
        },
        nap: is_alone.then_some(NAP),
    };
    let (counted, failed) = loop {
        if (meanwhile.has_news)() {
            (meanwhile.attend)();
        }
        if !outlet.wait_for_room(&meanwhile) {
            break (false, outlet.why_stopped());
        }
        let pulled = isolate::catch(|| input.pull(outlet, &meanwhile));
        region.crew.process.stay();
        match pulled {
            Ok(Some(item)) => {
                overseen.parts.push(item);
                region.add();
                run();
            }
            Ok(None) => break (true, outlet.why_stopped()),
            Err(payload) => {
                let panic = TaskPanic::caught(payload, region.crew.extra());
                break (true, Some(StreamError::panic(panic)));
            }
        }
    };
    isolate::drop_quietly(input);
    outlet.close(counted, failed);
}
