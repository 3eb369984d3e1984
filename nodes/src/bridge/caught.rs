//! Polars panics on some broken files where an error would do. Here such a panic becomes one.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;
use std::thread;

use polars::prelude::PolarsError;

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Calls polars' reader; what it panics with is the error's text, and is not printed.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T, PolarsError>) -> Result<T, PolarsError> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if !is_told_elsewhere() {
                before(panic);
            }
        }));
    });
    let outside = CATCHING.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(outside);
    result.unwrap_or_else(|panic| Err(PolarsError::ComputeError(words(&*panic).into())))
}

/// A panic on one of polars' own threads goes on where its work was waited for.
fn is_told_elsewhere() -> bool {
    let thread = thread::current();
    CATCHING.get()
        || thread
            .name()
            .is_some_and(|name| name.starts_with("polars-"))
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("the reader gave up").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_of_its_text() {
        let error = caught::<()>(|| panic!("row {}", 3)).unwrap_err();
        assert_eq!(error.to_string(), "row 3");
        assert_eq!(caught(|| Ok(5)).unwrap(), 5);
        assert!(!CATCHING.get());
    }
}
