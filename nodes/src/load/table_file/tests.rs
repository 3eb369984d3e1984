//! The columns that rows of a file get and lose.

use arrow::array::{Int64Array, StringArray};
use arrow::datatypes::UInt64Type;

use super::*;

#[derive(Default)]
struct Pushed {
    batches: Vec<RecordBatch>,
    looked_at: Vec<(PathBuf, bool)>,
}

impl Outputs for Pushed {
    fn push(&mut self, _: &str, batch: RecordBatch) -> Result<(), NodeError> {
        self.batches.push(batch);
        Ok(())
    }

    fn failed(&mut self, failure: RowFailure) -> Result<(), NodeError> {
        Err(NodeError::new(failure.reason))
    }

    fn file(&mut self, _: &str, _: &str, _: &Path) -> Result<PathBuf, NodeError> {
        Err(NodeError::new("it gives no files"))
    }

    fn depends_on_existence(&mut self, path: PathBuf, exists: bool) {
        self.looked_at.push((path, exists));
    }
}

fn photos() -> RecordBatch {
    let paths = StringArray::from(vec![Some("a.jpg"), None, Some("gone.jpg"), Some("a.jpg")]);
    let numbers = Int64Array::from(vec![1, 2, 3, 1]);
    let columns: [(_, ArrayRef, _); 2] = [
        ("photo", Arc::new(paths), true),
        ("n", Arc::new(numbers), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn push(rows: &mut Rows, batch: &RecordBatch, to: &mut Pushed) -> Result<(), NodeError> {
    let texts = ["one", "two", "three", "one"];
    rows.push(
        Path::new("f.jsonl"),
        batch,
        texts.iter().map(|t| t.as_bytes()),
        to,
    )
}

fn rows(folder: &Path, image: Option<&str>, on_missing: OnMissingImage) -> Rows {
    Rows {
        keys: RecordKeys::default(),
        next: 0,
        image: image.map(str::to_owned),
        images: ImagePaths::new(None, &folder.join("f.jsonl"), on_missing).unwrap(),
    }
}

#[test]
fn rows_are_numbered_and_named_and_their_images_found() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("a.jpg");
    std::fs::write(&image, "").unwrap();
    let mut pushed = Pushed::default();
    let mut rows = rows(folder.path(), Some("photo"), OnMissingImage::Drop);
    push(&mut rows, &photos(), &mut pushed).unwrap();
    push(&mut rows, &photos(), &mut pushed).unwrap();
    let batch =
        arrow::compute::concat_batches(&pushed.batches[0].schema(), &pushed.batches).unwrap();
    let names: Vec<_> = batch
        .schema()
        .fields()
        .iter()
        .map(|f| f.name().clone())
        .collect();
    assert_eq!(names, ["key", "unique_idx", "photo", "n", "image"]);
    let numbers = batch["unique_idx"]
        .as_primitive::<UInt64Type>()
        .values()
        .to_vec();
    assert_eq!(numbers, [0, 1, 3, 4, 5, 7]);
    let keys: std::collections::HashSet<_> = batch["key"]
        .as_fixed_size_binary()
        .iter()
        .flatten()
        .collect();
    assert_eq!(keys.len(), 6);
    let found = batch["image"].as_string::<i32>();
    assert_eq!(found.value(0), image.to_str().unwrap());
    assert!(found.is_null(1));
    assert_eq!(
        pushed.looked_at,
        [(image, true), (folder.path().join("gone.jpg"), false)]
    );
}

#[test]
fn columns_that_hold_no_paths_are_refused() {
    let mut pushed = Pushed::default();
    for (image, expected) in [
        ("n", "holds Int64, not paths"),
        ("picture", "it has photo, n"),
    ] {
        let mut rows = rows(Path::new("."), Some(image), OnMissingImage::Keep);
        let error = push(&mut rows, &photos(), &mut pushed).unwrap_err();
        assert!(error.message.contains(expected), "{error}");
    }
    // Unasked, nothing is made of a file without a column `image`.
    push(
        &mut rows(Path::new("."), None, OnMissingImage::Error),
        &photos(),
        &mut pushed,
    )
    .unwrap();
    assert_eq!(pushed.batches[0].num_columns(), 4);
    assert!(check_names(Path::new("f"), ["a", "key"].into_iter()).is_err());
}
