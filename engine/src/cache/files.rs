//! Content digests of files, memoised by (path, size, modification time, change time, inode), as
//! git's index does: a second run only stats.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::Write;
use std::num::NonZero;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use super::publish::publish_hint;
use super::{CacheError, seal};
use crate::fast_map::FastMap;
use crate::table::Digest;

/// A file changed so shortly before it was digested may change again within the same tick of the
/// file system's clock, so such a digest is not kept.
const RACY: i64 = 50_000_000;
/// Files that a thread of its own does not pay for.
const FEW: usize = 200;

#[derive(Clone, Copy, PartialEq, Debug)]
struct Stamp {
    size: u64,
    /// Nanoseconds since 1970.
    modified: i64,
    changed: i64,
    inode: u64,
}

/// By path. As plain strings, which are faster to compare and to hash than paths are.
type Known = FastMap<OsString, (Stamp, Digest)>;

/// Digests of files by their content.
pub struct FileDigests {
    path: PathBuf,
    /// The folder for temporary files.
    temporary: PathBuf,
    memo: Mutex<Memo>,
}

#[derive(Default)]
struct Memo {
    known: Known,
    new: bool,
}

impl FileDigests {
    pub(super) fn load(path: PathBuf, temporary: PathBuf) -> Self {
        let known = read_memo(&path);
        Self {
            path,
            temporary,
            memo: Mutex::new(Memo { known, new: false }),
        }
    }

    /// The digest of a file's content.
    pub fn digest(&self, path: &Path) -> Result<Digest, CacheError> {
        let metadata = fs::metadata(path).map_err(CacheError::io("read", path))?;
        let stamp = Stamp::of(&metadata);
        if let Ok(memo) = self.memo.lock()
            && let Some((known, digest)) = memo.known.get(path.as_os_str())
            && *known == stamp
        {
            return Ok(*digest);
        }
        if metadata.is_dir() {
            return Err(CacheError::io("read", path)(
                std::io::ErrorKind::IsADirectory.into(),
            ));
        }
        let mut hasher = blake3::Hasher::new();
        hasher
            .update_mmap(path)
            .map_err(CacheError::io("read", path))?;
        let digest = Digest::from_bytes(*hasher.finalize().as_bytes());
        if !stamp.is_racy()
            && let Ok(mut memo) = self.memo.lock()
        {
            memo.known.insert(path.into(), (stamp, digest));
            memo.new = true;
        }
        Ok(digest)
    }

    /// The digests of many files, looked at by as many threads as there are processors.
    pub fn digest_all(&self, paths: &[&str]) -> Vec<Result<Digest, CacheError>> {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        let part = paths.len().div_ceil(threads).max(FEW);
        let digests = |paths: &[&str]| -> Vec<_> {
            paths
                .iter()
                .map(|path| self.digest(path.as_ref()))
                .collect()
        };
        std::thread::scope(|scope| {
            let mut parts = paths.chunks(part);
            let own = parts.next().unwrap_or_default();
            let others: Vec<_> = parts
                .map(|part| scope.spawn(move || digests(part)))
                .collect();
            let mut all = digests(own);
            for other in others {
                match other.join() {
                    Ok(digests) => all.extend(digests),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            all
        })
    }

    /// The files of a model: its folder's own files and small text files one folder below.
    pub fn model(&self, path: &Path) -> Result<Vec<(String, Digest)>, CacheError> {
        if path.is_file() {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            return Ok(vec![(name, self.digest(path)?)]);
        }
        let mut files = Vec::new();
        for (name, file) in listed(path)? {
            if file.is_dir() {
                for (inner, file) in listed(&file)? {
                    if has_ending(&file, &["txt", "json", "model"]) {
                        files.push((format!("{name}/{inner}"), self.digest(&file)?));
                    }
                }
            } else if has_ending(
                &file,
                &["json", "safetensors", "bin", "model", "txt", "pt", "pth"],
            ) {
                files.push((name, self.digest(&file)?));
            }
        }
        Ok(files)
    }

    /// Keeps what was learnt for the next run.
    pub fn save(&self) -> Result<(), CacheError> {
        let Ok(mut memo) = self.memo.lock() else {
            return Ok(());
        };
        if !memo.new {
            return Ok(());
        }
        // Another process may have saved meanwhile; what it knows is kept.
        let mut all = read_memo(&self.path);
        all.extend(memo.known.iter().map(|(p, e)| (p.clone(), *e)));
        let mut text = Vec::with_capacity(all.len() * 160);
        for (path, (stamp, digest)) in &all {
            let Some(path) = path.to_str().filter(|p| !p.contains('\n')) else {
                continue;
            };
            let Stamp {
                size,
                modified,
                changed,
                inode,
            } = stamp;
            // Writing to memory cannot fail.
            let _ = writeln!(text, "{digest} {size} {modified} {changed} {inode} {path}");
        }
        publish_hint(
            &self.temporary,
            &self.path,
            &seal::sealed(&self.path, &text),
        )?;
        memo.new = false;
        Ok(())
    }
}

fn listed(folder: &Path) -> Result<Vec<(String, PathBuf)>, CacheError> {
    let mut entries = fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(CacheError::io("list", folder))?
        .into_iter()
        .map(|e| (e.file_name().to_string_lossy().into_owned(), e.path()))
        .filter(|(name, _)| !name.starts_with('.'))
        .collect::<Vec<_>>();
    entries.sort();
    Ok(entries)
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension()
        .and_then(|e| e.to_str())
        .is_some_and(|e| endings.contains(&e))
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.size(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }

    fn is_racy(&self) -> bool {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_nanos() as i64);
        now.saturating_sub(self.changed.max(self.modified)) < RACY
    }
}

fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds)
}

fn read_memo(path: &Path) -> Known {
    let text = seal::read(path).and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.unwrap_or_default();
    text.lines().filter_map(memo_line).collect()
}

fn memo_line(line: &str) -> Option<(OsString, (Stamp, Digest))> {
    let mut words = line.splitn(6, ' ');
    let digest = words.next()?.parse().ok()?;
    let stamp = Stamp {
        size: words.next()?.parse().ok()?,
        modified: words.next()?.parse().ok()?,
        changed: words.next()?.parse().ok()?,
        inode: words.next()?.parse().ok()?,
    };
    Some((words.next()?.into(), (stamp, digest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_counts_and_a_touch_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let (data, memo) = (folder.path().join("a b.txt"), folder.path().join("files"));
        fs::write(&data, "one").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(80));
        let first = FileDigests::load(memo.clone(), folder.path().into());
        let digest = first.digest(&data).unwrap();
        assert_eq!(digest, Digest::of_bytes(b"one"));
        first.save().unwrap();
        let second = FileDigests::load(memo, folder.path().into());
        assert_eq!(second.memo.lock().unwrap().known.len(), 1);
        fs::write(&data, "one").unwrap();
        assert_eq!(second.digest(&data).unwrap(), digest);
        fs::write(&data, "two").unwrap();
        assert_ne!(second.digest(&data).unwrap(), digest);
    }
}
