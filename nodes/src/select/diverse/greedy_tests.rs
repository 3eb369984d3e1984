//! The greedy rule against a word-for-word version of itself, and against the published program's selections.

#![expect(
    clippy::print_stderr,
    reason = "says which tests are skipped, and how long the large ones took"
)]

use std::path::PathBuf;

use proptest::prelude::*;
use trommel_checkpoint::{Checkpoint, Dtype};

use super::super::dot::tests::dot;
use super::*;

/// The rule as its text says it: look at everything, every time.
fn by_the_letter(
    difficulty: &[f64],
    vectors: &[&[f32]],
    count: usize,
    k: usize,
    gamma: f64,
) -> Selection {
    let norms: Vec<f32> = vectors.iter().map(|v| norm(v)).collect();
    let mut current = difficulty.to_vec();
    let mut left: Vec<usize> = (0..difficulty.len()).collect();
    let (mut picks, mut lowered) = (Vec::new(), Vec::new());
    while picks.len() < count && !left.is_empty() {
        let largest = left
            .iter()
            .map(|i| current[*i])
            .fold(f64::NEG_INFINITY, f64::max);
        let place = left.iter().position(|i| current[*i] >= largest).unwrap();
        let u = left.remove(place);
        picks.push(Pick {
            index: u,
            difficulty: difficulty[u],
            penalised: largest,
        });
        let similarity = |v: &usize| dot(vectors[*v], vectors[u]) / norms[*v] / norms[u];
        let mut near: Vec<(f32, usize)> = left.iter().map(|v| (similarity(v), *v)).collect();
        near.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap().then(a.1.cmp(&b.1)));
        // The last pick has nobody left to make way for.
        if picks.len() == count {
            break;
        }
        for (similarity, v) in near.into_iter().take(k) {
            let exact = f64::from(similarity);
            current[v] -= largest * (exact * exact) * gamma;
            lowered.push(Lowered {
                pick: picks.len() - 1,
                index: v,
                similarity,
                difficulty: current[v],
            });
        }
    }
    Selection { picks, lowered }
}

fn run(
    difficulty: &[f64],
    vectors: &[f32],
    dim: usize,
    count: usize,
    k: usize,
    gamma: f64,
) -> Selection {
    let rows = Rows::new(dim, vectors.chunks(7 * dim)).unwrap();
    greedy(difficulty, &rows, count, k, gamma, None).unwrap()
}

