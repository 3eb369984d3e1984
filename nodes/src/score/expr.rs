//! New columns out of old ones, each by an SQL expression over the columns of a row.
//!
//! An expression is that of polars' SQL: arithmetic, comparisons, `AND`, `OR`, `NOT`, `IS NULL`, `IN (...)`, `BETWEEN`,
//! `LIKE`, `CASE WHEN`, `CAST`, and functions of single values such as `ABS`, `ROUND`, `LN`, `COALESCE`, `GREATEST`,
//! `LENGTH` or `LOWER`. Text stands in single quotes, names of columns in double quotes where they are no plain words. It
//! may name columns of `input`, and those of other nodes under the names that `with` gives them; only columns that are
//! named are read, so that a change of another one reruns nothing.
//!
//! A row's values depend on that row alone: aggregates (`AVG`), windows (`RANK() OVER ..`) and subqueries are refused. Where
//! an expression is null, or not a finite number (`x / 0`), the value is null. Numbers, text, and true or false can be
//! given; the type is what SQL makes of the columns, so `CAST(x AS REAL)` fixes it. `DIV` cuts off, `/` does not.
//! A row for which an expression fails (`CAST('x' AS INT)`) is a row error.
//!
//! ```yaml
//! quality:
//!   kind: score.expr
//!   input: instructions
//!   with: { fit: clip_score.clip_score }
//!   columns:
//!     long: LENGTH(text) > 200
//!     wanted: fit * LN(LENGTH(text) + 1)
//! ```

use std::collections::BTreeMap;

use arrow::array::{BooleanArray, new_null_array};
use arrow::compute::{concat_batches, nullif};
use arrow::datatypes::{ArrowPrimitiveType, Float32Type, Float64Type};
use polars::prelude::DataFrame;
use polars_lazy::prelude::IntoLazy;
use trommel_engine::node::prelude::*;

use crate::bridge::{BridgeError, from_polars};
use crate::sql::{Expression, With, in_words, read_input, read_with, to_frame};

/// Columns by SQL expressions.
pub struct Expr;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rows.
    pub input: TableRef,
    /// The expressions, by the names of the columns that they give.
    pub columns: BTreeMap<String, String>,
    /// Columns of nodes with the same rows, by the names that expressions know them by; such a name hides a column of
    /// the input.
    #[serde(default, skip_serializing_if = "With::is_empty")]
    pub with: With,
}

impl Kind for Expr {
    const NAME: &'static str = "score.expr";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        let mut expressions = Vec::new();
        let mut types = Vec::new();
        for (name, text) in &config.columns {
            refuse_name(name, contract);
            let parsed = expression(text);
            types.push(
                parsed
                    .as_ref()
                    .map_or(ColumnType::Any, Expression::value_type),
            );
            match parsed {
                Ok(expression) => expressions.push(expression),
                Err(reason) => contract.refuse(
                    "columns",
                    format!("`{name}: {text}` cannot be used: {reason}"),
                    "an expression of SQL over the columns of one row, such as LENGTH(text) > 200",
                ),
            }
        }
        if config.columns.is_empty() {
            contract.refuse(
                "columns",
                "no column is given",
                "name one and say how it comes about: columns: { long: LENGTH(text) > 200 }",
            );
        }
        let need = contract.table("input", &config.input);
        read_input(need, &expressions, &config.with);
        if expressions.len() < config.columns.len() {
            // Nobody knows which names the broken ones would have used.
            expressions.clear();
        }
        read_with(contract, &expressions, &config.with);
        let port = contract.port("rows", RowsOf::Input("input"));
        for (name, ty) in config.columns.keys().zip(types) {
            port.gives(name, ty);
        }
        contract.row_wise();
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        let columns = config.columns.iter().map(|(name, text)| {
            let fault = |reason| NodeError::new(format!("`{text}` cannot be used: {reason}"));
            Ok((name.clone(), expression(text).map_err(fault)?))
        });
        Ok(Work::rows(Evaluate {
            columns: columns.collect::<Result<_, NodeError>>()?,
        }))
    }
}

