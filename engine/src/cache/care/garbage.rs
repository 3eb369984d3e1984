//! Collection: what nothing that stays names is removed.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::SystemTime;

use super::inventory::{Beside, Inventory, Place, files_below};
use super::keep::{Keep, Kept};
use crate::cache::lock::{abandoned, only_user};
use crate::cache::store::found;
use crate::cache::sweep::{left_over, remove};
use crate::cache::{Cache, CacheError, answers, unfinished};
use crate::table::Digest;

/// A cache that nobody else uses.
pub struct Alone {
    cache: Cache,
    _lock: File,
}

/// What is to be removed, in the order in which that is done: what names an object goes before it.
#[derive(Debug, Default)]
pub struct Garbage {
    pub tables: Vec<PathBuf>,
    pub chunks: Vec<PathBuf>,
    pub rows: Vec<PathBuf>,
    /// Files that nodes gave are among them.
    pub objects: Vec<PathBuf>,
    /// Files of answers, where these are not to be kept.
    pub answers: Vec<PathBuf>,
    /// Damaged files, and what processes that were killed have left.
    pub others: Vec<PathBuf>,
    /// Of all of these.
    pub bytes: u64,
    /// Of the whole cache, before.
    pub bytes_before: u64,
    /// Of the objects that must stay.
    pub bytes_needed: u64,
}

impl Garbage {
    pub fn is_empty(&self) -> bool {
        self.paths().next().is_none()
    }

    fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let groups = [
            &self.tables,
            &self.chunks,
            &self.rows,
            &self.objects,
            &self.answers,
            &self.others,
        ];
        groups.into_iter().flatten()
    }

    fn take(&mut self, place: &Place, group: fn(&mut Self) -> &mut Vec<PathBuf>) {
        self.bytes += place.bytes;
        group(self).push(place.path.clone());
    }
}

impl Alone {
    /// Opens a cache that nobody uses. Where somebody does, it says who, or waits.
    pub fn open(root: impl Into<PathBuf>, wait: bool) -> Result<Self, CacheError> {
        let root = found(&root.into())?;
        let lock = only_user(&root, wait)?;
        let cache = Cache::unlocked(root);
        Ok(Self { cache, _lock: lock })
    }

    /// Removes what [`Cache::garbage`] has found while this was held.
    pub fn remove(&self, garbage: &Garbage) -> Result<(), CacheError> {
        for path in garbage.paths() {
            match remove(path) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                other => other.map_err(CacheError::io("remove", path))?,
            }
        }
        // The folders of identities that have no rows any more; others are full and stay.
        for folder in garbage.rows.iter().filter_map(|path| path.parent()) {
            let _ = fs::remove_dir(folder);
        }
        Ok(())
    }
}

impl Deref for Alone {
    type Target = Cache;

    fn deref(&self) -> &Cache {
        &self.cache
    }
}

/// Something that may go.
enum Unit {
    Table(Digest),
    /// An object that no table names.
    Object(Digest),
}

impl Cache {
    /// What may be removed. It holds as long as nobody else uses the cache.
    pub fn garbage(&self, keep: &Keep) -> Garbage {
        let kept = Kept::of(self, keep);
        let all = Inventory::of(self);
        let mut garbage = Garbage {
            bytes_before: files_below(self.root()).iter().map(|f| f.bytes).sum(),
            ..Garbage::default()
        };
        self.leavings(&all, &kept, &mut garbage);
        if !keep.answers {
            let old = files_below(&answers::folder(self.root()))
                .into_iter()
                .filter(|place| !kept.is_recent(place.modified));
            old.for_each(|place| garbage.take(&place, |g| &mut g.answers));
        }

        let mut users = users(&all);
        let needed = needed(&all, &kept);
        garbage.bytes_needed = bytes(&all, &needed);
        let mut beside: HashMap<Digest, u64> = HashMap::new();
        for Beside { place, object } in all.chunks.iter().chain(&all.rows) {
            *beside.entry(*object).or_default() += place.bytes;
        }
        // What goes with objects is counted with them, and listed below.
        let mut freed = garbage.bytes;
        let mut gone: HashSet<Digest> = HashSet::new();
        for unit in units(&all, &kept, &needed, &users) {
            let left = garbage.bytes_before - freed;
            if keep.max_bytes.is_some_and(|most| left <= most) {
                break;
            }
            let objects: HashSet<Digest> = match unit {
                Unit::Object(object) => HashSet::from([object]),
                Unit::Table(key) => {
                    let item = &all.tables[&key];
                    for place in &item.places {
                        garbage.take(place, |g| &mut g.tables);
                        freed += place.bytes;
                    }
                    item.entry.contents().collect()
                }
            };
            for object in objects {
                let users = users.entry(object).or_default();
                *users = users.saturating_sub(1);
                if *users == 0 && !needed.contains(&object) && gone.insert(object) {
                    freed += all.objects.get(&object).map_or(0, |place| place.bytes);
                    freed += beside.get(&object).copied().unwrap_or(0);
                }
            }
        }
        let is_lost = |object| gone.contains(object) || !all.objects.contains_key(object);
        for Beside { place, object } in &all.chunks {
            if is_lost(object) {
                garbage.take(place, |g| &mut g.chunks);
            }
        }
        for Beside { place, object } in &all.rows {
            if is_lost(object) {
                garbage.take(place, |g| &mut g.rows);
            }
        }
        let places = gone.iter().filter_map(|object| all.objects.get(object));
        places.for_each(|place| garbage.take(place, |g| &mut g.objects));
        garbage
    }

