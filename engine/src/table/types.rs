//! The types of columns as node kinds speak of them: coarser than Arrow's, since the width of an
//! embedding is known only once its model has been read.

use std::fmt;

use arrow::datatypes::DataType;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    Text,
    /// Any float or integer, nulls allowed.
    Number,
    F32,
    F64,
    U32,
    U64,
    /// A list of f32, of one length for all rows of the table.
    Vector,
    /// `list<struct<from: text, value: text>>`.
    Turns,
    Bytes,
    /// Known only at run time.
    Any,
}

impl ColumnType {
    /// Whether a column of type `found` can be read where `self` is asked for.
    pub fn accepts(self, found: Self) -> bool {
        match (self, found) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::Number, other) => matches!(
                other,
                Self::Number | Self::F32 | Self::F64 | Self::U32 | Self::U64
            ),
            (wanted, found) => wanted == found,
        }
    }

    /// The type of an Arrow column.
    pub fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Utf8 | DataType::LargeUtf8 => Self::Text,
            DataType::Float32 => Self::F32,
            DataType::Float64 => Self::F64,
            DataType::UInt32 => Self::U32,
            DataType::UInt64 => Self::U64,
            t if t.is_numeric() => Self::Number,
            DataType::FixedSizeList(field, _) | DataType::List(field)
                if *field.data_type() == DataType::Float32 =>
            {
                Self::Vector
            }
            DataType::List(field) if matches!(field.data_type(), DataType::Struct(_)) => {
                Self::Turns
            }
            DataType::Binary | DataType::LargeBinary | DataType::FixedSizeBinary(_) => Self::Bytes,
            _ => Self::Any,
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Number => "numbers",
            Self::F32 => "numbers (f32)",
            Self::F64 => "numbers (f64)",
            Self::U32 => "numbers (u32)",
            Self::U64 => "numbers (u64)",
            Self::Vector => "vectors (list of f32)",
            Self::Turns => "conversations (list of from, value)",
            Self::Bytes => "bytes",
            Self::Any => "a type known at run time",
        })
    }
}
