//! The section `tests`: rows to put in, and what is expected to come out.

use super::document::Document;
use super::params::Override;
use super::pipeline::{misspelt, unknown_key, wrong_type};
use super::value::{Data, Value};
use crate::diagnostics::{Place, Problem, Problems, Spanned};

/// One test of a pipeline.
#[derive(Debug)]
pub struct TestSpec {
    pub name: Spanned<String>,
    pub set: Vec<Override>,
    pub given: Vec<GivenSpec>,
    pub expect: Vec<ExpectSpec>,
}

/// Rows that stand in for a table of a node.
#[derive(Debug)]
pub struct GivenSpec {
    /// `NODE` or `NODE.PORT`.
    pub node: Spanned<String>,
    /// Mappings of columns to values.
    pub rows: Vec<Value>,
}

/// What is expected of a table, or of a node that is to fail.
#[derive(Debug)]
pub struct ExpectSpec {
    /// `NODE` or `NODE.PORT`.
    pub node: Spanned<String>,
    pub rows: Option<usize>,
    /// The values of whole columns, row by row.
    pub columns: Vec<(Spanned<String>, Vec<Value>)>,
    /// Rows that are somewhere in the table, by some of their columns.
    pub contains: Vec<Value>,
    /// How far numbers may be off.
    pub within: f64,
    /// The node fails, and its message holds this text.
    pub error: Option<String>,
}

const TEST_KEYS: [&str; 4] = ["name", "set", "given", "expect"];
const EXPECT_KEYS: [&str; 7] = [
    "node", "rows", "columns", "order", "contains", "within", "error",
];

impl Document {
    /// The tests of the file; values in them are taken as they are written, without parameters.
    pub fn tests(&self) -> Result<Vec<TestSpec>, Problems> {
        let mut problems = Problems::default();
        let mut tests: Vec<TestSpec> = Vec::new();
        for value in list("tests", self.root.get("tests"), &mut problems) {
            let Some(test) = read_test(value, &mut problems) else {
                continue;
            };
            if let Some(first) = tests.iter().find(|t| t.name.value == test.name.value) {
                problems.push(
                    Problem::error(
                        "spec::test_twice",
                        format!("there are two tests `{}`", test.name.value),
                    )
                    .at(&test.name.place, "the second one")
                    .at(&first.name.place, "the first one"),
                );
            }
            tests.push(test);
        }
        if problems.has_errors() {
            Err(problems.sorted())
        } else {
            Ok(tests)
        }
    }
}

fn list<'v>(key: &str, value: Option<&'v Value>, problems: &mut Problems) -> &'v [Value] {
    match value.map(|v| (&v.data, v)) {
        None | Some((Data::Null, _)) => &[],
        Some((Data::List(items), _)) => items,
        Some((_, v)) => {
            problems.push(wrong_type(key, "a list", v));
            &[]
        }
    }
}

fn entries<'v>(
    key: &str,
    value: Option<&'v Value>,
    problems: &mut Problems,
) -> &'v [(Spanned<String>, Value)] {
    match value.map(|v| (&v.data, v)) {
        None | Some((Data::Null, _)) => &[],
        Some((Data::Map(entries), _)) => entries,
        Some((_, v)) => {
            problems.push(wrong_type(key, "a mapping", v));
            &[]
        }
    }
}

fn text(
    what: &str,
    key: &str,
    value: &Value,
    known: &[&str],
    problems: &mut Problems,
) -> Option<Spanned<String>> {
    match value.get(key) {
        Some(Value {
            data: Data::Text(text),
            place,
            ..
        }) => Some(Spanned::new(text.clone(), place.clone())),
        Some(other) => {
            problems.push(wrong_type(key, "text", other));
            None
        }
        None if matches!(&value.data, Data::Map(e) if misspelt(e, known, key)) => None,
        None => {
            problems.push(
                Problem::error("spec::missing_key", format!("the {what} has no `{key}`"))
                    .at(&value.place, format!("this {what}")),
            );
            None
        }
    }
}

