//! Work on many items by several threads, with the results in order.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

/// Calls `work` on every item, on several threads, and gives `take` the results on this one, first item first. The threads begin
/// at once and run on while `take` does something else, until `room` results wait for it. They end when `take` returns.
pub(super) fn ahead<T: Sync, R: Send, O>(
    items: &[T],
    threads: NonZero<usize>,
    room: usize,
    work: impl Fn(&T) -> R + Sync,
    take: impl FnOnce(&mut InOrder<R>) -> O,
) -> O {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (send, results) = sync_channel(room);
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
        // Dropped before the threads are waited for, so that they see that nobody takes more.
        let mut results = InOrder {
            results,
            early: BTreeMap::new(),
            wanted: 0,
        };
        take(&mut results)
    })
}

/// Results in the order of their items.
pub(super) struct InOrder<R> {
    results: Receiver<(usize, R)>,
    /// Those that came before their turn.
    early: BTreeMap<usize, R>,
    wanted: usize,
}

impl<R> Iterator for InOrder<R> {
    type Item = R;

    fn next(&mut self) -> Option<R> {
        loop {
            if let Some(result) = self.early.remove(&self.wanted) {
                self.wanted += 1;
                return Some(result);
            }
            let (place, result) = self.results.recv().ok()?;
            self.early.insert(place, result);
        }
    }
}

/// As [`ahead`], with one result after the other handed to `take`. An error of `take` ends it. The threads are only a little
/// ahead of `take`, so that few results are held at a time.
pub(super) fn in_order<T: Sync, R: Send, E>(
    items: &[T],
    threads: NonZero<usize>,
    work: impl Fn(&T) -> R + Sync,
    mut take: impl FnMut(usize, R) -> Result<(), E>,
) -> Result<(), E> {
    ahead(items, threads, 2 * threads.get(), work, |results| {
        results
            .enumerate()
            .try_for_each(|(place, result)| take(place, result))
    })
}

/// The results of `work` on all items.
pub(super) fn map<T: Sync, R: Send>(
    items: &[T],
    threads: NonZero<usize>,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    ahead(items, threads, 2 * threads.get(), work, |results| {
        results.collect()
    })
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

    #[test]
    fn the_threads_do_not_wait_for_the_first_result_to_be_taken() {
        let items: Vec<usize> = (0..100).collect();
        let done = AtomicUsize::new(0);
        let work = |_: &usize| done.fetch_add(1, Ordering::SeqCst);
        let before = ahead(&items, THREADS, 20, work, |results| {
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
            while done.load(Ordering::SeqCst) < 20 && std::time::Instant::now() < deadline {
                std::thread::yield_now();
            }
            let before = done.load(Ordering::SeqCst);
            assert_eq!(results.count(), 100);
            before
        });
        // What waits, and what each thread has in its hands.
        assert!((20..=20 + 2 * THREADS.get()).contains(&before), "{before}");
    }
}
