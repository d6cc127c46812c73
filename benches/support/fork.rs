//! `join` of each peer behind one trait, so that a recursive body is written once.

use super::peers::Peer;

/// A peer's `join`.
pub(crate) trait Fork {
    /// What a peer hands down the recursion: chili its scope, the others nothing.
    type Scope<'s>;

    fn join<A, B, RA, RB>(scope: &mut Self::Scope<'_>, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(&mut Self::Scope<'_>) -> RA + Send,
        B: FnOnce(&mut Self::Scope<'_>) -> RB + Send,
        RA: Send,
        RB: Send;
}

/// A body that forks.
pub(crate) trait Recursive: Send {
    type Output: Send;

    fn run<F: Fork>(self, scope: &mut F::Scope<'_>) -> Self::Output;
}

impl Peer {
    pub(crate) fn recurse<R: Recursive>(&self, body: R) -> R::Output {
        match self {
            Self::Sequential => body.run::<Plain>(&mut ()),
            Self::Rayon(pool) => pool.install(|| body.run::<Rayon>(&mut ())),
            Self::Chili(pool) => body.run::<Chili>(&mut pool.scope()),
            Self::Ganger(rt) => rt.install(|| body.run::<Ganger>(&mut ())),
            other => other.cannot("join"),
        }
    }
}

/// Two calls, one after the other.
pub(crate) struct Plain;
struct Rayon;
struct Chili;
struct Ganger;

impl Fork for Plain {
    type Scope<'s> = ();

    #[inline(always)]
    fn join<A, B, RA, RB>(scope: &mut (), a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(&mut ()) -> RA + Send,
        B: FnOnce(&mut ()) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        (a(scope), b(scope))
    }
}

impl Fork for Rayon {
    type Scope<'s> = ();

    #[inline(always)]
    fn join<A, B, RA, RB>(_: &mut (), a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(&mut ()) -> RA + Send,
        B: FnOnce(&mut ()) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        rayon::join(|| a(&mut ()), || b(&mut ()))
    }
}

impl Fork for Chili {
    type Scope<'s> = chili::Scope<'s>;

    #[inline(always)]
    fn join<A, B, RA, RB>(scope: &mut chili::Scope<'_>, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(&mut chili::Scope<'_>) -> RA + Send,
        B: FnOnce(&mut chili::Scope<'_>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        scope.join(a, b)
    }
}

impl Fork for Ganger {
    type Scope<'s> = ();

    #[inline(always)]
    fn join<A, B, RA, RB>(_: &mut (), a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(&mut ()) -> RA + Send,
        B: FnOnce(&mut ()) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        ganger::join(|| a(&mut ()), || b(&mut ()))
    }
}
