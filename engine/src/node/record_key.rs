//! The keys of records: what a record says and how often it was said before.

use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeBinaryArray};
use arrow::error::ArrowError;

use crate::fast_map::FastMap;
use crate::table::{Digest, Digester};

/// Gives the `key` of each record of a source in turn: the first 16 bytes of a digest over the
/// record's text and its occurrence number, so that equal records stay apart.
#[derive(Default)]
pub struct RecordKeys {
    seen: FastMap<Digest, u64>,
}

impl RecordKeys {
    pub fn next(&mut self, record: &[u8]) -> [u8; 16] {
        let content = Digest::of_bytes(record);
        let seen = self.seen.entry(content).or_default();
        let key = Digester::new("trommel.record.1")
            .field("content", content.as_bytes())
            .field("occurrence", &seen.to_le_bytes())
            .finish();
        *seen += 1;
        let mut short = [0; 16];
        short.copy_from_slice(&key.as_bytes()[..16]);
        short
    }
}

/// Keys as the column `key`.
pub fn key_column(keys: &[[u8; 16]]) -> Result<ArrayRef, ArrowError> {
    let keys = keys.iter().map(Some);
    let column = FixedSizeBinaryArray::try_from_sparse_iter_with_size(keys, 16)?;
    Ok(Arc::new(column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_records_stay_apart_and_order_does_not_matter() {
        let mut keys = RecordKeys::default();
        let (a, b, a2) = (keys.next(b"a"), keys.next(b"b"), keys.next(b"a"));
        assert_ne!(a, a2);
        let mut other = RecordKeys::default();
        assert_eq!(
            [b, a, a2],
            [other.next(b"b"), other.next(b"a"), other.next(b"a")]
        );
    }
}
