//! Who waits for what is handed in, if anybody: a scope, for as long as which it may borrow, or nobody.

use crate::cancel::CancelToken;
use crate::closure::Closure;
use crate::crew::Crew;
use crate::priority::Priority;
use crate::scope::Scope;
use crate::stem::Stem;
use std::sync::Arc;

/// See the [module](self). What is handed in may borrow for `'w`.
pub(super) trait Host<'w> {
    /// What work of this class descends from that is handed in to `crew`, and [kept](Self::keep).
    fn stem(&self, crew: &Crew, priority: Option<Priority>) -> Arc<Stem>;

    /// Keeps `work`, which is work of `stem`, until it is gone. `ending` tells it to end, if it may go on for ever.
    fn keep(
        &self,
        stem: &Arc<Stem>,
        ending: Option<CancelToken>,
        work: Closure<'w, bool>,
    ) -> Closure<'static, bool>;
}

/// Nobody: it borrows nothing.
pub(super) struct Nobody;

impl Host<'static> for Nobody {
    fn stem(&self, crew: &Crew, priority: Option<Priority>) -> Arc<Stem> {
        Stem::new(crew, priority)
    }

    fn keep(
        &self,
        _stem: &Arc<Stem>,
        _ending: Option<CancelToken>,
        work: Closure<'static, bool>,
    ) -> Closure<'static, bool> {
        work
    }
}

impl<'scope> Host<'scope> for Scope<'scope> {
    fn stem(&self, crew: &Crew, priority: Option<Priority>) -> Arc<Stem> {
        Scope::stem(self, crew, priority)
    }

    fn keep(
        &self,
        stem: &Arc<Stem>,
        ending: Option<CancelToken>,
        work: Closure<'scope, bool>,
    ) -> Closure<'static, bool> {
        Scope::keep(self, stem, ending, work)
    }
}