    /// What is no part of the cache: it always goes.
    fn leavings(&self, all: &Inventory, kept: &Kept, garbage: &mut Garbage) {
        let corrupt = files_below(&self.root().join("corrupt"));
        let strange = all.strange.iter().cloned().chain(corrupt);
        for place in strange.filter(|place| !kept.is_recent(place.modified)) {
            garbage.take(&place, |g| &mut g.others);
        }
        let unfinished = fs::read_dir(unfinished::folder(self.root()));
        let given_up = unfinished.into_iter().flatten().flatten();
        let given_up = given_up.map(|folder| folder.path()).filter(|folder| {
            let times = files_below(folder).into_iter().map(|file| file.modified);
            !times.max().is_some_and(|last| kept.is_recent(last))
        });
        for path in left_over(self.root())
            .into_iter()
            .chain(abandoned(self.root()))
            .chain(given_up)
        {
            let files = files_below(&path);
            garbage.bytes += if path.is_dir() {
                files.iter().map(|f| f.bytes).sum()
            } else {
                Place::of(path.clone()).map_or(0, |place| place.bytes)
            };
            garbage.others.push(path);
        }
    }
}

/// How many tables name each object.
fn users(all: &Inventory) -> HashMap<Digest, usize> {
    let mut users = HashMap::new();
    for item in all.tables.values() {
        let objects: HashSet<Digest> = item.entry.contents().collect();
        for object in objects {
            *users.entry(object).or_default() += 1;
        }
    }
    users
}

/// The objects that must stay.
fn needed(all: &Inventory, kept: &Kept) -> HashSet<Digest> {
    let tables = all
        .tables
        .iter()
        .filter(|(key, item)| stays(**key, item.places[0].modified, kept));
    let of_tables = tables.flat_map(|(_, item)| item.entry.contents());
    let beside = all.chunks.iter().chain(&all.rows);
    let recent = beside
        .filter(|b| kept.is_recent(b.place.modified))
        .map(|b| b.object);
    let written = all
        .objects
        .iter()
        .filter(|(_, place)| kept.is_recent(place.modified));
    of_tables
        .chain(recent)
        .chain(written.map(|(object, _)| *object))
        .collect()
}

fn stays(key: Digest, modified: SystemTime, kept: &Kept) -> bool {
    kept.keys.contains(&key) || kept.is_recent(modified)
}

fn bytes(all: &Inventory, objects: &HashSet<Digest>) -> u64 {
    let places = objects.iter().filter_map(|object| all.objects.get(object));
    places.map(|place| place.bytes).sum()
}

/// What may go, what was not used for longest first.
fn units(
    all: &Inventory,
    kept: &Kept,
    needed: &HashSet<Digest>,
    users: &HashMap<Digest, usize>,
) -> Vec<Unit> {
    let mut units: Vec<(SystemTime, Digest, Unit)> = Vec::new();
    for (&key, item) in &all.tables {
        let written = item.places[0].modified;
        if !stays(key, written, kept) {
            let used = kept
                .used
                .get(&key)
                .map_or(written, |used| written.max(*used));
            units.push((used, key, Unit::Table(key)));
        }
    }
    for (&object, place) in &all.objects {
        if !users.contains_key(&object) && !needed.contains(&object) {
            units.push((place.modified, object, Unit::Object(object)));
        }
    }
    units.sort_by_key(|(time, digest, _)| (*time, *digest));
    units.into_iter().map(|(_, _, unit)| unit).collect()
}
