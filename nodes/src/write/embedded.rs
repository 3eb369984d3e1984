//! Images inside a Parquet file, in the layout of Hugging Face `datasets`: a struct of `bytes` and `path`.

use std::fs;

use arrow::array::{BinaryBuilder, StringBuilder, StructArray};
use arrow::datatypes::Fields;
use trommel_engine::node::prelude::*;
use trommel_engine::node::{Content, IMAGE};

use super::images::with_image;

/// Bytes of images after which a row group ends, so that memory holds few of them.
const GROUP_BYTES: u64 = 64 << 20;

/// What tells `datasets` that the column holds images.
pub(super) const FEATURES: [&str; 2] = [
    "huggingface",
    r#"{"info": {"features": {"image": {"_type": "Image"}}}}"#,
];

pub(super) fn image_type() -> DataType {
    DataType::Struct(fields())
}

fn fields() -> Fields {
    Fields::from(vec![
        Field::new("bytes", DataType::Binary, true),
        Field::new("path", DataType::Utf8, true),
    ])
}

/// The rows with their images, so many at a time as make up a row group.
pub(super) struct Groups<'a> {
    content: &'a Content<'a>,
    chunk: usize,
    /// The chunk that is being read, and the next row of it.
    open: Option<(RecordBatch, usize)>,
    /// The next row of the table.
    row: usize,
}

impl<'a> Groups<'a> {
    pub(super) fn of(content: &'a Content<'a>) -> Self {
        Self {
            content,
            chunk: 0,
            open: None,
            row: 0,
        }
    }

    fn group(&mut self) -> Result<Option<RecordBatch>, NodeError> {
        let (batch, start) = match self.open.take() {
            Some(open) => open,
            None if self.chunk < self.content.table.chunks().len() => {
                self.chunk += 1;
                (self.content.table.batch(self.chunk - 1)?, 0)
            }
            None => return Ok(None),
        };
        let paths = batch
            .column_by_name(IMAGE)
            .and_then(|c| c.as_string_opt::<i32>());
        let paths = paths.ok_or_else(|| NodeError::new("there is no column of images"))?;
        let (mut bytes, mut names) = (BinaryBuilder::new(), StringBuilder::new());
        let (mut held, mut end) = (0, start);
        let mut there = Vec::new();
        while end < batch.num_rows() && held < GROUP_BYTES {
            let name = self
                .content
                .images
                .and_then(|n| n.of_rows[self.row].as_deref());
            if paths.is_valid(end) {
                let image = paths.value(end);
                let content = fs::read(image)
                    .map_err(|e| NodeError::new(format!("cannot read {image}: {e}")))?;
                held += content.len() as u64;
                bytes.append_value(content);
            } else {
                bytes.append_null();
            }
            names.append_option(name);
            there.push(paths.is_valid(end));
            end += 1;
            self.row += 1;
        }
        let images = StructArray::try_new(
            fields(),
            vec![Arc::new(bytes.finish()), Arc::new(names.finish())],
            Some(there.into()),
        )?;
        let group = with_image(&batch.slice(start, end - start), Arc::new(images))?;
        if end < batch.num_rows() {
            self.open = Some((batch, end));
        }
        Ok(Some(group))
    }
}

impl Iterator for Groups<'_> {
    type Item = Result<RecordBatch, NodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.group().transpose()
    }
}
