//! Readers of files that panic on some broken ones, where an error would do.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static IN_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread would be caught and told as an error: then a hook has nothing to say.
pub fn panics_are_caught() -> bool {
    IN_CAUGHT.get()
}

/// What `work` gives; none if it panics. It must not leave anything half done that is used afterwards.
pub fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    let before = IN_CAUGHT.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    IN_CAUGHT.set(before);
    result.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_nothing() {
        assert!(!panics_are_caught());
        assert_eq!(caught(panics_are_caught), Some(true));
        assert_eq!(caught::<()>(|| panic!("row {}", 3)), None);
        assert!(!panics_are_caught());
    }
}
