//! What lies in a cache folder.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::cache::entry::{ChunkEntry, TableEntry};
use crate::cache::guard::object_of;
use crate::cache::{Cache, rows, store};
use crate::table::Digest;

/// A file: where it is, its bytes, when it was last written.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub path: PathBuf,
    pub bytes: u64,
    pub modified: SystemTime,
}

/// A table entry with the file beside it.
pub(super) struct TableItem {
    pub entry: TableEntry,
    pub places: Vec<Place>,
}

/// A chunk entry or an index of rows: it is of use as long as its object is there.
pub(super) struct Beside {
    pub place: Place,
    pub object: Digest,
}

/// The folders of what is named by its content.
pub(super) const CONTENTS: [&str; 2] = ["objects", "blobs"];

/// Everything that is kept by key or content.
#[derive(Default)]
pub(super) struct Inventory {
    pub tables: BTreeMap<Digest, TableItem>,
    pub chunks: Vec<Beside>,
    pub rows: Vec<Beside>,
    /// Objects and blobs: what tables name.
    pub objects: HashMap<Digest, Place>,
    /// Files in the folders of the above that are none of it: damaged, or strangers.
    pub strange: Vec<Place>,
}

impl Inventory {
    pub(super) fn of(cache: &Cache) -> Self {
        let mut all = Self::default();
        let named = CONTENTS.map(|group| files_below(&cache.root().join(group)));
        for place in named.into_iter().flatten() {
            match object_of(&place.path) {
                Some(object) => drop(all.objects.insert(object, place)),
                None => all.strange.push(place),
            }
        }
        let (entries, beside): (Vec<_>, Vec<_>) = files_below(&cache.root().join("tables"))
            .into_iter()
            .partition(|place| place.path.extension().is_some_and(|e| e == "entry"));
        for place in entries {
            match (key_of(&place.path), store::read::<TableEntry>(&place.path)) {
                (Some(key), Some(entry)) => {
                    let places = vec![place];
                    all.tables.insert(key, TableItem { entry, places });
                }
                _ => all.strange.push(place),
            }
        }
        for place in beside {
            match key_of(&place.path).and_then(|key| all.tables.get_mut(&key)) {
                Some(item) => item.places.push(place),
                None => all.strange.push(place),
            }
        }
        for place in files_below(&cache.root().join("chunks")) {
            match store::read::<ChunkEntry>(&place.path) {
                Some(ChunkEntry { piece, .. }) => all.chunks.push(Beside {
                    place,
                    object: piece.object,
                }),
                None => all.strange.push(place),
            }
        }
        for place in files_below(&cache.root().join("rows")) {
            match rows::read(&place.path) {
                Some((object, _)) => all.rows.push(Beside { place, object }),
                None => all.strange.push(place),
            }
        }
        all
    }

    /// The bytes of a table's objects; one that is named twice counts once.
    pub(super) fn bytes_of(&self, entry: &TableEntry) -> u64 {
        let objects: std::collections::BTreeSet<Digest> = entry.contents().collect();
        let places = objects.iter().filter_map(|object| self.objects.get(object));
        places.map(|place| place.bytes).sum()
    }
}

impl Place {
    pub(super) fn of(path: PathBuf) -> Option<Self> {
        let metadata = fs::symlink_metadata(&path).ok()?;
        Some(Self {
            path,
            bytes: metadata.len(),
            modified: metadata.modified().ok()?,
        })
    }
}

/// The key that an entry's file is named by.
fn key_of(path: &Path) -> Option<Digest> {
    path.file_stem()?.to_str()?.parse().ok()
}

/// All files below a folder.
pub(super) fn files_below(folder: &Path) -> Vec<Place> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                folders.push(entry.path());
            } else {
                found.extend(Place::of(entry.path()));
            }
        }
    }
    found
}
