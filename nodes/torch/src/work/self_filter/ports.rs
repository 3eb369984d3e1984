//! The two tables that training gives.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float32Array, Float64Array, RecordBatch, StringArray, UInt32Array, UInt64Array,
};
use arrow::error::ArrowError;

use crate::train::{LogRow, ScoreNetRow};

/// One row for each component of each feature.
pub(super) fn score_net(rows: &[ScoreNetRow]) -> Result<RecordBatch, ArrowError> {
    let features = StringArray::from_iter_values(rows.iter().map(|row| &row.feature));
    let components = UInt32Array::from_iter_values(rows.iter().map(|row| row.component));
    let weights = Float32Array::from_iter_values(rows.iter().map(|row| row.weight));
    let min: Float64Array = rows.iter().map(|row| row.min).collect();
    let max: Float64Array = rows.iter().map(|row| row.max).collect();
    RecordBatch::try_from_iter_with_nullable([
        ("feature", Arc::new(features) as ArrayRef, false),
        ("component", Arc::new(components), false),
        ("weight", Arc::new(weights), false),
        ("min", Arc::new(min), true),
        ("max", Arc::new(max), true),
    ])
}

/// One row for each update.
pub(super) fn log(rows: &[LogRow]) -> Result<RecordBatch, ArrowError> {
    let whole = |get: fn(&LogRow) -> u64| -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(get)))
    };
    let number = |get: fn(&LogRow) -> Option<f64>| -> ArrayRef {
        Arc::new(rows.iter().map(get).collect::<Float64Array>())
    };
    RecordBatch::try_from_iter_with_nullable([
        ("step", whole(|row| row.step), false),
        ("epoch", number(|row| Some(row.epoch)), false),
        ("lr", number(|row| Some(row.lr)), false),
        ("loss", number(|row| row.loss), true),
        ("grad_norm", number(|row| row.grad_norm), true),
        ("label_tokens", whole(|row| row.label_tokens), false),
        ("seconds", number(|row| Some(row.seconds)), false),
        (
            "weight_entropy",
            number(|row| Some(row.weight_entropy)),
            false,
        ),
    ])
}
