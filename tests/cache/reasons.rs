//! What `plan` says after each sort of change, before anything runs.

use std::fs;

use serde_json::{Value, json};

use super::damage::files_below;
use crate::support::Project;
use crate::support::golden::{PIPELINE, copy_folder, edit_records, golden, pipeline};
use crate::support::repository;

/// Kinds that need no model.
pub(super) const LIGHT: &str = r#"version: 1
params: { count: 3, scores: scores.json }
nodes:
  rows: { kind: load.jsonl, path: rows.jsonl }
  judge: { kind: load.scores, input: rows, path: "${scores}", column: judge }
  other: { kind: load.scores, input: rows, path: other.json, column: judge }
  best: { kind: select.top, input: rows, score: judge.judge, count: "${count}" }
outputs:
  - { from: best, path: out.csv, format: csv }
"#;

pub(super) fn light() -> Project {
    let project = Project::new();
    project.file("p.yaml", LIGHT);
    set_rows(&project, &[0, 1, 2, 3, 4, 5]);
    set_scores(&project, "scores.json", &[5, 3, 8, 1, 9, 2]);
    set_scores(&project, "other.json", &[5, 3, 8, 1, 9, 1]);
    project.ran(&[]);
    project
}

pub(super) fn set_rows(project: &Project, numbers: &[u32]) {
    let row = |n: &u32| json!({ "text": format!("row {n}"), "size": n }).to_string();
    let rows: Vec<String> = numbers.iter().map(row).collect();
    project.file("rows.jsonl", rows.join("\n"));
}

pub(super) fn set_scores(project: &Project, name: &str, scores: &[u32]) {
    let scores: serde_json::Map<String, Value> = scores
        .iter()
        .enumerate()
        .map(|(row, score)| (row.to_string(), json!(score)))
        .collect();
    project.file(name, Value::from(scores).to_string());
}

fn plan(project: &Project, arguments: &[&str]) -> Vec<Value> {
    let call = [&["plan", "p.yaml", "--json"], arguments].concat();
    let outcome = project.run(&call).succeeded();
    let plan: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    plan["nodes"].as_array().expect("nodes").clone()
}

/// One line a node: `clip partial 20/21 rows, 0/1 chunks: input: 1 row added`.
fn planned(project: &Project, arguments: &[&str]) -> Vec<String> {
    let counted = |node: &Value, of: &str| {
        let count = node[of].as_object()?;
        Some(format!("{}/{} {of}", count["cached"], count["all"]))
    };
    let line = |node: &Value| {
        let counts = [counted(node, "rows"), counted(node, "chunks")];
        let counts: Vec<String> = counts.into_iter().flatten().collect();
        let state = format!(
            "{} {} {}",
            node["node"].as_str()?,
            node["state"].as_str()?,
            counts.join(", ")
        );
        let why = match node["why"].as_str()? {
            "" => String::new(),
            why => format!(": {why}"),
        };
        Some(state.trim_end().to_owned() + &why)
    };
    let nodes = plan(project, arguments);
    nodes.iter().map(|n| line(n).expect("a node")).collect()
}

fn line_of(project: &Project, node: &str, arguments: &[&str]) -> String {
    let lines = planned(project, arguments);
    let mut of_node = lines.into_iter().filter(|l| l.starts_with(node));
    of_node.next().expect("the node is planned")
}

fn reasons(project: &Project, node: &str, arguments: &[&str]) -> Value {
    let nodes = plan(project, arguments);
    let of_node = nodes.into_iter().find(|n| n["node"] == node);
    of_node.expect("the node is planned")["reasons"].clone()
}

#[test]
fn nothing_ran_and_all_ran() {
    let project = Project::new();
    project.file("p.yaml", LIGHT);
    set_rows(&project, &[0, 1]);
    set_scores(&project, "scores.json", &[5, 3]);
    let expected = [
        "rows run: new",
        "judge unknown: new; upstream may change: rows",
        "best unknown: new; upstream may change: rows, judge",
    ];
    assert_eq!(planned(&project, &[]), expected);
    assert_eq!(planned(&project, &["--to", "rows"]), expected[..1]);
    project.ran(&[]);
    assert_eq!(
        planned(&project, &[]),
        [
            "rows hit 2/2 rows",
            "judge hit 2/2 rows",
            "best hit 2/2 rows"
        ]
    );
    assert_eq!(reasons(&project, "best", &[]), json!([]));
    let shown = project.run(&["plan", "p.yaml"]).succeeded().stdout;
    assert!(shown.ends_with("3 nodes: 3 HIT\n"), "{shown}");
}

