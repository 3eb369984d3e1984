//! What comes of programs that do as they should.

use std::collections::HashSet;

use super::{LENGTH, project, project_of};

#[test]
fn columns_stand_beside_the_rows_and_are_kept() {
    let project = project("", LENGTH);
    assert_eq!(project.ran(&[]), "rows, own 5/5; wrote own.jsonl");
    // "question", a line end, and the answer.
    let expected: Vec<_> = (10..15).map(|n| Some(f64::from(n))).collect();
    assert_eq!(project.lengths(), expected);
    assert_eq!(project.ran(&[]), "nothing; kept own.jsonl");
}

#[test]
fn vectors_have_the_width_that_came() {
    for ty in ["vector", "vector(3)"] {
        let node = format!("reads: [text], gives: {{ length: {ty} }}");
        let project = project("vectors", &node);
        assert_eq!(project.ran(&[]), "rows, own 5/5; wrote own.jsonl");
        assert_eq!(
            project.table("own")[1]["length"],
            serde_json::json!([11.0, 11.0, 11.0])
        );
    }
}

#[test]
fn failed_rows_fail_the_node_or_are_quarantined_and_tried_again() {
    let answers = ["a", "broken", "ccc"];
    project_of(&answers, "", LENGTH).own_fails(&["unique_idx 1: the text is broken"]);
    let project = project_of(&answers, "", &format!("{LENGTH}, on_error: quarantine"));
    assert_eq!(project.ran(&[]), "rows, own 3/3; wrote own.jsonl");
    assert_eq!(project.lengths(), [Some(10.0), None, Some(12.0)]);
    let errors = project.table("own.errors");
    assert_eq!(errors[0]["unique_idx"], 1);
    assert_eq!(errors[0]["reason"], "the text is broken");
    assert_eq!(project.ran(&[]), "own 1/3; kept own.jsonl");
}

#[test]
fn names_are_those_that_the_program_sees() {
    // The worker reads `text`, which is another column here.
    let project = project("echo", "reads: { text: id }, gives: { length: text }");
    project.ran(&[]);
    assert_eq!(project.table("own")[2]["length"], "record-2");
}

#[test]
fn requests_and_processes_are_as_many_as_asked_for_and_change_nothing() {
    let noted = "config: { note: true }";
    let calls = |project: &crate::support::Project| -> (Vec<String>, usize) {
        let calls = project.read("calls");
        let pairs = calls.lines().filter_map(|line| line.split_once(' '));
        let (mut rows, processes): (Vec<String>, HashSet<String>) =
            pairs.map(|(r, p)| (r.to_owned(), p.to_owned())).unzip();
        rows.sort();
        (rows, processes.len())
    };
    let project = project("", &format!("{LENGTH}, {noted}"));
    project.ran(&[]);
    assert_eq!(calls(&project), (vec!["5".into()], 1));
    let expected = project.lengths();
    // In a project of its own, so that nothing is cached.
    let many = super::project("", &format!("{LENGTH}, {noted}, batch_size: 2"));
    many.ran(&[]);
    assert_eq!(calls(&many), (vec!["1".into(), "2".into(), "2".into()], 1));
    assert_eq!(many.lengths(), expected);
    let copies = super::project("", &format!("{LENGTH}, {noted}, processes: 3"));
    copies.ran(&[]);
    assert_eq!(calls(&copies).0, ["1", "2", "2"]);
    assert_eq!(copies.lengths(), expected);
    // In the first project: speed is not in the key.
    let text = project.read("p.yaml");
    project.file(
        "p.yaml",
        text.replace(
            "own: {",
            "own: { batch_size: 3, processes: 2, timeout: 9, device: auto,",
        ),
    );
    assert_eq!(project.ran(&[]), "nothing; kept own.jsonl");
}

#[test]
fn two_nodes_share_a_program_that_is_still_there() {
    let project = project("", &format!("{LENGTH}, config: {{ note: true }}"));
    let text = project.read("p.yaml");
    let (_, node) = text.split_once("own: ").expect("the node");
    let (node, _) = node.split_once('\n').expect("a line");
    let other = node.replace("input: rows", "input: rows, version: other");
    let text = text.replace(
        "outputs:\n",
        &format!(
            "  other: {other}\noutputs:\n  - {{ from: other, path: other.jsonl, format: jsonl }}\n"
        ),
    );
    project.file("p.yaml", text);
    project.run(&["run", "p.yaml", "--jobs", "1"]).succeeded();
    let calls = project.read("calls");
    let processes: HashSet<&str> = calls.lines().filter_map(|l| l.split(' ').nth(1)).collect();
    assert_eq!((calls.lines().count(), processes.len()), (2, 1), "{calls}");
}
