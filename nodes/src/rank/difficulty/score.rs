//! Difficulty of samples from a trained score net (Self-Filter, arXiv 2402.12501, stage 2), and their rank.
//!
//! Difficulty is minus the net's output: easy samples have large weights in training. The net is one linear layer
//! without bias, and it knows its features by name, so what is added up here is one term per feature.

/// A feature of a chunk of rows, with the net's weights for it.
#[derive(Clone, Copy, Debug)]
pub enum Feature<'a> {
    /// One number per row, scaled to [-1, 1] by the range that training saw.
    Scalar {
        name: &'a str,
        values: &'a [f64],
        weight: f32,
        min: f64,
        max: f64,
    },
    /// One vector per row (row-major, one value per weight), used as it is.
    Vector {
        name: &'a str,
        values: &'a [f32],
        weights: &'a [f32],
    },
}

/// Why rows get no difficulty. Rows count from the start of the chunk.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum ScoreError {
    #[error("the feature {feature} has {found} values where {rows} rows need {needed}")]
    Length {
        feature: String,
        found: usize,
        rows: usize,
        needed: usize,
    },
    #[error("the score net's {what} for the feature {feature} is no finite number")]
    Net { feature: String, what: &'static str },
    #[error("the feature {feature} is no finite number in row {row}")]
    NotFinite { feature: String, row: usize },
}

/// Minus the net's output for each row: products and sums in f64, over features and weights in f32.
pub fn difficulty(rows: usize, features: &[Feature<'_>]) -> Result<Vec<f64>, ScoreError> {
    let mut difficulty = vec![0.0; rows];
    for feature in features {
        feature.check(rows)?;
        for (row, difficulty) in difficulty.iter_mut().enumerate() {
            let term = feature.term(row);
            if !term.is_finite() {
                let feature = feature.name().to_string();
                return Err(ScoreError::NotFinite { feature, row });
            }
            *difficulty -= term;
        }
    }
    Ok(difficulty)
}

/// Place of each row when the most difficult comes first: 0 for the most difficult, equal ones by row.
pub fn rank(difficulty: &[f64]) -> Vec<u32> {
    let mut order: Vec<usize> = (0..difficulty.len()).collect();
    // Adding 0.0 makes -0.0 the same as 0.0. The sort is stable, so equal ones stay in the order of rows.
    order.sort_by(|a, b| (difficulty[*b] + 0.0).total_cmp(&(difficulty[*a] + 0.0)));
    let mut rank = vec![0; difficulty.len()];
    for (place, row) in order.into_iter().enumerate() {
        rank[row] = place as u32;
    }
    rank
}

/// A scalar on the scale of training: [-1, 1] over the data that the net was trained on. A feature that was constant
/// there says nothing and becomes 0.
pub fn scaled(value: f64, min: f64, max: f64) -> f64 {
    if max > min {
        (value - min) / (max - min) * 2.0 - 1.0
    } else {
        // A value that is no number must not vanish in the zero.
        value * 0.0
    }
}

impl Feature<'_> {
    fn name(&self) -> &str {
        match self {
            Feature::Scalar { name, .. } | Feature::Vector { name, .. } => name,
        }
    }

    /// Its part of the net's output for one row.
    fn term(&self, row: usize) -> f64 {
        match self {
            Feature::Scalar {
                values,
                weight,
                min,
                max,
                ..
            } => f64::from(scaled(values[row], *min, *max) as f32) * f64::from(*weight),
            Feature::Vector {
                values, weights, ..
            } => values[row * weights.len()..]
                .iter()
                .zip(*weights)
                .map(|(value, weight)| f64::from(*value) * f64::from(*weight))
                .sum(),
        }
    }

    fn check(&self, rows: usize) -> Result<(), ScoreError> {
        let feature = || self.name().to_string();
        let (found, needed) = match self {
            Feature::Scalar {
                values,
                weight,
                min,
                max,
                ..
            } => {
                if !weight.is_finite() {
                    return Err(ScoreError::Net {
                        feature: feature(),
                        what: "weight",
                    });
                }
                if !min.is_finite() || !max.is_finite() {
                    return Err(ScoreError::Net {
                        feature: feature(),
                        what: "range",
                    });
                }
                (values.len(), rows)
            }
            Feature::Vector {
                values, weights, ..
            } => {
                if !weights.iter().all(|weight| weight.is_finite()) {
                    return Err(ScoreError::Net {
                        feature: feature(),
                        what: "weight",
                    });
                }
                (values.len(), rows * weights.len())
            }
        };
        if found == needed {
            Ok(())
        } else {
            Err(ScoreError::Length {
                feature: feature(),
                found,
                rows,
                needed,
            })
        }
    }
}

