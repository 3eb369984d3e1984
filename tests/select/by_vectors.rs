//! Selections that look at vectors.

use serde_json::{Value, json};

use super::project;
use crate::support::{Project, npy};

const VECTORS: &str = "  v: { kind: load.vectors, input: rows, path: v.npy, column: v }\n";

/// Rows with scores 1, 2, .. and vectors in directions given in degrees, of different lengths.
fn directions(degrees: &[f32], nodes: &str) -> Project {
    let rows: Vec<Value> = (0..degrees.len())
        .map(|row| json!({"s": row as f64}))
        .collect();
    let project = project(&rows, &format!("{VECTORS}{nodes}"));
    let vectors: Vec<Vec<f32>> = degrees
        .iter()
        .zip(1_u8..)
        .map(|(degrees, length)| {
            let (sin, cos) = degrees.to_radians().sin_cos();
            vec![f32::from(length) * cos, f32::from(length) * sin]
        })
        .collect();
    project.file("v.npy", npy(&vectors));
    project
}

fn close(found: &[Value], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        let found = found.as_f64().expect("a number");
        assert!((found - expected).abs() < 1e-6, "{found} and {expected}");
    }
}

#[test]
fn the_largest_scores_that_are_not_alike() {
    let project = directions(
        &[0.0, 90.0, 91.0, 45.0, 89.0],
        "  four: { kind: select.deita, input: rows, score: rows.s, vectors: v.v, count: 4, similarity: 0.99 }
  two: { kind: select.deita, input: rows, score: rows.s, vectors: v.v, count: 2 }
",
    );
    project.made(
        "four",
        &["`count` is 4, and only 3 rows are different enough"],
    );
    assert_eq!(project.picked("four"), [4, 3, 0]);
    assert_eq!(project.given("four", "score"), [4.0, 3.0, 0.0]);
    project.made("two", &["0 of 2 rows looked at"]);
    assert_eq!(project.picked("two"), [4, 3]);
}

#[test]
fn the_farthest_rows_cover_all() {
    let node = |more: &str| {
        format!(
            "  some: {{ kind: select.kcenter, input: rows, vectors: v.v, count: 3{more} }}\n  random: {{ kind: select.random, input: rows, count: 1 }}\n"
        )
    };
    let degrees = [0.0, 10.0, 170.0, 100.0];
    let project = directions(&degrees, &node(""));
    project.made("random", &[]);
    project.made("some", &[]);
    let picked = project.picked("some");
    assert_eq!(picked[0], project.picked("random")[0]);
    // The rule by hand, on the chord between directions.
    let chord = |a: u64, b: u64| {
        let angle = f64::from((degrees[a as usize] - degrees[b as usize]).abs()).to_radians();
        (2.0 - 2.0 * angle.cos()).sqrt()
    };
    let mut expected = vec![picked[0]];
    let mut radii = Vec::new();
    for _ in 0..3 {
        let nearest = |row: u64| expected.iter().map(|&p| chord(p, row)).fold(9.0, f64::min);
        let farthest = (0..4).max_by(|&a, &b| nearest(a).total_cmp(&nearest(b)));
        let farthest = farthest.expect("a row");
        radii.push(nearest(farthest));
        expected.push(farthest);
    }
    assert_eq!(picked, expected[..3]);
    close(&project.given("some", "radius"), &radii);
    // As they are, the vectors are 1, 2, 3 and 4 long, and the two longest are far apart.
    project.nodes(&format!("{VECTORS}{}", node(", distance: euclidean")));
    project.made("some", &[]);
    let picked = project.picked("some");
    assert!(picked.contains(&2) && picked.contains(&3), "{picked:?}");
}

#[test]
fn picks_that_stand_for_all() {
    let project = directions(
        &[0.0, 60.0, 120.0],
        "  some: { kind: select.facility, input: rows, vectors: v.v, count: 9 }\n",
    );
    project.made("some", &["only 3 rows can be picked"]);
    // The middle one: 1 and a half for each neighbour. Then either side, and the cosine of 120 degrees counts as 0.
    assert_eq!(project.picked("some"), [1, 0, 2]);
    close(&project.given("some", "gain"), &[2.0, 0.5, 0.5]);
}

#[test]
fn the_lock_file_tells_what_a_pick_gained() {
    let project = directions(
        &[0.0, 60.0, 120.0],
        "  some: { kind: select.facility, input: rows, vectors: v.v, count: 2 }
outputs:
  - { from: some, path: some.jsonl, format: jsonl }
",
    );
    project.run(&["run", "p.yaml"]).succeeded();
    let lock = std::fs::read_to_string(project.path("some.jsonl.lock.json")).expect("read");
    let lock: Value = serde_json::from_str(&lock).expect("JSON");
    let picks = lock["picks"].as_array().expect("picks").iter();
    close(
        &picks.map(|pick| pick["gain"].clone()).collect::<Vec<_>>(),
        &[2.0, 0.5],
    );
    project
        .run(&["select", "verify", "some.jsonl.lock.json"])
        .succeeded();
}

