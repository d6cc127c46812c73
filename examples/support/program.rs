//! Who a program is.

#[derive(Clone, Copy, Debug)]
pub struct Program {
    pub name: &'static str,
    /// The exit code of a run that failed.
    pub failure: u8,
}
