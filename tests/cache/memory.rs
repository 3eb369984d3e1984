//! What `plan` says of memory.

use std::fs;

use serde_json::Value;

use super::damage::files_below;
use crate::support::Project;
use crate::support::golden::golden;

fn memory(project: &Project, arguments: &[&str], node: &str) -> u64 {
    let call = [&["plan", "p.yaml", "--json"], arguments].concat();
    let plan: Value = serde_json::from_str(&project.run(&call).succeeded().stdout).expect("JSON");
    let nodes = plan["nodes"].as_array().expect("nodes");
    let node = nodes.iter().find(|n| n["node"] == node);
    node.expect("the node is planned")["memory"]
        .as_u64()
        .expect("bytes")
}

#[test]
fn what_would_run_tells_its_memory() {
    let project = golden();
    assert_eq!(memory(&project, &[], "selected"), 0, "nothing is known yet");
    project.ran(&[]);
    assert_eq!(memory(&project, &[], "selected"), 0, "it does not run");
    let other = ["--set", "count=5"];
    let needed = memory(&project, &other, "selected");
    // Twice the file of vectors and something, by what the kind declares.
    let objects = files_below(&project.path(".trommel/objects"));
    let mut sizes = objects
        .iter()
        .map(|object| fs::metadata(object).expect("an object").len());
    assert!(
        sizes.any(|size| (size as f64 * 2.2) as u64 == needed),
        "{needed}"
    );
    let words = project
        .run(&[&["plan", "p.yaml"], &other[..]].concat())
        .succeeded()
        .stdout;
    assert!(words.contains("\nselected: up to "), "{words}");
    assert!(words.trim_end().ends_with(" of memory"), "{words}");
}