/// Small whole numbers, so that difficulties and vectors repeat; never a vector of zeros.
fn problem() -> impl Strategy<Value = (Vec<f64>, Vec<f32>, usize)> {
    (1_usize..5, 1_usize..160, 1_i16..4).prop_flat_map(|(dim, rows, span)| {
        let difficulty = prop::collection::vec(-span..=span, rows);
        let vectors = prop::collection::vec(-span..=span, rows * dim);
        (difficulty, vectors).prop_map(move |(difficulty, mut vectors)| {
            for row in vectors.chunks_mut(dim) {
                if row.iter().all(|v| *v == 0) {
                    row[0] = 1;
                }
            }
            let difficulty = difficulty.into_iter().map(|d| f64::from(d) / 4.0).collect();
            (
                difficulty,
                vectors.into_iter().map(f32::from).collect(),
                dim,
            )
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn equals_the_rule_by_the_letter(
        (difficulty, vectors, dim) in problem(),
        count in 0_usize..200, k in 0_usize..80, gamma in prop::sample::select(vec![1.0, 0.5, 0.0, -1.0, 3.0]),
    ) {
        let rows: Vec<&[f32]> = vectors.chunks(dim).collect();
        let expected = by_the_letter(&difficulty, &rows, count, k, gamma);
        prop_assert_eq!(run(&difficulty, &vectors, dim, count, k, gamma), expected);
    }
}

/// Enough rows for many batches, lists that run empty and blocks for several threads.
fn clustered() -> (Vec<f64>, Vec<f32>) {
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let centres: Vec<f32> = (0..5 * 8).map(|_| next()).collect();
    let vectors = (0..3000 * 8)
        .map(|i| centres[i / 8 % 5 * 8 + i % 8] + 0.1 * next())
        .collect();
    let difficulty = (0..3000).map(|_| f64::from(next())).collect();
    (difficulty, vectors)
}

#[test]
fn equals_the_rule_in_dense_clusters_whatever_the_number_of_threads() {
    let (difficulty, vectors) = clustered();
    let rows: Vec<&[f32]> = vectors.chunks(8).collect();
    let expected = by_the_letter(&difficulty, &rows, 700, 10, 1.0);
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        assert_eq!(
            pool.install(|| run(&difficulty, &vectors, 8, 700, 10, 1.0)),
            expected
        );
    }
}

#[test]
fn bad_rows_are_named() {
    let error = |difficulty: &[f64], vectors: &[f32], gamma| {
        let rows = Rows::new(2, [vectors]).unwrap();
        greedy(difficulty, &rows, 1, 10, gamma, None).unwrap_err()
    };
    let fine = [1.0, 0.0, 0.0, 1.0];
    let (count, rows) = (1, "1".to_string());
    assert_eq!(
        error(&[0.0], &fine, 1.0),
        GreedyError::Lengths {
            difficulties: 1,
            vectors: 2
        }
    );
    let expected = GreedyError::Difficulty {
        count,
        rows: rows.clone(),
    };
    assert_eq!(error(&[0.0, f64::NAN], &fine, 1.0), expected);
    let expected = GreedyError::Vector {
        count,
        rows: rows.clone(),
    };
    assert_eq!(
        error(&[0.0, 0.0], &[1.0, 0.0, f32::INFINITY, 1.0], 1.0),
        expected
    );
    assert_eq!(
        error(&[0.0, 0.0], &[1.0, 0.0, 1.0, f32::NAN], 1.0),
        expected
    );
    let expected = GreedyError::ZeroVector { count, rows };
    assert_eq!(error(&[0.0, 0.0], &[1.0, 0.0, 0.0, 0.0], 1.0), expected);
    assert!(matches!(
        error(&[0.0, 0.0], &fine, f64::NAN),
        GreedyError::Gamma { .. }
    ));
    let large = [1.0, 0.0, 1.0, 1.0];
    let overflow = Rows::new(2, [&large[..]]).unwrap();
    let overflow = greedy(&[1e300, 1e299], &overflow, 2, 10, 1e300, None).unwrap_err();
    assert!(
        matches!(
            overflow,
            GreedyError::Overflow {
                row: 1,
                picks: 1,
                ..
            }
        ),
        "{overflow}"
    );
}

/// The folder of golden data, if this machine has it.
fn oracle() -> Option<PathBuf> {
    let folder = std::env::var_os("TROMMEL_ORACLE").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: TROMMEL_ORACLE is not set");
    }
    folder
}

fn json(path: PathBuf) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Difficulties, vectors and the vectors' length. Small whole numbers are stored as I8.
fn case_input(input: &Checkpoint) -> (Vec<f64>, Vec<f32>, usize) {
    let features = input.require("features").unwrap();
    let vectors = match features.dtype {
        Dtype::I8 => features.data.iter().map(|v| f32::from(*v as i8)).collect(),
        _ => features.to_f32().unwrap(),
    };
    let difficulty = input.require("difficulty").unwrap().to_f32().unwrap();
    (
        difficulty.into_iter().map(f64::from).collect(),
        vectors,
        features.shape[1],
    )
}

#[test]
fn picks_what_the_published_program_picks() {
    let Some(folder) = oracle() else { return };
    let stage2 = folder.join("golden/6_stage2");
    for case in ["ties", "negative", "duplicates", "synth5k", "synth20k"] {
        let golden = json(stage2.join(format!("{case}_golden.json")));
        let input = Checkpoint::open(&stage2.join(format!("{case}_input.safetensors"))).unwrap();
        let (difficulty, vectors, dim) = case_input(&input);
        let rows = Rows::new(dim, [&vectors[..]]).unwrap();
        let number = |name: &str| golden[name].as_u64().unwrap() as usize;
        let gamma = golden["gamma"].as_f64().unwrap();
        let start = std::time::Instant::now();
        let picks = greedy(
            &difficulty,
            &rows,
            number("filter_num"),
            number("k_nearest"),
            gamma,
            None,
        )
        .unwrap()
        .picks;
        eprintln!(
            "{case}: {} of {} in {:?}",
            picks.len(),
            rows.len(),
            start.elapsed()
        );
        let order: Vec<usize> = picks.iter().map(|p| p.index).collect();
        assert_eq!(serde_json::json!(order), golden["selected"], "{case}");
        for (pick, event) in picks
            .iter()
            .zip(golden["events"].as_array().into_iter().flatten())
        {
            let expected = event["difficulty"].as_f64().unwrap();
            assert!(
                (pick.penalised - expected).abs() < 1e-5,
                "{case}: {pick:?}, {expected}"
            );
        }
    }
}

#[test]
fn goes_on_where_the_published_program_stops() {
    let Some(folder) = oracle() else { return };
    let stage2 = folder.join("golden/6_stage2");
    let golden = json(stage2.join("exhausted_golden.json"));
    let input = Checkpoint::open(&stage2.join("exhausted_input.safetensors")).unwrap();
    let (difficulty, vectors, _) = case_input(&input);
    let picks = run(&difficulty, &vectors, 24, 28, 10, 1.0).picks;
    assert_eq!(picks.len(), 28);
    let order: Vec<usize> = picks.iter().map(|p| p.index).take(13).collect();
    assert_eq!(serde_json::json!(order), golden["picked_before_failure"]);
}

#[test]
fn small_selections_of_the_published_program() {
    let Some(folder) = oracle() else { return };
    let selection = json(folder.join("golden/6_stage2/selection_small.json"));
    let features =
        Checkpoint::open(&folder.join("golden/2_clip/clip_features.safetensors")).unwrap();
    let features = features.require("features").unwrap();
    let vectors = features.to_f32().unwrap();
    let mut cases = 0;
    for (case, golden) in selection["cases"].as_object().unwrap() {
        let difficulties = json(folder.join(format!("golden/6_stage2/difficulty_{case}.json")));
        let difficulties = difficulties.as_object().unwrap();
        let difficulty: Vec<f64> = (0..difficulties.len())
            .map(|i| difficulties[&i.to_string()].as_f64().unwrap())
            .collect();
        let selection = run(&difficulty, &vectors, features.shape[1], 20, 10, 1.0);
        let order: Vec<usize> = selection.picks.iter().map(|p| p.index).collect();
        assert_eq!(serde_json::json!(order), golden["selected"], "{case}");
        let events = golden["events"].as_array().unwrap();
        let recorded = events.iter().enumerate().flat_map(|(pick, event)| {
            let neighbours = event["neighbours"].as_array().unwrap().iter();
            neighbours.map(move |n| {
                (
                    pick,
                    n[0].as_u64().unwrap() as usize,
                    n[1].as_f64().unwrap(),
                )
            })
        });
        for (lowered, (pick, index, difficulty)) in selection.lowered.iter().zip(recorded) {
            assert_eq!((lowered.pick, lowered.index), (pick, index), "{case}");
            assert!((lowered.difficulty - difficulty).abs() < 1e-6, "{case}");
        }
        assert_eq!(selection.lowered.len(), 19 * 10);
        cases += 1;
    }
    eprintln!("{cases} cases");
    assert!(cases > 3);
}
