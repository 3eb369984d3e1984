//! The Python package and the extractors of `examples/python_extractor`, run as their README says.
#![expect(clippy::print_stderr, reason = "a test tells why it was skipped")]

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::support::golden::copy_folder;
use crate::support::{Outcome, Project, repository};

/// Where `make test` puts packages that python3 itself lacks.
fn packages() -> PathBuf {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_trommel"));
    program.with_file_name("../python/packages")
}

/// Whether there is a python3 with pyarrow and Pillow; `make test` sees to it.
fn python() -> bool {
    let mut python = Command::new("python3");
    python.args(["-c", "import pyarrow, PIL"]);
    let found = python.env("PYTHONPATH", packages()).output();
    let there = found.is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("skipped: python3 has no pyarrow and Pillow (scripts/python.sh target/python)");
    }
    there
}

/// The example in a folder of its own, on the quickstart's data where it lies.
fn example() -> Project {
    let project = Project::new();
    copy_folder(&repository("examples/python_extractor"), &project.path("."));
    let pipeline = project.read("pipeline.yaml");
    let data = repository("examples/quickstart/data");
    let pipeline = pipeline.replace("../quickstart/data", &data.display().to_string());
    project.file("p.yaml", pipeline);
    project
}

fn run(project: &Project, arguments: &[&str]) -> Outcome {
    let packages = packages().display().to_string();
    // Nothing is to be left in the folder that is copied.
    let variables = [
        ("PYTHONPATH", packages.as_str()),
        ("PYTHONDONTWRITEBYTECODE", "1"),
    ];
    project.run_with(&variables, &[&["run", "p.yaml"], arguments].concat())
}

fn said(outcome: &Outcome) -> String {
    outcome.to_string()
}

#[test]
fn the_example_runs_and_is_cached_until_a_file_of_it_changes() {
    if !python() {
        return;
    }
    let project = example();
    let outcome = run(&project, &[]).succeeded();
    assert!(
        said(&outcome).contains("out/selected.json (40 rows)"),
        "{outcome}"
    );
    let rows = project.table("readability");
    let rows = rows.as_array().expect("rows");
    // "USER: Where is the green cross? ASSISTANT: .. There are no purple shapes.": 28 words in 4 sentences, 39 syllables
    // by that file's rule; 206.835 - 1.015 * 28 / 4 - 84.6 * 39 / 28, by hand.
    assert_eq!(rows[0]["words"], 28);
    let ease = rows[0]["reading_ease"].as_f64().expect("a number");
    assert!((ease - 81.8943).abs() < 1e-3, "{ease}");
    let colours = project.table("colours");
    let vector = colours[0]["colours"].as_array().expect("a vector");
    assert_eq!(vector.len(), 48);
    assert!(
        vector
            .iter()
            .all(|v| (0.0..=1.0).contains(&v.as_f64().expect("a number")))
    );
    // The first picture's background, 160 of 255.
    let corner = vector[0].as_f64().expect("a number");
    assert!((corner - 160.0 / 255.0).abs() < 1e-6, "{corner}");
    let again = run(&project, &[]).succeeded();
    assert!(said(&again).contains("all 5 nodes are cached"), "{again}");
    // The selection sees that what it reads has not changed.
    let helper = project.read("trommel_extractor.py");
    project.file("trommel_extractor.py", format!("{helper}# another line\n"));
    let edited = run(&project, &[]).succeeded();
    assert!(said(&edited).contains("trommel_extractor.py"), "{edited}");
    assert!(said(&edited).contains("2 ran, 3 cached"), "{edited}");
}

/// A pipeline with one extractor, whose source is `script`.
fn extractor(script: &str, node: &str) -> Project {
    let project = example();
    project.file("own.py", script);
    super::pipeline(&project, &format!("command: [python3, own.py], {node}"));
    let text = project.read("p.yaml");
    let data = repository("examples/quickstart/data").display().to_string();
    let text = text.replace(
        "data.json, images: images",
        &format!("{data}/annotations.json, images: {data}/images"),
    );
    project.file("p.yaml", text);
    project
}

#[test]
fn an_exception_is_the_nodes_failure_with_its_traceback() {
    if !python() {
        return;
    }
    let script = "from trommel_extractor import serve\n\
        def run(batch, config):\n    return {'length': [len(t) for t in batch['txt']]}\n\
        serve(run, {'length': 'u32'})\n";
    let project = extractor(script, "reads: [text], gives: { length: u32 }");
    let outcome = run(&project, &[]);
    assert_eq!(outcome.status, 1, "{outcome}");
    for words in [
        "`python3 own.py` reports: KeyError",
        "txt",
        "own.py\", line 3",
    ] {
        assert!(
            said(&outcome).contains(words),
            "{words:?} is not in: {outcome}"
        );
    }
}

#[test]
fn printing_reading_and_helpers_do_no_harm() {
    if !python() {
        return;
    }
    let script = "import os, subprocess\n\
        from trommel_extractor import fail, log, progress, serve, warn\n\
        def load(config, device):\n    print('loading')\n    return config['add'] + len(device)\n\
        def run(batch, add):\n\
        \x20   print('in a batch'); subprocess.run(['cat']); os.system('echo from a shell')\n\
        \x20   log('a log'); warn('a warning'); progress(1, 2, 'half')\n\
        \x20   fail(3, 'no luck')\n\
        \x20   return {'length': [len(t) + add for t in batch['text'].to_pylist()]}\n\
        serve(run, {'length': 'u32'}, load)\n";
    let node = "reads: [text], gives: { length: u32 }, config: { add: 100 }, on_error: quarantine";
    let project = extractor(script, node);
    let outcome = run(&project, &[]).succeeded();
    assert!(said(&outcome).contains("a warning"), "{outcome}");
    let texts = project.table("rows");
    let own = project.table("own");
    let length = texts[0]["text"].as_str().expect("a text").chars().count() as u64;
    assert_eq!(own[0]["length"], length + 100 + "cpu".len() as u64);
    assert_eq!(own[3]["length"], Value::Null);
    assert_eq!(project.table("own.errors")[0]["reason"], "no luck");
}

#[test]
fn too_few_values_are_named() {
    if !python() {
        return;
    }
    let script = "from trommel_extractor import serve\n\
        serve(lambda batch, config: {'length': [1, 2]}, {'length': 'u32'})\n";
    // Equal texts are asked for once.
    let outcome = run(
        &extractor(script, "reads: [text], gives: { length: u32 }"),
        &[],
    );
    assert_eq!(outcome.status, 1, "{outcome}");
    assert!(
        said(&outcome).contains("2 values in 'length' for 141 rows"),
        "{outcome}"
    );
}
