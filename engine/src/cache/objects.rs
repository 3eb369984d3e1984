//! Objects: batches by their content.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use super::entry::Piece;
use super::guard::Verify;
use super::{Cache, CacheError};
use crate::table::{Column, Digest, Promise, StoredBatch, array_digest, batch_digest, write_batch};

/// A batch that was put into the cache.
pub struct Stored {
    pub piece: Piece,
    pub batch: Arc<StoredBatch>,
}

impl Cache {
    pub fn object_path(&self, object: Digest) -> PathBuf {
        self.place("objects", object, "")
    }

    /// Stores a batch. One that is there already is read once more instead, so that what is there afterwards is right.
    pub fn put(&self, batch: &RecordBatch) -> Result<Stored, CacheError> {
        let columns: Vec<Digest> = batch.columns().iter().map(|c| array_digest(c)).collect();
        let rows = batch.num_rows();
        let object = batch_digest(batch.schema_ref().fields(), &columns, rows);
        let piece = Piece {
            rows,
            object,
            columns,
        };
        if !self.holds(&piece) {
            let path = self.object_path(object);
            self.publish(&path, |file| {
                write_batch(file, batch).map_err(CacheError::arrow(&path))
            })?;
            self.keeper.forget(object);
        }
        let batch = self.stored(&piece);
        Ok(Stored { piece, batch })
    }

    fn holds(&self, piece: &Piece) -> bool {
        let there = self.has_object(piece.object);
        there && (self.keeper.verify == Verify::Never || self.stored(piece).batch().is_ok())
    }

    fn stored(&self, piece: &Piece) -> Arc<StoredBatch> {
        let promise = Promise {
            object: piece.object,
            columns: Some((piece.columns.clone(), piece.rows)),
        };
        StoredBatch::guarded(self.object_path(piece.object), promise, self.keeper.clone())
    }

    /// The columns of a piece, to be read when needed, and checked then.
    pub fn columns(&self, piece: &Piece) -> Vec<Column> {
        let batch = self.stored(piece);
        let columns = piece.columns.iter().enumerate();
        columns
            .map(|(index, &digest)| Column::new(digest, batch.clone(), index))
            .collect()
    }

    /// An object of which only the digest is known: all of it is checked.
    pub fn object(&self, object: Digest) -> Result<RecordBatch, ArrowError> {
        let promise = Promise {
            object,
            columns: None,
        };
        StoredBatch::guarded(self.object_path(object), promise, self.keeper.clone()).batch()
    }

    pub fn has_object(&self, object: Digest) -> bool {
        is_whole(&self.object_path(object))
    }
}

/// Whether an object is there to its end: Arrow files end as they begin. One that was cut counts as not there.
fn is_whole(path: &Path) -> bool {
    const MARK: &[u8] = b"ARROW1";
    let mut end = [0; MARK.len()];
    let read = fs::File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::End(-(MARK.len() as i64)))?;
        file.read_exact(&mut end)
    });
    read.is_ok() && end == MARK
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Float32Array, UInt64Array};

    use super::*;
    use crate::cache::Corrupt;

    fn sample() -> RecordBatch {
        let numbers: ArrayRef = Arc::new(UInt64Array::from_iter_values(0..100));
        let scores: ArrayRef = Arc::new(Float32Array::from_iter_values((0..100).map(|i| i as f32)));
        RecordBatch::try_from_iter([("unique_idx", numbers), ("score", scores)]).unwrap()
    }

    /// Flips a bit of the column `score`.
    fn damage(path: &Path) {
        let mut bytes = fs::read(path).unwrap();
        let value = 77_f32.to_le_bytes();
        let at = bytes.windows(4).position(|w| w == value).unwrap();
        bytes[at] ^= 1;
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn a_damaged_object_is_set_aside_and_not_given() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let piece = cache.put(&sample()).unwrap().piece;
        let path = cache.object_path(piece.object);
        damage(&path);
        let columns = cache.columns(&piece);
        assert!(columns[0].array().is_ok(), "only what is read is checked");
        assert!(path.exists() && !cache.has_corrupt());
        let refused = columns[1].array().unwrap_err().to_string();
        assert!(
            refused.contains("column 1 is not what was stored"),
            "{refused}"
        );
        assert!(!cache.has_object(piece.object));
        assert!(
            cache
                .root()
                .join("corrupt")
                .join(piece.object.to_string())
                .exists()
        );
        let Corrupt { object, reason } = cache.take_corrupt().remove(0);
        assert_eq!(object, piece.object);
        assert!(reason.contains("column 1"), "{reason}");
        assert!(cache.take_corrupt().is_empty());
    }

    #[test]
    fn an_object_is_checked_by_its_name_alone() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let piece = cache.put(&sample()).unwrap().piece;
        assert_eq!(cache.object(piece.object).unwrap(), sample());
        damage(&cache.object_path(piece.object));
        assert!(cache.object(piece.object).is_err());
        assert_eq!(cache.take_corrupt().len(), 1);
        assert!(cache.object(piece.object).is_err(), "it is gone");
        assert_eq!(cache.take_corrupt()[0].reason, "it is gone");
    }

    #[test]
    fn what_is_put_is_right_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let piece = cache.put(&sample()).unwrap().piece;
        damage(&cache.object_path(piece.object));
        let stored = cache.put(&sample()).unwrap();
        assert_eq!(stored.batch.batch().unwrap(), sample());
        assert!(!cache.has_corrupt(), "it has been made anew");
    }

    #[test]
    fn never_verified_is_given_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap().verify(Verify::Never);
        let piece = cache.put(&sample()).unwrap().piece;
        damage(&cache.object_path(piece.object));
        assert!(cache.columns(&piece)[1].array().is_ok());
    }
}
