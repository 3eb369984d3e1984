//! What an extending file makes of the file that it extends.

use std::fs;

use tempfile::TempDir;

use super::*;

const BASE: &str = "\
version: 1
name: base
params: { a: 1, b: x }
nodes:
  one: { kind: k.one, p: 1, q: 2 }
  two: { kind: k.two, input: one }
  three: { kind: k.three }
outputs: [{ from: one, path: one.json, format: llava }]
tests: [{ name: t }]
";

fn written(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn merged(over: &str) -> serde_json::Value {
    let folder = written(&[("base.yaml", BASE), ("over.yaml", over)]);
    let document = Document::read(&folder.path().join("over.yaml")).unwrap();
    document.root.to_json()
}

fn fault(files: &[(&str, &str)]) -> Problem {
    let folder = written(files);
    let problems = Document::read(&folder.path().join(files[0].0)).unwrap_err();
    problems.into_iter().next().unwrap()
}

#[test]
fn nodes_are_merged_key_by_key() {
    let root = merged(
        "version: 1\nextends: base.yaml\nparams: { b: y, c: 3 }\nnodes:\n  one: { p: 7, q: null }\n  two: { kind: k.other, z: 1 }\n  three: null\n  four: { kind: k.four, r: null }\n",
    );
    assert_eq!(
        root,
        serde_json::json!({
            "version": 1,
            "params": { "a": 1, "b": "y", "c": 3 },
            "nodes": {
                "one": { "kind": "k.one", "p": 7 },
                "two": { "kind": "k.other", "z": 1 },
                "four": { "kind": "k.four", "r": null },
            },
            "name": "base",
            "outputs": [{ "from": "one", "path": "one.json", "format": "llava" }],
        })
    );
}

#[test]
fn outputs_replace_and_the_same_kind_merges() {
    let root = merged(
        "version: 1\nextends: base.yaml\nname: over\nnodes: { one: { kind: k.one, q: 5 } }\noutputs: []\n",
    );
    assert_eq!(root["outputs"], serde_json::json!([]));
    assert_eq!(root["name"], "over");
    assert_eq!(
        root["nodes"]["one"],
        serde_json::json!({ "kind": "k.one", "p": 1, "q": 5 })
    );
    let order: Vec<&String> = root["nodes"].as_object().unwrap().keys().collect();
    assert_eq!(order, ["one", "two", "three"]);
}

#[test]
fn every_value_stands_in_its_own_file() {
    let folder = written(&[
        (
            "deep/base.yaml",
            "version: 1\nparams: { data: d }\nnodes: { one: { kind: k, p: \"${data}/x\", q: y } }\n",
        ),
        (
            "over.yaml",
            "version: 1\nextends: deep/base.yaml\nparams: { data: e }\nnodes: { one: { r: z } }\n",
        ),
    ]);
    let document = Document::read(&folder.path().join("over.yaml")).unwrap();
    let pipeline = document.pipeline(&[]).unwrap();
    let config = &pipeline.nodes[0].config;
    let folder_of = |key: &str| {
        let value = config.get(key).unwrap();
        value
            .folder()
            .strip_prefix(folder.path())
            .unwrap()
            .to_owned()
    };
    // The path begins with what the extending file wrote.
    assert_eq!(folder_of("p"), Path::new(""));
    assert_eq!(folder_of("q"), Path::new("deep"));
    assert_eq!(folder_of("r"), Path::new(""));
    assert!(
        config
            .get("q")
            .unwrap()
            .place
            .source
            .name()
            .ends_with("deep/base.yaml")
    );
    let set = Override::parse("data=f").unwrap();
    let pipeline = document.pipeline(&[set]).unwrap();
    let value = pipeline.nodes[0].config.get("p").unwrap().clone();
    assert_eq!(value.folder(), folder.path());
    assert!(matches!(value.data, Data::Text(t) if t == "f/x"));
}

#[test]
fn chains_and_circles() {
    let folder = written(&[
        ("a.yaml", "version: 1\nextends: b.yaml\nparams: { p: a }\n"),
        (
            "b.yaml",
            "version: 1\nextends: c/c.yaml\nparams: { p: b, q: b }\n",
        ),
        ("c/c.yaml", "version: 1\nparams: { p: c, q: c, r: c }\n"),
    ]);
    let document = Document::read(&folder.path().join("a.yaml")).unwrap();
    assert_eq!(
        document.root.get("params").unwrap().to_json(),
        serde_json::json!({ "p": "a", "q": "b", "r": "c" })
    );
    let circle = fault(&[
        ("a.yaml", "version: 1\nextends: b.yaml\n"),
        ("b.yaml", "version: 1\nextends: ./a.yaml\n"),
    ]);
    assert_eq!(circle.code, "spec::extends_cycle");
    assert_eq!(
        fault(&[("a.yaml", "version: 1\nextends: a.yaml\n")]).code,
        "spec::extends_cycle"
    );
}

#[test]
fn what_cannot_be_extended() {
    let over = "version: 1\nextends: base.yaml\n";
    let code = |base: &str| fault(&[("over.yaml", over), ("base.yaml", base)]).code;
    assert_eq!(fault(&[("over.yaml", over)]).code, "spec::extends");
    assert_eq!(code("version: 2\n"), "spec::extends");
    assert_eq!(code("nodes: {}\n"), "spec::extends");
    assert_eq!(code("[1]\n"), "spec::extends");
    assert_eq!(code(""), "spec::extends");
    assert_eq!(code("version: 1\nnodes: [\n"), "spec::yaml");
    let lists = fault(&[
        (
            "over.yaml",
            "version: 1\nextends: base.yaml\nparams: { p: 1 }\n",
        ),
        ("base.yaml", "version: 1\nparams: [1]\n"),
    ]);
    assert_eq!(lists.code, "spec::type");
}
