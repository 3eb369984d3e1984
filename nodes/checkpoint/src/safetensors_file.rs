//! The tensors of a safetensors file, from its header.

use safetensors::{Dtype as Format, SafeTensors};

use crate::dtype::Dtype;
use crate::entry::Entry;

/// Bytes of the header's length field.
const LENGTH: usize = 8;

/// Reads and checks the header; the error is the reason in words.
pub(crate) fn entries(file: &[u8]) -> Result<Vec<Entry>, String> {
    let (header, metadata) = SafeTensors::read_metadata(file).map_err(|e| e.to_string())?;
    metadata
        .offset_keys()
        .into_iter()
        .map(|name| {
            let info = metadata
                .info(&name)
                .ok_or_else(|| format!("the header lost `{name}`"))?;
            let dtype = dtype(info.dtype).ok_or_else(|| {
                format!(
                    "`{name}` has the element type {:?}, which is not supported",
                    info.dtype
                )
            })?;
            Ok(Entry {
                dtype,
                shape: info.shape.clone(),
                start: LENGTH + header + info.data_offsets.0,
                strides: None,
                name,
            })
        })
        .collect()
}

fn dtype(format: Format) -> Option<Dtype> {
    Some(match format {
        Format::BOOL => Dtype::Bool,
        Format::U8 => Dtype::U8,
        Format::I8 => Dtype::I8,
        Format::U16 => Dtype::U16,
        Format::I16 => Dtype::I16,
        Format::F16 => Dtype::F16,
        Format::BF16 => Dtype::BF16,
        Format::U32 => Dtype::U32,
        Format::I32 => Dtype::I32,
        Format::F32 => Dtype::F32,
        Format::U64 => Dtype::U64,
        Format::I64 => Dtype::I64,
        Format::F64 => Dtype::F64,
        _ => return None,
    })
}
