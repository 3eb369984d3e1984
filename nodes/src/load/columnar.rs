//! What the kinds that read files of columns have in common: batch for batch, each column as tables hold it.

use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;

use arrow::array::{GenericListArray, OffsetSizeTrait, RecordBatchOptions};
use arrow::compute::kernels::length::length;
use arrow::compute::{cast, sum, take};
use arrow::datatypes::UInt64Type;
use arrow::json::LineDelimitedWriter;
use trommel_engine::node::IMAGE;
use trommel_engine::node::prelude::*;
use trommel_engine::table::{CHUNK_ROWS, caught};

use super::image_bytes::{self, ImageBytes};
use super::table_file::{self, Config, Rows};
use crate::bridge::{plain, refused};

/// Bytes of a part, as tables hold it, unless a row has more.
const PART_BYTES: usize = 64 << 20;

/// An open file: its columns as it has them, and its rows in order. Faults are told in words.
pub(super) struct Opened {
    pub(super) schema: Arc<Schema>,
    pub(super) batches: Box<dyn Iterator<Item = Result<RecordBatch, String>>>,
}

pub(super) fn contract(config: &Config, contract: &mut Contract) {
    table_file::contract(config, contract);
    contract.port_of_files(image_bytes::PORT);
}

/// Reads all files.
pub(super) struct Load {
    pub(super) config: Config,
    pub(super) open: fn(File) -> Result<Opened, String>,
    /// What to do about a file that cannot be read.
    pub(super) help: &'static str,
}

impl TableNode for Load {
    fn table(
        &mut self,
        _: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let files = table_file::files(&self.config)?;
        let mut rows = Rows::new(&self.config, &files[0])?;
        let mut schema = None;
        let mut images = ImageBytes::default();
        let mut read = 0;
        for file in &files {
            let mut of_file = 0;
            for part in self.parts(file)? {
                context.check_cancelled()?;
                let part = part?;
                let first = schema.get_or_insert_with(|| part.schema());
                if *first != part.schema() {
                    return Err(differs(file, &files[0], first, part.schema_ref()));
                }
                let count = part.num_rows();
                let column = self.config.image.as_deref().unwrap_or(IMAGE);
                let (named, part) = images
                    .take_from(part, column, outputs, context)
                    .map_err(|(row, e)| at_row(file, of_file + row, e))?;
                push(&mut rows, file, &named, &part, outputs)?;
                of_file += count;
                read += count as u64;
                context.progress(read, None, "rows");
            }
        }
        rows.finish(context)
    }
}

impl Load {
    /// The rows of a file as tables hold them: at least one part, though it may have no rows.
    pub(super) fn parts<'a>(
        &'a self,
        file: &'a Path,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, NodeError>> + 'a, NodeError> {
        let opened = File::open(file)
            .map_err(|e| NodeError::new(format!("cannot read {}: {e}", file.display())))?;
        let Opened {
            schema: theirs,
            mut batches,
        } = self.reading(file, || (self.open)(opened))?;
        let schema = plain_schema(file, &theirs)?;
        let (mut waiting, mut is_first, mut is_over) = (VecDeque::new(), true, false);
        let mut next = move || {
            if waiting.is_empty() {
                let batch = self.reading(file, || batches.next().transpose())?;
                waiting.extend(batch.map(|batch| split(&batch)).unwrap_or_default());
            }
            let part = match waiting.pop_front() {
                Some(part) => Some(plain_batch(file, &part, &schema)?),
                None => is_first.then(|| RecordBatch::new_empty(schema.clone())),
            };
            is_first = false;
            Ok(part)
        };
        Ok(std::iter::from_fn(move || {
            let part = if is_over { None } else { next().transpose() };
            is_over = !matches!(part, Some(Ok(_)));
            part
        }))
    }

    fn reading<T>(
        &self,
        file: &Path,
        work: impl FnOnce() -> Result<T, String>,
    ) -> Result<T, NodeError> {
        let done = caught(work).unwrap_or_else(|| Err("it is not what it says to be".to_owned()));
        done.map_err(|reason| {
            NodeError::new(format!("{}: {reason}", file.display())).help(self.help)
        })
    }
}

