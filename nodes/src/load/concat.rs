//! Puts the rows of several tables one behind the other, with a column that says which one a row comes from.
//!
//! It gives the columns that all of them have, by name, in the order of the first; the log names those that are left out.
//! A column that holds different things in two of them (text and numbers) is an error. Rows are numbered anew by
//! `unique_idx`. `source` holds the name of the table as written in `inputs`.
//!
//! ```yaml
//! all: { kind: load.concat, inputs: [instructions, scored] }
//! ```

use arrow::array::{StringArray, UInt64Array};
use arrow::compute::cast;
use trommel_engine::node::prelude::*;
use trommel_engine::node::{RecordKeys, key_column};

/// Rows of several tables.
pub struct Concat;

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The tables, in the order of their rows.
    pub inputs: Vec<TableRef>,
    /// The name of the column that says where a row comes from.
    #[serde(default = "source")]
    pub column: String,
}

fn source() -> String {
    "source".into()
}

impl Kind for Concat {
    const NAME: &'static str = "load.concat";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        for input in &config.inputs {
            contract.table("inputs", input).passes().named();
        }
        contract.unaligned();
        contract
            .port("rows", RowsOf::New)
            .common("inputs")
            .gives(&config.column, ColumnType::Text);
        if config.inputs.is_empty() {
            contract.refuse("inputs", "there is nothing to put together", "name tables");
        }
        for (place, input) in config.inputs.iter().enumerate() {
            let before = &config.inputs[..place];
            if before.iter().any(|other| other.text == input.text) {
                contract.refuse(
                    "inputs",
                    format!("`{}` is named twice", input.text),
                    "a table's rows are taken once",
                );
            }
        }
        if config.column.is_empty() || config.column.contains('.') || is_own(&config.column) {
            contract.refuse(
                "column",
                format!("`{}` cannot be the name of this column", config.column),
                "give another name, without a dot",
            );
        }
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        Ok(Work::table(Put {
            config: config.clone(),
        }))
    }
}

fn is_own(name: &str) -> bool {
    [KEY, UNIQUE_IDX].contains(&name)
}

struct Put {
    config: Config,
}

impl TableNode for Put {
    fn table(
        &mut self,
        inputs: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let tables: Vec<(&str, &Table)> = inputs.tables("inputs");
        let common = common(&tables, &self.config.column, context)?;
        let mut keys = RecordKeys::default();
        let mut next = 0_u64;
        let mut fields = vec![
            Field::new(KEY, DataType::FixedSizeBinary(16), false),
            Field::new(UNIQUE_IDX, DataType::UInt64, false),
        ];
        fields.extend(common.iter().cloned());
        fields.push(Field::new(&self.config.column, DataType::Utf8, false));
        let schema = Arc::new(Schema::new(fields));
        for (name, table) in &tables {
            for chunk in 0..table.chunks().len() {
                context.check_cancelled()?;
                let batch = table.batch(chunk)?;
                let rows = batch.num_rows();
                // Records that are equal in two tables stay apart, as they do within one.
                let of_record = batch[KEY].as_fixed_size_binary().iter().flatten();
                let new: Vec<[u8; 16]> = of_record.map(|key| keys.next(key)).collect();
                let mut columns: Vec<ArrayRef> = vec![
                    key_column(&new)?,
                    Arc::new(UInt64Array::from_iter_values(next..next + rows as u64)),
                ];
                for field in &common {
                    columns.push(cast(&batch[field.name().as_str()], field.data_type())?);
                }
                columns.push(Arc::new(StringArray::from_iter_values(
                    std::iter::repeat_n(name, rows),
                )));
                next += rows as u64;
                outputs.push("rows", RecordBatch::try_new(schema.clone(), columns)?)?;
            }
        }
        if next == 0 {
            outputs.push("rows", RecordBatch::new_empty(schema))?;
        }
        Ok(())
    }
}

/// The columns that all tables have.
fn common(
    tables: &[(&str, &Table)],
    source: &str,
    context: &Context<'_>,
) -> Result<Vec<Field>, NodeError> {
    let mut common = Vec::new();
    let (first_name, first) = tables[0];
    for field in first.fields() {
        let name = field.name().as_str();
        let ty = loose(field.data_type());
        let mut everywhere = !is_own(name);
        for (other_name, other) in &tables[1..] {
            let Some(found) = other.field(name) else {
                everywhere = false;
                continue;
            };
            if loose(found.data_type()) != ty {
                return Err(NodeError::new(format!(
                    "`{name}` holds {} in `{first_name}` and {} in `{other_name}`",
                    field.data_type(),
                    found.data_type()
                ))
                .help("rows of both need the same in this column"));
            }
        }
        if everywhere && name == source {
            return Err(
                NodeError::new(format!("the tables have a column `{source}` already"))
                    .help("give the new one another name: `column: NAME`"),
            );
        }
        if everywhere {
            common.push(Field::new(name, ty, true));
        }
    }
    let mut left: Vec<String> = Vec::new();
    for (name, table) in tables {
        let names = table.fields().iter().map(|field| field.name());
        let names = names.filter(|n| !is_own(n) && !common.iter().any(|c| c.name() == *n));
        left.extend(names.map(|column| format!("{name}.{column}")));
    }
    if !left.is_empty() {
        context.log(format!(
            "left out, since not all tables have them: {}",
            left.join(", ")
        ));
    }
    Ok(common)
}

/// The type without what differs between writers: whether parts may be null, and what items of lists are called.
fn loose(data_type: &DataType) -> DataType {
    match data_type {
        DataType::LargeUtf8 => DataType::Utf8,
        DataType::List(item) => {
            let item = Field::new("item", loose(item.data_type()), true);
            DataType::List(Arc::new(item))
        }
        DataType::Struct(fields) => {
            let fields = fields.iter();
            DataType::Struct(
                fields
                    .map(|f| Field::new(f.name(), loose(f.data_type()), true))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}
