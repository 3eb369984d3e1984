//! Two selections: the rows that both picked, their order, and what sorts of rows they are.

use std::collections::HashMap;
use std::path::Path;

use arrow::array::{Array, AsArray};
use serde::Serialize;
use serde_json::Value as Json;
use trommel_engine::cache::{Cache, PortEntry};
use trommel_engine::table::{Chunk, KEY, Table, floats};

use super::sorts::{Share, mean_lengths, shares};
use super::statistics::{mean, spearman};

/// Picked rows, in the order of picking.
pub(crate) struct Selection {
    keys: Vec<Vec<u8>>,
    /// What they were picked by, if it is a number.
    scores: Option<(&'static str, Vec<Option<f64>>)>,
    /// The rows themselves; a lock file does not hold them.
    table: Option<Table>,
}

/// Columns that hold what rows are picked by.
const SCORES: [&str; 2] = ["difficulty", "score"];

/// The table of a stored port that has rows of its own.
pub(super) fn stored_table(port: &PortEntry, cache: &Cache) -> Table {
    let chunks: Vec<Chunk> = port
        .pieces
        .iter()
        .map(|piece| Chunk {
            rows: piece.rows,
            columns: cache.columns(piece),
        })
        .collect();
    Table::new(port.fields.clone(), chunks)
}

impl Selection {
    /// What a select node gave.
    pub(crate) fn stored(port: &PortEntry, cache: &Cache) -> Result<Self, String> {
        let table = stored_table(port, cache);
        let text = |e: arrow::error::ArrowError| e.to_string();
        let mut keys = Vec::with_capacity(table.rows());
        for array in table.arrays(KEY).map_err(text)? {
            let values = array
                .as_fixed_size_binary_opt()
                .ok_or("its column `key` holds no keys")?;
            keys.extend((0..values.len()).map(|row| values.value(row).to_vec()));
        }
        let scores = match SCORES.into_iter().find(|name| table.field(name).is_some()) {
            None => None,
            Some(name) => {
                let mut all = Vec::with_capacity(table.rows());
                for array in table.arrays(name).map_err(text)? {
                    all.extend(floats(&array).map_err(text)?);
                }
                Some((name, all))
            }
        };
        Ok(Self {
            keys,
            scores,
            table: Some(table),
        })
    }