/// A batch in parts that a chunk and memory hold. A few bytes of a file may stand for many.
fn split(batch: &RecordBatch) -> Vec<RecordBatch> {
    let rows = batch.num_rows();
    if rows > CHUNK_ROWS {
        let starts = (0..rows).step_by(CHUNK_ROWS);
        return starts
            .flat_map(|start| split(&batch.slice(start, CHUNK_ROWS.min(rows - start))))
            .collect();
    }
    let bytes: usize = batch.columns().iter().map(|c| bytes_of(c)).sum();
    if rows < 2 || bytes <= PART_BYTES {
        return vec![batch.clone()];
    }
    let half = rows / 2;
    let (first, second) = (batch.slice(0, half), batch.slice(half, rows - half));
    [split(&first), split(&second)].concat()
}

/// Bytes of the texts of a column once each stands for itself.
fn bytes_of(array: &dyn Array) -> usize {
    match array.data_type() {
        DataType::Utf8View => lengths(array.as_string_view().lengths()),
        DataType::BinaryView => lengths(array.as_binary_view().lengths()),
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            let lengths = length(dictionary.values())
                .and_then(|lengths| take(&lengths, dictionary.keys(), None))
                .and_then(|lengths| cast(&lengths, &DataType::UInt64));
            let sum = |lengths: ArrayRef| sum(lengths.as_primitive::<UInt64Type>());
            lengths.ok().and_then(sum).unwrap_or(0) as usize
        }
        DataType::Struct(_) => {
            let columns = array.as_struct().columns().iter();
            columns.map(|column| bytes_of(column)).sum()
        }
        DataType::List(_) => bytes_of_items(array.as_list::<i32>()),
        DataType::LargeList(_) => bytes_of_items(array.as_list::<i64>()),
        DataType::FixedSizeList(_, _) => bytes_of(array.as_fixed_size_list().values()),
        // What stands for itself already.
        _ => array.to_data().get_slice_memory_size().unwrap_or(0),
    }
}

fn bytes_of_items<O: OffsetSizeTrait>(list: &GenericListArray<O>) -> usize {
    let ends = list.value_offsets();
    let (first, last) = (ends[0].as_usize(), ends[list.len()].as_usize());
    bytes_of(&list.values().slice(first, last - first))
}

fn lengths(of_values: impl Iterator<Item = u32>) -> usize {
    of_values.map(|length| length as usize).sum()
}

/// A row's key comes from the JSON of what names it, which holds no nulls: a column that is added without values changes
/// no key.
fn push(
    rows: &mut Rows,
    file: &Path,
    named: &RecordBatch,
    part: &RecordBatch,
    outputs: &mut dyn Outputs,
) -> Result<(), NodeError> {
    let mut writer = LineDelimitedWriter::new(Vec::new());
    writer.write(named)?;
    writer.finish()?;
    let text = writer.into_inner();
    rows.push(file, part, text.split(|byte| *byte == b'\n'), outputs)
}

/// The columns that a file's columns become; an error names one that tables cannot hold.
fn plain_schema(file: &Path, schema: &Schema) -> Result<Arc<Schema>, NodeError> {
    table_file::check_names(file, schema.fields().iter().map(|f| f.name().as_str()))?;
    let mut fields = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        if let Some(data_type) = refused(field.data_type()) {
            return Err(NodeError::new(format!(
                "{}: column `{}` has the type {data_type}, which cannot be used here",
                file.display(),
                field.name()
            ))
            .help("write the column as another type, or leave it out"));
        }
        fields.push(Field::new(field.name(), plain(field.data_type()), true));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// The rows with the columns of [`plain_schema`].
fn plain_batch(
    file: &Path,
    batch: &RecordBatch,
    schema: &Arc<Schema>,
) -> Result<RecordBatch, NodeError> {
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (column, field) in batch.columns().iter().zip(schema.fields()) {
        let column = cast(column, field.data_type()).map_err(|e| {
            let name = field.name();
            NodeError::new(format!("{}: column `{name}`: {e}", file.display()))
        })?;
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        schema.clone(),
        columns,
        &options,
    )?)
}

fn at_row(file: &Path, row: usize, error: NodeError) -> NodeError {
    NodeError {
        message: format!("{}, row {row}: {}", file.display(), error.message),
        ..error
    }
}

