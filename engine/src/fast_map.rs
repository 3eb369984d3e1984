//! A hash map for keys of our own making: its hash is fast, and not one that withstands keys chosen to collide.

use std::collections::HashMap;

use foldhash::fast::RandomState;

pub(crate) type FastMap<K, V> = HashMap<K, V, RandomState>;
