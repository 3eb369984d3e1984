//! Changes that change no result: nothing runs.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::support::Project;
use crate::support::golden::{PIPELINE, edit_records, golden, pipeline};

const ALL: &str = "rows, clip 21/21, stage1, difficulty, selected; wrote out.json";
const NOTHING: &str = "nothing; kept out.json";

fn ran_once() -> Project {
    let project = golden();
    assert_eq!(project.ran(&[]), ALL);
    project
}

#[test]
fn a_second_run_runs_nothing_and_says_so() {
    let project = ran_once();
    assert_eq!(project.ran(&[]), NOTHING);
    let told = project.run(&["run", "p.yaml"]).succeeded();
    assert!(
        told.stderr
            .contains("nothing to run: all 5 nodes are cached"),
        "{told}"
    );
}

#[test]
fn touched_files_run_nothing() {
    let project = ran_once();
    let later = SystemTime::now() + Duration::from_secs(100);
    let images = fs::read_dir(project.path("images")).expect("the images");
    let images = images.map(|e| e.expect("an image").path());
    for path in images.chain(["data.json", "p.yaml", "out.json"].map(|n| project.path(n))) {
        File::options()
            .append(true)
            .open(&path)
            .and_then(|file| file.set_modified(later))
            .expect("the file is touched");
    }
    assert_eq!(project.ran(&[]), NOTHING);
}

#[test]
fn another_spelling_of_the_pipeline_runs_nothing() {
    let project = ran_once();
    // Renamed parameter, defaults written out, block for flow style, comments, another order.
    let text = PIPELINE
        .replace("  count: 8\n", "")
        .replace("params:\n", "# what may change\nparams:\n  how_many: 8\n")
        .replace("${count}", "${how_many}")
        .replace(
            "rows: { kind: load.llava, annotations: data.json, images: images }",
            "rows:\n    images: ./images\n    on_missing_image: error\n    columns: []\n    annotations: ./data.json\n    kind: load.llava",
        )
        .replace("k: 3 }", "k: 3, gamma: 1.0 }")
        .replace("    batch_size: 8\n", "    batch_size: 8\n    accumulate: 1\n    seed: 42\n    weight_decay: 0\n")
        .replace("learning_rate: 0.002", "learning_rate: 2.0e-3");
    project.file("p.yaml", pipeline(&text));
    assert_eq!(project.ran(&[]), NOTHING);
}

#[test]
fn speed_and_place_run_nothing() {
    let project = ran_once();
    let faster = PIPELINE
        .replace(
            "embed.clip, input: rows,",
            "embed.clip, input: rows, batch_size: 5,",
        )
        .replace("clip\", device: cpu", "clip\", device: auto");
    project.file("p.yaml", pipeline(&faster));
    assert_eq!(project.ran(&["--device", "cpu", "--jobs", "1"]), NOTHING);
}

#[test]
fn an_annotation_file_of_another_name_runs_nothing() {
    let project = ran_once();
    fs::rename(project.path("data.json"), project.path("instructions.json")).expect("renamed");
    project.file(
        "p.yaml",
        pipeline(&PIPELINE.replace("data.json", "instructions.json")),
    );
    assert_eq!(project.ran(&[]), NOTHING);
}

#[test]
fn a_part_of_a_record_that_a_node_does_not_read_does_not_run_it() {
    let project = ran_once();
    edit_records(&project, |records| records[3]["id"] = json!("another"));
    // The records and their keys are others, so all that speaks of records by key runs; the embedding does not.
    assert_eq!(
        project.ran(&[]),
        "rows, stage1, difficulty, selected; wrote out.json"
    );
}

#[test]
fn another_order_of_annotations_runs_no_row() {
    let project = ran_once();
    edit_records(&project, |records| records.reverse());
    assert_eq!(
        project.ran(&[]),
        "rows, clip 0/21, stage1, difficulty, selected; wrote out.json"
    );
}

#[test]
fn records_written_with_other_white_space_between_them_run_only_the_reader() {
    let project = ran_once();
    let text = project.read("data.json");
    project.file(
        "data.json",
        text.replace("\n  },\n  {", "\n  }  ,\n\n\n  {"),
    );
    assert_eq!(project.ran(&[]), "rows; wrote out.json");
}

#[test]
fn a_forced_node_that_gives_the_same_stops_there() {
    let project = ran_once();
    assert_eq!(
        project.ran(&["--force", "clip"]),
        "clip 21/21; kept out.json"
    );
    assert_eq!(project.ran(&[]), NOTHING);
}

#[test]
fn outputs_are_written_again_without_running_nodes() {
    let project = ran_once();
    let written = project.read("out.json");
    fs::remove_file(project.path("out.json")).expect("removed");
    assert_eq!(project.ran(&[]), "nothing; wrote out.json");
    assert_eq!(project.read("out.json"), written);
    project.file("out.json", "[]");
    assert_eq!(project.ran(&[]), "nothing; wrote out.json");
    assert_eq!(project.read("out.json"), written);
    fs::remove_file(project.path("out.json.lock.json")).expect("removed");
    assert_eq!(project.ran(&[]), "nothing; wrote out.json");
    assert!(project.path("out.json.lock.json").exists());
    assert_eq!(project.ran(&[]), NOTHING);
}

#[test]
fn only_the_output_that_is_not_there_is_written() {
    let project = golden();
    project.file(
        "p.yaml",
        pipeline(&format!(
            "{PIPELINE}  - {{ from: difficulty, path: all.csv, format: csv }}\n"
        )),
    );
    assert_eq!(
        project.ran(&[]),
        "rows, clip 21/21, stage1, difficulty, selected; wrote out.json; wrote all.csv"
    );
    fs::remove_file(project.path("all.csv")).expect("removed");
    assert_eq!(project.ran(&[]), "nothing; wrote all.csv; kept out.json");
    assert_eq!(project.read("all.csv").lines().count(), 22);
}
