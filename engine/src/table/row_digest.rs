//! The digest of each row over some columns: the row is the unit of truth for reuse.

use arrow::array::{Array, ArrayRef};
use arrow_row::{RowConverter, SortField};

use super::digest::Digester;
use crate::table::{ColumnType, Digest};

/// First 16 bytes of a row's digest: by the birthday bound a collision among a billion rows has
/// a chance below 2e-21.
pub type RowDigest = [u8; 16];

/// Digests of the rows of `columns`, each with its name. `contents` replaces a column that points
/// at files: there the digest of what the file holds counts, not its path.
pub fn row_digests(
    columns: &[(&str, ArrayRef)],
    contents: &[(&str, Vec<Option<Digest>>)],
    rows: usize,
) -> Result<Vec<RowDigest>, arrow::error::ArrowError> {
    let converter = RowConverter::new(
        columns
            .iter()
            .map(|(_, c)| SortField::new(c.data_type().clone()))
            .collect(),
    )?;
    let arrays: Vec<ArrayRef> = columns.iter().map(|(_, c)| c.clone()).collect();
    let encoded = if arrays.is_empty() {
        None
    } else {
        Some(converter.convert_columns(&arrays)?)
    };
    // The row encoding alone does not tell an i32 from an f32.
    let mut tag = Digester::new("trommel.row.1");
    for (name, column) in columns {
        tag.push(
            name,
            format!(
                "{:?} {:?}",
                ColumnType::of(column.data_type()),
                column.data_type()
            )
            .as_bytes(),
        );
    }
    let tag = tag.finish();
    Ok((0..rows)
        .map(|row| {
            let mut digester = Digester::new("row").field("schema", tag.as_bytes());
            if let Some(encoded) = &encoded {
                digester.push("values", encoded.row(row).as_ref());
            }
            for (name, digests) in contents {
                digester.push(
                    name,
                    digests[row].as_ref().map_or(&[][..], |d| &d.as_bytes()[..]),
                );
            }
            let mut short = [0; 16];
            short.copy_from_slice(&digester.finish().as_bytes()[..16]);
            short
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float32Array, Int32Array, StringArray};

    use super::*;

    #[test]
    fn equal_rows_have_equal_digests_across_chunks() {
        let a: ArrayRef = Arc::new(StringArray::from(vec!["x", "y"]));
        let b: ArrayRef = Arc::new(StringArray::from(vec!["y", "z"]));
        let first = row_digests(&[("text", a)], &[], 2).unwrap();
        let second = row_digests(&[("text", b)], &[], 2).unwrap();
        assert_eq!(first[1], second[0]);
        assert_ne!(first[0], second[1]);
    }

    #[test]
    fn file_contents_count_and_so_do_types() {
        let a: ArrayRef = Arc::new(Int32Array::from(vec![0]));
        let b: ArrayRef = Arc::new(Float32Array::from(vec![0.0]));
        let of = |c: ArrayRef| row_digests(&[("v", c)], &[], 1).unwrap();
        assert_ne!(of(a), of(b));
        let file = |d| row_digests(&[], &[("image", vec![d])], 1).unwrap();
        assert_ne!(file(None), file(Some(Digest::of_bytes(b""))));
    }
}
