//! What the tests of several files need: the repository's small models, stored tables, recorded events.

#![expect(clippy::print_stderr, reason = "a skipped check must be seen")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use serde_json::Value as Json;
use trommel_engine::table::write_batch;
use trommel_engine::worker::protocol::{ChunkPlaces, ColumnPlace, TableInput};

use super::{Events, WorkError};

/// A file or folder of the repository's tests/golden.
pub(super) fn golden(name: &str) -> PathBuf {
    roots()[0].join(name)
}

/// The recorded folders: the repository's, and that of `TROMMEL_ORACLE` where it is set.
pub(super) fn roots() -> Vec<PathBuf> {
    // Tests run side by side: more threads in each would only wait for each other.
    tch::set_num_threads(1);
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let other = std::env::var_os("TROMMEL_ORACLE").map(PathBuf::from);
    if other.is_none() {
        eprintln!("TROMMEL_ORACLE is not set: only the repository's own numbers are checked");
    }
    let roots = [here].into_iter().chain(other);
    roots.map(|root| root.canonicalize().unwrap()).collect()
}

pub(super) fn read_json(path: &Path) -> Json {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The columns `image` (paths) and `text` of a recorded folder.
pub(super) fn images_and_texts(root: &Path) -> RecordBatch {
    let records = read_json(&root.join("data/llava_instruct.json"));
    let records = records.as_array().unwrap();
    let texts = read_json(&root.join("golden/1_preprocess/text_data.json"));
    let texts: StringArray = (0..records.len())
        .map(|row| texts[row.to_string()]["text"].as_str().map(str::to_owned))
        .collect();
    let columns = [(
        "image",
        Arc::new(image_paths(root, records)) as ArrayRef,
        true,
    )];
    let text = ("text", Arc::new(texts) as ArrayRef, true);
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().chain([text])).unwrap()
}

/// The path of each record's image.
pub(super) fn image_paths(root: &Path, records: &[Json]) -> StringArray {
    let path = |name: &str| root.join("data/images").join(name);
    let paths = records
        .iter()
        .map(|record| record["image"].as_str().map(path));
    paths
        .map(|path| path.map(|path| path.to_str().unwrap().to_owned()))
        .collect()
}

/// A table of one chunk, written to a file as the engine does.
pub(super) fn stored(
    folder: &Path,
    key: &str,
    reference: &str,
    column: Option<&str>,
    columns: &[(&str, ArrayRef)],
) -> TableInput {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns
            .iter()
            .map(|(name, array)| (*name, array.clone(), true)),
    )
    .unwrap();
    let path = folder.join(format!("{reference}.arrow"));
    write_batch(File::create(&path).unwrap(), &batch).unwrap();
    let place = |index| ColumnPlace {
        path: path.clone(),
        index,
    };
    TableInput {
        key: key.into(),
        reference: reference.into(),
        column: column.map(str::to_owned),
        fields: columns.iter().map(|(name, _)| (*name).to_owned()).collect(),
        chunks: vec![ChunkPlaces {
            rows: batch.num_rows(),
            columns: (0..columns.len()).map(place).collect(),
        }],
    }
}

/// Events, kept for a look at them.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    pub(super) pushed: Vec<(String, RecordBatch)>,
    /// Port, name and path.
    pub(super) files: Vec<(String, String, PathBuf)>,
    pub(super) progress: Vec<(u64, u64, String)>,
    pub(super) warnings: Vec<String>,
    pub(super) logs: Vec<String>,
}

impl Events for Recorded {
    fn push(&mut self, port: &str, rows: &RecordBatch) -> Result<(), WorkError> {
        self.pushed.push((port.to_owned(), rows.clone()));
        Ok(())
    }

    fn file(&mut self, port: &str, name: &str, path: &Path) -> Result<(), WorkError> {
        let file = (port.to_owned(), name.to_owned(), path.to_owned());
        self.files.push(file);
        Ok(())
    }

    fn progress(&mut self, done: u64, total: u64, note: String) -> Result<(), WorkError> {
        self.progress.push((done, total, note));
        Ok(())
    }

    fn log(&mut self, message: String) -> Result<(), WorkError> {
        self.logs.push(message);
        Ok(())
    }

    fn warning(&mut self, message: String) -> Result<(), WorkError> {
        self.warnings.push(message);
        Ok(())
    }
}
