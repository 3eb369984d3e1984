//! `columns`: which columns an output has.

use super::{project, records};

#[test]
fn only_the_columns_named_are_written() {
    let project = project(
        "path: out.jsonl, format: jsonl, columns: [text, id]\npath: out.csv, format: csv, columns: [id]",
    );
    project.ran(&[]);
    let keys: Vec<String> = records(&project, "out.jsonl")[1]
        .as_object()
        .expect("an object")
        .keys()
        .cloned()
        .collect();
    assert_eq!(keys, ["text", "id"]);
    assert_eq!(
        project.read("out.csv"),
        "id\nrecord-0\nrecord-1\nrecord-2\nrecord-3\n"
    );
    assert_eq!(project.ran(&[]), "nothing; kept out.jsonl; kept out.csv");
    project.file(
        "p.yaml",
        project.read("p.yaml").replace("[text, id]", "[id, text]"),
    );
    assert_eq!(project.ran(&[]), "nothing; wrote out.jsonl; kept out.csv");
}

#[test]
fn columns_that_are_not_there_are_refused() {
    for (columns, words) in [
        (
            "[txt]",
            ["`rows` has no column `txt`", "did you mean `text`?"],
        ),
        ("[id, id]", ["the column `id` is named twice", "here"]),
        ("[]", ["a list with a name or more", "here"]),
        ("id", ["`columns` must be a list of names", "here"]),
        ("[id]", ["needs a column `raw`", "its columns are id"]),
    ] {
        let project = project(&format!(
            "path: out.json, format: llava, columns: {columns}"
        ));
        let outcome = project.run(&["check", "p.yaml"]).refused();
        for word in words {
            assert!(
                outcome.stderr.contains(word),
                "{word:?} is not in {outcome}"
            );
        }
    }
}