/// An expression whose value for a row depends on that row only.
fn expression(text: &str) -> Result<Expression, String> {
    let parsed = Expression::parse(text)?;
    parsed.check_by_rows()?;
    Ok(parsed)
}

fn refuse_name(name: &str, contract: &mut Contract) {
    if name.is_empty() || name.contains('.') || [KEY, UNIQUE_IDX].contains(&name) {
        contract.refuse(
            "columns",
            format!("`{name}` cannot be the name of a column"),
            "give another name, without a dot",
        );
    }
}

struct Evaluate {
    columns: Vec<(String, Expression)>,
}

impl RowNode for Evaluate {
    fn rows(&mut self, rows: &RecordBatch, _: &Context<'_>) -> Result<RowOutput, NodeError> {
        if let Ok(values) = self.values(rows) {
            return Ok(values.into());
        }
        // Either the expressions do not fit the columns, which shows without any row, or some rows are at fault.
        let schema = self.values(&rows.slice(0, 0))?.schema();
        let null_row = null_row(&schema)?;
        let mut parts = Vec::with_capacity(rows.num_rows());
        let mut failed = Vec::new();
        for row in 0..rows.num_rows() {
            let part = self.values(&rows.slice(row, 1)).unwrap_or_else(|error| {
                let reason = error.message;
                failed.push(RowFailure { row, reason });
                null_row.clone()
            });
            parts.push(part);
        }
        Ok(RowOutput {
            columns: concat_batches(&schema, &parts)?,
            failed,
        })
    }
}

impl Evaluate {
    fn values(&self, rows: &RecordBatch) -> Result<RecordBatch, NodeError> {
        let frame = to_frame(rows)?;
        // One by one, so that an error is that of one expression.
        let columns = self.columns.iter().map(|(name, expression)| {
            let with = frame.clone().lazy().with_column(expression.named(name));
            let given = with.collect().and_then(|all| all.column(name).cloned());
            given.map_err(|error| expression.fault(&in_words(&error)))
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let frame = DataFrame::new(rows.num_rows(), columns).map_err(BridgeError::Table)?;
        let batch = from_polars(&frame)?;
        let arrays = batch.columns().iter().zip(&self.columns);
        let arrays = arrays.map(|(array, (_, expression))| plain(array, expression));
        Ok(RecordBatch::try_new(
            batch.schema(),
            arrays.collect::<Result<_, _>>()?,
        )?)
    }
}

/// The values that scores may have: what is no finite number becomes null.
fn plain(array: &ArrayRef, expression: &Expression) -> Result<ArrayRef, NodeError> {
    match array.data_type() {
        DataType::Float32 => finite::<Float32Type>(array, f32::is_finite),
        DataType::Float64 => finite::<Float64Type>(array, f64::is_finite),
        DataType::Boolean | DataType::Utf8 => Ok(array.clone()),
        whole if whole.is_integer() => Ok(array.clone()),
        other => Err(expression
            .fault(&format!("it gives {other}"))
            .help("make it a number, a text, or true or false")),
    }
}

fn finite<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    is_finite: impl Fn(T::Native) -> bool,
) -> Result<ArrayRef, NodeError> {
    let values = array.as_primitive::<T>().iter();
    let wild: BooleanArray = values
        .map(|v| Some(v.is_some_and(|v| !is_finite(v))))
        .collect();
    Ok(nullif(array, &wild)?)
}

fn null_row(schema: &Arc<Schema>) -> Result<RecordBatch, NodeError> {
    let columns = schema.fields().iter();
    let columns = columns.map(|f| new_null_array(f.data_type(), 1));
    Ok(RecordBatch::try_new(schema.clone(), columns.collect())?)
}

#[cfg(test)]
mod tests;
