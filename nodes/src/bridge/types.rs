//! Which column types of others are taken over, and as what.

use trommel_engine::node::prelude::*;

/// The types that tables use: text, bytes and lists with 32-bit offsets, instants in UTC, all else as it is. What stands in
/// lists and structs may be null, and items have one name, whoever wrote them.
pub fn plain(data_type: &DataType) -> DataType {
    let inner = |field: &Arc<Field>| {
        let data_type = plain(field.data_type());
        Arc::new(Field::new(field.name(), data_type, true))
    };
    let item = |field: &Arc<Field>| {
        let data_type = plain(field.data_type());
        Arc::new(Field::new_list_field(data_type, true))
    };
    match data_type {
        // A column without a single value: text is what it most likely would be.
        DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::List(field) | DataType::LargeList(field) => DataType::List(item(field)),
        DataType::FixedSizeList(field, width) => DataType::FixedSizeList(item(field), *width),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        DataType::Dictionary(_, values) => plain(values),
        // The same instants; names of zones would need the whole time zone database.
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some("+00:00".into())),
        other => other.clone(),
    }
}

/// The type, or the one inside it, that tables do not hold. Polars would panic at it rather than fail.
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
