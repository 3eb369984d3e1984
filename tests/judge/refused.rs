//! Configurations that make no sense are refused before anything is asked, with the place underlined.

use crate::support::Project;

fn refused(settings: &str) -> String {
    let project = Project::new();
    project.file("rows.jsonl", "{\"text\": \"a\"}");
    let text = format!(
        "version: 1\nnodes:\n  rows: {{ kind: load.jsonl, path: rows.jsonl }}\n  judge:\n    kind: score.judge\n    input: rows\n{settings}\n"
    );
    project.file("p.yaml", text);
    project.run(&["check", "p.yaml"]).refused().stderr
}

#[test]
fn what_makes_no_sense_is_refused() {
    let server = "    endpoint: http://localhost:1\n    model: m\n";
    let cases = [
        ("", "there is nobody to ask"),
        ("    endpoint: http://localhost:1", "which `model` to ask"),
        (
            "    endpoint: localhost:1\n    model: m",
            "an endpoint is an address like",
        ),
        (
            "    endpoint: http://me:secret@localhost\n    model: m",
            "an endpoint is an address like",
        ),
        (
            &format!("{server}    api_key: sk-123"),
            "a key does not belong into a file",
        ),
        (
            &format!("{server}    prompt: \"{{{{ text\""),
            "(line 1 of the template)",
        ),
        (&format!("{server}    prompt: \"Hello\""), "names no column"),
        (
            &format!("{server}    dimensions: [a, a]"),
            "cannot be the name of a dimension",
        ),
        (
            &format!("{server}    dimensions: [raw]"),
            "cannot be the name of a dimension",
        ),
        (
            &format!("{server}    dimensions: [a]\n    parse: first_word"),
            "answers are JSON",
        ),
        (
            &format!("{server}    body: {{ messages: [] }}"),
            "`messages` is not for you to set",
        ),
        (&format!("{server}    max_cost: 1"), "known by `price` only"),
        (
            &format!("{server}    requests_per_minute: 0"),
            "must be more than 0",
        ),
        (
            &format!("{server}    concurrency: 0"),
            "must be more than 0",
        ),
        (
            &format!("{server}    headers: {{ \"a b\": c }}"),
            "no name of a header",
        ),
        (&format!("{server}    modle: x"), "did you mean `model`?"),
    ];
    for (settings, wanted) in cases {
        let said = refused(settings);
        assert!(said.contains(wanted), "{settings}\n{said}");
    }
}

#[test]
fn a_column_that_is_not_there_is_found_before_the_run() {
    let project = Project::new();
    project.file("data.json", "[]");
    project.file(
        "p.yaml",
        "version: 1
nodes:
  rows: { kind: load.llava, annotations: data.json }
  judge: { kind: score.judge, input: rows, endpoint: \"http://localhost:1\", model: m, prompt: \"{{ txt }}\" }
",
    );
    let said = project.run(&["check", "p.yaml"]).refused().stderr;
    assert!(
        said.contains("`rows` has no column `txt`") && said.contains("did you mean `text`?"),
        "{said}"
    );
}
