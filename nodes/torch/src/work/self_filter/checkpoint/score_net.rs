//! `score_net.json`: which feature each weight of `score_net.weight` belongs to. In the published program the two stages took the
//! scores in different orders, so that weights met the wrong features; here a saved net knows them by name.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::train::{FeatureTable, ScoreNetRow};
use crate::work::{WorkError, in_model};

pub(super) const FILE: &str = "score_net.json";

#[derive(Serialize, Deserialize)]
struct Description {
    /// In the order of the weights.
    features: Vec<Described>,
}

#[derive(Serialize, Deserialize)]
struct Described {
    feature: String,
    /// How many weights it has.
    components: usize,
    /// The range that a number was scaled from to [-1, 1]; null for vectors.
    min: Option<f64>,
    max: Option<f64>,
}

/// The file's text.
pub(super) fn described(rows: &[ScoreNetRow]) -> String {
    let features = rows
        .chunk_by(|a, b| a.feature == b.feature && a.component < b.component)
        .map(|rows| Described {
            feature: rows[0].feature.clone(),
            components: rows.len(),
            min: rows[0].min,
            max: rows[0].max,
        });
    let features = features.collect();
    let text = serde_json::to_string_pretty(&Description { features });
    text.expect("names and numbers") + "\n"
}

/// The weights of a saved score net in the order of `features`, where the folder says what they belong to; else as they stand.
pub(in crate::work::self_filter) fn in_order_of(
    features: &FeatureTable,
    weights: Option<Vec<f32>>,
    folder: &Path,
) -> Result<Option<Vec<f32>>, WorkError> {
    let Some(weights) = weights else {
        return Ok(None);
    };
    let path = folder.join(FILE);
    let text = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(weights)),
        other => other.map_err(|source| WorkError::Read {
            path: path.clone(),
            source,
        })?,
    };
    let saved: Description = serde_json::from_slice(&text).map_err(in_model(folder))?;
    let mut place = HashMap::new();
    for described in &saved.features {
        for component in 0..described.components {
            place.insert((described.feature.as_str(), component as u32), place.len());
        }
    }
    let wanted: Vec<_> = features
        .components()
        .map(|(name, at, _)| (name, at))
        .collect();
    let ordered: Option<Vec<f32>> = wanted
        .iter()
        .map(|component| weights.get(*place.get(component)?).copied())
        .collect();
    ordered
        .filter(|ordered| ordered.len() == weights.len())
        .map(Some)
        .ok_or_else(|| WorkError::ScoreNetFeatures {
            path,
            saved: listed(
                saved
                    .features
                    .iter()
                    .map(|f| (f.feature.as_str(), f.components)),
            ),
            given: listed(
                wanted
                    .chunk_by(|a, b| a.0 == b.0)
                    .map(|c| (c[0].0, c.len())),
            ),
        })
}

fn listed<'a>(features: impl Iterator<Item = (&'a str, usize)>) -> String {
    let words = features.map(|(name, components)| format!("{name} ({components})"));
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{Feature, Values};

    fn table(names: &[(&str, usize)]) -> FeatureTable {
        let feature = |(name, width): &(&str, usize)| Feature {
            name: (*name).to_owned(),
            values: match width {
                1 => Values::Scalar(vec![1.0, 4.0]),
                _ => Values::Vector {
                    width: *width,
                    data: vec![0.5; 2 * width],
                },
            },
        };
        FeatureTable::new(names.iter().map(feature).collect(), &[0, 1]).unwrap()
    }

    fn rows(table: &FeatureTable) -> Vec<ScoreNetRow> {
        let row = |(number, (name, component, range)): (
            usize,
            (&str, u32, Option<crate::train::Range>),
        )| ScoreNetRow {
            feature: name.to_owned(),
            component,
            weight: number as f32,
            min: range.map(|r| r.min),
            max: range.map(|r| r.max),
        };
        table.components().enumerate().map(row).collect()
    }

    #[test]
    fn weights_find_their_features_again() {
        let folder = tempfile::tempdir().unwrap();
        let order = |names: &[(&str, usize)]| {
            in_order_of(&table(names), Some(vec![0.0, 1.0, 2.0]), folder.path())
        };
        let turned = [("v", 2), ("s", 1)];
        assert_eq!(
            order(&turned).unwrap().unwrap(),
            [0.0, 1.0, 2.0],
            "nothing is known of them"
        );
        let text = described(&rows(&table(&[("s", 1), ("v", 2)])));
        assert!(
            text.contains(r#""min": 1.0"#) && text.contains(r#""max": null"#),
            "{text}"
        );
        fs::write(folder.path().join(FILE), text).unwrap();
        assert_eq!(order(&turned).unwrap().unwrap(), [1.0, 2.0, 0.0]);
        for other in [
            &[("s", 1), ("w", 2)][..],
            &[("s", 1)],
            &[("s", 1), ("v", 3)],
        ] {
            let error = order(other).unwrap_err().words();
            assert!(error.contains("s (1), v (2)"), "{error}");
        }
    }
}
