//! Score nets that were trained elsewhere, and difficulties that were computed there.

use serde_json::{Value, json};

use crate::support::{Project, Record, llava};

const PIPELINE: &str = "version: 1
nodes:
  rows: { kind: load.llava, annotations: data.json, images: images }
  one: { kind: load.scores, input: rows, path: one.json, column: one }
  two: { kind: load.scores, input: rows, path: two.json, column: two }
  net: { kind: load.score_net, checkpoint: stage1, features: [one.one, two.two] }
  hard: { kind: rank.difficulty, score_net: net, features: [two.two, one.one], on_null: drop }
  some: { kind: select.top, input: rows, score: hard.difficulty, count: 2 }
outputs:
  - { from: some, path: out.json, format: llava }
";

const WEIGHTS: &str = "stage1/model.safetensors";

/// Four records, the last without a second score.
fn project() -> Project {
    let project = Project::new();
    let record = |answer| Record {
        image: None,
        question: "q",
        answer,
    };
    llava(
        &project,
        &[record("a"), record("b"), record("c"), record("d")],
    );
    project
        .file("p.yaml", PIPELINE)
        .file("images/.keep", "")
        .file("one.json", r#"{"0": 0, "1": 5, "2": 10, "3": 99}"#)
        .file("two.json", r#"{"0": 1, "1": 3, "2": 2, "3": null}"#)
        .file(WEIGHTS, checkpoint("score_net.weight", &[2.0, -1.0]));
    project
}

/// A safetensors file with one tensor `[1, F]`.
fn checkpoint(name: &str, weights: &[f32]) -> Vec<u8> {
    shaped(name, &json!([1, weights.len()]), weights)
}

fn shaped(name: &str, shape: &Value, weights: &[f32]) -> Vec<u8> {
    let end = 4 * weights.len();
    let header =
        json!({ name: { "dtype": "F32", "shape": shape, "data_offsets": [0, end] } }).to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(weights.iter().flat_map(|weight| weight.to_le_bytes()));
    file
}

fn column(table: &Value, name: &str) -> Vec<Value> {
    let rows = table.as_array().expect("rows");
    rows.iter().map(|row| row[name].clone()).collect()
}

#[test]
fn weights_of_elsewhere_meet_the_features_named() {
    let project = project();
    project.passes(&[]);
    let net = project.table("net.score_net");
    assert_eq!(column(&net, "feature"), ["one.one", "two.two"]);
    assert_eq!(column(&net, "weight"), [2.0, -1.0]);
    // The last row has no second score: it did not train, and says nothing of the range.
    assert_eq!(column(&net, "min"), [0.0, 1.0]);
    assert_eq!(column(&net, "max"), [10.0, 3.0]);
    let hard = project.table("hard");
    assert_eq!(
        column(&hard, "difficulty"),
        [json!(1.0), json!(1.0), json!(-2.0), Value::Null]
    );
    // Another order of the features is another net.
    project.file(
        "p.yaml",
        PIPELINE.replace(
            "features: [one.one, two.two]",
            "features: [two.two, one.one]",
        ),
    );
    project.passes(&[]);
    let hard = project.table("hard");
    assert_eq!(
        column(&hard, "difficulty")[..3],
        [json!(1.0), json!(-2.0), json!(1.0)]
    );
}

#[test]
fn a_saved_net_says_itself_what_its_weights_are() {
    let project = project();
    let description = json!({ "features": [
        { "feature": "two.two", "components": 1, "min": 0.0, "max": 4.0 },
        { "feature": "one.one", "components": 1, "min": 0.0, "max": 10.0 },
    ] });
    project.file("stage1/score_net.json", description.to_string());
    project.passes(&[]);
    let hard = project.table("hard");
    // 2 * two - one, the first scaled by the range of training.
    assert_eq!(
        column(&hard, "difficulty")[..3],
        [json!(0.0), json!(-1.0), json!(1.0)]
    );
    let other = description.to_string().replace("one.one", "clip.clip");
    let project = self::project();
    project.file("stage1/score_net.json", other);
    project.fails(&[
        "score_net.json: the score net was trained on two.two (1), clip.clip (1)",
        "`features` names one.one (1), two.two (1)",
    ]);
    project.file("stage1/score_net.json", "{}");
    project.fails(&["score_net.json", "what the weights belong to"]);
}

#[test]
fn a_net_that_does_not_fit_is_named() {
    for (file, words) in [
        (
            checkpoint("score_net.weight", &[1.0; 3]),
            "has 3 weights, and the features have 2: one.one (1), two.two (1)",
        ),
        (
            shaped("score_net.weight", &json!([2]), &[1.0; 2]),
            "has shape [2], not [1, F]",
        ),
        (
            checkpoint("score_net.weight", &[1.0, f32::NAN]),
            "weight 1 is NaN",
        ),
        (
            checkpoint("score_nett.weight", &[1.0; 2]),
            "score_nett.weight",
        ),
        (b"not a checkpoint".to_vec(), "model.safetensors"),
    ] {
        let project = project();
        project.file(WEIGHTS, file);
        project.fails(&[words]);
    }
    let none = project();
    none.file(
        "two.json",
        r#"{"0": null, "1": null, "2": null, "3": null}"#,
    );
    none.fails(&["no row has all features"]);
    for (features, words) in [
        ("[]", "at least one feature"),
        ("[one.one, one.one]", "`one.one` is named twice"),
    ] {
        let project = project();
        let named = format!("stage1, features: {features}");
        project.file(
            "p.yaml",
            PIPELINE.replace("stage1, features: [one.one, two.two]", &named),
        );
        project.is_refused(&[words]);
    }
}

#[test]
fn difficulties_of_elsewhere_are_scores() {
    let project = project();
    let nodes = PIPELINE
        .lines()
        .filter(|line| {
            !["  one:", "  two:", "  net:", "  hard:"]
                .iter()
                .any(|n| line.starts_with(n))
        })
        .collect::<Vec<_>>()
        .join("\n");
    let published = "nodes:\n  hard: { kind: load.scores, input: rows, path: difficulty.json, column: difficulty }";
    project
        .file("p.yaml", nodes.replace("nodes:", published))
        // As the published program writes it.
        .file(
            "difficulty.json",
            r#"{"0": -0.25, "1": 1.5, "2": -3e-05, "3": 0.125}"#,
        );
    project.passes(&[]);
    assert_eq!(column(&project.table("some"), "unique_idx"), [1, 3]);
}
