//! Files and streams, whole and broken.

use arrow::array::{Int64Array, StringArray};
use arrow::compute::concat_batches;
use arrow::ipc::writer::{FileWriter, StreamWriter};

use super::*;

fn batch(rows: i64) -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    let texts: StringArray = (0..rows)
        .map(|n| (n % 3 > 0).then(|| "x".repeat(n as usize % 50)))
        .collect();
    let columns: [(_, ArrayRef, _); 2] = [("n", numbers, true), ("t", Arc::new(texts), true)];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn file(batches: &[RecordBatch], schema: &Schema) -> Vec<u8> {
    let mut writer = FileWriter::try_new(Vec::new(), schema).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.into_inner().unwrap()
}

fn stream(batches: &[RecordBatch], schema: &Schema) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), schema).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.into_inner().unwrap()
}

fn read(content: &[u8]) -> Result<Vec<RecordBatch>, NodeError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.arrow");
    std::fs::write(&path, content).unwrap();
    columnar::read(&path, open)
}

#[test]
fn files_and_streams_are_read_in_batches() {
    // The second is longer than a piece.
    for lengths in [&[0][..], &[5, 200_000, 1], &[]] {
        let parts: Vec<RecordBatch> = lengths.iter().map(|&rows| batch(rows)).collect();
        let schema = batch(0).schema();
        for content in [file(&parts, &schema), stream(&parts, &schema)] {
            let found = read(&content).unwrap();
            assert!(!found.is_empty());
            assert_eq!(
                concat_batches(&schema, &found).unwrap(),
                concat_batches(&schema, &parts).unwrap()
            );
        }
    }
}

#[test]
fn whatever_is_cut_off_is_refused_or_ends_between_batches() {
    let parts = [batch(3), batch(70)];
    let schema = parts[0].schema();
    let whole = file(&parts, &schema);
    for length in 0..whole.len() {
        let error = read(&whole[..length]).unwrap_err();
        assert!(error.message.contains("a.arrow: "), "{length}: {error}");
    }
    // A stream need not have an end.
    let whole = stream(&parts, &schema);
    for length in 0..whole.len() {
        if let Ok(found) = read(&whole[..length]) {
            let rows: usize = found.iter().map(RecordBatch::num_rows).sum();
            assert!([0, 3, 73].contains(&rows), "{length}: {rows}");
        }
    }
}

#[test]
fn changed_bytes_end_nothing() {
    let parts = [batch(3), batch(70)];
    let schema = parts[0].schema();
    for whole in [file(&parts, &schema), stream(&parts, &schema)] {
        for place in 0..whole.len() {
            for value in [0, 0x7f, 0xff] {
                let mut broken = whole.clone();
                broken[place] = value;
                drop(read(&broken));
            }
        }
    }
}
