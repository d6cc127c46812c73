/// Nothing that reaches other threads is known here.
pub(super) fn register() -> bool {
    false
}

pub(super) fn reach_all() {
    unreachable!("nobody was registered");
}
