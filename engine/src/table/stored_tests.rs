//! Whatever happens to the bytes of a stored batch: it is refused or it is what was stored.

use std::fs;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;

use arrow::array::{FixedSizeListArray, ListArray, StringArray, StructArray, UInt64Array};
use arrow::datatypes::{Float32Type, Int32Type};

use super::*;
use crate::table::write_batch;

/// Remembers what it was told.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Guard for Told {
    fn verifies(&self) -> bool {
        true
    }

    fn refuse(&self, _: &Path, _: Option<FileId>, reason: &str) {
        self.0.lock().unwrap().push(reason.to_owned());
    }
}

fn sample() -> RecordBatch {
    let names: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("c")]));
    let numbers: ArrayRef = Arc::new(UInt64Array::from(vec![7, 8, 9]));
    let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![Some(1), None]),
        None,
        Some(vec![]),
    ]));
    let vectors: ArrayRef = Arc::new(
        FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(
            (0..3).map(|i| Some(vec![Some(i as f32), Some(0.5)])),
            2,
        ),
    );
    let field = Arc::new(Field::new("from", DataType::Utf8, true));
    let turns: ArrayRef = Arc::new(StructArray::from(vec![(field, names.clone())]));
    let columns = [
        ("name", names),
        ("number", numbers),
        ("list", lists),
        ("vector", vectors),
        ("turn", turns),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(n, c)| (n, c, true))).unwrap()
}

fn promise(batch: &RecordBatch, by_columns: bool) -> Promise {
    let columns: Vec<Digest> = batch.columns().iter().map(|c| array_digest(c)).collect();
    Promise {
        object: batch_digest(batch.schema_ref().fields(), &columns, batch.num_rows()),
        columns: by_columns.then_some((columns, batch.num_rows())),
    }
}

/// Reads the file as the sample; none is an error, of which the guard was told.
fn read(path: &Path, by_columns: bool) -> Option<RecordBatch> {
    let guard = Arc::new(Told::default());
    let promise = promise(&sample(), by_columns);
    let result = StoredBatch::guarded(path.to_owned(), promise, guard.clone()).batch();
    assert_eq!(result.is_err(), !guard.0.lock().unwrap().is_empty());
    result.ok()
}

#[test]
fn what_was_stored_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.arrow");
    let mut bytes = Vec::new();
    write_batch(&mut bytes, &sample()).unwrap();
    fs::write(&path, &bytes).unwrap();
    for by_columns in [true, false] {
        assert_eq!(read(&path, by_columns), Some(sample()));
    }
    let file = File::options().write(true).open(&path).unwrap();
    for length in (0..bytes.len()).rev() {
        file.set_len(length as u64).unwrap();
        assert_eq!(read(&path, true), None, "cut at {length}");
    }
    fs::remove_file(&path).unwrap();
    assert!(StoredBatch::new(path).batch().is_err());
}

#[test]
fn no_flipped_bit_is_read_as_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.arrow");
    let mut bytes = Vec::new();
    write_batch(&mut bytes, &sample()).unwrap();
    fs::write(&path, &bytes).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    let mut refused = 0;
    // One bit of each byte: all of them take ten times as long and show no more.
    for bit in (0..bytes.len()).map(|byte| byte * 8 + byte % 7) {
        let (at, flipped) = (bit / 8, bytes[bit / 8] ^ 1 << (bit % 8));
        file.write_all_at(&[flipped], at as u64).unwrap();
        for by_columns in [true, false] {
            match read(&path, by_columns) {
                None => refused += 1,
                // Padding, and what lies under a null.
                Some(batch) => assert_eq!(batch, sample(), "bit {bit}"),
            }
        }
        file.write_all_at(&bytes[at..=at], at as u64).unwrap();
    }
    assert!(refused > 1000, "{refused}");
}
