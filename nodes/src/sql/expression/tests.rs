//! What expressions pick, and what is said about those that make no sense.

use arrow::array::{Float64Array, StringArray, UInt64Array};

use super::*;

fn frame() -> DataFrame {
    let columns: [(_, ArrayRef, _); 3] = [
        (
            "unique_idx",
            Arc::new(UInt64Array::from(vec![0, 1, 2, 3])),
            true,
        ),
        (
            "image",
            Arc::new(StringArray::from(vec![
                Some("a.jpg"),
                None,
                Some("it's"),
                Some(""),
            ])),
            true,
        ),
        (
            "clip score",
            Arc::new(Float64Array::from(vec![
                Some(0.1),
                Some(0.3),
                None,
                Some(0.5),
            ])),
            true,
        ),
    ];
    to_frame(&RecordBatch::try_from_iter_with_nullable(columns).unwrap()).unwrap()
}

fn rows(text: &str) -> Result<Vec<usize>, String> {
    let frame = frame();
    let twice = frame.vstack(&frame).unwrap();
    let expression = Expression::parse(text)?;
    let picked = expression.rows_of(frame).map_err(|e| e.message)?;
    // As many chunks as a table has: a row is picked by its values, not by its chunk.
    if !text.contains("AVG") {
        let again: Vec<usize> = picked
            .iter()
            .copied()
            .chain(picked.iter().map(|r| r + 4))
            .collect();
        assert_eq!(expression.rows_of(twice).unwrap(), again);
    }
    Ok(picked)
}

#[test]
fn true_rows_are_picked_in_order_and_null_is_false() {
    for (text, expected) in [
        ("unique_idx >= 2", &[2, 3][..]),
        ("\"clip score\" > 0.2", &[1, 3]),
        ("NOT \"clip score\" > 0.2", &[0]),
        ("\"clip score\" > 0.2 AND image IS NOT NULL", &[3]),
        ("\"clip score\" IS NULL OR image IS NULL", &[1, 2]),
        ("\"clip score\" BETWEEN 0.1 AND 0.3", &[0, 1]),
        ("image IN ('it''s', 'x')", &[2]),
        ("image LIKE '%.jpg'", &[0]),
        ("LENGTH(image) = 0", &[3]),
        ("\"clip score\" > AVG(\"clip score\")", &[3]),
        ("unique_idx % 2 = 0", &[0, 2]),
        ("LENGTH(image) - 10 < 0", &[0, 2, 3]),
        ("1 = 1", &[0, 1, 2, 3]),
        ("FALSE", &[]),
        ("NULL", &[]),
    ] {
        assert_eq!(rows(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn columns_are_those_named_once_each() {
    let expression = Expression::parse("a > 1 OR (b = 'c' AND a < \"x y\")").unwrap();
    assert_eq!(expression.columns(), ["a", "b", "x y"]);
}

#[test]
fn what_is_no_condition_is_refused() {
    for (text, expected) in [
        ("unique_idx >", ""),
        ("", ""),
        ("unique_idx > 1 x y", ""),
        ("*", ""),
        ("unique_idx IN (SELECT a FROM b)", ""),
        ("unique_idx IN (SELECT a FROM read_csv('secret.csv'))", ""),
        (
            "unique_idx IN (SELECT a FROM read_parquet('secret.parquet'))",
            "",
        ),
        ("EXISTS (SELECT 1)", ""),
        ("unique_idx + 1", "gives"),
        ("image > 1", ""),
        ("NO_SUCH_FUNCTION(image) = 1", ""),
    ] {
        let error = rows(text).unwrap_err();
        assert!(
            error.contains(expected) && !error.is_empty(),
            "{text}: {error}"
        );
    }
}
