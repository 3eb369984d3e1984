//! What is recorded: of runs that succeed, fail, are killed, and cannot be recorded.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::json;

use super::{json, last, masked, project};
use crate::support::golden::golden;
use crate::support::{Project, program};

fn folders(project: &Project) -> usize {
    fs::read_dir(project.path(".trommel/runs"))
        .expect("records")
        .count()
}

#[test]
fn a_run_is_told_from_its_record() {
    let project = project();
    project.run(&["run", "p.yaml"]).succeeded();
    project
        .run(&["run", "p.yaml", "--set", "keep=3"])
        .succeeded();
    let told = project.run(&["runs", "last"]).succeeded();
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("runs__last", masked(&told.stdout));
    });
    let listed = json(&project, &["runs", "--json"]);
    let ran = |at: usize| {
        let nodes = listed[at]["nodes"].as_object().expect("nodes");
        ["rows", "best", "some"].map(|name| nodes[name]["state"].clone())
    };
    assert_eq!(ran(0), ["cached", "done", "cached"]);
    assert_eq!(ran(1), ["done", "done", "done"]);
    assert_eq!(
        listed[0]["params"],
        json!({ "keep": 3, "seed": 1, "file": "data.jsonl" })
    );
    assert_eq!(
        listed[0]["nodes"]["rows"]["key"],
        listed[1]["nodes"]["rows"]["key"]
    );
    assert!(listed[0]["peak_memory"].as_u64() > Some(1 << 20));
    let written: Vec<_> = (0..2)
        .map(|n| listed[0]["outputs"][n]["written"].clone())
        .collect();
    assert_eq!(written, [json!(true), json!(false)]);
    let table = project.run(&["runs", "-n", "1"]).succeeded();
    assert_eq!(table.stdout.lines().count(), 2, "{table}");
}