#[test]
fn a_setting() {
    let project = light();
    let set = ["--set", "count=5"];
    assert_eq!(line_of(&project, "best", &set), "best run: count 3 → 5");
    assert_eq!(
        reasons(&project, "best", &set),
        json!([{"reason": "config", "key": "count", "from": 3, "to": 5}])
    );
    project.ran(&set);
    assert_eq!(line_of(&project, "best", &set), "best hit 5/5 rows");
    assert_eq!(line_of(&project, "best", &[]), "best hit 3/3 rows");
}

#[test]
fn a_kind_and_a_reference() {
    let project = light();
    let random = LIGHT.replace(
        "select.top, input: rows, score: judge.judge",
        "select.random, input: rows",
    );
    project.file("p.yaml", random);
    let line = line_of(&project, "best", &[]);
    assert!(
        line.starts_with("best run: kind select.top → select.random; "),
        "{line}"
    );
    assert!(line.contains("seed nothing → 42; score is gone"), "{line}");

    project.file(
        "p.yaml",
        LIGHT.replace("score: judge.judge", "score: other.judge"),
    );
    project.ran(&["--to", "other"]);
    assert_eq!(
        line_of(&project, "best", &[]),
        "best run: score judge.judge → other.judge"
    );
}

#[test]
fn a_file() {
    let project = light();
    set_scores(&project, "scores.json", &[5, 3, 8, 1, 9, 7]);
    assert_eq!(
        planned(&project, &[])[1..],
        [
            "judge run: file of path changed (scores.json)",
            "best unknown: upstream may change: judge"
        ]
    );
    assert_eq!(
        reasons(&project, "judge", &[]),
        json!([{"reason": "file", "key": "path", "paths": ["scores.json"], "change": "changed"}])
    );
    // Only the values of rows changed: they have the keys that they had.
    project.ran(&["--to", "judge"]);
    assert_eq!(
        line_of(&project, "best", &[]),
        "best run: score: 1 row changed"
    );
    assert_eq!(
        reasons(&project, "best", &[]),
        json!([{"reason": "rows", "input": "score", "added": 0, "changed": 1, "removed": 0}])
    );
}

#[test]
fn a_model() {
    let project = golden();
    copy_folder(&repository("tests/golden/clip"), &project.path("clip"));
    let text = PIPELINE.replace("\"[MODELS]/clip\", device", "clip, device");
    project.file("p.yaml", pipeline(&text));
    project.ran(&["--to", "clip"]);
    let config = project.read("clip/config.json");
    project.file("clip/config.json", config + "\n");
    let line = line_of(&project, "clip", &["--to", "clip"]);
    assert_eq!(
        line,
        "clip run 0/21 rows, 0/1 chunks: file of model changed (config.json)"
    );
}

#[test]
fn rows_that_come_and_go() {
    let project = golden();
    project.ran(&[]);
    let after = |edit: &dyn Fn(&mut Vec<Value>)| {
        edit_records(&project, |records| edit(records));
        project.ran(&["--to", "rows"]);
        line_of(&project, "clip", &[])
    };
    let fresh =
        json!({ "id": "fresh", "conversations": [{ "from": "human", "value": "What is new?" }] });
    assert_eq!(
        after(&|records| records.insert(0, fresh.clone())),
        "clip partial 21/22 rows, 0/1 chunks: input: 1 row added"
    );
    assert_eq!(
        planned(&project, &[])[2..],
        [
            "stage1 unknown: input: 1 row added; upstream may change: clip",
            "difficulty unknown: upstream may change: stage1, clip",
            "selected unknown: input: 1 row added; upstream may change: difficulty, clip",
        ]
    );
    assert_eq!(project.ran(&["--to", "clip"]), "clip 1/22");
    // A record's key is a digest of it, so an edited one is another one.
    assert_eq!(
        after(&|records| records[3]["conversations"][1]["value"] = json!("Another answer.")),
        "clip partial 21/22 rows, 0/1 chunks: input: 1 row added, 1 removed"
    );
    assert_eq!(project.ran(&["--to", "clip"]), "clip 1/22");
    assert_eq!(
        after(&|records| drop(records.remove(7))),
        "clip partial 21/21 rows, 0/1 chunks: input: 1 row removed"
    );
    assert_eq!(project.ran(&["--to", "clip"]), "clip 0/21");
    assert_eq!(
        after(&|records| records.reverse()),
        "clip partial 21/21 rows, 0/1 chunks: input in another order"
    );
    assert_eq!(project.ran(&["--to", "clip"]), "clip 0/21");
    assert_eq!(
        after(&|records| records[5]["id"] = json!("not read by it")),
        "clip hit 21/21 rows, 1/1 chunks"
    );
}

