//! Files that are read batch by batch, and files that are refused.

use std::path::{Path, PathBuf};

use arrow::array::{BinaryArray, Int64Array, StringArray};
use arrow::compute::concat_batches;

use super::*;
use crate::write::parquet_bytes;

fn write(folder: &Path, name: &str, batch: &RecordBatch) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, parquet_bytes(batch).unwrap()).unwrap();
    path
}

fn read(path: &Path) -> Vec<RecordBatch> {
    columnar::read(path, open).unwrap()
}

fn numbers(name: &str, rows: i64) -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    RecordBatch::try_from_iter_with_nullable([(name, numbers, true)]).unwrap()
}

fn error(path: &Path) -> String {
    columnar::read(path, open).unwrap_err().message
}

#[test]
fn rows_come_in_batches_whatever_their_groups() {
    let folder = tempfile::tempdir().unwrap();
    let batch = numbers("n", 40_000);
    let found = read(&write(folder.path(), "n.parquet", &batch));
    assert!(found.iter().all(|part| part.num_rows() <= CHUNK_ROWS));
    assert_eq!(found.len(), 40_000_usize.div_ceil(CHUNK_ROWS));
    assert_eq!(concat_batches(&batch.schema(), &found).unwrap(), batch);
    let empty = write(folder.path(), "empty.parquet", &numbers("n", 0));
    assert_eq!(read(&empty), [numbers("n", 0)]);
}

#[test]
fn large_rows_come_in_small_batches() {
    let folder = tempfile::tempdir().unwrap();
    let images: Vec<Vec<u8>> = (0..48_u8).map(|n| vec![n; 4 << 20]).collect();
    let images: ArrayRef = Arc::new(BinaryArray::from_iter_values(images));
    let batch = RecordBatch::try_from_iter_with_nullable([("bytes", images, true)]).unwrap();
    let found = read(&write(folder.path(), "b.parquet", &batch));
    let most = found.iter().map(RecordBatch::num_rows).max();
    assert!((1..=16).contains(&most.unwrap()), "{most:?}");
    assert_eq!(concat_batches(&batch.schema(), &found).unwrap(), batch);
}

/// A dictionary lets few bytes stand for many.
#[test]
fn repeated_texts_do_not_fill_memory() {
    let folder = tempfile::tempdir().unwrap();
    let text = "x".repeat(512 << 10);
    let texts: ArrayRef = Arc::new(StringArray::from(vec![text.as_str(); 2000]));
    let batch = RecordBatch::try_from_iter_with_nullable([("t", texts, true)]).unwrap();
    let path = write(folder.path(), "t.parquet", &batch);
    assert!(path.metadata().unwrap().len() < 1 << 20);
    let found = read(&path);
    let most = found.iter().map(RecordBatch::num_rows).max();
    assert!(most.unwrap() <= 128, "{most:?}");
    assert_eq!(concat_batches(&batch.schema(), &found).unwrap(), batch);
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = error(&write(
        folder.path(),
        "t.parquet",
        &numbers("unique_idx", 2),
    ));
    assert!(
        taken.contains("t.parquet") && taken.contains("`unique_idx`"),
        "{taken}"
    );
    let whole = parquet_bytes(&numbers("n", 9)).unwrap();
    let path = folder.path().join("cut.parquet");
    for length in (0..whole.len()).step_by(13) {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(error(&path).contains("cut.parquet"), "{length}");
    }
    assert!(error(&folder.path().join("absent.parquet")).contains("absent.parquet"));
}
