//! The JSON Schema that editors read, and the ready pipelines.

use serde_json::Value;

use crate::support::{repository, run_in};

const PIPELINES: [&str; 5] = [
    "quality.yaml",
    "quickstart.yaml",
    "quickstart_sweep.yaml",
    "self_filter_clip.yaml",
    "self_filter_scores.yaml",
];

/// `UPDATE_SCHEMA=1 cargo test --test tests schema` writes the file anew.
#[test]
fn schema_is_up_to_date() {
    let path = repository("schemas/pipeline.schema.json");
    let made = run_in(&repository("."), &["schema"]).succeeded().stdout;
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &made).expect("the schema is written");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == made,
        "{} is out of date: run the test with UPDATE_SCHEMA=1",
        path.display()
    );
}

#[test]
fn ready_pipelines_compile() {
    for name in PIPELINES {
        let outcome = run_in(&repository("pipelines"), &["check", name]).succeeded();
        assert!(outcome.stdout.starts_with(name), "{outcome}");
    }
    let there: Vec<String> = std::fs::read_dir(repository("pipelines"))
        .expect("the folder of the pipelines")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .map(|path| path.display().to_string())
        .collect();
    assert_eq!(there.len(), PIPELINES.len(), "{there:?}");
}

/// What is wrong with a pipeline by the schema, as an editor would say.
fn faults(schema: &Value, pipeline: &str) -> Vec<String> {
    let pipeline: Value = serde_yaml::from_str(pipeline).expect("YAML");
    let validator = jsonschema::validator_for(schema).expect("a schema");
    validator
        .iter_errors(&pipeline)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

fn schema() -> Value {
    let text =
        std::fs::read_to_string(repository("schemas/pipeline.schema.json")).expect("the schema");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn schema_accepts_what_compiles() {
    let schema = schema();
    for name in PIPELINES {
        let text =
            std::fs::read_to_string(repository("pipelines").join(name)).expect("the pipeline");
        assert_eq!(faults(&schema, &text), [""; 0], "{name}");
    }
}

#[test]
fn schema_refuses_what_an_editor_should_underline() {
    let schema = schema();
    let cases = [
        "key_misspelt",
        "key_missing",
        "key_unknown",
        "kind_misspelt",
        "kind_unknown",
        "output_format_unknown",
        "output_incomplete",
        "top_key",
        "type_bool",
        "type_choice",
        "type_number",
        "type_text",
        "version_2",
        "version_missing",
    ];
    for name in cases {
        let path = repository("tests/compile/cases").join(format!("{name}.yaml"));
        let text = std::fs::read_to_string(path).expect("the case");
        assert!(
            !faults(&schema, &text).is_empty(),
            "{name} is fine by the schema"
        );
    }
}
