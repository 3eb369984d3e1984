//! Single arrays across the Arrow C data interface: the only unsafe code of this crate.

use arrow::array::make_array;
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi, to_ffi};
use polars_arrow::datatypes::Field as PolarsField;
use polars_arrow::ffi::{
    ArrowArray, ArrowSchema, export_array_to_c, export_field_to_c, import_array_from_c,
    import_field_from_c,
};
use trommel_engine::node::prelude::*;

use super::BridgeError;

type PolarsArray = Box<dyn polars_arrow::array::Array>;

// Both crates declare the C structs of the specification; these hold where the declarations agree.
const _: () = assert!(size_of::<FFI_ArrowArray>() == size_of::<ArrowArray>());
const _: () = assert!(align_of::<FFI_ArrowArray>() == align_of::<ArrowArray>());
const _: () = assert!(size_of::<FFI_ArrowSchema>() == size_of::<ArrowSchema>());
const _: () = assert!(align_of::<FFI_ArrowSchema>() == align_of::<ArrowSchema>());

/// Shares the array's buffers.
#[expect(unsafe_code, reason = "the C data interface has no safe entrance")]
pub(super) fn to_polars(array: &ArrayRef, field: &Field) -> Result<PolarsArray, BridgeError> {
    let (array, schema) = to_ffi(&array.to_data()).map_err(|source| BridgeError::Arrow {
        column: field.name().clone(),
        source,
    })?;
    // SAFETY: both types are `repr(C)` declarations of the same struct of the Arrow C data interface, and each frees
    // its content through the struct's own `release` callback, so it does not matter which of them is dropped.
    let (array, schema) = unsafe {
        (
            std::mem::transmute::<FFI_ArrowArray, ArrowArray>(array),
            std::mem::transmute::<FFI_ArrowSchema, ArrowSchema>(schema),
        )
    };
    // SAFETY: `to_ffi` has just exported both from one valid array, so they are valid and fit each other.
    unsafe {
        import_field_from_c(&schema).and_then(|field| import_array_from_c(array, field.dtype))
    }
    .map_err(|source| BridgeError::Polars {
        column: field.name().clone(),
        source,
    })
}

/// Shares the array's buffers.
#[expect(unsafe_code, reason = "the C data interface has no safe entrance")]
pub(super) fn from_polars(array: PolarsArray, name: &str) -> Result<ArrayRef, BridgeError> {
    let schema = schema(&PolarsField::new(name.into(), array.dtype().clone(), true));
    // SAFETY: as in `to_polars`: two declarations of one C struct.
    let array =
        unsafe { std::mem::transmute::<ArrowArray, FFI_ArrowArray>(export_array_to_c(array)) };
    // SAFETY: both come from one valid array, so they are valid and fit each other.
    let data = unsafe { from_ffi(array, &schema) }.map_err(|source| BridgeError::Arrow {
        column: name.to_owned(),
        source,
    })?;
    Ok(make_array(data))
}

#[expect(unsafe_code, reason = "the C data interface has no safe entrance")]
fn schema(field: &PolarsField) -> FFI_ArrowSchema {
    // SAFETY: as in `to_polars`: two declarations of one C struct.
    unsafe { std::mem::transmute::<ArrowSchema, FFI_ArrowSchema>(export_field_to_c(field)) }
}