fn differs(file: &Path, first: &Path, expected: &Schema, found: &Schema) -> NodeError {
    let missing = |from: &Schema, of: &Schema| -> Vec<String> {
        let fields = from
            .fields()
            .iter()
            .filter(|f| !of.fields().iter().any(|g| g == *f));
        fields
            .map(|f| format!("{} ({})", f.name(), f.data_type()))
            .collect()
    };
    let (here, there) = (missing(found, expected), missing(expected, found));
    let what = if here.is_empty() && there.is_empty() {
        "the same columns in another order".to_owned()
    } else {
        let or_none = |names: Vec<String>| {
            if names.is_empty() {
                "nothing".to_owned()
            } else {
                names.join(", ")
            }
        };
        format!("{} where the first has {}", or_none(here), or_none(there))
    };
    NodeError::new(format!(
        "{} has other columns than {}: {what}",
        file.display(),
        first.display()
    ))
    .help("read files of different columns with a node each")
}

/// The parts of a file.
#[cfg(test)]
pub(super) fn read(
    path: &Path,
    open: fn(File) -> Result<Opened, String>,
) -> Result<Vec<RecordBatch>, NodeError> {
    let load = Load {
        config: serde_json::from_value(serde_json::json!({ "path": path })).unwrap(),
        open,
        help: "",
    };
    load.parts(path)?.collect()
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        ArrayRef, Int64Array, LargeStringArray, ListArray, StringArray, StringViewArray,
        TimestampMicrosecondArray,
    };
    use arrow::datatypes::Int32Type;

    use super::*;

    fn one(name: &str, array: ArrayRef) -> RecordBatch {
        RecordBatch::try_from_iter([(name, array)]).unwrap()
    }

    #[test]
    fn other_columns_are_told() {
        let texts = one("n", Arc::new(StringArray::from(vec!["a"])));
        let numbers = one("n", Arc::new(Int64Array::from(vec![1])));
        let error = differs(
            Path::new("b.parquet"),
            Path::new("a.parquet"),
            numbers.schema_ref(),
            texts.schema_ref(),
        );
        let expected =
            "b.parquet has other columns than a.parquet: n (Utf8) where the first has n (Int64)";
        assert_eq!(error.message, expected);
    }

    #[test]
    fn whatever_text_is_called_it_becomes_text() {
        let file = Path::new("f");
        let text = StringArray::from(vec!["a", "bc"]);
        let dictionary: arrow::array::DictionaryArray<Int32Type> =
            vec!["a", "bc"].into_iter().collect();
        let columns: [ArrayRef; 3] = [
            Arc::new(LargeStringArray::from(vec!["a", "bc"])),
            Arc::new(StringViewArray::from(vec!["a", "bc"])),
            Arc::new(dictionary),
        ];
        for column in columns {
            let batch = one("t", column);
            let schema = plain_schema(file, batch.schema_ref()).unwrap();
            let plain = plain_batch(file, &batch, &schema).unwrap();
            assert_eq!(plain.column(0).as_string::<i32>(), &text);
        }
    }

    #[test]
    fn lists_and_instants_are_of_one_type_whoever_wrote_them() {
        let file = Path::new("f");
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)])]);
        let (_, offsets, values, nulls) = list.clone().into_parts();
        let element = Arc::new(Field::new("element", DataType::Int32, false));
        let theirs = one(
            "l",
            Arc::new(ListArray::new(element, offsets, values, nulls)),
        );
        let schema = plain_schema(file, theirs.schema_ref()).unwrap();
        let plain = plain_batch(file, &theirs, &schema).unwrap();
        assert_eq!(plain.column(0).as_list::<i32>(), &list);

        let times = TimestampMicrosecondArray::from(vec![Some(7), None]);
        let zoned = one("at", Arc::new(times.clone().with_timezone("Europe/Berlin")));
        let schema = plain_schema(file, zoned.schema_ref()).unwrap();
        let plain = plain_batch(file, &zoned, &schema).unwrap();
        let expected: ArrayRef = Arc::new(times.with_timezone("+00:00"));
        assert_eq!(plain.column(0), &expected);
    }

    #[test]
    fn a_type_that_tables_do_not_hold_is_named() {
        let half = one("half", arrow::array::new_empty_array(&DataType::Float16));
        let error = plain_schema(Path::new("f.parquet"), half.schema_ref()).unwrap_err();
        let expected = "f.parquet: column `half` has the type Float16, which cannot be used here";
        assert_eq!(error.message, expected);
    }
}
