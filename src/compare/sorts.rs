//! Of what sorts, and how long, the rows of two selections are.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use trommel_engine::table::{Table, strings};

use super::statistics::mean;
use crate::summary;

/// Texts shorter than this are not told apart; from there on each class is twice as wide as the one before.
const SHORT: usize = 16;
/// Rows that a sort has in the mean, where there are many sorts.
const ROWS_OF_SORT: usize = 50;
/// Shares of lengths stand under this name.
const LENGTH: &str = "letters of text";

/// The part of the picks that one sort of rows makes up.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Share {
    pub(super) column: String,
    pub(super) value: String,
    pub(super) a: f64,
    pub(super) b: f64,
}

/// For every column that says of what sort a row is, the shares of the sorts; then those of the lengths of `text`.
pub(super) fn shares(a: &Table, b: &Table) -> Vec<Share> {
    let mut all = Vec::new();
    // Large selections may come from many sources; but what differs from row to row is no sort.
    let most = (a.rows().max(b.rows()) / ROWS_OF_SORT).max(summary::MOST_GROUPS);
    let groups = |table, column| summary::groups(table, column, most);
    for field in a.fields() {
        let column = field.name();
        if summary::CONTENT.contains(&column.as_str()) {
            continue;
        }
        if let (Some(of_a), Some(of_b)) = (groups(a, column), groups(b, column)) {
            all.extend(side_by_side(column, &of_a, &of_b, Clone::clone));
        }
    }
    if let (Some(of_a), Some(of_b)) = (lengths(a), lengths(b)) {
        let (of_a, of_b) = (classes(&of_a), classes(&of_b));
        all.extend(side_by_side(LENGTH, &of_a, &of_b, |class| {
            class_in_words(*class)
        }));
    }
    all
}

/// The mean length (letters) of the texts of both.
pub(super) fn mean_lengths(a: &Table, b: &Table) -> Option<[f64; 2]> {
    let of = |table| {
        let lengths = lengths(table)?;
        mean(lengths.into_iter().flatten().map(|length| length as f64))
    };
    Some([of(a)?, of(b)?])
}

/// Nothing where all rows of both are of one sort, which says nothing.
fn side_by_side<T: Ord>(
    column: &str,
    a: &BTreeMap<T, usize>,
    b: &BTreeMap<T, usize>,
    in_words: impl Fn(&T) -> String,
) -> Vec<Share> {
    let values: BTreeSet<&T> = a.keys().chain(b.keys()).collect();
    if values.len() < 2 {
        return Vec::new();
    }
    let part = |counts: &BTreeMap<T, usize>, value: &T| {
        let rows: usize = counts.values().sum();
        counts.get(value).copied().unwrap_or(0) as f64 / rows.max(1) as f64
    };
    values
        .into_iter()
        .map(|value| Share {
            column: column.to_owned(),
            value: in_words(value),
            a: part(a, value),
            b: part(b, value),
        })
        .collect()
}

/// The letters of the column `text`, none where it is null; none where there is no such column.
fn lengths(table: &Table) -> Option<Vec<Option<usize>>> {
    let mut lengths = Vec::new();
    for array in table.arrays("text").ok()? {
        let texts = strings(&array).ok()?;
        lengths.extend(texts.iter().map(|text| Some(text?.chars().count())));
    }
    Some(lengths)
}

/// How many texts are of each class of lengths, which goes by its first length.
fn classes(lengths: &[Option<usize>]) -> BTreeMap<Option<usize>, usize> {
    let mut counts = BTreeMap::new();
    for length in lengths {
        let class = length.map(|length| {
            if length < SHORT {
                0
            } else {
                1 << length.ilog2()
            }
        });
        *counts.entry(class).or_default() += 1;
    }
    counts
}

fn class_in_words(first: Option<usize>) -> String {
    match first {
        None => "(none)".to_owned(),
        Some(0) => format!("0 to {}", SHORT - 1),
        Some(first) => format!("{first} to {}", 2 * first - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_fall_into_classes_each_twice_as_wide_as_the_one_before() {
        let lengths = [
            None,
            Some(0),
            Some(15),
            Some(16),
            Some(31),
            Some(32),
            Some(1000),
        ];
        let found = classes(&lengths);
        let words: Vec<(String, usize)> = found
            .iter()
            .map(|(class, &count)| (class_in_words(*class), count))
            .collect();
        let expected = [
            ("(none)", 1),
            ("0 to 15", 2),
            ("16 to 31", 2),
            ("32 to 63", 1),
            ("512 to 1023", 1),
        ];
        assert_eq!(
            words,
            expected.map(|(words, count)| (words.to_owned(), count))
        );
    }

    #[test]
    fn shares_of_both_sides_by_hand() {
        let counts = |pairs: &[(&str, usize)]| -> BTreeMap<String, usize> {
            pairs
                .iter()
                .map(|&(value, count)| (value.to_owned(), count))
                .collect()
        };
        let share = |value: &str, a, b| Share {
            column: "c".into(),
            value: value.into(),
            a,
            b,
        };
        let (a, b) = (counts(&[("x", 1), ("y", 3)]), counts(&[("y", 1), ("z", 1)]));
        let found = side_by_side("c", &a, &b, Clone::clone);
        assert_eq!(
            found,
            [
                share("x", 0.25, 0.0),
                share("y", 0.75, 0.5),
                share("z", 0.0, 0.5)
            ]
        );
        assert_eq!(
            side_by_side(
                "c",
                &counts(&[("x", 2)]),
                &counts(&[("x", 9)]),
                Clone::clone
            ),
            []
        );
        assert_eq!(
            side_by_side("c", &a, &counts(&[]), Clone::clone)[0],
            share("x", 0.25, 0.0)
        );
    }
}
