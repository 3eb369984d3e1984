//! Which column types cross, and as what.

use polars_arrow::datatypes::ArrowSchema;
use trommel_engine::node::prelude::*;

use super::{BridgeError, ffi};

/// The types that tables use: text, bytes and lists with 32-bit offsets, instants in UTC, all else as it is.
pub fn plain(data_type: &DataType) -> DataType {
    let inner = |field: &Arc<Field>| {
        let data_type = plain(field.data_type());
        Arc::new(field.as_ref().clone().with_data_type(data_type))
    };
    match data_type {
        // A column without a single value: text is what it most likely would be.
        DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::List(field) | DataType::LargeList(field) => DataType::List(inner(field)),
        DataType::FixedSizeList(field, width) => DataType::FixedSizeList(inner(field), *width),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        DataType::Dictionary(_, values) => plain(values),
        // The same instants; names of zones would need the whole time zone database.
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some("+00:00".into())),
        other => other.clone(),
    }
}

/// The type, or the one inside it, that polars is not asked to hold: it would panic rather than fail.
pub fn refused(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Null
        | DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32
        | DataType::Date64
        | DataType::Timestamp(_, _)
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Duration(_)
        | DataType::Decimal128(_, _)
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => None,
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            refused(field.data_type())
        }
        DataType::Struct(fields) => fields.iter().find_map(|f| refused(f.data_type())),
        DataType::Dictionary(_, values) => match values.as_ref() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => None,
            _ => Some(data_type.clone()),
        },
        _ => Some(data_type.clone()),
    }
}

/// Checks the columns of a file before polars reads them.
pub(crate) fn check_schema(schema: &ArrowSchema) -> Result<(), BridgeError> {
    for field in schema.iter_values() {
        let data_type = ffi::data_type(field)?;
        if let Some(data_type) = refused(&data_type) {
            let column = field.name.to_string();
            return Err(BridgeError::Type { column, data_type });
        }
    }
    Ok(())
}
