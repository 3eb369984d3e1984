//! Work on many items by several threads, with the results in order.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;

/// Calls `work` on every item, on several threads, and hands the results to `take` on this one, first item first. An error of
/// `take` ends it. The threads are only a little ahead of `take`, so that few results are held at a time.
pub(super) fn in_order<T: Sync, R: Send, E>(
    items: &[T],
    threads: NonZero<usize>,
    work: impl Fn(&T) -> R + Sync,
    mut take: impl FnMut(usize, R) -> Result<(), E>,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (send, results) = sync_channel(2 * threads.get());
        for _ in 0..threads.get().min(items.len()) {
            let (send, next, work) = (send.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(place) else { return };
                    if send.send((place, work(item))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut early = BTreeMap::new();
        let mut wanted = 0;
        // Moved in, so that an error drops it and the threads see that nobody takes more.
        for (place, result) in results {
            early.insert(place, result);
            while let Some(result) = early.remove(&wanted) {
                take(wanted, result)?;
                wanted += 1;
            }
        }
        Ok(())
    })
}

/// The results of `work` on all items.
pub(super) fn map<T: Sync, R: Send>(
    items: &[T],
    threads: NonZero<usize>,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let mut results = Vec::with_capacity(items.len());
    let Ok(()) = in_order(items, threads, work, |_, result| {
        results.push(result);
        Ok::<(), std::convert::Infallible>(())
    });
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREADS: NonZero<usize> = NonZero::new(4).unwrap();

    #[test]
    fn results_come_in_order() {
        let items: Vec<u64> = (0..500).collect();
        let slow_first = |&item: &u64| {
            std::thread::sleep(std::time::Duration::from_micros(if item % 7 == 0 {
                300
            } else {
                0
            }));
            item * 2
        };
        let doubled = map(&items, THREADS, slow_first);
        assert!(doubled.iter().copied().eq((0..500).map(|n| n * 2)));
        assert!(map(&[] as &[u64], THREADS, slow_first).is_empty());
    }

    #[test]
    fn an_error_stops_the_work() {
        let items: Vec<usize> = (0..100_000).collect();
        let done = AtomicUsize::new(0);
        let work = |_: &usize| done.fetch_add(1, Ordering::Relaxed);
        let result = in_order(&items, THREADS, work, |place, _| {
            if place == 10 { Err("enough") } else { Ok(()) }
        });
        assert_eq!(result, Err("enough"));
        assert!(done.into_inner() < 1000);
    }
}
