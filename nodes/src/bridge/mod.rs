//! Between the Arrow crate, which tables are made of, and polars, which evaluates SQL.
//!
//! Values are shared, not copied, through the Arrow C data interface. Text and bytes that come from polars are
//! copied once, since polars stores them otherwise.

mod ffi;
mod types;

use polars::prelude::{
    Column, CompatLevel, DataFrame, IntoColumn, PlSmallStr, PolarsError, Series,
};
use trommel_engine::node::NodeError;
use trommel_engine::node::prelude::*;

pub use types::{plain, refused};

/// Why a table cannot cross.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    #[error("column `{column}` has the type {data_type}, which cannot be used here")]
    Type { column: String, data_type: DataType },
    #[error("column `{column}` cannot be converted")]
    Polars {
        column: String,
        #[source]
        source: PolarsError,
    },
    #[error("column `{column}` cannot be converted")]
    Arrow {
        column: String,
        #[source]
        source: arrow::error::ArrowError,
    },
    #[error("the columns do not make a table")]
    Table(#[source] PolarsError),
    #[error("the columns do not make a table")]
    Batch(#[source] arrow::error::ArrowError),
}

impl From<BridgeError> for NodeError {
    fn from(error: BridgeError) -> Self {
        Self::new(crate::load::with_causes(&error))
    }
}

/// A batch as a frame of one chunk. Fixed-size bytes become bytes; all else keeps its type.
pub fn to_polars(batch: &RecordBatch) -> Result<DataFrame, BridgeError> {
    let columns = batch
        .schema_ref()
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, array)| {
            if let Some(data_type) = refused(field.data_type()) {
                let column = field.name().clone();
                return Err(BridgeError::Type { column, data_type });
            }
            let failed = |source| BridgeError::Polars {
                column: field.name().clone(),
                source,
            };
            let array = ffi::to_polars(array, field)?;
            let name = PlSmallStr::from_str(field.name());
            Ok(Series::try_from((name, array))
                .map_err(failed)?
                .into_column())
        })
        .collect::<Result<Vec<Column>, _>>()?;
    DataFrame::new(batch.num_rows(), columns).map_err(BridgeError::Table)
}

/// A frame as one batch, of the types that tables use (see [`plain`]); every column may hold nulls.
pub fn from_polars(frame: &DataFrame) -> Result<RecordBatch, BridgeError> {
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for column in frame.columns() {
        let name = column.name().to_string();
        if *column.dtype() == polars::prelude::DataType::Null {
            // The two crates disagree on the buffers of such an array; see `plain` for why it is text.
            fields.push(Field::new(name, DataType::Utf8, true));
            columns.push(arrow::array::new_null_array(
                &DataType::Utf8,
                frame.height(),
            ));
            continue;
        }
        let series = column.as_materialized_series().rechunk();
        let array = ffi::from_polars(series.to_arrow(0, CompatLevel::oldest()), &name)?;
        let array = arrow::compute::cast(&array, &plain(array.data_type())).map_err(|source| {
            BridgeError::Arrow {
                column: name.clone(),
                source,
            }
        })?;
        fields.push(Field::new(name, array.data_type().clone(), true));
        columns.push(array);
    }
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(frame.height()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
        .map_err(BridgeError::Batch)
}

#[cfg(test)]
mod tests;