#[test]
fn what_files_hold_that_rows_name() {
    let project = golden();
    project.ran(&["--to", "clip"]);
    let from = project.path("images/tall.jpg");
    fs::copy(from, project.path("images/photo_420.jpg")).expect("copied");
    let line = line_of(&project, "clip", &[]);
    assert!(line.ends_with(": input changed (image)"), "{line}");
    let planned = line.split(' ').nth(2).expect("rows").to_owned();
    let ran = project.ran(&["--to", "clip"]);
    let (cached, all) = planned.split_once('/').expect("a count");
    let (cached, all): (u32, u32) = (cached.parse().expect("one"), all.parse().expect("one"));
    assert_eq!(ran, format!("clip {}/{all}", all - cached));
}

#[test]
fn only_what_is_known_is_said() {
    let project = golden();
    project.ran(&["--to", "clip"]);
    let old = files_below(&project.path(".trommel/objects"));
    edit_records(&project, |records| drop(records.remove(7)));
    project.ran(&["--to", "rows"]);
    for object in old {
        fs::remove_file(object).expect("removed");
    }
    let line = line_of(&project, "clip", &[]);
    assert_eq!(
        line,
        "clip run 0/20 rows, 0/1 chunks: input changed (image, text)"
    );
}

#[test]
fn forced_nodes() {
    let project = light();
    let line = |node| line_of(&project, node, &["--force", "judge"]);
    assert_eq!(line("judge"), "judge run 0/6 rows: forced");
    assert_eq!(
        line("best"),
        "best unknown 3/3 rows: upstream may change: judge"
    );
    let call = ["run", "p.yaml", "--force", "judge"];
    let told = project.run(&call).succeeded();
    assert!(told.stderr.contains("forced"), "{told}");
}

#[test]
fn quarantined_rows() {
    let project = golden();
    let text = PIPELINE.replace(
        "clip\", device: cpu }\n  clip_score",
        "clip\", device: cpu, on_error: quarantine }\n  clip_score",
    );
    project.file("p.yaml", pipeline(&text));
    project.file("images/photo_420.jpg", "not an image");
    project.ran(&["--to", "clip"]);
    assert_eq!(
        line_of(&project, "clip", &[]),
        "clip partial 20/21 rows, 0/1 chunks: tries 1 quarantined row again"
    );
    assert_eq!(
        reasons(&project, "clip", &[]),
        json!([{"reason": "quarantined", "rows": 1}])
    );
    let behind = line_of(&project, "stage1", &[]);
    assert_eq!(behind, "stage1 unknown: new; upstream may change: clip");
}

#[test]
fn what_the_cache_lost() {
    let project = light();
    for group in ["tables", "objects"] {
        fs::remove_dir_all(project.path(&format!(".trommel/{group}"))).expect("removed");
    }
    assert_eq!(
        planned(&project, &[]),
        [
            "rows run: the cache no longer has it",
            "judge unknown: upstream may change: rows",
            "best unknown: upstream may change: rows, judge",
        ]
    );
    assert_eq!(
        reasons(&project, "judge", &[]),
        json!([{"reason": "upstream", "nodes": ["rows"]}])
    );
    fs::remove_dir_all(project.path(".trommel")).expect("removed");
    assert_eq!(planned(&project, &[])[0], "rows run: new");
}

#[test]
fn a_long_chain_is_planned() {
    let project = Project::new();
    set_rows(&project, &[0]);
    let node = |n: u32| {
        format!(
            "  n{}: {{ kind: select.random, input: n{n}, count: 1 }}",
            n + 1
        )
    };
    let chain: Vec<String> = (0..19_999).map(node).collect();
    let first = "version: 1\nnodes:\n  n0: { kind: load.jsonl, path: rows.jsonl }";
    let output = "outputs:\n  - { from: n19999, path: out.csv, format: csv }";
    project.file("p.yaml", [first, &chain.join("\n"), output].join("\n"));
    let lines = planned(&project, &[]);
    assert_eq!(lines.len(), 20_000);
    assert_eq!(
        lines[19_999],
        "n19999 unknown: new; upstream may change: n19998"
    );
}
