//! A bounded memory of what was computed.

use std::collections::HashMap;
use std::hash::Hash;

/// The values that were put in or asked for last, at most `room` of them and at least the last `room / 2`.
///
/// Two generations: when the younger one is full, the older one is forgotten and the younger takes its place. What is asked for
/// moves to the younger.
pub(super) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Hash + Eq, V: Clone> Recent<K, V> {
    pub(super) fn new(room: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            half: room / 2,
        }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.put(key, value.clone());
        Some(value)
    }

    pub(super) fn put(&mut self, key: K, value: V) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        if self.half > 0 {
            self.young.insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_is_forgotten() {
        let mut recent = Recent::new(10);
        for number in 0..100 {
            recent.put(number, number * 2);
            // Asked for again and again.
            assert_eq!(recent.get(&0), Some(0));
            assert!(recent.young.len() + recent.old.len() <= 10);
        }
        for number in 95..100 {
            assert_eq!(recent.get(&number), Some(number * 2), "{number}");
        }
        assert_eq!(recent.get(&50), None);
    }

    #[test]
    fn without_room_nothing_is_kept() {
        let mut recent = Recent::new(1);
        recent.put(1, 1);
        assert_eq!(recent.get(&1), None);
    }
}
