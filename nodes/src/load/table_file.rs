//! What the kinds that read tables out of files have in common: the rows of all files, numbered and named.

use std::path::{Path, PathBuf};

use arrow::array::UInt64Array;
use trommel_engine::node::prelude::*;
use trommel_engine::node::{IMAGE, RecordKeys, key_column};

use super::image_paths::{ImagePaths, OnMissingImage};

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A file, or a glob (`part-*`, `**`): the rows of all files that match, in the order of their names.
    pub path: DataPath,
    /// The column that holds paths of images; `image` by default, where there is such a column of text. Their
    /// absolute paths are given as `image`.
    #[serde(default)]
    pub image: Option<String>,
    /// The folder that these paths are relative to; that of the (first) file by default.
    #[serde(default)]
    pub images: Option<DataPath>,
    /// What becomes of a row whose image file is not there: `error` ends the run, `drop` leaves the row out, `keep`
    /// keeps it without its image. The log says how many there were.
    #[serde(default)]
    pub on_missing_image: OnMissingImage,
}

pub(super) fn contract(config: &Config, contract: &mut Contract) {
    contract.files("path", &config.path);
    if let Some(images) = &config.images {
        contract.folder("images", images);
    } else if config.image.is_some() {
        contract.folder_of("images", &config.path);
    }
    let port = contract.port("rows", RowsOf::New).open();
    if config.image.is_some() {
        port.gives(IMAGE, ColumnType::Text);
    }
}

/// The files of a configuration.
pub(super) fn files(config: &Config) -> Result<Vec<PathBuf>, NodeError> {
    config
        .path
        .files()
        .map_err(|reason| NodeError::new(format!("`path`: {reason}")))
}

/// Gives rows their `key`, `unique_idx` and image.
pub(super) struct Rows {
    keys: RecordKeys,
    next: u64,
    image: Option<String>,
    images: ImagePaths,
}

impl Rows {
    pub(super) fn new(config: &Config, first: &Path) -> Result<Self, NodeError> {
        Ok(Self {
            keys: RecordKeys::default(),
            next: 0,
            image: config.image.clone(),
            images: ImagePaths::new(config.images.as_ref(), first, config.on_missing_image)?,
        })
    }

    /// Pushes rows of a file: its columns, and for each row the text that its key comes from.
    pub(super) fn push<'a>(
        &mut self,
        file: &Path,
        columns: &RecordBatch,
        texts: impl Iterator<Item = &'a [u8]>,
        outputs: &mut dyn Outputs,
    ) -> Result<(), NodeError> {
        let rows = columns.num_rows();
        let keys: Vec<[u8; 16]> = texts.take(rows).map(|text| self.keys.next(text)).collect();
        let numbers = UInt64Array::from_iter_values(self.next..self.next + rows as u64);
        let mut fields = vec![
            Arc::new(Field::new(KEY, DataType::FixedSizeBinary(16), false)),
            Arc::new(Field::new(UNIQUE_IDX, DataType::UInt64, false)),
        ];
        let mut arrays: Vec<ArrayRef> = vec![key_column(&keys)?, Arc::new(numbers)];
        let image = image_column(file, columns.schema_ref(), self.image.as_deref())?;
        for (field, array) in columns.schema_ref().fields().iter().zip(columns.columns()) {
            // The absolute paths take its place.
            if image.is_none() || field.name() != IMAGE {
                fields.push(field.clone());
                arrays.push(array.clone());
            }
        }
        if let Some(column) = image {
            fields.push(Arc::new(Field::new(IMAGE, DataType::Utf8, true)));
            arrays.push(columns[column].clone());
        }
        let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?;
        let first = self.next;
        self.next += rows.num_rows() as u64;
        let rows = match image {
            Some(_) => self.images.find_all(first, &rows, outputs)?,
            None => rows,
        };
        outputs.push("rows", rows)
    }

    /// To be called after the last rows.
    pub(super) fn finish(&self, context: &Context<'_>) -> Result<(), NodeError> {
        self.images.report_missing(context)
    }
}

/// Refuses columns of a file that would hide those that every table has.
pub(super) fn check_names<'a>(
    file: &Path,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), NodeError> {
    let mut taken = names.filter(|name| [KEY, UNIQUE_IDX].contains(name));
    taken.next().map_or(Ok(()), |name| {
        Err(NodeError::new(format!(
            "{} has a column `{name}`, which every table has already",
            file.display()
        ))
        .help("rename the column, or leave it out: `columns` of an output says what is written"))
    })
}

/// The column of paths of images, if there is any.
fn image_column<'a>(
    file: &Path,
    schema: &Schema,
    asked: Option<&'a str>,
) -> Result<Option<&'a str>, NodeError> {
    let name = asked.unwrap_or(IMAGE);
    let found = schema.field_with_name(name).map(Field::data_type);
    match (asked, found) {
        (_, Ok(DataType::Utf8)) => {}
        (None, _) => return Ok(None),
        (Some(_), Err(_)) => {
            let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
            return Err(NodeError::new(format!(
                "{} has no column `{name}`; it has {}",
                file.display(),
                names.join(", ")
            ))
            .help("`image` names the column that holds paths of images"));
        }
        (Some(_), Ok(other)) => {
            return Err(NodeError::new(format!(
                "the images of {} cannot be read: column `{name}` holds {other}, not paths",
                file.display()
            ))
            .help("write the images to files and their paths into a column of text"));
        }
    }
    if name != IMAGE && schema.field_with_name(IMAGE).is_ok() {
        return Err(NodeError::new(format!(
            "{} has a column `{IMAGE}` beside `{name}`, and the paths of `{name}` are to be given as `{IMAGE}`",
            file.display()
        ))
        .help("rename the column in the file"));
    }
    Ok(Some(name))
}

#[cfg(test)]
mod tests;
