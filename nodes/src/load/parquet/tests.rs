//! Files that are read row group by row group, and files that are refused.

use std::path::PathBuf;

use arrow::array::{Int64Array, StringArray};
use arrow::compute::concat_batches;

use super::*;
use crate::write::parquet_bytes;

fn write(folder: &Path, name: &str, batch: &RecordBatch) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, parquet_bytes(batch).unwrap()).unwrap();
    path
}

fn numbers(name: &str, rows: i64) -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    RecordBatch::try_from_iter_with_nullable([(name, numbers, true)]).unwrap()
}

fn error(path: &Path) -> String {
    batches(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .unwrap_err()
        .message
}

#[test]
fn row_groups_come_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let batch = numbers("n", 40_000);
    let path = write(folder.path(), "n.parquet", &batch);
    let read: Vec<RecordBatch> = batches(&path).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(read.len(), 3);
    assert_eq!(concat_batches(&batch.schema(), &read).unwrap(), batch);
    let empty = write(folder.path(), "empty.parquet", &numbers("n", 0));
    let read: Vec<RecordBatch> = batches(&empty).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(read, [numbers("n", 0)]);
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

#[test]
fn other_columns_are_told() {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let texts = RecordBatch::try_from_iter_with_nullable([("n", text, true)]).unwrap();
    let error = differs(
        Path::new("b.parquet"),
        Path::new("a.parquet"),
        numbers("n", 1).schema_ref(),
        texts.schema_ref(),
    );
    let expected =
        "b.parquet has other columns than a.parquet: n (Utf8) where the first has n (Int64)";
    assert_eq!(error.message, expected);
}
