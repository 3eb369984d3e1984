//! What expressions give row by row, and which ones are refused.

use std::sync::Arc;

use arrow::array::{Float32Array, Int64Array, StringArray, UInt64Array};
use serde_json::json;

use super::super::testing::{contract, rows, run};
use super::*;

fn batch() -> RecordBatch {
    rows([
        (
            "unique_idx",
            Arc::new(UInt64Array::from(vec![0, 1, 2, 3])) as ArrayRef,
        ),
        (
            "text",
            Arc::new(StringArray::from(vec![
                Some("a"),
                Some("17"),
                None,
                Some("Straße"),
            ])),
        ),
        (
            "x",
            Arc::new(Float32Array::from(vec![
                Some(0.0),
                Some(0.5),
                Some(-2.0),
                None,
            ])),
        ),
        (
            "n",
            Arc::new(Int64Array::from(vec![Some(1), Some(2), Some(3), Some(7)])),
        ),
    ])
}

fn config(expression: &str) -> serde_json::Value {
    json!({ "input": "rows", "columns": { "y": expression } })
}

/// The values as text, row by row; null is `-`.
fn values(expression: &str) -> Result<Vec<String>, String> {
    let all = run::<Expr>(config(expression), &batch()).map_err(|e| e.message)?;
    assert!(all.failed.is_empty(), "{expression}: {:?}", all.failed);
    // A row's value does not depend on the rows beside it.
    for row in 0..4 {
        let alone = run::<Expr>(config(expression), &batch().slice(row, 1)).unwrap();
        assert_eq!(alone.columns, all.columns.slice(row, 1), "{expression}");
    }
    let array = arrow::compute::cast(all.columns.column(0), &DataType::Utf8).unwrap();
    let texts = array.as_string::<i32>().iter();
    Ok(texts.map(|text| text.unwrap_or("-").to_owned()).collect())
}

#[test]
fn values_by_hand() {
    for (expression, expected) in [
        ("x * 2", ["0.0", "1.0", "-4.0", "-"]),
        ("x > 0 OR text = 'a'", ["true", "true", "-", "-"]),
        ("x IS NULL", ["false", "false", "false", "true"]),
        ("1 / x", ["-", "2.0", "-0.5", "-"]),
        ("ROUND(LN(x), 3)", ["-", "-0.693", "-", "-"]),
        ("x / x", ["-", "1.0", "1.0", "-"]),
        ("n / 2", ["0.5", "1.0", "1.5", "3.5"]),
        ("DIV(n, 2)", ["0", "1", "1", "3"]),
        ("CAST(n AS DOUBLE) / 2", ["0.5", "1.0", "1.5", "3.5"]),
        ("LENGTH(text)", ["1", "2", "-", "6"]),
        ("LENGTH(text) - 4", ["-3", "-2", "-", "2"]),
        ("OCTET_LENGTH(text)", ["1", "2", "-", "7"]),
        ("UPPER(text)", ["A", "17", "-", "STRASSE"]),
        ("CONCAT(text, '!')", ["a!", "17!", "!", "Straße!"]),
        ("COALESCE(text, 'none')", ["a", "17", "none", "Straße"]),
        (
            "CASE WHEN n > 2 THEN 'many' ELSE 'few' END",
            ["few", "few", "many", "many"],
        ),
        ("CASE WHEN n > 2 THEN n END", ["-", "-", "3", "7"]),
        ("GREATEST(x, n)", ["1.0", "2.0", "3.0", "7.0"]),
        ("n IN (1, 7)", ["true", "false", "false", "true"]),
        ("n NOT IN (1, 7)", ["false", "true", "true", "false"]),
        ("n BETWEEN 2 AND 3", ["false", "true", "true", "false"]),
        ("text LIKE '%a%'", ["true", "false", "-", "true"]),
        ("text ILIKE 's%'", ["false", "false", "-", "true"]),
        (
            "REGEXP_LIKE(text, '^[0-9]+$')",
            ["false", "true", "-", "false"],
        ),
        ("SUBSTR(text, 1, 1)", ["a", "1", "-", "S"]),
        ("ROUND(x * 10.26, 1)", ["0.0", "5.1", "-20.5", "-"]),
        ("ABS(x) + SIGN(x)", ["0.0", "1.5", "1.0", "-"]),
        ("POW(n, 2)", ["1", "4", "9", "49"]),
        ("TRY_CAST(text AS BIGINT)", ["-", "17", "-", "-"]),
        ("NULLIF(n, 7)", ["1", "2", "3", "-"]),
        ("\"x\" AS other", ["0.0", "0.5", "-2.0", "-"]),
    ] {
        let expected = expected.map(ToOwned::to_owned).to_vec();
        assert_eq!(values(expression), Ok(expected), "{expression}");
    }
}

