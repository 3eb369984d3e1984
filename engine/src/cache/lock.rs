//! Locks between processes: on a key that is being computed, and on the cache as a whole.
//!
//! They are locks of the system on files below `locks/`: freed when the holder drops them, and by the system
//! when its process ends, however it does. What the files say is for people.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Cache, CacheError};
use crate::table::{Digest, FileId};

/// Whose lock says that a cache is collected; readers share it.
const WHOLE: &str = "cache";

/// A key that this process computes, until this is dropped.
pub struct KeyLock(#[expect(dead_code, reason = "held, not read")] Option<Held>);

/// A cache that is in use, until this is dropped: nothing is collected from it meanwhile.
pub struct InUse {
    _shared: Option<File>,
    /// Says who it is to those who wait.
    _own: Option<Held>,
}

/// A file that is locked by this process; it goes with the lock.
struct Held {
    path: PathBuf,
    _file: File,
}

impl Drop for Held {
    fn drop(&mut self) {
        // The lock is still held, so nobody else's file goes.
        let _ = fs::remove_file(&self.path);
    }
}

impl Cache {
    /// Locks a key for this process. None: another one holds it.
    pub fn try_lock(&self, key: Digest) -> Result<Option<KeyLock>, CacheError> {
        let path = locks(self.root()).join(key.to_string());
        match hold(&path) {
            Ok(held) => Ok(held.map(|held| KeyLock(Some(held)))),
            // Without locks every process works for itself, as it would on another machine.
            Err(error) if has_no_locks(&error) => Ok(Some(KeyLock(None))),
            Err(error) => Err(CacheError::io("lock", &path)(error)),
        }
    }

    /// Who holds a key, in words; none where nobody does.
    pub fn lock_holder(&self, key: Digest) -> Option<String> {
        holder(&locks(self.root()).join(key.to_string()))
    }

    /// Keeps others from collecting the cache; waits until one that does is done.
    pub fn use_it(&self) -> Result<InUse, CacheError> {
        use_cache(self.root(), |_| ())
    }
}

/// Marks a cache as used. `waiting` is told who collects it, if somebody does.
pub(super) fn use_cache(root: &Path, waiting: impl FnOnce(&str)) -> Result<InUse, CacheError> {
    let folder = locks(root);
    let path = folder.join(WHOLE);
    let shared = (|| {
        let file = open_lock(&path)?;
        match file.try_lock_shared() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waiting(&words_in(&path));
                file.lock_shared()?;
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(file)
    })();
    let shared = match shared {
        Ok(file) => Some(file),
        // Nobody can collect what nobody can write to.
        Err(error) if has_no_locks(&error) => None,
        Err(error) => return Err(CacheError::io("lock", &path)(error)),
    };
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let own = folder.join(format!("use-{}-{number}", std::process::id()));
    let own = hold(&own).ok().flatten();
    Ok(InUse {
        _shared: shared,
        _own: own,
    })
}

/// The cache for this process alone.
pub(super) fn only_user(root: &Path, wait: bool) -> Result<File, CacheError> {
    let path = locks(root).join(WHOLE);
    let fault = |error| CacheError::io("lock", &path)(error);
    let mut file = open_lock(&path).map_err(fault)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) if wait => file.lock().map_err(fault)?,
        Err(TryLockError::WouldBlock) => {
            return Err(CacheError::InUse {
                path: root.to_owned(),
                holder: users(root).unwrap_or_else(|| words_in(&path)),
            });
        }
        Err(TryLockError::Error(error)) => return Err(fault(error)),
    }
    // Only for people: a lock without words is as good.
    let _ = sign(&mut file);
    Ok(file)
}

/// Files of locks that nobody holds; to be asked by the only user.
pub(super) fn abandoned(root: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(locks(root)).into_iter().flatten().flatten();
    files
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|name| name != WHOLE))
        .filter(|path| holder(path).is_none())
        .collect()
}

/// Who uses a cache, in words.
pub(super) fn users(root: &Path) -> Option<String> {
    let files = fs::read_dir(locks(root)).ok()?.flatten();
    let uses = files.filter(|f| f.file_name().to_string_lossy().starts_with("use-"));
    let found: Vec<String> = uses.filter_map(|file| holder(&file.path())).collect();
    (!found.is_empty()).then(|| found.join(", "))
}

fn locks(root: &Path) -> PathBuf {
    root.join("locks")
}