fn read_test(value: &Value, problems: &mut Problems) -> Option<TestSpec> {
    for (key, _) in entries("tests", Some(value), problems) {
        unknown_key(key, &TEST_KEYS, problems);
    }
    let Data::Map(keys) = &value.data else {
        return None;
    };
    let name = text("test", "name", value, &TEST_KEYS, problems);
    let set = entries("set", value.get("set"), problems).iter();
    let set = set.map(|(name, value)| Override {
        name: name.value.clone(),
        value: value.clone(),
    });
    let mut given = Vec::new();
    for (node, rows) in entries("given", value.get("given"), problems) {
        let rows = list(&node.value, Some(rows), problems);
        for row in rows.iter().filter(|r| !matches!(r.data, Data::Map(_))) {
            let wanted = "a mapping of COLUMN: VALUE";
            problems.push(wrong_type("a row", wanted, row));
        }
        given.push(GivenSpec {
            node: node.clone(),
            rows: rows.to_vec(),
        });
    }
    let items = list("expect", value.get("expect"), problems);
    if items.is_empty() && !misspelt(keys, &TEST_KEYS, "expect") {
        let place = value.get("expect").map_or(&value.place, |v| &v.place);
        problems.push(
            Problem::error("spec::test_expects", "the test expects nothing")
                .at(place, "here")
                .help("add `expect: [{ node: NODE, rows: N }]`"),
        );
    }
    let expect: Vec<ExpectSpec> = items
        .iter()
        .filter_map(|item| read_expect(item, problems))
        .collect();
    Some(TestSpec {
        name: name?,
        set: set.collect(),
        given,
        expect,
    })
}

fn read_expect(value: &Value, problems: &mut Problems) -> Option<ExpectSpec> {
    let before = problems.iter().len();
    for (key, _) in entries("expect", Some(value), problems) {
        unknown_key(key, &EXPECT_KEYS, problems);
    }
    if !matches!(value.data, Data::Map(_)) {
        return None;
    }
    let node = text("expectation", "node", value, &EXPECT_KEYS, problems);
    let rows = value.get("rows").and_then(|v| match v.data {
        Data::Int(n) if n >= 0 => Some(n as usize),
        _ => {
            problems.push(wrong_type("rows", "a whole number of 0 or more", v));
            None
        }
    });
    let within = value.get("within").map_or(0.0, |v| match v.data {
        Data::Float(n) if n >= 0.0 => n,
        Data::Int(n) if n >= 0 => n as f64,
        _ => {
            problems.push(wrong_type("within", "a number of 0 or more", v));
            0.0
        }
    });
    let mut columns = Vec::new();
    for (name, values) in entries("columns", value.get("columns"), problems) {
        let values = list(&name.value, Some(values), problems).to_vec();
        columns.push((name.clone(), values));
    }
    if let (Some(key), Some(order)) = (value.key("order"), value.get("order")) {
        let name = Spanned::new("unique_idx".to_owned(), key.place.clone());
        columns.push((name, list("order", Some(order), problems).to_vec()));
    }
    let contains = list("contains", value.get("contains"), problems).to_vec();
    for row in contains.iter().filter(|r| !matches!(r.data, Data::Map(_))) {
        problems.push(wrong_type("a row", "a mapping of COLUMN: VALUE", row));
    }
    let error = value.get("error").and_then(|v| match &v.data {
        Data::Text(text) => Some(text.clone()),
        _ => {
            problems.push(wrong_type("error", "text", v));
            None
        }
    });
    let of_table = rows.is_some() || !columns.is_empty() || !contains.is_empty();
    if problems.iter().len() == before && of_table == error.is_some() {
        problems.push(what_is_expected(of_table, &value.place));
    }
    Some(ExpectSpec {
        node: node?,
        rows,
        columns,
        contains,
        within,
        error,
    })
}

fn what_is_expected(of_table: bool, place: &Place) -> Problem {
    let message = if of_table {
        "a node that fails gives no table, so `error` stands alone"
    } else {
        "nothing is expected of this node"
    };
    Problem::error("spec::test_expects", message)
        .at(place, "here")
        .help("say `rows`, `columns`, `order` or `contains`, or else `error`")
}
