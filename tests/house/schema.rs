//! The JSON Schema that editors read, and the ready pipelines.

use crate::support::{repository, run_in};

const PIPELINES: [&str; 3] = ["quickstart.yaml", "self_filter_clip.yaml", "self_filter_scores.yaml"];

/// `UPDATE_SCHEMA=1 cargo test --test tests schema` writes the file anew.
#[test]
fn schema_is_up_to_date() {
    let path = repository("schemas/pipeline.schema.json");
    let made = run_in(&repository("."), &["schema"]).succeeded().stdout;
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &made).expect("the schema is written");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == made, "{} is out of date: run the test with UPDATE_SCHEMA=1", path.display());
}

#[test]
fn ready_pipelines_compile() {
    for name in PIPELINES {
        let outcome = run_in(&repository("pipelines"), &["check", name]).succeeded();
        assert!(outcome.stdout.starts_with(name), "{outcome}");
    }
    let there: Vec<String> = std::fs::read_dir(repository("pipelines"))
        .expect("the folder of the pipelines")
        .map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    assert_eq!(there.len(), PIPELINES.len(), "{there:?}");
}
