//! What comes of programs that do as they should.

use std::collections::HashSet;

use super::{LENGTH, project, project_of};

#[test]
fn columns_stand_beside_the_rows_and_are_kept() {
    let project = project("", LENGTH);
    assert_eq!(project.done(), "rows, own 5/5");
    assert_eq!(project.lengths(), project.expected_lengths());
    assert_eq!(project.done(), "nothing");
}

#[test]
fn vectors_have_the_width_that_came() {
    for ty in ["vector", "vector(3)"] {
        let node = format!("reads: [text], gives: {{ length: {ty} }}");
        let project = project("vectors", &node);
        assert_eq!(project.done(), "rows, own 5/5");
        let length = project.expected_lengths()[1];
        let vector = serde_json::json!([length, length, length]);
        assert_eq!(project.table("own")[1]["length"], vector);
    }
}

#[test]
fn failed_rows_fail_the_node_or_are_quarantined_and_tried_again() {
    let answers = ["a", "broken", "ccc"];
    project_of(&answers, "", LENGTH).own_fails(&["unique_idx 1: the text is broken"]);
    let project = project_of(&answers, "", &format!("{LENGTH}, on_error: quarantine"));
    assert_eq!(project.done(), "rows, own 3/3");
    let mut expected = project.expected_lengths();
    expected[1] = None;
    assert_eq!(project.lengths(), expected);
    let errors = project.table("own.errors");
    assert_eq!(errors[0]["unique_idx"], 1);
    assert_eq!(errors[0]["reason"], "the text is broken");
    assert_eq!(project.done(), "own 1/3");
}

#[test]
fn names_are_those_that_the_program_sees() {
    // The worker reads `text`, which is another column here.
    let project = project("echo", "reads: { text: id }, gives: { length: text }");
    project.done();
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
    project.done();
    assert_eq!(calls(&project), (vec!["5".into()], 1));
    let expected = project.lengths();
    // In a project of its own, so that nothing is cached.
    let many = super::project("", &format!("{LENGTH}, {noted}, batch_size: 2"));
    many.done();
    assert_eq!(calls(&many), (vec!["1".into(), "2".into(), "2".into()], 1));
    assert_eq!(many.lengths(), expected);
    let copies = super::project("", &format!("{LENGTH}, {noted}, processes: 3"));
    copies.done();
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
    assert_eq!(project.done(), "nothing");
}