#[test]
fn what_looks_at_other_rows_is_refused() {
    for (expression, reason) in [
        ("AVG(x)", "looks at others"),
        ("x - AVG(x)", "looks at others"),
        ("CASE WHEN MAX(n) > 2 THEN 1 ELSE n END", "looks at others"),
        ("SUM(x) OVER (PARTITION BY text)", "looks at others"),
        ("RANK() OVER (ORDER BY x)", ""),
        ("ROW_NUMBER() OVER (ORDER BY x)", "looks at others"),
        ("LAG(x) OVER (ORDER BY n)", ""),
        ("x > MEDIAN(x)", "looks at others"),
        ("COUNT(*)", ""),
        ("COUNT(x) + n", "looks at others"),
        ("FIRST(text)", "looks at others"),
        ("STDDEV(x) + n", "looks at others"),
        ("CORR(x, n)", "looks at others"),
        ("STRING_AGG(text)", "looks at others"),
        ("ARRAY_AGG(x)", "looks at others"),
        ("UNNEST(x)", ""),
        ("*", ""),
        ("1 + 1", "names no column"),
        ("x IN (SELECT a FROM read_csv('secret.csv'))", ""),
        ("x +", ""),
        ("", ""),
    ] {
        let contract = contract::<Expr>(config(expression));
        let [refusal] = contract.refusals.as_slice() else {
            panic!("{expression} is not refused");
        };
        assert_eq!(refusal.key, "columns");
        assert!(refusal.message.contains(reason), "{}", refusal.message);
    }
}

#[test]
fn types_are_known_where_a_cast_says_so() {
    let ty = |expression: &str| contract::<Expr>(config(expression)).ports[0].columns[0].1;
    assert_eq!(ty("CAST(x AS REAL)"), ColumnType::F32);
    assert_eq!(ty("CAST(x AS DOUBLE)"), ColumnType::F64);
    assert_eq!(ty("CAST(n AS VARCHAR)"), ColumnType::Text);
    assert_eq!(ty("CAST(n AS BIGINT)"), ColumnType::Number);
    assert_eq!(ty("x > 1"), ColumnType::Any);
}

#[test]
fn only_named_columns_are_read() {
    let config = json!({
        "input": "rows",
        "with": { "x": "other.score", "z": "other.more" },
        "columns": { "a": "x + n", "b": "n > z" },
    });
    let contract = contract::<Expr>(config);
    assert!(contract.refusals.is_empty());
    let of = |number: usize| {
        let need = &contract.inputs[number];
        let columns = need.reads.iter().map(|read| read.column.as_str());
        (need.key, need.label.as_deref(), columns.collect::<Vec<_>>())
    };
    assert_eq!(of(0), ("input", None, vec!["n"]));
    assert_eq!(of(1), ("with", Some("x"), vec!["score"]));
    assert_eq!(of(2), ("with", Some("z"), vec!["more"]));
}

#[test]
fn names_that_make_no_sense_are_refused() {
    for (config, words) in [
        (
            json!({ "input": "rows", "columns": {} }),
            "no column is given",
        ),
        (
            json!({ "input": "rows", "columns": { "a.b": "x" } }),
            "`a.b` cannot be the name",
        ),
        (
            json!({ "input": "rows", "columns": { "key": "x" } }),
            "`key` cannot be the name",
        ),
        (
            json!({ "input": "rows", "columns": { "a": "x" }, "with": { "y": "o.c" } }),
            "no expression names `y`",
        ),
    ] {
        let contract = contract::<Expr>(config);
        assert_eq!(contract.refusals.len(), 1);
        assert!(contract.refusals[0].message.contains(words));
    }
}

#[test]
fn a_row_at_fault_does_not_take_the_others_with_it() {
    let output = run::<Expr>(config("CAST(text AS BIGINT)"), &batch()).unwrap();
    let failed: Vec<usize> = output.failed.iter().map(|failure| failure.row).collect();
    assert_eq!(failed, [0, 3]);
    assert!(
        output.failed[0]
            .reason
            .starts_with("`CAST(text AS BIGINT)`: ")
    );
    let expected = Int64Array::from(vec![None, Some(17), None, None]);
    assert_eq!(output.columns.column(0).as_ref(), &expected as &dyn Array);
}

#[test]
fn an_expression_that_does_not_fit_its_columns_fails_as_a_whole() {
    for expression in ["text > 1", "ABS(text)", "NO_SUCH_FUNCTION(x)", "x.y"] {
        let Err(reason) = values(expression) else {
            panic!("{expression} is fine");
        };
        assert!(reason.contains(&format!("`{expression}`")), "{reason}");
    }
    let error = values("STRING_TO_ARRAY(text, 'a')").unwrap_err();
    assert!(error.contains("it gives List"), "{error}");
}