#[cfg(test)]
#[expect(clippy::print_stderr, reason = "says which tests are skipped")]
mod tests {
    use std::path::PathBuf;

    use serde_json::Value;
    use trommel_checkpoint::Checkpoint;

    use super::*;

    #[test]
    fn adds_scaled_scalars_and_plain_vectors() {
        let features = [
            Feature::Scalar {
                name: "clip",
                values: &[0.0, 5.0, 10.0],
                weight: 2.0,
                min: 0.0,
                max: 10.0,
            },
            Feature::Scalar {
                name: "same",
                values: &[3.0; 3],
                weight: 9.0,
                min: 3.0,
                max: 3.0,
            },
            Feature::Vector {
                name: "both",
                values: &[1.0, 2.0, 0.0, 1.0, 0.0, 0.0],
                weights: &[0.5, 0.25],
            },
        ];
        assert_eq!(difficulty(3, &features), Ok(vec![1.0, -0.25, -2.0]));
    }

    #[test]
    fn the_hardest_has_rank_0_and_ties_go_by_row() {
        assert_eq!(rank(&[0.5, 2.0, -1.0, 2.0, -0.0, 0.0]), [2, 0, 5, 1, 3, 4]);
    }

    #[test]
    fn what_is_no_number_is_named() {
        let scalar = |values, weight, max| Feature::Scalar {
            name: "f",
            values,
            weight,
            min: 0.0,
            max,
        };
        let feature = "f".to_string();
        let error = difficulty(2, &[scalar(&[0.0, f64::NAN], 1.0, 0.0)]);
        assert_eq!(
            error,
            Err(ScoreError::NotFinite {
                feature: feature.clone(),
                row: 1
            })
        );
        let error = difficulty(1, &[scalar(&[0.0], f32::NAN, 1.0)]);
        assert_eq!(
            error,
            Err(ScoreError::Net {
                feature: feature.clone(),
                what: "weight"
            })
        );
        let error = difficulty(1, &[scalar(&[0.0], 1.0, f64::INFINITY)]);
        assert_eq!(
            error,
            Err(ScoreError::Net {
                feature: feature.clone(),
                what: "range"
            })
        );
        let error = difficulty(2, &[scalar(&[0.0], 1.0, 1.0)]);
        assert_eq!(
            error,
            Err(ScoreError::Length {
                feature,
                found: 1,
                rows: 2,
                needed: 2
            })
        );
    }

    fn map(path: PathBuf) -> Vec<f64> {
        let map: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let map = map.as_object().unwrap();
        (0..map.len())
            .map(|i| map[&i.to_string()].as_f64().unwrap())
            .collect()
    }

    #[test]
    fn difficulties_of_the_published_program() {
        let Some(folder) = std::env::var_os("TROMMEL_ORACLE").map(PathBuf::from) else {
            eprintln!("skipped: TROMMEL_ORACLE is not set");
            return;
        };
        let net = |name: &str| {
            let file = folder.join(format!(
                "golden/5_stage1/{name}_lr2e-3_final_state.safetensors"
            ));
            Checkpoint::open(&file)
                .unwrap()
                .require("score_net.weight")
                .unwrap()
                .to_f32()
                .unwrap()
        };
        let near = |ours: &[f64], file: &str| {
            let golden = map(folder.join("golden/6_stage2").join(file));
            assert_eq!(ours.len(), golden.len());
            let difference = ours
                .iter()
                .zip(&golden)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f64::max);
            eprintln!("{file}: largest difference {difference:e}");
            assert!(difference < 1e-5);
        };
        let clip =
            Checkpoint::open(&folder.join("golden/2_clip/clip_features.safetensors")).unwrap();
        let clip = clip.require("features").unwrap().to_f32().unwrap();
        let weights = net("clip");
        let feature = Feature::Vector {
            name: "clip",
            values: &clip,
            weights: &weights,
        };
        near(
            &difficulty(76, &[feature]).unwrap(),
            "difficulty_clip_fp32.json",
        );

        let files = [
            "llava_clipscore.json",
            "llava_imagereward.json",
            "gpt-3.5-turbo-1106/processed_score.json",
        ];
        let scores = files.map(|file| map(folder.join("data/scores").join(file)));
        let weights = net("scores");
        let features: Vec<Feature<'_>> = scores
            .iter()
            .zip(&weights)
            .map(|(values, weight)| Feature::Scalar {
                name: "score",
                values,
                weight: *weight,
                min: values.iter().copied().fold(f64::INFINITY, f64::min),
                max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            })
            .collect();
        near(
            &difficulty(76, &features).unwrap(),
            "difficulty_scores_fp32_order_consistent.json",
        );
    }
}
