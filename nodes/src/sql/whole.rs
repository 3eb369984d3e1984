//! Whole numbers as people expect them: 3 - 5 is -2.
//!
//! Counts are unsigned 32-bit numbers in tables and in polars, where 3 - 5 would be 4,294,967,294. In expressions whole
//! numbers of up to 32 bits, and what `LENGTH` and the like give, are 64-bit numbers with a sign.

use polars::prelude::{DataFrame, DataType as PolarsType};
use polars_lazy::prelude::{Expr, FunctionExpr, ListFunction, StringFunction};
use trommel_engine::node::prelude::*;

use crate::bridge::to_polars;

/// The columns of a batch as expressions see them.
pub(crate) fn to_frame(batch: &RecordBatch) -> Result<DataFrame, NodeError> {
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let data_type = match field.data_type() {
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32 => DataType::Int64,
            other => other.clone(),
        };
        columns.push(arrow::compute::cast(column, &data_type)?);
        fields.push(field.as_ref().clone().with_data_type(data_type));
    }
    let wide = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
    Ok(to_polars(&wide)?)
}

/// The expression with lengths as numbers that have a sign.
pub(super) fn lengths_with_sign(expr: Expr) -> Expr {
    expr.map_expr(|part| match &part {
        Expr::Function { function, .. } if is_length(function) => part.cast(PolarsType::Int64),
        _ => part,
    })
}

fn is_length(function: &FunctionExpr) -> bool {
    matches!(
        function,
        FunctionExpr::StringExpr(
            StringFunction::LenChars | StringFunction::LenBytes | StringFunction::Find { .. }
        ) | FunctionExpr::ListExpr(ListFunction::Length)
    )
}
