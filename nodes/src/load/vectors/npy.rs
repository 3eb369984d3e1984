//! The header of a `.npy` file with a matrix of floats (format: NEP 1 of `NumPy`, versions 1.0 to 3.0).

use std::fs::File;
use std::io::Read;

use trommel_checkpoint::Dtype;

const MAGIC: &[u8] = b"\x93NUMPY";
/// A header longer than this is no matrix's.
const MAX_HEADER: usize = 1 << 16;

/// A matrix in C order from `start` on.
#[derive(Debug, PartialEq)]
pub(crate) struct Header {
    pub(crate) dtype: Dtype,
    pub(crate) rows: usize,
    pub(crate) dim: usize,
    /// First byte of the values.
    pub(crate) start: u64,
}

/// Reads the header and checks that the file is as long as it says. The error is the reason in words.
pub(crate) fn header(file: &mut File) -> Result<Header, String> {
    let length = file.metadata().map_err(|e| e.to_string())?.len();
    let header = parse(file)?;
    let bytes = header
        .rows
        .checked_mul(header.dim)
        .and_then(|values| values.checked_mul(header.dtype.size()))
        .and_then(|bytes| header.start.checked_add(bytes as u64));
    if bytes == Some(length) {
        Ok(header)
    } else {
        Err(format!(
            "the file has {length} bytes, which does not fit {} x {} values of {}; is it cut off?",
            header.rows, header.dim, header.dtype
        ))
    }
}

fn parse(file: &mut impl Read) -> Result<Header, String> {
    let mut begin = [0; 8];
    let short = |_| "the file is too short for a header".to_string();
    file.read_exact(&mut begin).map_err(short)?;
    if !begin.starts_with(MAGIC) {
        return Err("it does not begin as a NumPy file".into());
    }
    let (size, taken) = if begin[6] == 1 {
        let mut size = [0; 2];
        file.read_exact(&mut size).map_err(short)?;
        (usize::from(u16::from_le_bytes(size)), 10)
    } else {
        let mut size = [0; 4];
        file.read_exact(&mut size).map_err(short)?;
        (u32::from_le_bytes(size) as usize, 12)
    };
    if size > MAX_HEADER {
        return Err(format!(
            "its header of {size} bytes is too long for a matrix"
        ));
    }
    let mut text = vec![0; size];
    file.read_exact(&mut text).map_err(short)?;
    let text = String::from_utf8(text).map_err(|_| "its header is not text".to_string())?;
    let (dtype, rows, dim) = fields(&text)?;
    Ok(Header {
        dtype,
        rows,
        dim,
        start: (taken + size) as u64,
    })
}

/// The header is a Python dictionary: `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }`.
fn fields(text: &str) -> Result<(Dtype, usize, usize), String> {
    let after = |key: &str| {
        text.split_once(&format!("'{key}':"))
            .map(|(_, value)| value.trim_start())
            .ok_or_else(|| format!("its header has no {key}"))
    };
    let descr = after("descr")?.split(',').next().unwrap_or_default().trim();
    let dtype = match descr.trim_matches('\'') {
        "<f2" => Dtype::F16,
        "<f4" => Dtype::F32,
        "<f8" => Dtype::F64,
        _ => {
            return Err(format!(
                "its values are of type {descr}; expected '<f2', '<f4' or '<f8'"
            ));
        }
    };
    if !after("fortran_order")?.starts_with("False") {
        return Err("it is stored column by column; save it with numpy.ascontiguousarray".into());
    }
    let shape = after("shape")?;
    let inner = shape
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'));
    let (inner, _) = inner.ok_or("its header has no shape")?;
    let extents: Result<Vec<usize>, _> = inner
        .split(',')
        .map(str::trim)
        .filter(|extent| !extent.is_empty())
        .map(str::parse)
        .collect();
    match extents.as_deref() {
        Ok([rows, dim]) => Ok((dtype, *rows, *dim)),
        _ => Err(format!(
            "its shape is ({inner}); expected a matrix (rows, values)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A version 1.0 file's beginning, as numpy.save writes it.
    fn file(header: &str) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes
    }

    #[test]
    fn reads_what_numpy_writes() {
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (76, 48), }   \n";
        let parsed = parse(&mut file(header).as_slice()).unwrap();
        let start = 10 + header.len() as u64;
        assert_eq!(
            parsed,
            Header {
                dtype: Dtype::F32,
                rows: 76,
                dim: 48,
                start
            }
        );
    }

    #[test]
    fn refuses_what_is_no_matrix_of_floats() {
        for (header, expected) in [
            (
                "{'descr': '>f4', 'fortran_order': False, 'shape': (7, 4), }",
                "'>f4'",
            ),
            (
                "{'descr': '<i8', 'fortran_order': False, 'shape': (7, 4), }",
                "'<i8'",
            ),
            (
                "{'descr': '<f4', 'fortran_order': True, 'shape': (7, 4), }",
                "column by column",
            ),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (7,), }",
                "expected a matrix",
            ),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (7, x), }",
                "expected a matrix",
            ),
            ("{}", "no descr"),
        ] {
            let error = parse(&mut file(header).as_slice()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let whole = file("{'descr': '<f4', 'fortran_order': False, 'shape': (7, 4), }");
        for length in 0..whole.len() {
            assert!(parse(&mut &whole[..length]).is_err(), "{length}");
        }
        assert!(parse(&mut [0_u8; 99].as_slice()).is_err());
    }
}
