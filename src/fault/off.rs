//! Nothing goes wrong on purpose.

use super::Point;

#[inline(always)]
pub(crate) fn point(_: Point) {}

#[inline(always)]
pub(crate) fn pause(_: Point) {}

#[inline(always)]
pub(crate) fn strikes(_: Point) -> bool {
    false
}

#[inline(always)]
pub(crate) fn go_on() {}

#[inline(always)]
pub(crate) fn refuses(_: Point) -> bool {
    false
}
