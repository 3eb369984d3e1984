//! `trommel select verify`: lock files that hold, and what no longer does.

use std::fs;

use serde_json::Value;

use super::project;
use crate::support::Project;
use crate::support::golden::{edit_records, golden};

fn lock(project: &Project, name: &str) -> Value {
    serde_json::from_str(&project.read(name)).expect("JSON")
}

/// What is told where a lock file does not hold.
fn refuted(project: &Project, call: &[&str]) -> String {
    let outcome = project.run(call);
    assert_eq!(outcome.status, 1, "{outcome}");
    outcome.stdout
}

#[test]
fn a_selection_with_its_neighbours_comes_out_again() {
    let project = golden();
    project.ran(&[]);
    let told = lock(&project, "out.json.lock.json");
    assert_eq!(told["lock"], 2);
    assert_eq!(told["pipeline"]["file"], "p.yaml");
    assert_eq!(told["pipeline"]["params"]["count"], 8);
    let picks = told["picks"].as_array().expect("a list");
    assert_eq!(picks.len(), 8);
    for (place, pick) in picks.iter().enumerate() {
        let lowered = pick["lowered"].as_array().expect("neighbours");
        // Nobody is left to make way for the last pick.
        assert_eq!(lowered.len(), if place < 7 { 3 } else { 0 });
        for neighbour in lowered {
            assert_ne!(neighbour[0], pick["unique_idx"]);
        }
    }
    // What a neighbour had after its last pick is what it was picked at.
    for (place, pick) in picks.iter().enumerate() {
        let mut before = picks[..place]
            .iter()
            .flat_map(|p| p["lowered"].as_array().expect("a list"));
        let last = before.rfind(|n| n[0] == pick["unique_idx"]);
        let score = last.map_or(&pick["difficulty"], |neighbour| &neighbour[2]);
        assert_eq!(score, &pick["penalised"], "pick {place}");
    }
    let call = ["select", "verify", "out.json.lock.json"];
    let told = project.run(&call).succeeded();
    assert_eq!(
        told.stdout,
        "verified  8 picks of `selected`, in order; settings, data and weights are those of the lock file\n"
    );
    // Nothing but the select node ran, and no output was touched.
    assert!(told.stderr.contains("1 ran, 4 cached"), "{told}");
    assert!(!told.stderr.contains("wrote    ./out.json"), "{told}");

    edit_records(&project, |records| {
        records[0]["conversations"][1]["value"] = "another answer".into();
    });
    let told = refuted(&project, &call);
    assert!(
        told.contains("made_by   nodes.rows.files.annotations"),
        "{told}"
    );
}

#[test]
fn what_a_run_was_told_is_told_again() {
    let project = project();
    project
        .run(&["run", "p.yaml", "--set", "keep=6", "--set", "seed=9"])
        .succeeded();
    for name in ["best", "some"] {
        let file = format!("{name}.jsonl.lock.json");
        project.run(&["select", "verify", &file]).succeeded();
    }
    let call = [
        "select",
        "verify",
        "some.jsonl.lock.json",
        "--set",
        "seed=10",
    ];
    let told = refuted(&project, &call);
    assert!(
        told.contains("made_by   nodes.some.config.seed: locked 9, now 10"),
        "{told}"
    );
    assert!(told.contains("picks     "), "{told}");

    project.file("best.jsonl", "changed\n");
    let told = refuted(&project, &["select", "verify", "best.jsonl.lock.json"]);
    assert_eq!(
        told,
        "output    best.jsonl is not the file that was written with the lock file\n"
    );
    assert_eq!(project.read("best.jsonl"), "changed\n");

    let mut other = lock(&project, "some.jsonl.lock.json");
    let first = other["picks"][0].take();
    other["picks"][0] = other["picks"][1].take();
    other["picks"][1] = first;
    project.file("swapped.lock.json", other.to_string());
    let told = refuted(&project, &["select", "verify", "swapped.lock.json"]);
    assert!(
        told.contains("picks     5 of 5 are picked again (5 now); the first difference is pick 0"),
        "{told}"
    );
}

#[test]
fn a_project_may_move_with_its_lock_file() {
    let project = project();
    project.run(&["run", "p.yaml"]).succeeded();
    for name in ["p.yaml", "data.jsonl", "best.jsonl", "best.jsonl.lock.json"] {
        let to = project.path("moved").join(name);
        fs::create_dir_all(project.path("moved")).expect("the folder is made");
        fs::rename(project.path(name), to).expect("it is moved");
    }
    project
        .run(&["select", "verify", "moved/best.jsonl.lock.json"])
        .succeeded();
    fs::rename(project.path("moved/p.yaml"), project.path("q.yaml")).expect("it is moved");
    let call = ["select", "verify", "moved/best.jsonl.lock.json"];
    let told = project.run(&call).refused();
    assert!(told.stderr.contains("p.yaml"), "{told}");
}

#[test]
fn what_is_no_lock_file_is_refused() {
    let project = project();
    for (content, words) in [
        ("[", "it is no JSON"),
        ("{}", "it has no number `lock`"),
        ("{\"lock\": 1}", "form 1"),
        ("{\"lock\": 2, \"picks\": []}", "it lacks"),
    ] {
        project.file("x.lock.json", content);
        let told = project.run(&["select", "verify", "x.lock.json"]).refused();
        assert!(told.stderr.contains(words), "{told}");
    }
    project
        .run(&["select", "verify", "none.lock.json"])
        .refused();
}
