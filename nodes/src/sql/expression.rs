//! An SQL expression over the columns of a table, evaluated by polars.

use polars::prelude::{DataFrame, DataType as PolarsType, PolarsError};
use polars::sql::sql_expr;
use polars_lazy::prelude::{DataTypeExpr, Expr, IntoLazy};
use trommel_engine::node::prelude::*;

use super::by_rows::beyond_its_row;
use super::whole::{lengths_with_sign, to_frame};
use crate::bridge::BridgeError;

/// The column that holds what the expression gives.
const TRUE: &str = "trommel: whether the expression is true";

#[derive(Debug)]
pub(crate) struct Expression {
    text: String,
    parsed: Expr,
    columns: Vec<String>,
}

impl Expression {
    /// The error is the reason, in words.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parsed = sql_expr(text).map_err(|e| in_words(&e))?;
        // Table functions would read files behind the engine's back.
        if parsed
            .into_iter()
            .any(|part| matches!(part, Expr::SubPlan(..)))
        {
            return Err("it selects from another table; only columns of `input` are there".into());
        }
        let mut columns: Vec<String> = Vec::new();
        for column in parsed.clone().meta().root_names() {
            if !columns.iter().any(|known| known == column.as_str()) {
                columns.push(column.to_string());
            }
        }
        Ok(Self {
            text: text.to_owned(),
            parsed: lengths_with_sign(parsed),
            columns,
        })
    }

    /// The columns that it names, each once.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// That its value for a row depends on that row alone; else the reason why not, in words.
    pub(crate) fn check_by_rows(&self) -> Result<(), String> {
        if self.columns.is_empty() {
            return Err("it names no column, so all rows would get the same".into());
        }
        match beyond_its_row(&self.parsed) {
            None => Ok(()),
            Some(part) => Err(format!(
                "each row's value may depend on that row only, and {part:?} looks at others (aggregates, windows and `*` do)"
            )),
        }
    }

    /// The type of what it gives, where its words alone tell: `CAST(... AS TYPE)` does.
    pub(crate) fn value_type(&self) -> ColumnType {
        match &self.parsed {
            Expr::Cast {
                dtype: DataTypeExpr::Literal(ty),
                ..
            } => match ty {
                PolarsType::Float32 => ColumnType::F32,
                PolarsType::Float64 => ColumnType::F64,
                PolarsType::UInt32 => ColumnType::U32,
                PolarsType::UInt64 => ColumnType::U64,
                PolarsType::String => ColumnType::Text,
                other if other.is_integer() => ColumnType::Number,
                _ => ColumnType::Any,
            },
            _ => ColumnType::Any,
        }
    }

    /// What it gives for the rows of a frame, as a column `name` of it.
    pub(crate) fn named(&self, name: &str) -> Expr {
        self.parsed.clone().alias(name)
    }

    /// The rows for which it is true. Columns of `with` are known by their labels, those of the table by their names.
    pub(crate) fn rows(
        &self,
        table: &Table,
        with: &[ColumnView<'_>],
    ) -> Result<Vec<usize>, NodeError> {
        let names = table.fields().iter().map(|f| f.name().as_str());
        let names: Vec<&str> = names.chain(with.iter().filter_map(|c| c.label)).collect();
        if let Some(unknown) = self.columns.iter().find(|c| !names.contains(&c.as_str())) {
            let message = format!("there is no column `{unknown}`");
            return Err(self
                .fault(&message)
                .help(format!("the columns are {}", names.join(", "))));
        }
        self.rows_of(self.frame(table, with)?)
    }

    fn rows_of(&self, frame: DataFrame) -> Result<Vec<usize>, NodeError> {
        let fault = |e: PolarsError| self.fault(&in_words(&e));
        let frame = frame
            .lazy()
            .with_column(self.named(TRUE))
            .collect()
            .map_err(fault)?;
        let truth = frame.column(TRUE).map_err(fault)?;
        if *truth.dtype() == PolarsType::Null {
            return Ok(Vec::new());
        }
        let truth = truth.bool().map_err(|_| {
            self.fault(&format!(
                "it gives {}, and true or false is asked for",
                truth.dtype()
            ))
            .help("compare it with something")
        })?;
        let rows = truth.iter().enumerate();
        Ok(rows
            .filter_map(|(row, truth)| (truth == Some(true)).then_some(row))
            .collect())
    }

    /// All rows, but of the columns only those that it reads.
    fn frame(&self, table: &Table, with: &[ColumnView<'_>]) -> Result<DataFrame, NodeError> {
        let mut names: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        if names.is_empty() {
            // Some column has to tell how many rows there are.
            names.extend(table.fields().first().map(|f| f.name().as_str()));
        }
        let mut fields = Vec::with_capacity(names.len());
        let mut columns = Vec::with_capacity(names.len());
        for name in names {
            let beside = with.iter().find(|column| column.label == Some(name));
            let (from, column) = beside.map_or((table, name), |c| (c.table, c.column));
            fields.extend(from.field(column).map(|f| f.clone().with_name(name)));
            columns.push(from.arrays(column)?);
        }
        let schema = Arc::new(Schema::new(fields));
        let mut frame = to_frame(&RecordBatch::new_empty(schema.clone()))?;
        for chunk in 0..table.chunks().len() {
            let arrays = columns.iter().map(|chunks| chunks[chunk].clone()).collect();
            let next = to_frame(&RecordBatch::try_new(schema.clone(), arrays)?)?;
            frame = if chunk == 0 {
                next
            } else {
                frame.vstack(&next).map_err(BridgeError::Table)?
            };
        }
        Ok(frame)
    }

    pub(crate) fn fault(&self, reason: &str) -> NodeError {
        NodeError::new(format!("`{}`: {reason}", self.text))
    }
}

/// The first line of an error: polars adds the plan.
pub(crate) fn in_words(error: &PolarsError) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
