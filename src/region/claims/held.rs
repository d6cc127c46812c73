//! What a participant has claimed and may lose again, where its items may be stuck: see [`hold`](crate::hold).
//!
//! It is so for tasks that can be stopped. All others pay nothing for it.

use super::Claims;
use crate::hold::Hold;
use crate::range::Span;
use crate::sync::{Ordering, fence};

impl<'r> Claims<'r> {
    /// What is not begun of the chunk at hand may be taken by others from now on, until it [is lost](Self::has_lost), given back or given
    /// up. For each chunk or none; before each of its items the [hold](Self::held) is to be asked.
    #[inline]
    pub(crate) fn hold(&self) {
        self.held().put(self.chunk);
        // Pairs with the fences of sleepers: they see what we hold, or are seen.
        fence(Ordering::SeqCst);
        if self.region.crew.sleep.all_quiet() && self.entry().has_held() {
            self.region.crew.mind_held();
        }
    }

    /// Where this participant holds its chunks, if it does.
    #[inline]
    pub(crate) fn held(&self) -> &'r Hold {
        &self.entry().holds()[self.seat]
    }

    /// Whether the items of a chunk that was held were taken away from `next` on: the chunk ends there.
    #[inline]
    pub(crate) fn has_lost(&mut self, next: u32) -> bool {
        let lost = !self.held().keeps(next);
        if lost {
            self.chunk.end = next;
        }
        lost
    }

    /// Ends the chunk at hand: its items from `begin` on are not run. Those that nobody has taken away.
    pub(super) fn cut(&mut self, begin: u32) -> Span {
        let rest = match self.token {
            // What can be stopped is held.
            Some(_) => self.held().take_back(begin),
            None => Span::new(begin, self.chunk.end),
        };
        self.unbooked += begin - self.chunk.begin;
        self.chunk = Span::default();
        rest
    }

    /// Takes away what another participant holds and has not begun. True if this one has got something to run.
    #[cold]
    pub(crate) fn revoke(&mut self) -> bool {
        if !self.own().word.get().is_empty() {
            return true;
        }
        let holds = self.entry().holds();
        let mut victims = self.dice.victims(holds.len(), self.seat);
        let won = victims.find_map(|victim| Some((victim, holds[victim].revoke(self.seat)?)));
        if let Some((victim, span)) = won {
            self.note_steal(victim, span.len());
            self.take_in(span);
        }
        won.is_some()
    }
}
