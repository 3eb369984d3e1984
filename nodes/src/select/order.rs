//! The orders in which selections look at rows: by score, or by lot.

use trommel_engine::node::prelude::*;
use trommel_engine::table::{Digest, Digester};

/// The rows that have a score, in their order. NaN is an error: it is neither large nor small.
pub(super) fn scored(column: &ColumnView<'_>) -> Result<Vec<(usize, f64)>, NodeError> {
    let scored: Vec<(usize, f64)> = column
        .floats()?
        .into_iter()
        .enumerate()
        .filter_map(|(row, score)| Some((row, score?)))
        .collect();
    if let Some((row, _)) = scored.iter().find(|(_, score)| score.is_nan()) {
        return Err(NodeError::new(format!("the score of row {row} is NaN"))
            .help("mend the node that gives it"));
    }
    Ok(scored)
}

/// Equal scores stay in the order they are in.
pub(super) fn largest_first(scored: &mut [(usize, f64)]) {
    // Adding 0.0 makes -0.0 equal to 0.0.
    scored.sort_by(|(_, a), (_, b)| (b + 0.0).total_cmp(&(a + 0.0)));
}

/// Equal scores stay in the order they are in.
pub(super) fn smallest_first(scored: &mut [(usize, f64)]) {
    scored.sort_by(|(_, a), (_, b)| (a + 0.0).total_cmp(&(b + 0.0)));
}

/// A lot for each row: a digest of the seed and the row's key, which does not depend on where the row stands.
pub(super) fn lots(input: &Table, seed: u64) -> Result<Vec<Digest>, NodeError> {
    let mut lots = Vec::with_capacity(input.rows());
    for array in input.arrays(KEY)? {
        for key in array.as_fixed_size_binary().iter().flatten() {
            let lot = Digester::new("trommel.lot.1")
                .field("seed", &seed.to_le_bytes())
                .field("key", key)
                .finish();
            lots.push(lot);
        }
    }
    Ok(lots)
}
