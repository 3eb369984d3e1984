//! docs/measures.md says of every measure what the program says of it.

use std::fmt::Write as _;

use trommel_engine::diagnostics::Source;
use trommel_engine::spec::{Value, parse_value};

use crate::support::repository;

/// `UPDATE_DOCS=1 cargo test --test tests measures` writes the tables anew.
#[test]
fn tables_of_measures_are_up_to_date() {
    let path = repository("docs/measures.md");
    let mut text = std::fs::read_to_string(&path).expect("docs/measures.md");
    let there = text.clone();
    for kind in ["score.text", "score.image"] {
        let start = format!("<!-- {kind} -->\n");
        let from = text.find(&start).expect("the mark of the table") + start.len();
        let length = text[from..].find("<!-- end -->").expect("the table's end");
        text.replace_range(from..from + length, &table(kind));
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).expect("the file is written");
    }
    assert!(
        there == text,
        "{} is out of date: run the test with UPDATE_DOCS=1",
        path.display()
    );
}

fn table(kind: &str) -> String {
    let entry = trommel_nodes::registry().find(kind).expect("the kind");
    let schema = entry.kind.schema().to_value();
    let measures = schema["$defs"]["Measure"]["oneOf"].as_array();
    let mut table = String::from("| measure | column | what it is |\n| --- | --- | --- |\n");
    for measure in measures.expect("a list of measures") {
        let name = measure["const"].as_str().expect("a name");
        let about = measure["description"].as_str().expect("a description");
        let about = about.split_whitespace().collect::<Vec<_>>().join(" ");
        let columns: Vec<String> = columns(kind, name)
            .into_iter()
            .map(|(column, ty)| format!("`{column}`, {ty}"))
            .collect();
        writeln!(table, "| `{name}` | {} | {about} |", columns.join("; ")).expect("text");
    }
    table
}

/// The columns that a node with this one measure gives, and their types.
fn columns(kind: &str, measure: &str) -> Vec<(String, String)> {
    let entry = trommel_nodes::registry().find(kind).expect("the kind");
    let text = format!("node: {{ kind: {kind}, input: rows, measures: [{measure}] }}");
    let node = parse_value(&Source::new("measure", text, "")).map(Value::into_node);
    let Ok(Some((_, value))) = node else {
        panic!("{measure} is no word of YAML");
    };
    let Ok(config) = entry.kind.decode(&value, &value.place) else {
        panic!("{measure} is no measure of {kind}");
    };
    let contract = config.contract();
    let columns = contract.ports[0].columns.iter();
    columns
        .map(|(name, ty)| (name.clone(), ty.to_string()))
        .collect()
}
