//! Blobs: plain files by their content, for results that are files and not rows.
//!
//! A file may have many gigabytes. It comes into the cache by a rename, and is read piece by piece.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Cache, CacheError, Verify};
use crate::table::{Digest, FileId, Guard};

/// A file of the cache, by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    pub digest: Digest,
    pub bytes: u64,
}

impl Blob {
    /// What all that is left to read of a file comes to; each piece goes through `pass_on`.
    pub(super) fn of(
        file: &mut File,
        mut pass_on: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<Self> {
        let (mut hasher, mut bytes) = (blake3::Hasher::new(), 0);
        let mut buffer = vec![0; 1 << 20];
        loop {
            let piece = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => &buffer[..count],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            hasher.update(piece);
            bytes += piece.len() as u64;
            pass_on(piece)?;
        }
        let digest = Digest::from_bytes(*hasher.finalize().as_bytes());
        Ok(Self { digest, bytes })
    }
}

impl Cache {
    pub fn blob_path(&self, blob: Digest) -> PathBuf {
        self.place("blobs", blob, "")
    }

    /// Takes a finished file over, which must stand on the cache's disk and is gone from its place afterwards.
    /// Its name outlasts a power cut once a table that names it is stored.
    pub fn take_blob(&self, path: &Path) -> Result<Blob, CacheError> {
        let mut file = File::open(path).map_err(CacheError::io("read", path))?;
        let blob = Blob::of(&mut file, |_| Ok(())).map_err(CacheError::io("read", path))?;
        file.sync_data().map_err(CacheError::io("flush", path))?;
        // Nobody is to write into it. A file system without rights is as good.
        let _ = file.set_permissions(Permissions::from_mode(0o444));
        // A file of the same content may be there; it is replaced, so that what is there afterwards is right.
        let place = self.blob_path(blob.digest);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder).map_err(CacheError::io("create the folder", folder))?;
        }
        fs::rename(path, &place).map_err(CacheError::io("move into the cache", path))?;
        self.keeper.forget(blob.digest);
        Ok(blob)
    }

    /// Whether it is there in its full length.
    pub fn has_blob(&self, blob: Blob) -> bool {
        fs::metadata(self.blob_path(blob.digest)).is_ok_and(|m| m.len() == blob.bytes)
    }

    /// Writes a blob's content to a new file, and checks it on the way. One that is damaged or gone is set aside, as objects are.
    pub fn copy_blob(&self, blob: Digest, to: &Path) -> Result<(), CacheError> {
        let path = self.blob_path(blob);
        let mut from = File::open(&path).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                self.keeper.refuse(&path, None, "it is gone");
            }
            CacheError::io("read", &path)(error)
        })?;
        let id = from.metadata().map_err(CacheError::io("read", &path))?;
        let mut copy = File::create_new(to).map_err(CacheError::io("write", to))?;
        let found = Blob::of(&mut from, |piece| copy.write_all(piece));
        let found = found.map_err(CacheError::io("write", to))?;
        copy.sync_data().map_err(CacheError::io("flush", to))?;
        if found.digest != blob && self.keeper.verify == Verify::Read {
            let reason = "its content is not what was stored";
            self.keeper.refuse(&path, Some(FileId::of(&id)), reason);
            return Err(CacheError::Damaged { path });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().join("cache")).unwrap();
        (folder, cache)
    }

    #[test]
    fn a_file_comes_in_by_its_content_and_out_as_a_copy() {
        let (folder, cache) = cache();
        let (file, copy) = (folder.path().join("file"), folder.path().join("copy"));
        let content = vec![7; (1 << 20) + 3];
        fs::write(&file, &content).unwrap();
        let blob = cache.take_blob(&file).unwrap();
        assert_eq!(blob.digest, Digest::of_bytes(&content));
        assert_eq!(blob.bytes, content.len() as u64);
        assert!(!file.exists() && cache.has_blob(blob));
        cache.copy_blob(blob.digest, &copy).unwrap();
        assert_eq!(fs::read(&copy).unwrap(), content);
        fs::write(&copy, "changed").unwrap();
        assert_eq!(fs::read(cache.blob_path(blob.digest)).unwrap(), content);
    }

    #[test]
    fn a_damaged_blob_is_set_aside_and_a_cut_one_counts_as_not_there() {
        let (folder, cache) = cache();
        let (file, copy) = (folder.path().join("file"), folder.path().join("copy"));
        fs::write(&file, "weights").unwrap();
        let blob = cache.take_blob(&file).unwrap();
        let path = cache.blob_path(blob.digest);
        let put = |content: &str| {
            fs::remove_file(&path).unwrap();
            fs::write(&path, content).unwrap();
        };
        put("weighty");
        assert!(cache.has_blob(blob), "a look at its length says nothing");
        let refused = cache.copy_blob(blob.digest, &copy).unwrap_err();
        assert!(matches!(refused, CacheError::Damaged { .. }), "{refused}");
        assert!(!path.exists());
        assert_eq!(cache.take_corrupt()[0].object, blob.digest);
        fs::remove_file(&copy).unwrap();
        assert!(cache.copy_blob(blob.digest, &copy).is_err());
        assert_eq!(cache.take_corrupt()[0].reason, "it is gone");
        fs::write(&file, "weights").unwrap();
        assert_eq!(cache.take_blob(&file).unwrap(), blob);
        put("weigh");
        assert!(!cache.has_blob(blob));
    }
}