#[test]
fn clusters_give_their_share() {
    let node = |more: &str| {
        format!(
            "  some: {{ kind: select.cluster, input: rows, vectors: v.v, clusters: 2{more} }}\n"
        )
    };
    // 1, 3 and 5 lie together, and so do the others.
    let degrees = [90.0, 0.0, 91.0, 1.0, 92.0, 2.0, 93.0, 94.0, 95.0];
    let project = directions(
        &degrees,
        &node(", count: 3, allot: proportional, score: rows.s"),
    );
    project.made(
        "some",
        &["2 clusters of 3 to 6 rows; no row changes its cluster any more after"],
    );
    assert_eq!(project.picked("some"), [8, 7, 5]);
    assert_eq!(project.given("some", "score"), [8.0, 7.0, 5.0]);
    let clusters = project.given("some", "cluster");
    assert_eq!(clusters[0], clusters[1]);
    assert_ne!(clusters[0], clusters[2]);
    // The directions of the centres are 92.5 and 1 degrees.
    let cosine = |degrees: f64| degrees.to_radians().cos();
    let expected = [cosine(2.5), cosine(1.5), cosine(1.0)];
    close(&project.given("some", "cosine"), &expected);
    project.nodes(&format!("{VECTORS}{}", node(", count: 4, allot: equal")));
    project.made("some", &[]);
    let low = |row: &u64| [1, 3, 5].contains(row);
    assert_eq!(
        project.picked("some").iter().filter(|row| low(row)).count(),
        2
    );
    assert_eq!(project.given("some", "score"), vec![Value::Null; 4]);
    project.nodes(&format!(
        "{VECTORS}{}",
        node(", count: 9").replace("clusters: 2", "clusters: 10")
    ));
    project.made("some", &["only 9 different vectors"]);
}

#[test]
fn counts_and_likenesses_that_make_no_sense_are_refused() {
    let project = directions(&[0.0, 60.0], "");
    for (kind, more, words) in [
        ("kcenter", "count: 0", "`count` is 0"),
        ("facility", "count: 0", "`count` is 0"),
        ("deita", "score: rows.s, count: 0", "`count` is 0"),
        (
            "deita",
            "score: rows.s, count: 1, similarity: 2",
            "`similarity` is 2",
        ),
        ("kcenter", "count: 1, distance: far", "far"),
        ("cluster", "count: 0, clusters: 2", "`count` is 0"),
        ("cluster", "count: 1, clusters: 0", "`clusters` is 0"),
    ] {
        project.nodes(&format!(
            "{VECTORS}  some: {{ kind: select.{kind}, input: rows, vectors: v.v, {more} }}\n"
        ));
        project.refuses(&[words]);
    }
    project.nodes("  some: { kind: select.kcenter, input: rows, vectors: rows.s, count: 1 }\n");
    project.breaks(&["rows.s", "vectors"]);
}

#[test]
fn a_score_without_a_vector_is_named_and_a_row_without_one_is_left_out() {
    let rows = [
        json!({"s": 2.0, "v": [1.0, 0.0]}),
        json!({"s": 1.0, "v": null}),
        json!({"s": 3.0, "v": [0.0, 1.0]}),
    ];
    let node = |kind: &str, more: &str| {
        format!("  some: {{ kind: select.{kind}, input: rows, vectors: rows.v, count: 2{more} }}\n")
    };
    let project = project(&rows, &node("deita", ", score: rows.s"));
    project.breaks(&["1 rows have no vector in rows.v: rows 1"]);
    for (kind, more) in [
        ("kcenter", ""),
        ("facility", ""),
        ("cluster", ", clusters: 2"),
    ] {
        project.nodes(&node(kind, more));
        project.made(
            "some",
            &["1 of 3 rows have no vector and are not picked from"],
        );
        let mut picked = project.picked("some");
        picked.sort_unstable();
        assert_eq!(picked, [0, 2]);
    }
}

#[test]
fn vectors_that_are_none_are_named() {
    let node = "  some: { kind: select.facility, input: rows, vectors: rows.v, count: 1 }\n";
    for (second, words) in [
        (
            json!([1.0, 2.0, 3.0]),
            "vectors of 2 values were expected, and row 1 of these has 3",
        ),
        (
            json!([1e20, 0.0]),
            "1 rows have a vector that is not finite or longer than 1e15 in rows.v: rows 1",
        ),
    ] {
        let rows = [json!({"v": [1.0, 0.0]}), json!({"v": second})];
        let project = project(&rows, node);
        project.breaks(&[words]);
    }
}
