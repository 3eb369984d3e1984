//! Verification: every file is read, and what is not as it was stored is set aside.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::inventory::{CONTENTS, Place, files_below};
use crate::cache::entry::{ChunkEntry, TableEntry};
use crate::cache::guard::{Keeper, Verify, object_of};
use crate::cache::{Blob, Cache, answers, rows, seal, store};
use crate::table::{Digest, FileId, Guard, Promise, StoredBatch};

/// A file that is not as it was stored.
#[derive(Clone, Debug, Serialize)]
pub struct Fault {
    /// Below the cache folder.
    pub path: String,
    pub reason: String,
    /// It stands in `corrupt/` now.
    pub set_aside: bool,
}

/// What was read, and what was found.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// Files that nodes gave are among them.
    pub objects: usize,
    pub entries: usize,
    pub bytes: u64,
    pub seconds: f64,
    pub faults: Vec<Fault>,
}

impl Cache {
    /// Reads all of the cache, on so many threads. What is faulty counts as not there afterwards.
    pub fn verify_all(&self, threads: usize) -> Verified {
        let start = Instant::now();
        let check = Check {
            cache: self,
            keeper: Keeper::new(self.root(), Verify::Read),
            faults: Mutex::default(),
            bytes: AtomicU64::new(0),
        };
        let [objects, blobs] = CONTENTS.map(|group| files_below(&self.root().join(group)));
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..threads.max(1) {
                scope.spawn(|| {
                    while let Some(place) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
                        check.object(place);
                    }
                });
            }
            for place in &blobs {
                check.blob(place);
            }
        });
        let mut entries = 0;
        for group in ["tables", "chunks", "rows", "last", "outputs"] {
            for place in files_below(&self.root().join(group)) {
                entries += 1;
                check.entry(group, &place);
            }
        }
        if let Some(place) = Place::of(self.root().join("files")) {
            entries += 1;
            check.entry("files", &place);
        }
        for place in files_below(&answers::folder(self.root())) {
            entries += 1;
            check.answers(&place);
        }
        let mut faults = check.faults.into_inner().unwrap_or_default();
        faults.sort_by(|a, b| a.path.cmp(&b.path));
        Verified {
            objects: objects.len() + blobs.len(),
            entries,
            bytes: check.bytes.into_inner(),
            seconds: start.elapsed().as_secs_f64(),
            faults,
        }
    }
}

struct Check<'a> {
    cache: &'a Cache,
    keeper: Keeper,
    faults: Mutex<Vec<Fault>>,
    bytes: AtomicU64,
}

/// Keeps what is said of one file.
#[derive(Default)]
struct Told(Mutex<Option<String>>);

impl Guard for Told {
    fn verifies(&self) -> bool {
        true
    }

    fn refuse(&self, _: &Path, _: Option<FileId>, reason: &str) {
        if let Ok(mut told) = self.0.lock() {
            told.get_or_insert_with(|| reason.to_owned());
        }
    }
}

impl Check<'_> {
    fn object(&self, place: &Place) {
        self.bytes.fetch_add(place.bytes, Ordering::Relaxed);
        let Some(object) = object_of(&place.path) else {
            return self.fault(place, "its name is no digest");
        };
        let promise = Promise {
            object,
            columns: None,
        };
        let told = Arc::new(Told::default());
        let read = StoredBatch::guarded(place.path.clone(), promise, told.clone()).batch();
        // One that another process has removed or set aside meanwhile is no news.
        if let Err(error) = read
            && place.path.exists()
        {
            let reason = told.0.lock().ok().and_then(|mut reason| reason.take());
            self.fault(place, &reason.unwrap_or_else(|| error.to_string()));
        }
    }

    fn blob(&self, place: &Place) {
        self.bytes.fetch_add(place.bytes, Ordering::Relaxed);
        let found = File::open(&place.path).and_then(|mut file| Blob::of(&mut file, |_| Ok(())));
        let fault = match (object_of(&place.path), found) {
            (None, _) => "its name is no digest".to_owned(),
            (Some(name), Ok(blob)) if blob.digest == name => return,
            (Some(_), Ok(_)) => "its content is not what was stored".to_owned(),
            (Some(_), Err(error)) => error.to_string(),
        };
        if place.path.exists() {
            self.fault(place, &fault);
        }
    }

    fn entry(&self, group: &str, place: &Place) {
        self.bytes.fetch_add(place.bytes, Ordering::Relaxed);
        let path = &place.path;
        let found = match (group, path.extension().and_then(|e| e.to_str())) {
            ("tables", Some("entry")) => read::<TableEntry>(path).and_then(|entry| {
                let key = object_of(Path::new(path.file_stem().unwrap_or_default()));
                if key != Some(entry.manifest.key()) {
                    return Err("its manifest gives another key".to_owned());
                }
                self.objects(entry.pieces().map(|piece| piece.object))?;
                match entry.blobs().find(|blob| !self.cache.has_blob(*blob)) {
                    None => Ok(()),
                    Some(Blob { digest, .. }) => Err(not_there("file", digest)),
                }
            }),
            ("chunks", _) => read::<ChunkEntry>(path)
                .and_then(|entry| self.objects([entry.piece.object].into_iter())),
            ("rows", _) => rows::read(path)
                .ok_or_else(broken)
                .and_then(|(object, _)| self.objects([object].into_iter())),
            _ => seal::read(path).map(drop).ok_or_else(broken),
        };
        if let Err(reason) = found
            && path.exists()
        {
            self.fault(place, &reason);
        }
    }

    /// A damaged line is passed over when it is read. The others of its file are worth money, so the file stays.
    fn answers(&self, place: &Place) {
        self.bytes.fetch_add(place.bytes, Ordering::Relaxed);
        let reason = match answers::count(&place.path) {
            Ok((_, 0)) => return,
            Ok((whole, damaged)) => {
                format!("{damaged} answers are damaged and count as not there; {whole} are whole")
            }
            Err(error) => format!("cannot be read: {error}"),
        };
        if place.path.exists() {
            self.tell(place, reason, false);
        }
    }

    fn objects(&self, mut named: impl Iterator<Item = Digest>) -> Result<(), String> {
        match named.find(|object| !self.cache.has_object(*object)) {
            None => Ok(()),
            Some(object) => Err(not_there("object", object)),
        }
    }

    fn fault(&self, place: &Place, reason: &str) {
        let set_aside = self.keeper.set_aside(&place.path);
        let mut reason = reason.to_owned();
        if let Err(error) = &set_aside {
            reason += &format!(" (and it cannot be set aside: {error})");
        }
        self.tell(place, reason, set_aside.is_ok());
    }

    fn tell(&self, place: &Place, reason: String, set_aside: bool) {
        let path = place.path.strip_prefix(self.cache.root());
        let fault = Fault {
            path: path.unwrap_or(&place.path).display().to_string(),
            reason,
            set_aside,
        };
        if let Ok(mut faults) = self.faults.lock() {
            faults.push(fault);
        }
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    store::read(path).ok_or_else(broken)
}

fn not_there(what: &str, digest: Digest) -> String {
    format!("names the {what} {digest}, which is not there")
}

fn broken() -> String {
    "its content does not fit its seal".to_owned()
}
