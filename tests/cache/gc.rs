//! Collection: what may go goes, and a run after it finds all that it needs.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::damage::files_below;
use super::stops::started_training;
use crate::support::Project;
use crate::support::golden::golden;

/// All that is kept by key or content.
fn kept(project: &Project) -> Vec<PathBuf> {
    let groups = ["objects", "tables", "chunks", "rows"];
    let folders = groups.map(|group| project.path(".trommel").join(group));
    folders
        .iter()
        .flat_map(|folder| files_below(folder))
        .collect()
}

fn report(project: &Project, arguments: &[&str]) -> Value {
    let call = [&["cache", "gc", "--json"], arguments].concat();
    let told = project.run(&call).succeeded();
    serde_json::from_str(&told.stdout).expect("JSON")
}

#[test]
fn what_the_last_run_needs_stays() {
    let project = golden();
    project.ran(&[]);
    assert_eq!(report(&project, &["--runs", "1"])["bytes"], 0);
    assert_eq!(
        project.ran(&["--set", "count=5"]),
        "selected; wrote out.json"
    );
    let before = kept(&project);
    let would = report(&project, &["--runs", "1", "--dry-run"]);
    assert_eq!(kept(&project), before, "a dry run removes nothing");
    assert_eq!(would["tables"].as_array().map(Vec::len), Some(1), "{would}");
    let did = report(&project, &["--runs", "1"]);
    assert_eq!(
        (&did["bytes"], &did["objects"]),
        (&would["bytes"], &would["objects"])
    );
    assert!(kept(&project).len() < before.len());
    assert_eq!(project.ran(&["--set", "count=5"]), "nothing; kept out.json");
    assert_eq!(project.ran(&[]), "selected; wrote out.json");
    project.run(&["cache", "verify"]).succeeded();
}

#[test]
fn a_named_pipeline_stays() {
    let project = golden();
    project.ran(&[]);
    let other = project.read("p.yaml").replace("count: 8", "count: 6");
    project.file("other.yaml", other);
    project.ran(&["--set", "count=5"]);
    let keep = ["--runs", "1", "--pipeline", "p.yaml"];
    assert_eq!(report(&project, &keep)["bytes"], 0);
    assert_eq!(project.ran(&[]), "nothing; wrote out.json");
    project
        .run(&["cache", "gc", "--pipeline", "none.yaml"])
        .refused();
}

#[test]
fn a_size_is_kept_to_as_far_as_it_can_be() {
    let project = golden();
    project.ran(&[]);
    project.ran(&["--set", "count=5"]);
    assert_eq!(
        report(&project, &["--runs", "1", "--max-size", "1GB"])["bytes"],
        0
    );
    let would = report(&project, &["--runs", "1", "--max-size", "1kB", "--dry-run"]);
    assert_eq!(would["fits"], false, "{would}");
    let call = ["cache", "gc", "--runs", "1", "--max-size", "1kB"];
    let told = project.run(&call).succeeded();
    assert!(
        told.stderr.contains("what has to stay is more than 1.0 KiB"),
        "{told}"
    );
    assert_eq!(project.ran(&["--set", "count=5"]), "nothing; kept out.json");
    project
        .run(&["cache", "gc", "--max-size", "much"])
        .refused();
    project
        .run(&["cache", "gc", "--older-than", "long"])
        .refused();
}

#[test]
fn what_is_young_stays() {
    let project = golden();
    project.ran(&[]);
    project.ran(&["--set", "count=5"]);
    assert_eq!(
        report(&project, &["--runs", "1", "--older-than", "1d"])["bytes"],
        0
    );
    assert_eq!(project.ran(&[]), "nothing; wrote out.json");
}

#[test]
fn a_cache_in_use_is_left_alone_and_a_crashed_run_goes_on_after() {
    let project = golden();
    let mut child = started_training(&project);
    let before = kept(&project);
    let refused = project.run(&["cache", "gc"]);
    assert_eq!(refused.status, 1, "{refused}");
    let process = format!("process {}", child.id());
    assert!(refused.stderr.contains(&process), "{refused}");
    assert!(refused.stderr.contains("--wait"), "{refused}");
    project.run(&["cache", "gc", "--dry-run"]).succeeded();
    assert_eq!(kept(&project), before);
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert!(!files_below(&project.path(".trommel/locks")).is_empty());
    let scratch = project.path(".trommel/scratch");
    assert!(fs::read_dir(&scratch).expect("scratch").next().is_some());
    project.run(&["cache", "gc", "--wait"]).succeeded();
    assert!(fs::read_dir(&scratch).expect("scratch").next().is_none());
    assert_eq!(
        project.ran(&[]),
        "stage1, difficulty, selected; wrote out.json"
    );
}

#[test]
fn a_cache_is_listed_and_measured() {
    let project = golden();
    project.ran(&[]);
    let json = |verb: &str| -> Value {
        let told = project.run(&["cache", verb, "--json"]).succeeded();
        serde_json::from_str(&told.stdout).expect("JSON")
    };
    let listed = json("ls");
    let mut kinds: Vec<(&str, u64)> = listed
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| {
            (
                item["kind"].as_str().expect("a kind"),
                item["rows"].as_u64().expect("rows"),
            )
        })
        .collect();
    kinds.sort_unstable();
    let expected = [
        "embed.clip",
        "load.llava",
        "rank.difficulty",
        "select.diverse",
        "train.self_filter",
    ];
    assert_eq!(
        kinds.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(),
        expected
    );
    assert_eq!((kinds[0].1, kinds[3].1), (21, 8));
    let usage = json("du");
    let bytes: u64 = files_below(&project.path(".trommel/objects"))
        .iter()
        .map(|path| fs::metadata(path).expect("an object").len())
        .sum();
    assert_eq!(usage["groups"]["objects"]["bytes"], bytes);
    for verb in ["ls", "du", "verify", "gc"] {
        let told = project.run(&["cache", verb]).succeeded();
        assert!(!told.stdout.is_empty(), "{verb}");
    }
    project
        .run(&["cache", "ls", "--cache", "nowhere"])
        .refused();
    assert!(!project.path("nowhere").exists());
}
