//! Where the caller of a region sits: on a seat of its own, on one that it has borrowed, or nowhere.

use crate::crew::Crew;
use crate::frame;

/// The caller's right to run.
pub(crate) struct Chair<'c> {
    crew: &'c Crew,
    kind: Kind,
}

#[derive(Copy, Clone, PartialEq, Eq)]
enum Kind {
    /// The thread sat here before the call, and will after it.
    Held(usize),
    /// A sleeping worker's.
    Borrowed(usize),
    /// The one more that every region has.
    Extra,
    /// None: callers do not work along, or this one only looks after the items.
    None,
}

impl<'c> Chair<'c> {
    pub(crate) fn take(crew: &'c Crew) -> Self {
        match frame::seat_in(crew) {
            Some(worker) => Self {
                crew,
                kind: Kind::Held(worker),
            },
            None => {
                let mut chair = Self {
                    crew,
                    kind: Kind::Extra,
                };
                chair.sit();
                chair
            }
        }
    }

    pub(crate) fn none(crew: &'c Crew) -> Self {
        Self {
            crew,
            kind: Kind::None,
        }
    }

    /// Whether the caller may run items: it sits, or there is nobody else left to run them.
    pub(crate) fn may_run(&mut self) -> bool {
        if self.kind == Kind::None && self.crew.is_deserted() {
            self.kind = Kind::Extra;
        }
        self.kind != Kind::None
    }

    /// Sits down again after [`lend_back`](Self::lend_back).
    pub(crate) fn sit(&mut self) {
        if self.kind == Kind::Extra
            && let Some(index) = self.crew.borrow_seat()
        {
            self.kind = Kind::Borrowed(index);
        }
    }

    /// Gives a borrowed seat back, for as long as this thread has nothing to run.
    pub(crate) fn lend_back(&mut self) {
        if let Kind::Borrowed(index) = self.kind {
            self.kind = Kind::Extra;
            self.crew.give_back_seat(index);
        }
    }

    pub(crate) fn worker(&self) -> usize {
        match self.kind {
            Kind::Held(worker) | Kind::Borrowed(worker) => worker,
            Kind::Extra | Kind::None => self.crew.extra(),
        }
    }
}

impl Drop for Chair<'_> {
    fn drop(&mut self) {
        self.lend_back();
    }
}
