//! What the formats of conversations have in common: the rows as conversations, and files of JSON records.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use arrow::array::{ListArray, StringArray};
use arrow::compute::cast;
use serde_json::Value as Json;
use trommel_engine::node::prelude::*;
use trommel_engine::node::{Content, IMAGE};

use super::images::{RAW, batches, own_name};

/// What these formats are made of: turns of `from` and `value`.
pub(super) const NEEDS: &[(&str, ColumnType)] = &[("conversations", ColumnType::Turns)];

/// A row.
pub(super) struct Chat<'a> {
    pub id: Option<&'a str>,
    /// Whether the table has images at all.
    pub has_images: bool,
    /// In the folder of images, else as its record calls it, else its path.
    pub image: Option<String>,
    pub system: Option<&'a str>,
    /// `from` and `value` of each turn.
    pub turns: Vec<(&'a str, &'a str)>,
}

/// Writes the record of each row: a line each where the output ends in `.jsonl`, else one JSON array.
pub(super) fn write(
    content: &Content<'_>,
    path: &Path,
    record: impl Fn(&Chat<'_>) -> Result<Json, String>,
) -> Result<(), NodeError> {
    let lines = content.output.extension().is_some_and(|e| e == "jsonl");
    let mut file = BufWriter::new(File::create(path)?);
    let mut row = 0_usize;
    for batch in batches(content) {
        let rows = Rows::of(&batch?, content.image_folder.is_none())?;
        for place in 0..rows.turns.len() {
            let before: &[u8] = match (lines, row) {
                (true, _) => b"",
                (false, 0) => b"[\n",
                (false, _) => b",\n",
            };
            file.write_all(before)?;
            let made = rows.chat(place).and_then(|chat| record(&chat));
            let made = made.map_err(|reason| NodeError::new(format!("row {row}: {reason}")))?;
            serde_json::to_writer(&mut file, &made).map_err(std::io::Error::from)?;
            if lines {
                file.write_all(b"\n")?;
            }
            row += 1;
        }
    }
    if !lines {
        file.write_all(if row == 0 { b"[]\n" } else { b"\n]\n" })?;
    }
    file.flush()?;
    Ok(())
}

/// The columns of a batch.
struct Rows {
    turns: ListArray,
    ids: Option<StringArray>,
    images: Option<StringArray>,
    systems: Option<StringArray>,
    /// Records that name their images themselves.
    records: Option<StringArray>,
}

impl Rows {
    fn of(batch: &RecordBatch, as_records_have_it: bool) -> Result<Self, NodeError> {
        let text = |name: &str| -> Result<Option<StringArray>, NodeError> {
            let column = batch.column_by_name(name);
            let text = column
                .map(|column| cast(column, &DataType::Utf8))
                .transpose()?;
            Ok(text.map(|text| text.as_string().clone()))
        };
        let turns = batch.column_by_name("conversations");
        let turns = turns.and_then(|column| column.as_list_opt::<i32>());
        Ok(Self {
            turns: turns
                .ok_or_else(|| NodeError::new("`conversations` holds no turns"))?
                .clone(),
            ids: text("id")?,
            images: text(IMAGE)?,
            systems: text("system")?,
            records: if as_records_have_it { text(RAW)? } else { None },
        })
    }

    fn chat(&self, row: usize) -> Result<Chat<'_>, String> {
        fn at(column: Option<&StringArray>, row: usize) -> Option<&str> {
            column.filter(|c| c.is_valid(row)).map(|c| c.value(row))
        }
        let image = at(self.images.as_ref(), row);
        let named = image.zip(at(self.records.as_ref(), row));
        let named = named.and_then(|(image, raw)| own_name(raw, image));
        Ok(Chat {
            id: at(self.ids.as_ref(), row),
            has_images: self.images.is_some(),
            image: named.or_else(|| image.map(ToOwned::to_owned)),
            system: at(self.systems.as_ref(), row),
            turns: self
                .turns_of(row)
                .ok_or("it has no `conversations`, or a turn without `from` or `value`")?,
        })
    }

    fn turns_of(&self, row: usize) -> Option<Vec<(&str, &str)>> {
        if self.turns.is_null(row) {
            return None;
        }
        let offsets = self.turns.value_offsets();
        let turns = self.turns.values().as_struct_opt()?;
        let column = |name: &str| turns.column_by_name(name)?.as_string_opt::<i32>();
        let (from, value) = (column("from")?, column("value")?);
        (offsets[row] as usize..offsets[row + 1] as usize)
            .map(|turn| {
                let there = turns.is_valid(turn) && from.is_valid(turn) && value.is_valid(turn);
                there.then(|| (from.value(turn), value.value(turn)))
            })
            .collect()
    }
}