/// Opens a lock file, for reading where it cannot be made or written to.
fn open_lock(path: &Path) -> io::Result<File> {
    let open = |path: &Path| {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.open(path)
    };
    let opened = open(path).or_else(|error| match (error.kind(), path.parent()) {
        (io::ErrorKind::NotFound, Some(folder)) => {
            fs::create_dir_all(folder).and_then(|()| open(path))
        }
        _ => Err(error),
    });
    opened.or_else(|error| File::open(path).map_err(|_| error))
}

/// Takes the lock of a file. None: another one has it.
fn hold(path: &Path) -> io::Result<Option<Held>> {
    loop {
        let mut file = open_lock(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // The one who held it before may have removed it since it was opened.
        let here = FileId::of(&file.metadata()?);
        if fs::metadata(path).is_ok_and(|there| FileId::of(&there) == here) {
            let _ = sign(&mut file);
            let path = path.to_owned();
            return Ok(Some(Held { path, _file: file }));
        }
    }
}

/// Where locks cannot be had at all.
fn has_no_locks(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, Unsupported};
    [PermissionDenied, ReadOnlyFilesystem, Unsupported].contains(&error.kind())
}

fn sign(file: &mut File) -> io::Result<()> {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    file.set_len(0)?;
    let words = format!("{} {} {}\n", std::process::id(), now.as_secs(), host.trim());
    file.write_all(words.as_bytes())
}

/// Who has locked a file, in words; none where nobody has.
fn holder(path: &Path) -> Option<String> {
    match File::open(path).ok()?.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(words_in(path)),
        _ => None,
    }
}

/// `process 4711 on gpu7, for 2 h 5 min`.
fn words_in(path: &Path) -> String {
    let mut text = String::new();
    // A holder that has not signed yet has words to come.
    let _ = File::open(path).and_then(|file| file.take(1000).read_to_string(&mut text));
    let mut words = text.trim_end().splitn(3, ' ');
    let (Some(process), Some(Ok(since))) = (words.next(), words.next().map(str::parse::<u64>))
    else {
        return "another process".to_owned();
    };
    let host = words.next().map_or(String::new(), |h| format!(" on {h}"));
    let since = UNIX_EPOCH + Duration::from_secs(since);
    let time = SystemTime::now().duration_since(since).unwrap_or_default();
    format!("process {process}{host}, for {}", in_words(time))
}

/// `40 s`, `12 min`, `2 h 5 min`, `3 d 4 h`.
pub fn in_words(time: Duration) -> String {
    let (minutes, hours, days) = (60, 3600, 86400);
    let seconds = time.as_secs();
    match seconds {
        s if s < minutes => format!("{s} s"),
        s if s < hours => format!("{} min", s / minutes),
        s if s < days => format!("{} h {} min", s / hours, s % hours / minutes),
        s => format!("{} d {} h", s / days, s % days / hours),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> Digest {
        Digest::of_bytes(&[number])
    }

    #[test]
    fn one_holds_a_key_until_it_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (
            Cache::open(folder.path()).unwrap(),
            Cache::open(folder.path()).unwrap(),
        );
        let held = one.try_lock(key(1)).unwrap();
        assert!(held.is_some());
        assert!(two.try_lock(key(1)).unwrap().is_none());
        assert!(two.try_lock(key(2)).unwrap().is_some());
        let words = two.lock_holder(key(1)).unwrap();
        let process = format!("process {}", std::process::id());
        assert!(
            words.starts_with(&process) && words.ends_with(" s"),
            "{words}"
        );
        assert_eq!(two.lock_holder(key(2)), None);
        drop(held);
        assert_eq!(two.lock_holder(key(1)), None);
        assert!(two.try_lock(key(1)).unwrap().is_some());
        assert!(abandoned(one.root()).is_empty());
    }

    #[test]
    fn many_at_once_are_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let (inside, done) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while done.load(Ordering::Relaxed) < 300 {
                        let Some(_held) = cache.try_lock(key(1)).unwrap() else {
                            continue;
                        };
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        done.fetch_add(1, Ordering::Relaxed);
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
    }

    #[test]
    fn a_cache_in_use_has_no_only_user() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let root = cache.root().to_owned();
        let refused = only_user(&root, false).unwrap_err().to_string();
        assert!(
            refused.contains(&format!("process {}", std::process::id())),
            "{refused}"
        );
        drop(cache);
        let only = only_user(&root, false).unwrap();
        assert!(only_user(&root, false).is_err());
        drop(only);
        assert!(Cache::open(&root).is_ok());
    }

    #[test]
    fn times_in_words() {
        let words = |s| in_words(Duration::from_secs(s));
        assert_eq!(
            [words(59), words(60), words(7500), words(90_000)],
            ["59 s", "1 min", "2 h 5 min", "1 d 1 h"]
        );
    }
}