    /// What a lock file tells.
    pub(crate) fn of_lock(path: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
        let lock: Json = serde_json::from_slice(&bytes).map_err(|e| e.to_string())?;
        let picks = lock["picks"].as_array().ok_or("it has no list `picks`")?;
        let mut keys = Vec::with_capacity(picks.len());
        for (number, pick) in picks.iter().enumerate() {
            let key = pick["key"].as_str().and_then(from_hex);
            keys.push(key.ok_or_else(|| format!("pick {number} has no key"))?);
        }
        let of = |name: &str| picks.iter().any(|pick| !pick[name].is_null());
        let scores = SCORES.into_iter().find(|name| of(name));
        Ok(Self {
            keys,
            scores: scores.map(|name| (name, picks.iter().map(|p| p[name].as_f64()).collect())),
            table: None,
        })
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).map(|d| d as u8))
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// How alike two selections are.
#[derive(Serialize)]
pub(crate) struct Compared {
    pub(super) rows_a: usize,
    pub(super) rows_b: usize,
    pub(super) common: usize,
    /// Of the picks of a side, the part that the other picked too; none of nothing.
    pub(super) share_of_a: Option<f64>,
    pub(super) share_of_b: Option<f64>,
    /// Common picks among all picks of either.
    pub(super) jaccard: Option<f64>,
    /// How many places apart a common pick stands in the two orders, in the mean.
    pub(super) mean_shift: Option<f64>,
    /// Spearman's correlation of the places of the common picks.
    pub(super) order: Option<f64>,
    pub(super) score: Option<Correlation>,
    /// Letters; none where a side has no texts.
    pub(super) mean_text_length: Option<[f64; 2]>,
    /// Of sorts and of lengths; none where a side has no rows, but a lock file only.
    pub(super) shares: Option<Vec<Share>>,
}

/// Of the values that two tables give the same rows.
#[derive(Serialize)]
pub(crate) struct Correlation {
    pub(super) column: String,
    pub(super) rows: usize,
    pub(super) spearman: Option<f64>,
}

pub(crate) fn compare(a: &Selection, b: &Selection) -> Compared {
    let places: HashMap<&[u8], usize> = b
        .keys
        .iter()
        .enumerate()
        .map(|(place, key)| (key.as_slice(), place))
        .collect();
    let common: Vec<(usize, usize)> = a
        .keys
        .iter()
        .enumerate()
        .filter_map(|(place, key)| Some((place, *places.get(key.as_slice())?)))
        .collect();
    let part = |of: usize| (of > 0).then(|| common.len() as f64 / of as f64);
    let (rows_a, rows_b) = (a.keys.len(), b.keys.len());
    let score = match (&a.scores, &b.scores) {
        (Some((column, of_a)), Some((same, of_b))) if column == same => {
            let pairs: Vec<(f64, f64)> = common
                .iter()
                .filter_map(|&(i, j)| Some((of_a[i]?, of_b[j]?)))
                .collect();
            Some(Correlation {
                column: (*column).to_owned(),
                rows: pairs.len(),
                spearman: spearman(&pairs),
            })
        }
        _ => None,
    };
    let (mean_text_length, shares) = match (&a.table, &b.table) {
        (Some(a), Some(b)) => (mean_lengths(a, b), Some(shares(a, b))),
        _ => (None, None),
    };
    Compared {
        rows_a,
        rows_b,
        common: common.len(),
        share_of_a: part(rows_a),
        share_of_b: part(rows_b),
        jaccard: part(rows_a + rows_b - common.len()),
        mean_shift: mean(common.iter().map(|&(i, j)| i.abs_diff(j) as f64)),
        order: spearman(&places_of(&common)),
        score,
        mean_text_length,
        shares,
    }
}

fn places_of(common: &[(usize, usize)]) -> Vec<(f64, f64)> {
    common.iter().map(|&(i, j)| (i as f64, j as f64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(keys: &[u8], scores: &[Option<f64>]) -> Selection {
        Selection {
            keys: keys.iter().map(|&k| vec![k; 16]).collect(),
            scores: (!scores.is_empty()).then(|| ("difficulty", scores.to_vec())),
            table: None,
        }
    }

    #[test]
    fn overlap_and_order_by_hand() {
        let a = selection(&[1, 2, 3, 4], &[Some(4.0), Some(3.0), Some(2.0), Some(1.0)]);
        let b = selection(
            &[3, 9, 1, 2, 8],
            &[Some(9.0), None, Some(8.0), Some(7.0), None],
        );
        let c = compare(&a, &b);
        assert_eq!((c.rows_a, c.rows_b, c.common), (4, 5, 3));
        assert_eq!(
            (c.share_of_a, c.share_of_b, c.jaccard),
            (Some(0.75), Some(0.6), Some(0.5))
        );
        // 1: 0 and 2, 2: 1 and 3, 3: 2 and 0.
        assert_eq!(c.mean_shift, Some(2.0));
        // Places 0 1 2 and 2 3 0: ranks 1 2 3 and 2 3 1, so the same.
        assert!((c.order.unwrap() + 0.5).abs() < 1e-12);
        // Ranks 3 2 1 and 2 1 3: 1 - 6 * (1 + 1 + 4) / (3 * 8).
        let score = c.score.unwrap();
        assert_eq!((score.column.as_str(), score.rows), ("difficulty", 3));
        assert!((score.spearman.unwrap() + 0.5).abs() < 1e-12);
    }

    #[test]
    fn nothing_in_common_and_nothing_at_all() {
        let (a, none) = (selection(&[1, 2], &[]), selection(&[], &[]));
        let c = compare(&a, &selection(&[3], &[]));
        assert_eq!((c.jaccard, c.mean_shift, c.order), (Some(0.0), None, None));
        assert!(c.score.is_none());
        let c = compare(&none, &none);
        assert_eq!((c.common, c.jaccard, c.share_of_a), (0, None, None));
    }

    #[test]
    fn keys_are_read_from_their_digits() {
        assert_eq!(from_hex("00ff1A"), Some(vec![0, 255, 26]));
        assert_eq!((from_hex("0"), from_hex("0g")), (None, None));
    }
}
