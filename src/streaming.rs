//! Streams that are made of a runtime.

#[cfg(feature = "async")]
use crate::batch::Polled;
use crate::batch::{Batch, Feed, Stream};
use crate::runtime::Runtime;

impl Runtime {
    /// Items that are run as they come: see [`Stream`].
    ///
    /// ```
    /// let rt = ganger::Runtime::new()?;
    /// let lines = "one\ntwo\nthree".lines();
    /// let lengths = rt.stream(lines).window(100).run(|line, _ctx| Ok::<_, ()>(line.len()));
    /// let mut sum = 0;
    /// for next in lengths {
    ///     let (_index, outcome) = next?; // as they are done, or in their order after `ordered()`
    ///     sum += outcome.done().expect("no line fails");
    /// }
    /// assert_eq!(sum, 11);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stream<I: Iterator>(&self, input: I) -> Stream<I> {
        Batch::new(self.crew().clone(), Feed::new(input))
    }

    /// As [`stream`](Self::stream), of items that come from a `futures_core::Stream`. It is polled on a thread of the runtime's, outside of any other
    /// executor: what it needs of one it must bring along.
    #[cfg(feature = "async")]
    pub fn stream_from<S: futures_core::Stream>(&self, input: S) -> Stream<Polled<S>> {
        Batch::new(self.crew().clone(), Feed::new(Polled::new(input)))
    }
}
