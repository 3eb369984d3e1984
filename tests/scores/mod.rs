//! Scores without a model: YAML in, columns out, and what is computed again after a change.

mod expr;
mod image;
mod rank;
mod text;

use serde_json::Value;

use crate::support::{Project, Record, llava};

/// Three records, of which the first two show the same picture and the last none.
fn project(nodes: &str) -> Project {
    let project = Project::new();
    llava(&project, &RECORDS);
    project.file(
        "p.yaml",
        format!(
            "version: 1\nnodes:\n  rows: {{ kind: load.llava, annotations: data.json, images: images }}\n{nodes}"
        ),
    );
    project
}

const RECORDS: [Record; 3] = [
    Record {
        image: Some("a.png"),
        question: "What is in the picture?",
        answer: "There is a cat in the picture, and it is asleep.",
    },
    Record {
        image: Some("b.png"),
        question: "Again?",
        answer: "A cat.",
    },
    Record {
        image: None,
        question: "And now?",
        answer: "no no no no no no no no no no no no",
    },
];

impl Project {
    /// Another answer of one record.
    fn answer(&self, record: usize, answer: &str) {
        let mut records: Value = serde_json::from_str(&self.read("data.json")).expect("JSON");
        records[record]["conversations"][1]["value"] = answer.into();
        self.file("data.json", records.to_string());
    }

    /// A column of a node, row by row.
    fn column(&self, node: &str, column: &str) -> Vec<Value> {
        let table = self.table(node);
        let rows = table.as_array().expect("rows");
        rows.iter().map(|row| row[column].clone()).collect()
    }
}