#[test]
fn the_folder_holds_events_and_the_pipeline_without_secrets() {
    let project = project();
    let text = super::PIPELINE.replace(
        "file: data",
        "token: \"${env:TROMMEL_TEST_SECRET}\", file: data",
    );
    project.file("p.yaml", &text);
    project
        .run(&["run", "p.yaml", "--set", "keep=2"])
        .succeeded();
    let id = last(&project)["id"].as_str().expect("a name").to_owned();
    let read = |name: &str| project.read(&format!(".trommel/runs/{id}/{name}"));
    let pipeline: serde_json::Value = serde_json::from_str(&read("pipeline.json")).expect("JSON");
    assert_eq!(pipeline["files"][0]["text"], json!(text));
    assert_eq!(
        pipeline["params"]["token"],
        json!("${env:TROMMEL_TEST_SECRET}")
    );
    let best = &pipeline["nodes"][1];
    assert_eq!(
        (&best["name"], &best["config"]["count"]),
        (&json!("best"), &json!(2))
    );
    assert_eq!(
        best["inputs"][1],
        json!({ "key": "score", "from": "rows.score" })
    );
    let events: Vec<serde_json::Value> = read("events.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let of = |at: usize| events[at]["event"].as_str().expect("an event").to_owned();
    assert_eq!(
        (of(0), of(events.len() - 1)),
        ("run_started".into(), "run_done".into())
    );
    let times: Vec<f64> = events.iter().filter_map(|e| e["at"].as_f64()).collect();
    assert!(
        times.len() == events.len() && times.is_sorted(),
        "{times:?}"
    );
    for name in ["pipeline.json", "events.jsonl", "run.json"] {
        assert!(!read(name).contains("hunter2"), "{name}");
    }
}

#[test]
fn a_failure_is_kept_with_its_words() {
    let project = project();
    project.file("data.jsonl", "{\"score\": 1.0}\n{\"score\":\n");
    let outcome = project.run(&["run", "p.yaml"]);
    assert_eq!(outcome.status, 1, "{outcome}");
    let record = last(&project);
    assert_eq!(record["state"], "failed");
    assert_eq!(record["nodes"]["rows"]["state"], "failed");
    let message = record["nodes"]["rows"]["message"]
        .as_str()
        .expect("a message");
    assert!(
        outcome
            .stderr
            .contains(message.lines().next().expect("a line")),
        "{outcome}"
    );
    assert_eq!(record["nodes"]["best"]["state"], "skipped");
    let told = project.run(&["runs", "last"]).succeeded();
    assert!(
        told.stdout.contains("best: skipped, because rows failed"),
        "{told}"
    );
}

#[test]
fn a_killed_run_has_died_and_leaves_what_happened() {
    let project = golden();
    // A worker that never answers.
    project.file("worker.sh", "#!/bin/sh\nexec cat > /dev/null\n");
    let allow = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(project.path("worker.sh"), allow).expect("set");
    let mut child = program(
        &project.path("."),
        &["run", "p.yaml", "--to", "clip", "--json"],
    )
    .env("TROMMEL_WORKER", project.path("worker.sh"))
    .stdout(Stdio::piped())
    .stderr(Stdio::null())
    .spawn()
    .expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its stdout")).lines();
    // The embedding may begin while the loader is still at work.
    let mut awaited = vec![
        r#""event":"node_started","node":"clip""#,
        r#""event":"node_done","node":"rows""#,
    ];
    while !awaited.is_empty() {
        let line = lines.next().expect("more lines").expect("a line");
        awaited.retain(|event| !line.contains(event));
    }
    // The record is written right after the line.
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(last(&project)["state"], "running");
    child.kill().expect("killed");
    child.wait().expect("ended");
    let record = last(&project);
    assert_eq!(record["state"], "died");
    assert_eq!(record["nodes"]["rows"]["state"], "done");
    assert!(record["nodes"]["rows"]["key"].is_string());
    assert_eq!(record["nodes"]["clip"]["state"], "started");
    let told = project.run(&["runs", "last"]).succeeded();
    assert!(told.stdout.contains("stopped"), "{told}");
}

#[test]
fn a_run_that_cannot_be_recorded_runs_with_one_warning() {
    let project = project();
    project.file(".trommel/runs", "in the way");
    let outcome = project.run(&["run", "p.yaml"]).succeeded();
    assert_eq!(
        outcome.stderr.matches("this run is not recorded").count(),
        1,
        "{outcome}"
    );
    assert!(project.path("best.jsonl").exists());
    assert!(project.run(&["runs"]).succeeded().stdout.is_empty());
}

#[test]
fn only_the_newest_records_are_kept() {
    let project = project();
    for _ in 0..5 {
        project
            .run(&["run", "p.yaml", "--keep-runs", "3"])
            .succeeded();
    }
    assert_eq!(folders(&project), 3);
    assert_eq!(
        json(&project, &["runs", "--json"]).as_array().map(Vec::len),
        Some(3)
    );
}

#[test]
fn a_run_is_named_in_many_ways() {
    let project = project();
    project.run(&["runs", "last"]).refused();
    for _ in 0..2 {
        project.run(&["run", "p.yaml"]).succeeded();
    }
    let ids = json(&project, &["runs", "--json"]);
    let id = |at: usize| ids[at]["id"].as_str().expect("a name").to_owned();
    let (newest, before) = (id(0), id(1));
    let named = |name: &str| json(&project, &["runs", name, "--json"])["id"].clone();
    assert_eq!(named("last"), json!(newest));
    assert_eq!(named("last~1"), json!(before));
    assert_eq!(named(&before), json!(before));
    assert_eq!(named(&before[..before.len() - 1]), json!(before));
    let ambiguous = project.run(&["runs", "20"]).refused();
    assert!(
        ambiguous.stderr.contains("may be any of 2 runs"),
        "{ambiguous}"
    );
    let unknown = project.run(&["runs", "lats"]).refused();
    assert!(unknown.stderr.contains("did you mean `last`?"), "{unknown}");
    project.run(&["runs", "last~2"]).refused();
}

#[test]
fn a_broken_record_is_named_and_passed_over() {
    let project = project();
    for _ in 0..2 {
        project.run(&["run", "p.yaml"]).succeeded();
    }
    let id = last(&project)["id"].as_str().expect("a name").to_owned();
    project.file(&format!(".trommel/runs/{id}/run.json"), "{");
    let outcome = project.run(&["runs", "--json"]).succeeded();
    assert!(
        outcome.stderr.contains(&format!("left out: {id}")),
        "{outcome}"
    );
    let left: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    assert_eq!(left.as_array().map(Vec::len), Some(1));
}
