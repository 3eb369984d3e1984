//! The node kinds: one name in three spellings, and examples that compile.

use std::collections::HashSet;
use std::fmt::Write as _;

use trommel_engine::node::Entry;

use crate::support::{Project, repository};

/// What examples may refer to.
const UPSTREAM: &[(&str, &str)] = &[
    (
        "instructions",
        "{ kind: load.llava, annotations: data.json }",
    ),
    (
        "clip",
        "{ kind: embed.clip, input: instructions, model: models/clip }",
    ),
    (
        "clip_score",
        "{ kind: score.clip, input: instructions, model: models/clip }",
    ),
    (
        "reward",
        "{ kind: load.scores, input: instructions, path: reward.json, column: image_reward }",
    ),
    (
        "stage1",
        "{ kind: train.self_filter, input: instructions, features: [clip.clip], vlm: models/llama, \
         vision_tower: models/clip, projector: models/projector.bin }",
    ),
    ("scored", "{ kind: load.jsonl, path: scored.jsonl }"),
    (
        "difficulty",
        "{ kind: rank.difficulty, score_net: stage1, features: [clip.clip] }",
    ),
    (
        "source",
        "{ kind: score.expr, input: instructions, columns: { source: \"SPLIT_PART(image, '/', 1)\" } }",
    ),
    (
        "hard",
        "{ kind: select.top, input: instructions, score: difficulty.difficulty, count: 20000 }",
    ),
    (
        "fitting",
        "{ kind: select.threshold, input: instructions, score: clip_score.clip_score, min: 0.2 }",
    ),
];

fn entries() -> Vec<&'static Entry> {
    trommel_nodes::registry().entries().collect()
}

#[test]
fn a_kind_its_file_and_its_type_have_one_name() {
    for entry in entries() {
        let kind = entry.kind.name();
        let (family, name) = kind.split_once('.').expect("FAMILY.NAME");
        let path = repository("nodes/src")
            .join(family)
            .join(format!("{name}.rs"));
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|e| panic!("{kind}: {}: {e}", path.display()));
        assert!(
            text == entry.source,
            "{kind} names another file as its source"
        );
        let ty = camel_case(name);
        assert!(
            text.contains(&format!("impl Kind for {ty} {{")),
            "{kind}: its type is {ty}"
        );
        assert!(
            text.contains(&format!("const NAME: &'static str = \"{kind}\";")),
            "{kind}: NAME stands in its file"
        );
    }
}

fn camel_case(name: &str) -> String {
    let mut words = name
        .split('_')
        .map(|word| word[..1].to_uppercase() + &word[1..]);
    words.by_ref().collect()
}

#[test]
fn kinds_are_sorted_within_their_families() {
    let names: Vec<&str> = entries().iter().map(|e| e.kind.name()).collect();
    assert_eq!(
        names.iter().collect::<HashSet<_>>().len(),
        names.len(),
        "each name once"
    );
    let mut closed = HashSet::new();
    for pair in names.windows(2) {
        let (family, next) = (family_of(pair[0]), family_of(pair[1]));
        if family == next {
            assert!(pair[0] < pair[1], "{} stands before {}", pair[0], pair[1]);
        } else {
            closed.insert(family);
            assert!(!closed.contains(next), "the family {next} is in two places");
        }
    }
}

fn family_of(kind: &str) -> &str {
    kind.split('.').next().unwrap_or_default()
}

#[test]
fn every_example_compiles() {
    for entry in entries() {
        let kind = entry.kind.name();
        let example = entry
            .example()
            .unwrap_or_else(|| panic!("{kind} has no YAML example in its header"));
        let node = example.split(':').next().unwrap_or_default();
        let mut pipeline = String::from("version: 1\nnodes:\n");
        for (name, value) in UPSTREAM.iter().filter(|(name, _)| *name != node) {
            writeln!(pipeline, "  {name}: {value}").expect("text");
        }
        for line in example.lines() {
            writeln!(pipeline, "  {line}").expect("text");
        }
        assert!(
            example.contains(kind),
            "the example of {kind} is about another kind"
        );
        let project = Project::new();
        let outcome = project
            .file("example.yaml", &pipeline)
            .run(&["check", "example.yaml"]);
        assert_eq!(outcome.status, 0, "the example of {kind}:\n{outcome}");
    }
}

#[test]
fn unknown_keys_are_refused() {
    for entry in entries() {
        let kind = entry.kind.name();
        let schema = entry.kind.schema().to_value();
        assert_eq!(
            schema["additionalProperties"], false,
            "{kind} must refuse unknown keys"
        );
    }
}
