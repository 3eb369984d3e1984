//! Images that data hold as bytes: each distinct one becomes a file of the cache, since what reads images opens paths.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use arrow::array::{BinaryArray, StringArray, StructArray};
use trommel_engine::node::prelude::*;
use trommel_engine::table::{Digest, strings};

/// The port that names the files.
pub(super) const PORT: &str = "images";

/// What files begin with, and how their names end.
const ENDINGS: [(&[u8], &str); 8] = [
    (b"\xff\xd8\xff", "jpg"),
    (b"\x89PNG", "png"),
    (b"GIF8", "gif"),
    (b"RIFF", "webp"),
    (b"BM", "bmp"),
    (b"II*\0", "tif"),
    (b"MM\0*", "tif"),
    (b"", "bin"),
];

/// The images met so far.
#[derive(Default)]
pub(super) struct ImageBytes {
    places: HashMap<Digest, String>,
}

impl ImageBytes {
    /// The image's digest, and the path of a file that holds it.
    pub(super) fn store(
        &mut self,
        bytes: &[u8],
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(Digest, &str), NodeError> {
        if bytes.is_empty() {
            return Err(NodeError::new("the image has no bytes")
                .help("null stands for a row without an image"));
        }
        let digest = Digest::of_bytes(bytes);
        let place = match self.places.entry(digest) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let ending = ENDINGS.iter().find(|(start, _)| bytes.starts_with(start));
                let name = format!("{digest}.{}", ending.map_or("bin", |(_, ending)| ending));
                let file = context.scratch.join(&name);
                std::fs::write(&file, bytes)
                    .map_err(|e| NodeError::new(format!("cannot write {}: {e}", file.display())))?;
                let place = outputs.file(PORT, &name, &file)?;
                new.insert(place.to_string_lossy().into_owned())
            }
        };
        Ok((digest, place))
    }

    /// Replaces a column of images by text, if it holds bytes: in the first batch by what tells the images apart wherever
    /// they stand, in the second by their paths. An error comes with the row of the batch.
    pub(super) fn take_from(
        &mut self,
        batch: RecordBatch,
        column: &str,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(RecordBatch, RecordBatch), (usize, NodeError)> {
        let Ok(place) = batch.schema_ref().index_of(column) else {
            return Ok((batch.clone(), batch));
        };
        let first = |e| (0, e);
        let Some(images) = Images::of(batch.column(place)).map_err(first)? else {
            return Ok((batch.clone(), batch));
        };
        let (mut names, mut paths) = (Vec::new(), Vec::new());
        for row in 0..batch.num_rows() {
            context.check_cancelled().map_err(|e| (row, e))?;
            match images.get(row) {
                (Some(bytes), _) => {
                    let stored = self.store(bytes, outputs, context);
                    let (digest, path) = stored.map_err(|e| (row, e))?;
                    names.push(Some(digest.to_string()));
                    paths.push(Some(path.to_owned()));
                }
                (None, path) => {
                    names.push(path.map(str::to_owned));
                    paths.push(path.map(str::to_owned));
                }
            }
        }
        let with = |texts| with_text(&batch, place, texts).map_err(first);
        Ok((with(names)?, with(paths)?))
    }
}

/// A column that holds images as bytes.
struct Images {
    bytes: BinaryArray,
    /// Of Hugging Face's struct.
    whole: Option<StructArray>,
    paths: Option<StringArray>,
}

impl Images {
    /// None for a column of anything else.
    fn of(array: &ArrayRef) -> Result<Option<Self>, NodeError> {
        if let Some(bytes) = array.as_binary_opt::<i32>() {
            return Ok(Some(Self {
                bytes: bytes.clone(),
                whole: None,
                paths: None,
            }));
        }
        let Some(whole) = array.as_struct_opt() else {
            return Ok(None);
        };
        let Some(bytes) = whole
            .column_by_name("bytes")
            .and_then(|bytes| bytes.as_binary_opt::<i32>())
        else {
            return Ok(None);
        };
        let paths = match whole.column_by_name("path") {
            Some(paths) => Some(strings(paths)?.clone()),
            None => None,
        };
        Ok(Some(Self {
            bytes: bytes.clone(),
            whole: Some(whole.clone()),
            paths,
        }))
    }

    /// Bytes and path of a row's image.
    fn get(&self, row: usize) -> (Option<&[u8]>, Option<&str>) {
        if self.whole.as_ref().is_some_and(|whole| whole.is_null(row)) {
            return (None, None);
        }
        let bytes = self.bytes.is_valid(row).then(|| self.bytes.value(row));
        let paths = self.paths.as_ref().filter(|paths| paths.is_valid(row));
        (bytes, paths.map(|paths| paths.value(row)))
    }
}

fn with_text(
    batch: &RecordBatch,
    place: usize,
    texts: Vec<Option<String>>,
) -> Result<RecordBatch, NodeError> {
    let mut fields = batch.schema_ref().fields().to_vec();
    fields[place] = Arc::new(Field::new(fields[place].name(), DataType::Utf8, true));
    let mut columns = batch.columns().to_vec();
    columns[place] = Arc::new(StringArray::from(texts));
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns,
    )?)
}
