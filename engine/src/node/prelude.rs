//! What the author of a node kind needs, in one line: `use trommel_engine::node::prelude::*;`.

pub use std::sync::Arc;

pub use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
pub use arrow::datatypes::{DataType, Field, Schema};
pub use schemars::JsonSchema;
pub use serde::{Deserialize, Serialize};

pub use super::{
    Answers, ColumnRef, ColumnView, CommandLine, Context, Contract, DataPath, Device, Estimate,
    Estimator, Inputs, Kind, ModelRef, NodeError, Outputs, Permit, Remote, RowFailure, RowNode,
    RowOutput, RowsOf, Secret, TableNode, TableRef, Work,
};
pub use crate::table::{ColumnType, KEY, Table, UNIQUE_IDX};
