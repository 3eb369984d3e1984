//! The verbs that need no run: kinds, schema, graph, init.

use crate::support::{Outcome, Project, Record, llava, repository, run_in};

fn in_repository(arguments: &[&str]) -> Outcome {
    run_in(&repository("pipelines"), arguments)
}

macro_rules! snapshot {
    ($name:literal, $text:expr) => {
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!($name, $text);
        });
    };
}

#[test]
fn kinds_lists_every_kind_in_one_line() {
    let outcome = in_repository(&["kinds"]).succeeded();
    let registry = trommel_nodes::registry();
    let names: Vec<&str> = outcome
        .stdout
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(
        names,
        registry
            .entries()
            .map(|e| e.kind.name())
            .collect::<Vec<_>>()
    );
    assert!(
        outcome
            .stdout
            .lines()
            .all(|line| line.split_whitespace().count() > 2),
        "{outcome}"
    );
    for format in registry.formats {
        assert!(outcome.stderr.contains(format.name()), "{outcome}");
    }
}

#[test]
fn kinds_tells_all_of_one_kind() {
    snapshot!(
        "kinds_select_diverse",
        in_repository(&["kinds", "select.diverse"])
            .succeeded()
            .to_string()
    );
    for entry in trommel_nodes::registry().entries() {
        let outcome = in_repository(&["kinds", entry.kind.name()]).succeeded();
        assert!(outcome.stdout.contains("\nConfiguration:\n"), "{outcome}");
        assert!(outcome.stdout.contains("the default port"), "{outcome}");
    }
}

#[test]
fn kinds_knows_what_was_meant() {
    snapshot!(
        "kinds_misspelt",
        in_repository(&["kinds", "select.divers"])
            .refused()
            .to_string()
    );
    snapshot!(
        "kinds_unknown",
        in_repository(&["kinds", "magic"]).refused().to_string()
    );
}

#[test]
fn schema_is_json_that_names_every_kind() {
    let outcome = in_repository(&["schema"]).succeeded();
    let schema: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    let kinds = &schema["else"]["properties"]["nodes"]["additionalProperties"]["properties"]["kind"]
        ["enum"];
    let names: Vec<&str> = trommel_nodes::registry()
        .entries()
        .map(|e| e.kind.name())
        .collect();
    assert_eq!(kinds, &serde_json::json!(names));
}

#[test]
fn check_names_what_is_not_there() {
    let project = Project::new();
    let pipeline = std::fs::read_to_string(repository("pipelines/self_filter_clip.yaml"))
        .expect("the pipeline");
    let outcome = project
        .file("pipelines/self_filter_clip.yaml", pipeline)
        .run(&["check", "pipelines/self_filter_clip.yaml"]);
    snapshot!("check_self_filter_clip", outcome.succeeded().to_string());
}

#[test]
fn graph_draws_mermaid() {
    let plain = in_repository(&["graph", "quickstart.yaml"]).succeeded();
    snapshot!("graph_mermaid", &plain.stdout);
    assert_eq!(
        in_repository(&["graph", "quickstart.yaml", "--format", "mermaid"])
            .succeeded()
            .stdout,
        plain.stdout
    );
}

#[test]
fn graph_draws_dot() {
    snapshot!(
        "graph_dot",
        in_repository(&["graph", "quickstart.yaml", "--format", "dot"])
            .succeeded()
            .stdout
    );
}

#[test]
fn graph_draws_svg() {
    let picture = in_repository(&["graph", "quickstart.yaml", "--format", "svg"])
        .succeeded()
        .stdout;
    for node in ["instructions", "stage1", "difficulty", "selected"] {
        assert!(
            picture.contains(&format!(">{node}")),
            "{node} is not in {picture}"
        );
    }
    snapshot!("graph_svg", picture);
}

#[test]
fn init_writes_a_project_that_checks() {
    let project = Project::new();
    let outcome = project.run(&["init", "mine"]).succeeded();
    assert_eq!(
        outcome.stdout,
        "wrote mine; run it with: trommel run mine/quickstart.yaml\n"
    );
    let checked = project.run(&["check", "mine/quickstart.yaml"]).succeeded();
    // Nodes that wait for another choice of features are no fault, but nothing may be missing.
    assert!(!checked.stderr.contains("missing_file"), "{checked}");
}

#[test]
fn init_overwrites_nothing() {
    let project = Project::new();
    project.file("mine/quickstart.yaml", "my own work");
    let outcome = project.run(&["init", "mine"]).refused();
    snapshot!("init_over_a_project", outcome.to_string());
    assert_eq!(project.read("mine/quickstart.yaml"), "my own work");
    let left: Vec<_> = std::fs::read_dir(project.path("mine"))
        .expect("the folder")
        .collect();
    assert_eq!(left.len(), 1, "nothing is written beside it");
}

#[test]
fn a_pipeline_without_models_runs_and_is_cached() {
    let project = Project::new();
    let record = |image, question, answer| Record {
        image,
        question,
        answer,
    };
    llava(
        &project,
        &[
            record(Some("cat.png"), "What is it?", "A cat."),
            record(None, "How much is 1 + 1?", "2."),
            record(Some("cat.png"), "What colour is it?", "Grey."),
        ],
    );
    project.file(
        "small.yaml",
        "version: 1\nnodes:\n  rows: { kind: load.llava, annotations: data.json, images: images }\n  \
         some: { kind: select.random, input: rows, count: 2 }\noutputs:\n  - { from: some, path: some.json, format: llava }\n",
    );
    let first = project.run(&["run", "small.yaml"]).succeeded();
    assert!(first.stderr.contains("some.json (2 rows)"), "{first}");
    let picked: Vec<serde_json::Value> =
        serde_json::from_str(&project.read("some.json")).expect("JSON");
    let all: Vec<serde_json::Value> =
        serde_json::from_str(&project.read("data.json")).expect("JSON");
    assert_eq!(picked.len(), 2);
    assert!(
        picked.iter().all(|record| all.contains(record)),
        "records stay as they are"
    );
    let second = project.run(&["run", "small.yaml"]).succeeded();
    assert!(
        second
            .stderr
            .contains("nothing to run: all 2 nodes are cached; [TIME]"),
        "{second}"
    );
    let shown = project
        .run(&[
            "show",
            "small.yaml",
            "some",
            "--format",
            "json",
            "--columns",
            "id",
        ])
        .succeeded();
    let rows: Vec<serde_json::Value> = serde_json::from_str(&shown.stdout).expect("JSON");
    assert_eq!(
        rows.iter().map(|r| &r["id"]).collect::<Vec<_>>(),
        picked.iter().map(|r| &r["id"]).collect::<Vec<_>>()
    );
}

/// Who names nodes misses no outputs.
#[test]
fn a_file_without_outputs_serves_what_is_named() {
    let project = Project::new();
    project.file("rows.jsonl", "{\"score\": 1}\n").file(
        "p.yaml",
        "version: 1\nnodes:\n  rows: { kind: load.jsonl, path: rows.jsonl }\n",
    );
    let all = project.run(&["run", "p.yaml"]).succeeded();
    assert!(all.stderr.contains("no outputs"), "{all}");
    for named in [
        &["run", "p.yaml", "--to", "rows"][..],
        &["plan", "p.yaml", "--to", "rows"],
        &["show", "p.yaml", "rows"],
        &["explain", "p.yaml", "rows"],
    ] {
        let outcome = project.run(named).succeeded();
        assert!(!outcome.to_string().contains("no outputs"), "{outcome}");
    }
}
