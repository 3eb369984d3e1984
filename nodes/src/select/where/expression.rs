//! An SQL expression over the columns of a table, evaluated by polars.

use polars::prelude::{DataFrame, DataType as PolarsType, PolarsError};
use polars::sql::sql_expr;
use polars_lazy::prelude::{Expr, IntoLazy};
use trommel_engine::node::prelude::*;

use crate::bridge::{BridgeError, to_polars};

/// The column that holds what the expression gives.
const TRUE: &str = "trommel: whether the expression is true";

#[derive(Debug)]
pub(super) struct Expression {
    text: String,
    parsed: Expr,
    columns: Vec<String>,
}

impl Expression {
    /// The error is the reason, in words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
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
            parsed,
            columns,
        })
    }

    /// The columns that it names, each once.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The rows for which it is true.
    pub(super) fn rows(&self, table: &Table) -> Result<Vec<usize>, NodeError> {
        let names: Vec<&str> = table.fields().iter().map(|f| f.name().as_str()).collect();
        if let Some(unknown) = self.columns.iter().find(|c| !names.contains(&c.as_str())) {
            let message = format!("there is no column `{unknown}`");
            return Err(self
                .fault(&message)
                .help(format!("the columns are {}", names.join(", "))));
        }
        self.rows_of(self.frame(table)?)
    }

    fn rows_of(&self, frame: DataFrame) -> Result<Vec<usize>, NodeError> {
        let fault = |e: PolarsError| self.fault(&in_words(&e));
        let frame = frame
            .lazy()
            .with_column(self.parsed.clone().alias(TRUE))
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
    fn frame(&self, table: &Table) -> Result<DataFrame, NodeError> {
        let mut names: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        if names.is_empty() {
            // Some column has to tell how many rows there are.
            names.extend(table.fields().first().map(|f| f.name().as_str()));
        }
        let needed = table.select(&names)?;
        let mut frame = to_polars(&RecordBatch::new_empty(needed.schema()))?;
        for chunk in 0..needed.chunks().len() {
            let next = to_polars(&needed.batch(chunk)?)?;
            frame = if chunk == 0 {
                next
            } else {
                frame.vstack(&next).map_err(BridgeError::Table)?
            };
        }
        Ok(frame)
    }

    fn fault(&self, reason: &str) -> NodeError {
        NodeError::new(format!("`{}`: {reason}", self.text))
    }
}

/// The first line of an error: polars adds the plan.
fn in_words(error: &PolarsError) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
